//! Parts of a service that can be switched off one by one.
//!
//! A part that is off refuses what it is asked for, and what it would have said is absent: another part may say it. But a
//! part that has answered once is on, and what it refuses afterwards is a failure; and where every part refuses, the
//! service does.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// What was seen of each part: a bit for its place in the description.
#[derive(Debug, Default)]
pub(super) struct Faces {
    answered: AtomicU32,
    refused: AtomicU32,
    /// The status of the last refusal.
    status: AtomicU16,
}

impl Faces {
    /// The part answered.
    pub(super) fn answer(&self, face: usize) {
        self.answered.fetch_or(bit(face), Ordering::Relaxed);
    }

    /// The part refused with this status. Says whether it may be off.
    pub(super) fn refuse(&self, face: usize, status: u16) -> bool {
        self.status.store(status, Ordering::Relaxed);
        self.refused.fetch_or(bit(face), Ordering::Relaxed);
        self.answered.load(Ordering::Relaxed) & bit(face) == 0
    }

    /// The status with which they refuse, where each of that many parts does and none ever answered.
    pub(super) fn all_refuse(&self, count: usize) -> Option<u16> {
        let all = (0..count).fold(0, |bits, face| bits | bit(face));
        let shut = self.answered.load(Ordering::Relaxed) == 0 && self.refused.load(Ordering::Relaxed) == all;
        (shut && count > 0).then(|| self.status.load(Ordering::Relaxed))
    }
}

/// Parts beyond the last bit share it.
fn bit(face: usize) -> u32 {
    1 << face.min(31)
}
