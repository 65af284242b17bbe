//! The faults in force, and whom they strike.

use std::time::Duration;

use super::{Fault, FaultKind};
use crate::exchange::Asked;

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    id: u64,
    fault: Fault,
    struck: u64,
}

impl InForce {
    /// What [`crate::Fake::inject`] gave it, and [`crate::Fake::clear_fault`] takes.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The fault, with the number of times that is left.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// How many requests it struck so far.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.struck
    }
}

/// What a request suffers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) delay: Duration,
    /// The session tokens issued so far are dead by now.
    pub(crate) tokens_expire: bool,
    pub(crate) kind: Option<FaultKind>,
}

/// The faults in force, in the order in which they were injected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    all: Vec<InForce>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.all.push(InForce { id: self.last_id, fault, struck: 0 });
        self.last_id
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
    }

    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.all.len();
        self.all.retain(|fault| fault.id != id);
        self.all.len() < before
    }

    pub(crate) fn all(&self) -> Vec<InForce> {
        self.all.clone()
    }

    /// What this request suffers: every delay and expiry that matches, up to the first fault of another kind.
    pub(crate) fn strike(&mut self, asked: &Asked) -> Strike {
        let mut strike = Strike::default();
        for InForce { fault, struck, .. } in self.all.iter_mut().filter(|it| it.fault.affects(asked)) {
            fault.left = fault.left.map(|left| left - 1);
            *struck += 1;
            match &fault.kind {
                FaultKind::Delay(time) => strike.delay = strike.delay.saturating_add(*time),
                FaultKind::ExpiredToken => strike.tokens_expire = true,
                kind => {
                    strike.kind = Some(kind.clone());
                    break;
                }
            }
        }
        strike
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> FaultKind {
        FaultKind::Status { code, retry_after: None, body: None }
    }

    fn struck(seconds: u64, kind: Option<FaultKind>) -> Strike {
        Strike { delay: Duration::from_secs(seconds), tokens_expire: false, kind }
    }

    #[test]
    fn a_fault_wears_out_and_the_next_one_follows() {
        let mut faults = Faults::default();
        faults.push(Fault::new(FaultKind::Delay(Duration::from_secs(1))).times(1));
        let second = faults.push(Fault::new(status(503)).path("/a").times(1));
        faults.push(Fault::new(status(404)).method("put"));
        let get = Asked { method: "GET".into(), path: "/abc".into(), ..Asked::default() };
        assert_eq!(faults.strike(&get), struck(1, Some(status(503))));
        assert_eq!(faults.strike(&get), struck(0, None));
        let put = Asked { method: "PUT".into(), ..get };
        assert_eq!(faults.strike(&put), struck(0, Some(status(404))));
        let counts: Vec<u64> = faults.all().iter().map(InForce::struck).collect();
        assert_eq!(counts, [1, 1, 1]);
        assert!(faults.remove(second) && !faults.remove(second));
        assert_eq!(faults.all().len(), 2);
    }

    #[test]
    fn only_requests_with_a_token_find_it_expired() {
        let mut faults = Faults::default();
        faults.push(Fault::new(FaultKind::ExpiredToken).times(1));
        let bare = Asked { method: "GET".into(), path: "/".into(), ..Asked::default() };
        assert_eq!(faults.strike(&bare), Strike::default());
        let headers = vec![("x-aws-ec2-metadata-token".to_owned(), "x".to_owned())];
        let carrying = Asked { headers, ..bare };
        assert!(faults.strike(&carrying).tokens_expire);
        assert!(!faults.strike(&carrying).tokens_expire);
    }
}
