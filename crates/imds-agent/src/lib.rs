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
//! | [`config`] | the file `/etc/imds/agent.toml`: what the agent shall do, checked whole before anything starts |
//! | [`store`] | what is known now, and how well: read by everybody, written by the keeper and the event sources |

pub mod config;
pub mod store;
