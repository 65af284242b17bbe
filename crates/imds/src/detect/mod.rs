//! Detection: evidence from the machine, then, only where that decides nothing, from the network.
//!
//! [`firmware`] reads what the machine says of itself and weighs it against the signature table; [`cloud_init`] what was
//! found at boot; [`probe`] asks the
//! services that are left as candidates; [`judge`] turns evidence into a verdict. Why firmware *and* probes:
//! `ARCHITECTURE.md`.

pub(crate) mod cloud_init;
pub(crate) mod firmware;
pub(crate) mod judge;
pub(crate) mod pattern;
pub(crate) mod probe;
mod told;

use imds_model::{Evidence, EvidenceSource, Outcome, Strength};

pub(crate) use told::told;

/// Puts a piece of evidence down, and tells the log.
pub(crate) fn note(
    evidence: &mut Vec<Evidence>,
    source: EvidenceSource,
    detail: impl Into<String>,
    supports: Option<Outcome>,
    strength: Strength,
) {
    let detail = detail.into();
    tracing::trace!(%source, detail, supports = supports.as_ref().map(tracing::field::display), %strength, "evidence");
    evidence.push(Evidence { source, detail, supports, strength });
}
