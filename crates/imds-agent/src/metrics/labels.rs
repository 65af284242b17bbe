//! Labels: small fixed sets, and the name of the cloud.

use imds::observer::RequestOutcome;
use prometheus_client::encoding::EncodeLabelSet;

/// A label set of one or two labels with fixed values.
macro_rules! label_sets {
    ($( $name:ident { $( $label:ident: $of:ty ),+ } )+) => { $(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $( pub(super) $label: $of ),+ }
    )+ };
}

label_sets! {
    OfCloud { cloud: String }
    OfRequest { cloud: String, outcome: &'static str }
    OfAnswer { route: &'static str, code: u16 }
    OfEvent { kind: &'static str, state: &'static str }
    OfHook { hook: &'static str, outcome: &'static str }
    OfKind { kind: &'static str }
    OfLimit { limit: &'static str }
    OfOutcome { outcome: &'static str }
}

/// Every way in which a request ends, as a label.
pub(super) const OUTCOMES: [&str; 9] = [
    "ok",
    "refused",
    "absent",
    "gone",
    "throttled",
    "server_error",
    "timed_out",
    "not_connected",
    "malformed",
];

/// How a request ended, as a label.
pub(super) fn outcome_name(outcome: RequestOutcome) -> &'static str {
    match outcome {
        RequestOutcome::Answered(200..=399) => "ok",
        RequestOutcome::Answered(401 | 403) => "refused",
        RequestOutcome::Answered(404) => "absent",
        RequestOutcome::Answered(410) => "gone",
        RequestOutcome::Answered(429) => "throttled",
        RequestOutcome::Answered(500..) => "server_error",
        RequestOutcome::TimedOut => "timed_out",
        RequestOutcome::NotConnected => "not_connected",
        // Another status, an answer that isn't one, and what a later version of the library tells apart.
        _ => "malformed",
    }
}
