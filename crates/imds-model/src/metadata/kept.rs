//! A snapshot in the form in which it is kept between two runs of a program.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Metadata, Reading};
use crate::field::Shape;
use crate::{CloudName, Field, Source, Value};

/// What is known in a snapshot, with sources and times: everything but what went wrong, which the next attempt to read
/// finds out anew. Holds no secret, because a snapshot holds none.
///
/// ```
/// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value, metadata::Kept};
/// let mut metadata = Metadata::new(CloudName::AWS);
/// metadata.set(Field::Region, Reading::known(Value::Text("eu-west-1".into()), Source::Mock));
/// let text = serde_json::to_string(&Kept::of(&metadata)).unwrap();
/// let kept: Kept = serde_json::from_str(&text).unwrap();
/// assert_eq!(kept.restore().unwrap(), metadata);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    cloud: CloudName,
    protocol: Option<String>,
    taken_at: SystemTime,
    fields: BTreeMap<Field, KeptReading>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum KeptReading {
    Known { value: serde_json::Value, source: String, read_at: SystemTime },
    Absent { remedy: Option<String> },
}

impl Kept {
    /// What is to be kept of a snapshot.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let mut fields = BTreeMap::new();
        fields.extend(metadata.readings().filter_map(|(field, reading)| {
            let kept = match reading {
                Reading::Known { value, source, read_at, .. } => KeptReading::Known {
                    // Text, maps and lists of text: nothing in a value lacks a JSON form.
                    value: serde_json::to_value(value).ok()?,
                    source: source.to_string(),
                    read_at: *read_at,
                },
                Reading::Absent { remedy } => KeptReading::Absent { remedy: remedy.clone() },
                Reading::Failed(_) => return None,
            };
            Some((field, kept))
        }));
        Self {
            cloud: metadata.cloud.clone(),
            protocol: metadata.protocol.clone(),
            taken_at: metadata.taken_at,
            fields,
        }
    }

    /// The snapshot.
    ///
    /// # Errors
    /// [`InvalidKept`] for a value that its field can't have, or a source that there isn't. The value of
    /// [`Field::Cloud`] can only be the cloud that the snapshot is of.
    pub fn restore(self) -> Result<Metadata, InvalidKept> {
        let mut metadata = Metadata::new(self.cloud);
        metadata.protocol = self.protocol;
        metadata.taken_at = self.taken_at;
        for (field, kept) in self.fields {
            let reading = match kept {
                KeptReading::Absent { remedy } => Reading::Absent { remedy },
                KeptReading::Known { value, source, read_at } => Reading::Known {
                    value: shaped(field.shape(), value).ok_or(InvalidKept(field))?,
                    source: source.parse::<Source>().map_err(|_| InvalidKept(field))?,
                    read_at,
                    trouble: None,
                },
            };
            metadata.set(field, reading);
        }
        match metadata.text(Field::Cloud) {
            Some(cloud) if cloud != metadata.cloud.as_str() => Err(InvalidKept(Field::Cloud)),
            _ => Ok(metadata),
        }
    }
}

/// A value of this shape, if it can be one.
pub(super) fn shaped(shape: Shape, value: serde_json::Value) -> Option<Value> {
    match shape {
        Shape::Text => {
            serde_json::from_value(value).ok().filter(|text: &String| !text.is_empty()).map(Value::Text)
        }
        Shape::Tags => serde_json::from_value(value).ok().map(Value::Tags),
        Shape::Interfaces => serde_json::from_value(value).ok().map(Value::Interfaces),
        Shape::Disks => serde_json::from_value(value).ok().map(Value::Disks),
    }
}

/// What was kept can't have been a snapshot: the field has another value or source than it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidKept(Field);

impl fmt::Display for InvalidKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has a value or a source that it can't have", self.0)
    }
}

impl std::error::Error for InvalidKept {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Disk, Error, ErrorKind, Interface};

    #[test]
    fn every_shape_of_value_comes_back_with_its_source_and_time() {
        let read_at = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let mut metadata = Metadata::new(CloudName::GCP);
        metadata.set_protocol(Some("v1".to_owned()));
        let known = |value, source| Reading::Known { value, source, read_at, trouble: None };
        let imds = Source::Imds { path: "/a".to_owned(), pointer: "/b".to_owned() };
        let tags = [("a:b".to_owned(), String::new())].into();
        let disk = Disk { id: Some("1".to_owned()), lun: Some(3), boot: Some(false), ..Disk::default() };
        metadata.set(Field::AccountId, known(Value::Text("012".to_owned()), imds));
        metadata.set(Field::Tags, known(Value::Tags(tags), Source::Mock));
        metadata.set(Field::Disks, known(Value::Disks(vec![disk]), Source::Mock));
        metadata.set(Field::Interfaces, known(Value::Interfaces(vec![Interface::default()]), Source::Mock));
        metadata.set(Field::Zone, Reading::Absent { remedy: Some("ask".to_owned()) });
        let text = serde_json::to_string(&Kept::of(&metadata)).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap().restore().unwrap(), metadata);
        metadata.set(Field::Region, Reading::Failed(Error::new(ErrorKind::Gone, "gone")));
        assert_eq!(serde_json::to_string(&Kept::of(&metadata)).unwrap(), text, "a failure isn't kept");
    }

    #[test]
    fn a_value_of_another_shape_is_refused() {
        for value in ["\"\"", "1", "[]", "{}", "null"] {
            let text = format!(
                r#"{{"cloud":"aws","protocol":null,"taken_at":{{"secs_since_epoch":1,"nanos_since_epoch":0}},
                "fields":{{"region":{{"known":{{"value":{value},"source":"mock",
                "read_at":{{"secs_since_epoch":1,"nanos_since_epoch":0}}}}}}}}}}"#
            );
            let kept: Kept = serde_json::from_str(&text).unwrap();
            assert_eq!(kept.restore(), Err(InvalidKept(Field::Region)), "{value}");
        }
    }

    /// Found by the fuzz target `agent_state`: an agent that believed it served a document that no client reads.
    #[test]
    fn a_snapshot_is_of_the_cloud_that_it_says() {
        for (value, is_one) in [("aws", true), ("gcp", false), ("as[ws", false)] {
            let text = format!(
                r#"{{"cloud":"aws","protocol":null,"taken_at":{{"secs_since_epoch":1,"nanos_since_epoch":0}},
                "fields":{{"cloud":{{"known":{{"value":"{value}","source":"mock",
                "read_at":{{"secs_since_epoch":1,"nanos_since_epoch":0}}}}}}}}}}"#
            );
            let kept: Kept = serde_json::from_str(&text).unwrap();
            let expected = if is_one { None } else { Some(InvalidKept(Field::Cloud)) };
            assert_eq!(kept.restore().err(), expected, "{value}");
        }
    }
}
