//! The placeholders of amazon-cloudwatch-agent in its JSON configuration, by its own rules.
//!
//! | where | what | rule |
//! |---|---|---|
//! | `log_group_name`, `log_stream_name` of `logs.logs_collected.{files,windows_events,journald}.collect_list[]` and below `opentelemetry`; `logs.log_stream_name` | `{instance_id}`, `{hostname}`, `{local_hostname}`, `{ip_address}`, `{aws_region}`, `{account_id}`, `{date}` | by substring, every occurrence; unknown names stay |
//! | the same, without a value | `i-UNKNOWN`, `UNKNOWN-HOST`, `UNKNOWN-IP`, `UNKNOWN-REGION`, `UNKNOWN-ACCOUNT` | host name and address come from the machine itself first |
//! | an empty `log_stream_name` | the instance's id | in a `collect_list` only where `logs.log_stream_name` says nothing else |
//! | `metrics.metrics_collected.*.append_dimensions` | `${aws:InstanceId}`, `${aws:InstanceType}`, `${aws:ImageId}`, `${aws:AutoScalingGroupName}`; `${azure:InstanceId}`, `${azure:InstanceType}`, `${azure:ImageId}`, `${azure:VmScaleSetName}`, `${azure:ResourceGroupName}` | by whole value; without a value the entry goes |
//! | the same | a value that merely contains `${aws:` or `${azure:` | the entry goes |
//! | the same | `${aws:VolumeId}`, `${disk.id}` | left: they are resolved for each device at run time |
//! | the same, on Windows | everything | left: the agent copies these as they are |
//! | `metrics.append_dimensions` | everything | left: the agent acts on its exact literals |
//! | everywhere else | everything | left |
//!
//! `agent.region` comes before the region that was detected. Two things are better here than there. Names are replaced in
//! one pass, so that a value that contains `{date}` stays as it is (the agent replaces one name after the other, in an
//! order that changes from run to run). And what got no value is reported, never silent: see [`Resolved::stand_ins`].

use std::ops::Range;

use imds_model::{CloudName, Error, Field};

use crate::format::json::{Json, removals};
use crate::format::{Format as _, Fragment, Scalar};
use crate::position::Locator;
use crate::resolve::Instead;
use crate::{Errors, Key, Lookup, Position, Problem, ProblemKind, Resolved, StandIn, Values};

mod places;

use places::Place;

/// What the agent asks the machine itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The operating system's host name.
    pub hostname: Option<String>,
    /// The first IPv4 address of the machine that isn't a loopback address.
    pub ip_address: Option<String>,
    /// Today in local time: `2026-08-07`.
    pub date: String,
    /// Whether the configuration is for Windows.
    pub windows: bool,
}

/// A placeholder of the agent's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placeholder {
    /// Where it stands.
    pub position: Position,
    /// How it is written; empty for an empty stream name.
    pub written: String,
    /// The field that has to be read for it; none where the machine itself or the configuration answers.
    pub field: Option<Field>,
}

/// A configuration of amazon-cloudwatch-agent.
///
/// ```
/// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
/// use imds_template::dialect::cloudwatch::{Configuration, Host};
///
/// let source = r#"{"logs": {"log_stream_name": "{instance_id}/{date}"}}"#;
/// let configuration = Configuration::parse(source).unwrap();
/// let mut metadata = Metadata::new(CloudName::AWS);
/// metadata.set(Field::InstanceId, Reading::known(Value::Text("i-0abc".into()), Source::Mock));
/// let host = Host { date: "2026-08-07".into(), ..Host::default() };
/// let resolved = configuration.resolve(&metadata, &host);
/// assert_eq!(resolved.text, r#"{"logs": {"log_stream_name": "i-0abc/2026-08-07"}}"#);
/// ```
#[derive(Debug)]
pub struct Configuration<'s> {
    source: &'s str,
    scalars: Vec<(Scalar, Vec<Use>)>,
    /// `agent.region`.
    region: Option<String>,
}

/// A placeholder in a string.
#[derive(Debug)]
struct Use {
    range: Range<usize>,
    position: Position,
    what: What,
}

/// What a placeholder asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// A name in braces, by its place in [`NAMES`].
    Name(Name),
    /// A dimension's whole value: a field of one cloud.
    Dimension(CloudName, Field),
    /// A dimension that the agent takes out whatever is known.
    Unusable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    InstanceId,
    Hostname,
    LocalHostname,
    IpAddress,
    Region,
    AccountId,
    Date,
}

/// The names, how they are written, and what stands in for them.
const NAMES: &[(Name, &str, Option<Field>, &str)] = &[
    (Name::InstanceId, "{instance_id}", Some(Field::InstanceId), "i-UNKNOWN"),
    (Name::Hostname, "{hostname}", Some(Field::Hostname), "UNKNOWN-HOST"),
    (Name::LocalHostname, "{local_hostname}", None, "UNKNOWN-HOST"),
    (Name::IpAddress, "{ip_address}", Some(Field::PrivateIpv4), "UNKNOWN-IP"),
    (Name::Region, "{aws_region}", Some(Field::Region), "UNKNOWN-REGION"),
    (Name::AccountId, "{account_id}", Some(Field::AccountId), "UNKNOWN-ACCOUNT"),
    (Name::Date, "{date}", None, ""),
];

const DIMENSIONS: &[(&str, CloudName, Field)] = &[
    ("${aws:InstanceId}", CloudName::AWS, Field::InstanceId),
    ("${aws:InstanceType}", CloudName::AWS, Field::InstanceType),
    ("${aws:ImageId}", CloudName::AWS, Field::ImageId),
    ("${aws:AutoScalingGroupName}", CloudName::AWS, Field::ScalingGroup),
    ("${azure:InstanceId}", CloudName::AZURE, Field::InstanceId),
    ("${azure:InstanceType}", CloudName::AZURE, Field::InstanceType),
    ("${azure:ImageId}", CloudName::AZURE, Field::ImageId),
    ("${azure:VmScaleSetName}", CloudName::AZURE, Field::ScalingGroup),
    ("${azure:ResourceGroupName}", CloudName::AZURE, Field::ResourceGroup),
];

/// Resolved for each device by the running agent.
const AT_RUN_TIME: &[&str] = &["${aws:VolumeId}", "${disk.id}"];

impl<'s> Configuration<'s> {
    /// Finds the agent's placeholders in a configuration.
    ///
    /// # Errors
    /// [`ProblemKind::Parse`] when it isn't JSON.
    pub fn parse(source: &'s str) -> Result<Self, Errors> {
        let mut locator = Locator::new(source);
        let places = places::find(source).map_err(|error| {
            let at = locator.locate(error.offset);
            Problem::new(ProblemKind::Parse, at, error.message).with_remedy(error.remedy)
        })?;
        let global_stream = places.global_stream;
        let mut scalars = Vec::new();
        for (place, scalar) in places.scalars {
            let found = match place {
                Place::Dimension => dimension(&scalar.text),
                Place::GlobalStream if scalar.text.is_empty() => vec![(0..0, What::Name(Name::InstanceId))],
                Place::Stream if scalar.text.is_empty() && !global_stream => {
                    vec![(0..0, What::Name(Name::InstanceId))]
                }
                Place::Group | Place::Stream | Place::GlobalStream => names(&scalar.text),
            };
            let uses = found.into_iter().map(|(range, what)| {
                let position = locator.locate(scalar.origins.source(range.start));
                Use { range, position, what }
            });
            let uses: Vec<Use> = uses.collect();
            if !uses.is_empty() {
                scalars.push((scalar, uses));
            }
        }
        Ok(Self { source, scalars, region: places.region })
    }

    /// The placeholders, in the order of their places.
    pub fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.scalars.iter().flat_map(move |(scalar, uses)| {
            uses.iter().map(move |one| Placeholder {
                position: one.position,
                written: written(scalar, one),
                field: self.field(&one.what),
            })
        })
    }

    fn field(&self, what: &What) -> Option<Field> {
        match what {
            What::Name(Name::Region) if self.region.is_some() => None,
            What::Name(name) => NAMES.iter().find(|(known, ..)| known == name).and_then(|known| known.2),
            What::Dimension(_, field) => Some(*field),
            What::Unusable => None,
        }
    }

    /// The fields that have to be read, each once, in the order of output. Without any, nothing has to be asked.
    #[must_use]
    pub fn fields_needed(&self) -> Vec<Field> {
        let needed: Vec<Field> = self.placeholders().filter_map(|placeholder| placeholder.field).collect();
        Field::ALL.iter().copied().filter(|field| needed.contains(field)).collect()
    }

    /// The configuration with its placeholders resolved. As the agent does, it makes do without values, whatever the
    /// reason that they are missing: each is in [`Resolved::stand_ins`], with the error where the service couldn't be
    /// asked.
    #[must_use]
    pub fn resolve(&self, values: &dyn Values, host: &Host) -> Resolved {
        let mut stand_ins = Vec::new();
        let mut edits = Vec::new();
        let mut dropped = Vec::new();
        for (scalar, uses) in &self.scalars {
            let mut fragments = Vec::new();
            for one in uses {
                let (new, reason, cause) = match &one.what {
                    What::Name(name) => self.name(*name, values, host),
                    What::Dimension(..) | What::Unusable if host.windows => continue,
                    What::Dimension(cloud, field) => {
                        let key = Key::Field { cloud: Some(cloud.clone()), field: *field };
                        match lookup(values, &key) {
                            Ok(value) => (Some(value), None, None),
                            Err((reason, cause)) => (None, Some(reason), cause),
                        }
                    }
                    What::Unusable => {
                        let reason =
                            "the agent takes out a dimension with a placeholder that it can't resolve";
                        (None, Some(reason.to_owned()), None)
                    }
                };
                if let Some(reason) = reason {
                    let instead = if new.is_some() { Instead::Default } else { Instead::Dropped };
                    let written = written(scalar, one);
                    stand_ins.push(StandIn { position: one.position, written, instead, reason, cause });
                }
                match new {
                    Some(new) => fragments.push(Fragment { range: one.range.clone(), new }),
                    None => dropped.extend(scalar.entry.as_ref().map(|entry| entry.start)),
                }
            }
            // Text can always be written as JSON.
            edits.extend(Json::render(self.source, scalar, &fragments).unwrap_or_default());
        }
        edits.extend(removals(self.source, dropped.into_iter()));
        Resolved { text: crate::template::edit(self.source, edits), stand_ins }
    }

    /// The text for a name; and why that is only a stand-in, if it is one.
    fn name(
        &self,
        name: Name,
        values: &dyn Values,
        host: &Host,
    ) -> (Option<String>, Option<String>, Option<Error>) {
        let known = NAMES.iter().find(|(known, ..)| *known == name);
        let (field, unknown) = known.map_or((None, ""), |(_, _, field, unknown)| (*field, *unknown));
        let given = match name {
            Name::Date => Some(&host.date),
            Name::Region => self.region.as_ref(),
            Name::LocalHostname => host.hostname.as_ref(),
            Name::InstanceId | Name::Hostname | Name::IpAddress | Name::AccountId => None,
        };
        if let Some(given) = given {
            return (Some(given.clone()), None, None);
        }
        let asked = field.map(|field| lookup(values, &Key::Field { cloud: None, field }));
        let (reason, cause) = match asked {
            Some(Ok(value)) => return (Some(value), None, None),
            Some(Err(missing)) => missing,
            None => ("the machine has no host name".to_owned(), None),
        };
        let own = match name {
            Name::Hostname => host.hostname.as_deref(),
            Name::IpAddress => host.ip_address.as_deref(),
            _ => None,
        };
        (Some(own.unwrap_or(unknown).to_owned()), Some(reason), cause)
    }
}

/// A value that isn't empty, or why there is none.
fn lookup(values: &dyn Values, key: &Key) -> Result<String, (String, Option<Error>)> {
    match values.lookup(key) {
        Lookup::Value(value) if value.is_empty() => Err(("the value is empty".to_owned(), None)),
        Lookup::Value(value) => Ok(value),
        Lookup::Missing(reason) => Err((reason, None)),
        Lookup::Failed(error) => Err((error.to_string(), Some(error))),
    }
}

fn written(scalar: &Scalar, one: &Use) -> String {
    scalar.text.get(one.range.clone()).unwrap_or_default().to_owned()
}

/// The names in a log group's or stream's name.
fn names(text: &str) -> Vec<(Range<usize>, What)> {
    let found = memchr::memchr_iter(b'{', text.as_bytes()).filter_map(|at| {
        let (name, written, ..) = NAMES
            .iter()
            .find(|(_, written, ..)| text.get(at..).is_some_and(|rest| rest.starts_with(written)))?;
        Some((at..at + written.len(), What::Name(*name)))
    });
    found.collect()
}

/// What is to be done about a dimension's value: nothing, or the whole of it is a placeholder, or it can't be used.
fn dimension(text: &str) -> Vec<(Range<usize>, What)> {
    if AT_RUN_TIME.contains(&text) {
        return Vec::new();
    }
    let what = match DIMENSIONS.iter().find(|(written, ..)| *written == text) {
        Some((_, cloud, field)) => What::Dimension(cloud.clone(), *field),
        None if text.contains("${aws:") || text.contains("${azure:") => What::Unusable,
        None => return Vec::new(),
    };
    vec![(0..text.len(), what)]
}
