//! From fields wanted to values.
//!
//! fields wanted → [`plan`] (documents and stages; a pure function) → [`read`] (requests) → [`documents`] (what came) →
//! [`extract`] (values with their sources; pure again).

pub(crate) mod documents;
pub(crate) mod extract;
pub(crate) mod json;
pub(crate) mod plan;
pub(crate) mod read;

pub(crate) use documents::Documents;
pub(crate) use plan::Plan;
