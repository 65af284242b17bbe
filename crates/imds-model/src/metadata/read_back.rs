//! A snapshot out of its JSON form, as another program printed it.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{Metadata, Reading, shaped};
use crate::{CloudName, Error, Field, Source};

impl Metadata {
    /// A snapshot out of its [JSON form](Metadata::document), read at `now`. Sources that weren't told are `otherwise`.
    ///
    /// Fields that aren't in it are absent, whether or not they were asked for there. A value beside an error is an old one:
    /// as old as the document says the oldest is. Members that this version doesn't know are passed over, so that an older
    /// program understands a newer one.
    ///
    /// # Errors
    /// [`InvalidDocument`] for text that is no such document: no object, no cloud, a value of another shape than its field's.
    ///
    /// ```
    /// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
    /// let mut metadata = Metadata::new(CloudName::AWS);
    /// metadata.set(Field::Cloud, Reading::known(Value::Text("aws".into()), Source::Mock));
    /// metadata.set(Field::Region, Reading::known(Value::Text("eu-west-1".into()), Source::Mock));
    /// let text = serde_json::to_vec(&metadata.document(true)).unwrap();
    /// let again = Metadata::from_document(&text, metadata.taken_at(), &Source::Mock).unwrap();
    /// assert_eq!(again.text(Field::Region), Some("eu-west-1"));
    /// ```
    pub fn from_document(text: &[u8], now: SystemTime, otherwise: &Source) -> Result<Self, InvalidDocument> {
        let object: Map<String, Json> =
            serde_json::from_slice(text).map_err(|error| InvalidDocument(error.to_string()))?;
        Self::from_object(&object, now, otherwise)
    }

    /// As [`from_document`](Metadata::from_document), of an object that was parsed already.
    ///
    /// # Errors
    /// As there.
    pub fn from_object(
        object: &Map<String, Json>,
        now: SystemTime,
        otherwise: &Source,
    ) -> Result<Self, InvalidDocument> {
        let cloud = object.get(Field::Cloud.name()).and_then(Json::as_str).unwrap_or_default();
        let cloud = CloudName::new(cloud).map_err(|error| InvalidDocument(error.to_string()))?;
        let mut metadata = Self::new(cloud);
        metadata.taken_at = now;
        metadata.stale = object.get("stale").and_then(Json::as_bool).unwrap_or(false);
        let age = Duration::from_secs(object.get("age_seconds").and_then(Json::as_u64).unwrap_or(0));
        let before = now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        for field in Field::ALL {
            let member = |of: &str| object.get(of).and_then(|members| members.get(field.name()));
            let trouble = match member("errors") {
                Some(error) => {
                    Some(Error::deserialize(error).map_err(|error| InvalidDocument(error.to_string()))?)
                }
                None => None,
            };
            let reading = match (object.get(field.name()), trouble) {
                (Some(value), trouble) => Reading::Known {
                    value: shaped(field.shape(), value.clone())
                        .ok_or_else(|| InvalidDocument(format!("{field} has a value of another shape")))?,
                    source: member("sources")
                        .and_then(|source| source.as_str()?.parse().ok())
                        .unwrap_or_else(|| otherwise.clone()),
                    read_at: if trouble.is_some() { before } else { now },
                    trouble,
                },
                (None, Some(error)) => Reading::Failed(error),
                (None, None) => Reading::absent(),
            };
            metadata.set(*field, reading);
        }
        Ok(metadata)
    }

    /// The same values, from another source: for a snapshot that was had at second hand.
    pub fn set_source(&mut self, of_all: &Source) {
        for reading in self.readings.iter_mut().flatten() {
            if let Reading::Known { source, .. } = reading {
                source.clone_from(of_all);
            }
        }
    }
}

/// Why text is no snapshot's JSON form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDocument(String);

impl fmt::Display for InvalidDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no metadata document: {}", self.0)
    }
}

impl std::error::Error for InvalidDocument {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Interface, Value};

    #[test]
    fn what_is_known_stale_failed_and_absent_comes_back() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let slow = Error::new(ErrorKind::TimedOut, "no answer").with_remedy("wait");
        let imds = Source::Imds { path: "/zone".into(), pointer: String::new() };
        let mut old = Metadata::new(CloudName::AWS);
        let at = |value, read_at| Reading::Known { value, source: imds.clone(), read_at, trouble: None };
        old.set(Field::Hostname, at(Value::Text("web".into()), now - Duration::from_secs(60)));
        let mut metadata = Metadata::new(CloudName::AWS);
        metadata.set(Field::Cloud, at(Value::Text("aws".into()), now));
        let interface = Interface { mac: Some("06:00".into()), ..Interface::default() };
        metadata.set(Field::Interfaces, at(Value::Interfaces(vec![interface]), now));
        metadata.set(Field::Hostname, Reading::Failed(slow.clone()));
        metadata.set(Field::Tags, Reading::Failed(slow.clone()));
        metadata.keep_last_good(&old);
        let text = serde_json::to_vec(&metadata.document(true).at(now)).unwrap();
        let again = Metadata::from_document(&text, now, &Source::Mock).unwrap();
        assert!(again.is_stale());
        assert_eq!(again.reading(Field::Interfaces), metadata.reading(Field::Interfaces));
        assert_eq!(again.reading(Field::Hostname), metadata.reading(Field::Hostname));
        assert_eq!(again.reading(Field::Tags), Some(&Reading::Failed(slow)));
        assert_eq!(again.reading(Field::Region), Some(&Reading::absent()));
        assert_eq!(serde_json::to_vec(&again.document(true).at(now)).unwrap(), text);
    }

    #[test]
    fn what_is_no_document_is_refused_and_what_is_new_is_passed_over() {
        let read = |text: &str| Metadata::from_document(text.as_bytes(), SystemTime::now(), &Source::Mock);
        for text in [
            "",
            "[]",
            "{}",
            r#"{"cloud":""}"#,
            r#"{"cloud":"none"}"#,
            r#"{"cloud":"aws","region":7}"#,
            r#"{"cloud":"aws","region":""}"#,
            r#"{"cloud":"aws","tags":[]}"#,
            r#"{"cloud":"aws","errors":{"region":3}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let newer = r#"{"cloud":"aws","schema":2,"moon":"full","age_seconds":99999999999999999,
            "errors":{"region":{"kind":"eclipse","message":"dark"}},"sources":{"cloud":"dream:x"}}"#;
        let newer = read(newer).unwrap();
        assert_eq!(newer.value(Field::Region).unwrap_err().kind(), ErrorKind::Malformed);
        assert!(matches!(newer.reading(Field::Cloud), Some(Reading::Known { source: Source::Mock, .. })));
    }
}
