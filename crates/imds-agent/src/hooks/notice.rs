//! What a hook is told.

use std::collections::BTreeMap;

use imds::{Field, Metadata};
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// What says which machine it is. A receiver gets notices from many.
const ABOUT: [Field; 7] = [
    Field::InstanceId,
    Field::InstanceName,
    Field::InstanceType,
    Field::Region,
    Field::Zone,
    Field::AccountId,
    Field::ScalingGroup,
];

/// An event, and the machine that it happens to.
///
/// In JSON the event's members stand at the top, and the machine's in `machine`:
/// `{"id": "…", "kind": "interruption", …, "machine": {"instance_id": "…", "region": "…"}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// The machine, by the names of fields; what isn't known is left out.
    pub machine: BTreeMap<String, String>,
}

impl Notice {
    /// The notice of an event on this machine.
    #[must_use]
    pub fn new(event: Event, metadata: Option<&Metadata>) -> Self {
        let known = |field: &Field| Some((field.name().to_owned(), metadata?.text(*field)?.to_owned()));
        let mut machine = BTreeMap::new();
        machine.extend(ABOUT.iter().filter_map(known));
        Self { event, machine }
    }
}

#[cfg(test)]
mod tests {
    use imds::model::{CloudName, Reading, Source, Value};

    use super::*;
    use crate::events::State;
    use crate::events::event::tests::event;

    #[test]
    fn the_event_is_at_the_top_and_the_machine_below_it() {
        let mut metadata = Metadata::new(CloudName::AWS);
        for field in [Field::InstanceId, Field::PrivateIpv4] {
            metadata.set(field, Reading::known(Value::Text("x".to_owned()), Source::Mock));
        }
        let notice = Notice::new(event("a", State::Scheduled), Some(&metadata));
        let json = serde_json::to_value(&notice).unwrap();
        assert_eq!(json["id"], "a");
        assert_eq!(json["machine"], serde_json::json!({ "instance_id": "x" }));
        assert_eq!(serde_json::from_value::<Notice>(json).unwrap(), notice);
        assert_eq!(Notice::new(event("a", State::Scheduled), None).machine.len(), 0);
    }
}
