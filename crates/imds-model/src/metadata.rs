//! One snapshot of what is known of a machine.

mod kept;
mod read_back;

use std::time::{Duration, SystemTime};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::{CloudName, Disk, Error, ErrorKind, Field, Interface, Selector, Source, Tags, Value};
use kept::shaped;
pub use kept::{InvalidKept, Kept};
pub use read_back::InvalidDocument;

/// The version of the JSON form.
pub const SCHEMA: u32 = 1;

/// What is known of one field.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reading {
    /// There is a value.
    Known {
        /// The value.
        value: Value,
        /// Where it was read.
        source: Source,
        /// When it was read.
        read_at: SystemTime,
        /// Why it may be old or incomplete: a later read failed, or a part of it did.
        trouble: Option<Error>,
    },
    /// The service has no such value.
    Absent {
        /// How it could be had, where that is known (AWS tags that aren't switched on).
        remedy: Option<String>,
    },
    /// It could not be read.
    Failed(Error),
}

impl Reading {
    /// A value, read now.
    #[must_use]
    pub fn known(value: Value, source: Source) -> Self {
        Self::Known { value, source, read_at: SystemTime::now(), trouble: None }
    }

    /// No value, and nothing to be done about it.
    #[must_use]
    pub const fn absent() -> Self {
        Self::Absent { remedy: None }
    }

    /// The value, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Absent { .. } | Self::Failed(_) => None,
        }
    }

    /// What went wrong while it was read, whether or not an older value stands in.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Known { trouble, .. } => trouble.as_ref(),
            Self::Absent { .. } => None,
            Self::Failed(error) => Some(error),
        }
    }
}

/// What is known of a machine: one consistent snapshot that never changes.
///
/// A field is known, absent or failed; a field that nobody asked for isn't there at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    cloud: CloudName,
    readings: Vec<Option<Reading>>,
    protocol: Option<String>,
    taken_at: SystemTime,
    stale: bool,
    warnings: Vec<String>,
    failure: Option<Error>,
}

impl Metadata {
    /// A snapshot in which nothing is known but the cloud.
    #[must_use]
    pub fn new(cloud: CloudName) -> Self {
        Self {
            cloud,
            readings: vec![None; Field::COUNT],
            protocol: None,
            taken_at: SystemTime::now(),
            stale: false,
            warnings: Vec::new(),
            failure: None,
        }
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &CloudName {
        &self.cloud
    }

    /// How the service was spoken to: `IMDSv2`, `IMDSv1`, `api-version 2025-04-07`; nothing where there is but one way.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// When the snapshot was taken.
    #[must_use]
    pub fn taken_at(&self) -> SystemTime {
        self.taken_at
    }

    /// How old the snapshot is; zero if the clock was set back since.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.taken_at.elapsed().unwrap_or_default()
    }

    /// Whether a value in it is older than the last attempt to read it.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale
    }

    fn oldest_stale_age(&self, now: SystemTime) -> Duration {
        let oldest = self.readings().filter_map(|(_, reading)| match reading {
            Reading::Known { read_at, trouble: Some(_), .. } => Some(*read_at),
            _ => None,
        });
        oldest.min().and_then(|read_at| now.duration_since(read_at).ok()).unwrap_or_default()
    }

    /// What the user should hear about the way the values were read (IMDSv1 had to be used, for instance).
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Why the service couldn't be asked at all; what is known then comes from elsewhere (firmware, an earlier read).
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// What is known of a field; `None` if it wasn't asked for.
    #[must_use]
    pub fn reading(&self, field: Field) -> Option<&Reading> {
        self.readings.get(field.index()).and_then(Option::as_ref)
    }

    /// Every field that was asked for, in the order of output.
    pub fn readings(&self) -> impl Iterator<Item = (Field, &Reading)> {
        Field::ALL.iter().filter_map(|field| Some((*field, self.reading(*field)?)))
    }

    /// The value of a field.
    ///
    /// # Errors
    /// [`ErrorKind::Absent`] when the service has no such value (or it wasn't asked for), otherwise why it couldn't be
    /// read. A value that an earlier read left is no error.
    pub fn value(&self, field: Field) -> Result<&Value, Error> {
        match self.reading(field) {
            Some(Reading::Known { value, .. }) => Ok(value),
            Some(Reading::Failed(error)) => Err(error.clone()),
            Some(Reading::Absent { remedy }) => Err(self.absent(field.name(), remedy.as_deref())),
            None => Err(self.absent(field.name(), None)),
        }
    }

    fn absent(&self, what: &str, remedy: Option<&str>) -> Error {
        let error =
            Error::new(ErrorKind::Absent, format!("this instance has no {what}")).with_cloud(&self.cloud);
        match remedy {
            Some(remedy) => error.with_remedy(remedy.to_owned()),
            None => error,
        }
    }

    /// The text of a field; `None` if it is absent, failed or no text.
    ///
    /// ```
    /// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
    /// let mut metadata = Metadata::new(CloudName::AWS);
    /// metadata.set(Field::Region, Reading::known(Value::Text("eu-west-1".into()), Source::Mock));
    /// assert_eq!(metadata.text(Field::Region), Some("eu-west-1"));
    /// assert_eq!(metadata.text(Field::Zone), None);
    /// ```
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        self.reading(field)?.value()?.as_text()
    }

    /// The tags; `None` if they are absent or failed.
    #[must_use]
    pub fn tags(&self) -> Option<&Tags> {
        match self.reading(Field::Tags)?.value()? {
            Value::Tags(tags) => Some(tags),
            _ => None,
        }
    }

    /// The value of one tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags()?.get(key).map(String::as_str)
    }

    /// The network interfaces, the primary one first; empty if absent or failed.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        match self.reading(Field::Interfaces).and_then(Reading::value) {
            Some(Value::Interfaces(interfaces)) => interfaces,
            _ => &[],
        }
    }

    /// The disks; empty if absent or failed.
    #[must_use]
    pub fn disks(&self) -> &[Disk] {
        match self.reading(Field::Disks).and_then(Reading::value) {
            Some(Value::Disks(disks)) => disks,
            _ => &[],
        }
    }

    /// The value that a selector means, as text for people and programs: text as it is, objects and lists as JSON.
    ///
    /// # Errors
    /// As [`Metadata::value`]; [`ErrorKind::Absent`] also for a tag, item or member that isn't there.
    pub fn select(&self, selector: &Selector) -> Result<String, Error> {
        let value = self.value(selector.field())?;
        let missing = || self.absent(&selector.to_string(), None);
        if let (Selector::Tag(key), Value::Tags(tags)) = (selector, value) {
            return tags.get(key).cloned().ok_or_else(missing);
        }
        let whole = serde_json::to_value(value).map_err(|error| {
            Error::new(ErrorKind::Internal, "a value has no JSON form").with_source(error)
        })?;
        let part = match selector {
            Selector::Item { index, member, entry, .. } => {
                let item = whole.get(*index);
                let member = match member {
                    Some(member) => item.and_then(|item| item.get(member)),
                    None => item,
                };
                match entry {
                    Some(entry) => member.and_then(|member| member.get(*entry)),
                    None => member,
                }
            }
            Selector::Field(_) | Selector::Tag(_) => Some(&whole),
        };
        match part.ok_or_else(missing)? {
            serde_json::Value::String(text) => Ok(text.clone()),
            other => Ok(other.to_string()),
        }
    }

    /// Sets what is known of a field.
    pub fn set(&mut self, field: Field, reading: Reading) {
        if let Some(slot) = self.readings.get_mut(field.index()) {
            *slot = Some(reading);
        }
    }

    /// Only these fields of it.
    #[must_use]
    pub fn only(mut self, fields: &[Field]) -> Self {
        for (field, slot) in Field::ALL.iter().zip(&mut self.readings) {
            if !fields.contains(field) {
                *slot = None;
            }
        }
        self
    }

    /// Says how the service was spoken to.
    pub fn set_protocol(&mut self, protocol: Option<String>) {
        self.protocol = protocol;
    }

    /// Says that the service couldn't be asked at all.
    pub fn set_failure(&mut self, failure: Option<Error>) {
        self.failure = failure;
    }

    /// Adds something that the user should hear.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Takes over from an older snapshot what this one doesn't know better: fields that weren't asked for, and the last
    /// good value of fields that failed, marked with the failure. Never turns a value into nothing.
    pub fn keep_last_good(&mut self, older: &Self) {
        for (field, old) in older.readings() {
            let kept = match (self.reading(field), old) {
                (None, old) => {
                    self.stale |= older.stale && old.error().is_some();
                    old.clone()
                }
                (Some(now), Reading::Known { value, source, read_at, .. }) => {
                    let Some(error) = now.error().cloned() else { continue };
                    self.stale = true;
                    Reading::Known {
                        value: value.clone(),
                        source: source.clone(),
                        read_at: *read_at,
                        trouble: Some(error),
                    }
                }
                (Some(_), _) => continue,
            };
            self.set(field, kept);
        }
    }

    /// Changes every time in it, because the clock that they were read from was set.
    pub fn map_times(&mut self, map: impl Fn(SystemTime) -> SystemTime) {
        self.taken_at = map(self.taken_at);
        for reading in self.readings.iter_mut().flatten() {
            if let Reading::Known { read_at, .. } = reading {
                *read_at = map(*read_at);
            }
        }
    }

    /// The JSON form: the known fields at the top, then `schema`, `errors`, and what else was asked for.
    #[must_use]
    pub fn document(&self, sources: bool) -> Document<'_> {
        Document { metadata: self, sources, now: None }
    }
}

/// The stable JSON form of a snapshot; see [`Metadata::document`].
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    metadata: &'a Metadata,
    sources: bool,
    now: Option<SystemTime>,
}

impl Document<'_> {
    /// With ages as they are at this time, for callers that trust another clock than the system's.
    #[must_use]
    pub fn at(self, now: SystemTime) -> Self {
        Self { now: Some(now), ..self }
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metadata = self.metadata;
        let mut object = serializer.serialize_map(None)?;
        for (field, reading) in metadata.readings() {
            if let Some(value) = reading.value() {
                object.serialize_entry(field.name(), value)?;
            }
        }
        object.serialize_entry("schema", &SCHEMA)?;
        if metadata.stale {
            object.serialize_entry("stale", &true)?;
            let now = self.now.unwrap_or_else(SystemTime::now);
            object.serialize_entry("age_seconds", &metadata.oldest_stale_age(now).as_secs())?;
        }
        let errors: Errors<'_> = Errors(metadata);
        if !errors.is_empty() {
            object.serialize_entry("errors", &errors)?;
        }
        if self.sources {
            object.serialize_entry("sources", &Sources(metadata))?;
        }
        object.end()
    }
}

struct Errors<'a>(&'a Metadata);

impl Errors<'_> {
    fn is_empty(&self) -> bool {
        self.0.readings().all(|(_, reading)| reading.error().is_none())
    }
}

impl Serialize for Errors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0.readings().filter_map(|(field, reading)| Some((field.name(), reading.error()?))),
        )
    }
}

struct Sources<'a>(&'a Metadata);

impl Serialize for Sources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.readings().filter_map(|(field, reading)| match reading {
            Reading::Known { source, .. } => Some((field.name(), source.to_string())),
            Reading::Absent { .. } | Reading::Failed(_) => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Reading {
        Reading::known(Value::Text(text.to_owned()), Source::Mock)
    }

    fn failure() -> Error {
        Error::new(ErrorKind::TimedOut, "no answer within 2s")
    }

    #[test]
    fn absent_fields_are_left_out_and_failures_are_told() {
        let mut metadata = Metadata::new(CloudName::AWS);
        metadata.set(Field::Region, text("eu-west-1"));
        metadata.set(Field::Cloud, text("aws"));
        metadata.set(Field::ResourceGroup, Reading::absent());
        metadata.set(Field::Tags, Reading::Failed(failure()));
        assert_eq!(
            serde_json::to_string(&metadata.document(true)).unwrap(),
            r#"{"cloud":"aws","region":"eu-west-1","schema":1,"errors":{"tags":{"kind":"timed_out","message":"no answer within 2s"}},"sources":{"cloud":"mock","region":"mock"}}"#
        );
    }

    #[test]
    fn a_failed_refresh_keeps_the_last_good_value_and_says_so() {
        let mut old = Metadata::new(CloudName::AWS);
        old.set(Field::Region, text("eu-west-1"));
        old.set(Field::Hostname, text("web"));
        old.set(Field::PublicIpv4, text("203.0.113.1"));
        let mut new = Metadata::new(CloudName::AWS);
        new.set(Field::Region, Reading::Failed(failure()));
        new.set(Field::PublicIpv4, Reading::absent());
        new.keep_last_good(&old);
        assert_eq!(new.text(Field::Region), Some("eu-west-1"));
        assert_eq!(new.reading(Field::Region).and_then(Reading::error), Some(&failure()));
        assert_eq!(new.text(Field::Hostname), Some("web"), "a field that wasn't asked for stays");
        assert_eq!(new.text(Field::PublicIpv4), None, "a definite absence replaces the old value");
        assert!(new.is_stale());
    }

    #[test]
    fn parts_are_selected() {
        let mut metadata = Metadata::new(CloudName::AWS);
        let tags = [("a.b".to_owned(), "x".to_owned()), ("empty".to_owned(), String::new())].into();
        metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
        let interface =
            Interface { private_ipv4s: vec!["10.0.0.1".into(), "10.0.0.2".into()], ..Interface::default() };
        metadata.set(Field::Interfaces, Reading::known(Value::Interfaces(vec![interface]), Source::Mock));
        let select = |text: &str| metadata.select(&text.parse().unwrap());
        assert_eq!(select("tags.a.b").unwrap(), "x");
        assert_eq!(select("tags.empty").unwrap(), "");
        assert_eq!(select("tags").unwrap(), r#"{"a.b":"x","empty":""}"#);
        assert_eq!(select("interfaces.0.private_ipv4s.1").unwrap(), "10.0.0.2");
        assert_eq!(select("interfaces.0.private_ipv4s").unwrap(), r#"["10.0.0.1","10.0.0.2"]"#);
        for absent in
            ["tags.none", "interfaces.1", "interfaces.0.mac", "interfaces.0.ipv6s", "disks", "region"]
        {
            assert_eq!(select(absent).unwrap_err().kind(), ErrorKind::Absent, "{absent}");
        }
    }
}
