//! The agent: one process that knows this machine's metadata, and tells everyone on the machine.
//!
//! Programs that each ask the metadata service hammer it, are throttled, and keep wrong answers for life; programs that
//! start before the network stay blind. The agent asks once for all of them, keeps what was good, and says honestly how
//! old it is.
//!
//! ```text
//!            ┌────────── worker, without privileges ──────────┐         ┌── executor ──┐
//!  service ──► keeper ──► store ──► api (socket, loopback TCP) │         │ files, owners│
//!            │            │  ├────► metrics                    ├─ plans ─► checks,     │
//!            │  events ───┘  └────► files, hooks ──────────────┘         │ reloads,hooks│
//!            └─────────────────────────────────────────────────┘         └──────────────┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`api`] | what callers may ask, and what they are answered: pure |
//! | [`server`] | unix sockets and loopback TCP, and how much anybody may take |
//! | [`metrics`] | numbers for Prometheus |
//! | [`config`] | the file `/etc/imds/agent.toml`: what the agent shall do, checked whole before anything starts |
//! | [`clock`] | time that survives a clock that is set |
//! | [`firmware`] | what only root may read, kept for afterwards |
//! | [`keeper`] | finds the cloud, reads its service, and reads again what grows old |
//! | [`state`] | the last good values on disk, bound to the machine and its boot |
//! | [`worker`] | what the parts are given, and how they live and end together |
//! | [`start`](mod@start) | from the settings to a process that has given up what it doesn't need: the order in which that is done |
//! | [`run`](mod@run) | the whole: signals, reload, systemd |
//! | [`systemd`] | what the service manager is told, and the sockets that it opened |
//! | [`events`] | what happens to this machine, as its cloud says it |
//! | [`hooks`] | what is done about that |
//! | [`files`] | files with metadata in them |
//! | [`executor`] | the second process, which alone has privileges |
//! | [`sandbox`] | what the worker gives up |
//! | [`store`] | what is known now, and how well: read by everybody, written by the keeper and the event sources |

pub mod api;
pub mod clock;
pub mod config;
pub mod events;
#[cfg(unix)]
pub mod executor;
#[cfg(unix)]
pub mod files;
pub mod firmware;
#[cfg(unix)]
pub mod hooks;
pub mod keeper;
pub mod metrics;
#[cfg(unix)]
pub mod run;
pub mod sandbox;
#[cfg(unix)]
pub mod server;
#[cfg(unix)]
pub mod start;
pub mod state;
pub mod store;
#[cfg(unix)]
pub mod systemd;
mod task;
pub mod worker;
