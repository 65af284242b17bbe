//! The vocabulary of `imds`: what a field is called, what a value looks like, what a verdict says, what can go wrong.
//!
//! Nothing here does I/O, so that every other crate (the library, the command, the fake, templates, the agent) can
//! speak the same words without pulling in a network stack.
//!
//! | module | holds |
//! |---|---|
//! | [`cloud`] | [`CloudName`]: a value, not a closed list, because users declare clouds of their own |
//! | [`field`] | [`Field`]: the table of fields with their class, refresh class and placeholder key |
//! | [`value`] | [`Value`]: text, tags, network interfaces, disks |
//! | [`source`] | [`Source`]: where a value was read |
//! | [`metadata`] | [`Metadata`]: one snapshot, every field known, absent or failed |
//! | [`selector`] | [`Selector`]: `instance_id`, `tags.Name`, `interfaces.0.mac` |
//! | [`verdict`] | [`Verdict`]: the answer of detection, with its evidence |
//! | [`error`](mod@error) | [`Error`] and [`ErrorKind`], and the one mapping to exit codes |

pub mod cloud;
pub mod error;
pub mod field;
pub mod metadata;
pub mod selector;
pub mod source;
pub mod value;
pub mod verdict;

pub use cloud::CloudName;
pub use error::{Error, ErrorKind};
pub use field::{Class, Field, RefreshClass, Shape};
pub use metadata::{Metadata, Reading};
pub use selector::Selector;
pub use source::Source;
pub use value::{Disk, Interface, Tags, Value};
pub use verdict::{Confidence, Evidence, EvidenceSource, Outcome, Strength, Verdict};
