//! From documents to values with their sources. Pure: what differs between clouds is in their descriptions.

use imds_model::{Error, ErrorKind, Field, Metadata, Reading, Shape, Source, Value};

use super::documents::{Found, scalar};
use super::plan::{Plan, Step, parts_of};
use super::{Documents, disks, interfaces, tags};
use crate::clouds::description::Rule;
use crate::clouds::{functions, transform};

/// A value that a function or rule found.
#[derive(Debug)]
pub(crate) struct Extracted {
    pub(crate) value: Value,
    pub(crate) source: Source,
    /// Why the value may be incomplete.
    pub(crate) trouble: Option<Error>,
}

impl Extracted {
    pub(crate) fn new(value: Value, source: Source) -> Self {
        Self { value, source, trouble: None }
    }
}

/// Reads every planned field from the documents into the snapshot.
pub(crate) fn extract(documents: &Documents, plan: &Plan, metadata: &mut Metadata) {
    // The primary interface serves several fields; it is read once.
    let mut interfaces = None;
    for (field, step) in &plan.steps {
        let outcome = match step {
            Step::NotServed => Ok(None),
            Step::Rule if *field == Field::Interfaces => {
                clone(interfaces.get_or_insert_with(|| interfaces::read(documents)))
            }
            Step::Rule if *field == Field::Disks && documents.description().fields.get("disks").is_none() => {
                disks::read(documents)
            }
            Step::Rule => match documents.description().fields.get(field.name()) {
                Some(rule) => by_rule(documents, *field, rule),
                None => Ok(None),
            },
            Step::Primary => {
                let of_interface =
                    primary(*field, interfaces.get_or_insert_with(|| interfaces::read(documents)));
                elsewhere(documents, *field, of_interface)
            }
            Step::Derived(parts) => derived(documents, *field, parts, metadata),
        };
        metadata.set(*field, reading(outcome));
    }
}

fn reading(outcome: Result<Option<Extracted>, Error>) -> Reading {
    match outcome {
        Ok(Some(Extracted { value, source, trouble })) => match Reading::known(value, source) {
            Reading::Known { value, source, read_at, .. } => {
                Reading::Known { value, source, read_at, trouble }
            }
            other => other,
        },
        Ok(None) => Reading::absent(),
        // An absence whose error has no remedy needs no words; one with a remedy passes it on.
        Err(error) if error.is_absent() => Reading::Absent { remedy: error.remedy().map(str::to_owned) },
        Err(error) => Reading::Failed(error),
    }
}

pub(super) type Outcome = Result<Option<Extracted>, Error>;

fn clone(outcome: &Outcome) -> Outcome {
    match outcome {
        Ok(Some(found)) => Ok(Some(Extracted {
            value: found.value.clone(),
            source: found.source.clone(),
            trouble: found.trouble.clone(),
        })),
        Ok(None) => Ok(None),
        Err(error) => Err(error.clone()),
    }
}

pub(super) fn by_rule(documents: &Documents, field: Field, rule: &Rule) -> Outcome {
    if let Some(name) = &rule.function {
        return match functions::named(name) {
            Some(function) => function(documents),
            None => Err(Error::new(ErrorKind::Internal, format!("there is no function {:?}", &**name))),
        };
    }
    let mut absent = None;
    if field.shape() == Shape::Tags {
        return tags::read(documents, rule);
    }
    let places = rule.from.iter().chain(rule.otherwise.iter());
    for place in places.filter(|place| documents.has(Documents::split(place).0)) {
        let found = match documents.at(place) {
            Ok(found) => found,
            Err(error) if error.is_absent() => {
                absent = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(first) = found.first() else { continue };
        if let Some(text) = text(documents, rule, first)? {
            if Documents::split(place).1.is_empty() && begins_as_json(&text) && !is_a_tag(documents, place) {
                return Err(documents.malformed(&first.source, "the answer is JSON, not a value"));
            }
            let text = spelled(documents, field, first, text)?;
            return Ok(Some(Extracted::new(Value::Text(text), first.source.clone())));
        }
    }
    absent.map_or(Ok(None), Err)
}

/// The text at a place, transformed and respelled as its rule says; nothing where it is empty.
fn text(documents: &Documents, rule: &Rule, found: &Found<'_>) -> Result<Option<String>, Error> {
    if found.value.is_array() || found.value.is_object() {
        return Err(documents.malformed(&found.source, "the value isn't a text or a number"));
    }
    Ok(scalar(found.value).and_then(|text| respell(rule, &text)))
}

/// Addresses in their one spelling, identifiers as they are. What isn't one is refused: it came from somebody else.
fn spelled(documents: &Documents, field: Field, found: &Found<'_>, text: String) -> Result<String, Error> {
    let (spelling, what) = match field {
        Field::PrivateIpv4 | Field::PublicIpv4 => (transform::ipv4(&text), "an IPv4 address"),
        Field::Ipv6 => (transform::ipv6(&text), "an IPv6 address"),
        Field::Mac => (transform::mac(&text), "a MAC address"),
        // Where administrators name them, types and zones may be of several words.
        Field::InstanceType | Field::Zone => {
            ((text.split(' ').all(is_word) && text.len() <= 128).then_some(text), "a name")
        }
        Field::InstanceId
        | Field::ImageId
        | Field::Region
        | Field::ZoneId
        | Field::AccountId
        | Field::Hostname
        | Field::Architecture
        | Field::Lifecycle
        | Field::Partition => (is_word(&text).then_some(text), "a single word"),
        // Names are people's own, but for that text is of one line.
        _ => ((!text.contains(['\n', '\r'])).then_some(text), "one line"),
    };
    spelling.ok_or_else(|| documents.malformed(&found.source, &format!("the value isn't {what}")))
}

/// Whether it could be an identifier, and isn't a sentence, JSON or markup.
fn is_word(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || r#"<>{}[]"'\`"#.contains(c))
}

/// Whether a text is the beginning of some object or of nested lists. A name may well begin with a bracket.
fn begins_as_json(text: &str) -> bool {
    ["{\"", "[{", "[[", "[\""].iter().any(|beginning| text.trim_start().starts_with(beginning))
}

/// Whether a document is one of the tags, which hold whatever people put there.
fn is_a_tag(documents: &Documents, name: &str) -> bool {
    let description = documents.description();
    let path_of = |name: &str| Some(&*description.documents.get(name)?.path);
    let Some((path, tags)) = path_of(name).zip(description.fields.get("tags")) else { return false };
    let mut folders = tags.from.iter().filter_map(|place| path_of(Documents::split(place).0));
    folders.any(|folder| path.starts_with(folder))
}

pub(super) fn respell(rule: &Rule, text: &str) -> Option<String> {
    let text = match rule.transform {
        Some(transform) => transform.apply(text)?,
        None => text,
    };
    let respelled = rule.values.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(text));
    Some(respelled.map_or(text, |(_, value)| value).to_owned())
}

fn derived(documents: &Documents, field: Field, parts: &[Field], metadata: &Metadata) -> Outcome {
    let template = documents.description().fields.get(field.name()).and_then(|rule| rule.derive.as_deref());
    let Some(template) = template else { return Ok(None) };
    debug_assert_eq!(parts_of(template), parts);
    // In one pass: a value that looks like a part of the template isn't one.
    let (mut text, mut rest) = (String::new(), template);
    for part in parts {
        let Some((before, behind)) = rest.split_once(&format!("{{{part}}}")) else { return Ok(None) };
        text.push_str(before);
        rest = behind;
        match metadata.value(*part) {
            Ok(Value::Text(value)) => text.push_str(value),
            Ok(_) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    text.push_str(rest);
    Ok(Some(Extracted::new(Value::Text(text), Source::Derived(parts.to_vec()))))
}

/// What was found, or where nothing was, what other documents say that were asked for then.
fn elsewhere(documents: &Documents, field: Field, found: Outcome) -> Outcome {
    let nothing = match &found {
        Ok(found) => found.is_none(),
        Err(error) => error.is_absent(),
    };
    let rule = documents.description().fields.get(field.name()).filter(|rule| !rule.otherwise.is_empty());
    match rule.filter(|_| nothing) {
        Some(rule) => by_rule(documents, field, rule),
        None => found,
    }
}

/// A field of the primary interface, which is the first.
fn primary(field: Field, interfaces: &Outcome) -> Outcome {
    let found = match interfaces {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        Err(error) => return Err(error.clone()),
    };
    let Value::Interfaces(list) = &found.value else { return Ok(None) };
    let Some(first) = list.first() else { return Ok(None) };
    let text = match field {
        Field::PrivateIpv4 => first.private_ipv4s.first(),
        Field::PublicIpv4 => first.public_ipv4s.first(),
        Field::Ipv6 => first.ipv6s.first(),
        Field::Mac => first.mac.as_ref(),
        Field::NetworkId => first.network_id.as_ref(),
        Field::SubnetId => first.subnet_id.as_ref(),
        _ => None,
    };
    match (text, &found.trouble) {
        (Some(text), _) => {
            Ok(Some(Extracted::new(Value::Text(text.clone()), Source::Derived(vec![Field::Interfaces]))))
        }
        // Only public addresses come from a second document, which may be what failed.
        (None, Some(trouble)) if field == Field::PublicIpv4 => Err(trouble.clone()),
        (None, _) => Ok(None),
    }
}
