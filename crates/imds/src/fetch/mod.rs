//! From fields wanted to values.
//!
//! fields wanted → [`plan`] (documents and stages; a pure function) → [`read`] (requests) → [`documents`] (what came) →
//! [`extract`] (values with their sources; pure again), which leaves what isn't a single text to [`tags`],
//! [`interfaces`] and [`disks`].

pub(crate) mod disks;
pub(crate) mod documents;
pub(crate) mod extract;
mod interfaces;
pub(crate) mod json;
pub(crate) mod plan;
pub(crate) mod read;
mod records;
mod tags;

pub(crate) use documents::Documents;
pub(crate) use plan::Plan;
