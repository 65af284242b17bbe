//! The last good values on disk, so that a restart without a network doesn't know less than before.
//!
//! What is read back is never taken for fresh: every value says that it is from before, and is asked for again. The state
//! is bound to the machine and its boot:
//!
//! | the state is of | kept of it |
//! |---|---|
//! | this machine, this boot | everything |
//! | this machine, an earlier boot | the cloud, the instance's id, the account |
//! | another machine, or another endpoint | nothing |
//! | a machine whose firmware doesn't tell it from others, an earlier boot | nothing |
//!
//! A state that can't be read or written is never a reason to stop: it is logged, and that is all.
//!
//! | module | holds |
//! |---|---|
//! | `machine` | which machine and which boot this is |
//! | `file` | the file: what is in it, when it is believed |
//! | `follow` | the task that writes it when something changed |

#[cfg(unix)]
mod directory;
mod file;
mod follow;
mod machine;

#[cfg(unix)]
pub use directory::prepare;
pub(crate) use file::of_its_writer;
pub(crate) use file::read_regular;
pub use file::{KEPT_OVER_BOOTS, Refused, Restored, load, save};
pub use follow::follow;
pub use machine::{Binding, Machine};
