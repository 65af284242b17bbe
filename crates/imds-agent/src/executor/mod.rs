//! The second process: it alone has the privileges that files, owners, reloads and hooks take.
//!
//! The worker talks to the network and to everybody on the machine, so it is the one that may be taken over; it has no
//! privileges. What needs some is done by the executor, which talks to nobody but the worker, and does only what the
//! configuration fixed: it reads that file itself. The worker can say "these are the values", "this happened, run hook 2"
//! and "read the configuration again", and nothing else. It can't name a program, a path or an owner; it doesn't even
//! write a line of a rendered file, because templates are resolved here, where a value can't become syntax.
//!
//! ```text
//!  worker                                     executor (the same program, started anew with a hidden argument)
//!   Link ──── frames: length + JSON ────► serve ──► files::write   templates, env file, values; checks, reloads
//!        ◄── over a socketpair, its stdin ──         hooks::run     commands, webhooks
//! ```
//!
//! The death of one is the end of the other: each sees its side of the socket close.
//!
//! | module | holds |
//! |---|---|
//! | [`plan`] | [`Plan`]: what the configuration lets the executor do |
//! | [`configured`] | the plan that a configuration makes |
//! | [`protocol`] | what can be said over the socket, and how much of it |
//! | [`command`] | running a program within a time |
//! | [`serve`](mod@serve) | the executor's side |
//! | [`link`] | the worker's side |
//! | [`process`] | starting the second process, and being it |
//! | [`part`] | what the worker has done by it: files, hooks |
//!
//! It is started only where the configuration has something for it: files to write, hooks to run. An agent that only answers
//! callers is one process. A worker in its sandbox can start no program, so that the first file or hook of a configuration
//! that had none counts from the next start on.

pub mod command;
pub mod configured;
pub mod link;
pub mod part;
pub mod plan;
pub mod process;
pub mod protocol;
pub mod serve;

pub use configured::hooks;
pub use link::{Link, LinkError};
pub use plan::{Fingerprint, Plan};
pub use process::{Executor, main, start};
pub use serve::serve;
