//! From documents to values with their sources. Pure: what differs between clouds is in their descriptions.

use imds_model::{Error, ErrorKind, Field, Interface, Metadata, Reading, Shape, Source, Tags, Value};

use super::Documents;
use super::documents::{Found, lookup, scalar};
use super::plan::{Plan, Step, parts_of};
use crate::clouds::description::{InterfaceRule, Rule};
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
                clone(interfaces.get_or_insert_with(|| read_interfaces(documents)))
            }
            Step::Rule => match documents.description().fields.get(field.name()) {
                Some(rule) => by_rule(documents, *field, rule),
                None => Ok(None),
            },
            Step::Primary => primary(*field, interfaces.get_or_insert_with(|| read_interfaces(documents))),
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

type Outcome = Result<Option<Extracted>, Error>;

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

fn by_rule(documents: &Documents, field: Field, rule: &Rule) -> Outcome {
    if let Some(name) = &rule.function {
        return match functions::named(name) {
            Some(function) => function(documents),
            None => Err(Error::new(ErrorKind::Internal, format!("there is no function {:?}", &**name))),
        };
    }
    let mut absent = None;
    for place in rule.from.iter().filter(|place| documents.has(Documents::split(place).0)) {
        let found = match documents.at(place) {
            Ok(found) => found,
            Err(error) if error.is_absent() => {
                absent = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(first) = found.first() else { continue };
        let value = match field.shape() {
            Shape::Tags => tags(documents, first)?,
            _ => text(documents, rule, first)?
                .map(|text| spelled(documents, field, first, text))
                .transpose()?
                .map(Value::Text),
        };
        if let Some(value) = value {
            return Ok(Some(Extracted::new(value, first.source.clone())));
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
        Field::InstanceId
        | Field::InstanceType
        | Field::ImageId
        | Field::Region
        | Field::Zone
        | Field::ZoneId
        | Field::AccountId
        | Field::Hostname
        | Field::Architecture
        | Field::Lifecycle
        | Field::Partition => (is_word(&text).then_some(text), "a single word"),
        // Names and tags are people's own.
        _ => return Ok(text),
    };
    spelling.ok_or_else(|| documents.malformed(&found.source, &format!("the value isn't {what}")))
}

/// Whether it could be an identifier, and isn't a sentence, JSON or markup.
fn is_word(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || r#"<>{}[]"'\`"#.contains(c))
}

fn respell(rule: &Rule, text: &str) -> Option<String> {
    let text = match rule.transform {
        Some(transform) => transform.apply(text)?,
        None => text,
    };
    let respelled = rule.values.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(text));
    Some(respelled.map_or(text, |(_, value)| value).to_owned())
}

/// Tags in any of the usual forms: an object, a list of `{name, value}`, a list of bare words.
fn tags(documents: &Documents, found: &Found<'_>) -> Result<Option<Value>, Error> {
    use serde_json::Value as Json;
    let malformed = || documents.malformed(&found.source, "these aren't tags");
    // A tag's value is kept to the letter; only numbers and the like have to become text.
    let plain = |value: &Json| match value {
        Json::String(text) => Ok(text.clone()),
        Json::Object(_) | Json::Array(_) => Err(malformed()),
        other => Ok(scalar(other).unwrap_or_default()),
    };
    let member = |item: &Json, names: [&str; 2]| {
        let found = names.iter().find_map(|name| lookup(item, &format!("/{name}")).into_iter().next());
        found.map(|(value, _)| plain(value)).transpose()
    };
    let mut tags = Tags::new();
    match found.value {
        Json::Object(object) => {
            for (key, value) in object {
                tags.insert(key.clone(), plain(value)?);
            }
        }
        Json::Array(items) => {
            for item in items {
                match item {
                    Json::String(word) => tags.insert(word.clone(), String::new()),
                    Json::Object(_) => {
                        let key = member(item, ["name", "key"])?.ok_or_else(malformed)?;
                        tags.insert(key, member(item, ["value", "val"])?.unwrap_or_default())
                    }
                    _ => return Err(malformed()),
                };
            }
        }
        _ => return Err(malformed()),
    }
    Ok(Some(Value::Tags(tags)))
}

fn derived(documents: &Documents, field: Field, parts: &[Field], metadata: &Metadata) -> Outcome {
    let template = documents.description().fields.get(field.name()).and_then(|rule| rule.derive.as_deref());
    let Some(template) = template else { return Ok(None) };
    debug_assert_eq!(parts_of(template), parts);
    let mut text = template.to_owned();
    for part in parts {
        match metadata.value(*part) {
            Ok(Value::Text(value)) => text = text.replacen(&format!("{{{part}}}"), value, 1),
            Ok(_) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Extracted::new(Value::Text(text), Source::Derived(parts.to_vec()))))
}

fn read_interfaces(documents: &Documents) -> Outcome {
    if let Some(rule) = documents.description().fields.get(Field::Interfaces.name()) {
        return by_rule(documents, Field::Interfaces, rule);
    }
    let mut all: Vec<(u64, Interface)> = Vec::new();
    let mut source = None;
    let mut absent = None;
    for rule in documents.description().interfaces.iter() {
        let (name, pointer) = Documents::split(&rule.each);
        let content = match documents.content(name) {
            Ok(content) => content,
            Err(error) if error.is_absent() => {
                absent = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        source.get_or_insert_with(|| documents.source(name, pointer));
        for (item, at) in lookup(content, &format!("{pointer}/*")) {
            let key = at.rsplit('/').next().unwrap_or_default();
            if rule.mac.from.first().is_some_and(|from| &**from == "@key") && transform::mac(key).is_none() {
                let source = documents.source(name, &at);
                return Err(documents.malformed(&source, "the listing's entry isn't a MAC address"));
            }
            if !item.is_object() {
                return Err(documents.malformed(&documents.source(name, &at), "this isn't an interface"));
            }
            let source = |pointer: &str| documents.source(name, &format!("{at}{pointer}"));
            all.push((order(rule, item), interface(documents, source, rule, key, item)?));
        }
    }
    let Some(source) = source else { return absent.map_or(Ok(None), Err) };
    if all.is_empty() {
        return Ok(None);
    }
    // Stable: interfaces without a number stay in the cloud's order, behind those with one.
    all.sort_by_key(|(order, _)| *order);
    let interfaces = all.into_iter().map(|(_, interface)| interface).collect();
    Ok(Some(Extracted::new(Value::Interfaces(interfaces), source)))
}

fn order(rule: &InterfaceRule, item: &serde_json::Value) -> u64 {
    let number = rule.order.as_ref().and_then(|pointer| {
        lookup(item, pointer).first().and_then(|(value, _)| scalar(value)).and_then(|text| text.parse().ok())
    });
    number.unwrap_or(u64::MAX)
}

/// One interface. A part of the wrong kind fails the whole: half an interface looks like one without addresses.
fn interface(
    documents: &Documents,
    source: impl Fn(&str) -> Source,
    rule: &InterfaceRule,
    key: &str,
    item: &serde_json::Value,
) -> Result<Interface, Error> {
    let is_nested = |value: &serde_json::Value| value.is_object() || value.is_array();
    let many = |rule: &Rule, canonical: fn(&str) -> Option<String>| -> Result<Vec<String>, Error> {
        let mut texts: Vec<String> = Vec::new();
        for pointer in rule.from.iter() {
            for (value, at) in lookup(item, pointer) {
                let of_wrong_kind = match value {
                    serde_json::Value::Array(values) => values.iter().any(is_nested),
                    other => is_nested(other),
                };
                if of_wrong_kind {
                    return Err(documents.malformed(&source(&at), "the value isn't a text or a number"));
                }
                // Several values come as a list, or in lines.
                let values = match value {
                    serde_json::Value::Array(values) => values.iter().filter_map(scalar).collect(),
                    other => {
                        scalar(other).map_or_else(Vec::new, |text| text.lines().map(str::to_owned).collect())
                    }
                };
                for text in values.iter().filter_map(|text| canonical(&respell(rule, text.trim())?)) {
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
            }
        }
        Ok(texts)
    };
    let as_it_is = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let one = |rule: &Rule| many(rule, as_it_is).map(|texts| texts.into_iter().next());
    let mut interface = Interface::default();
    interface.mac = match rule.mac.from.first() {
        Some(from) if &**from == "@key" => transform::mac(key),
        _ => many(&rule.mac, transform::mac)?.into_iter().next(),
    };
    interface.private_ipv4s = many(&rule.private_ipv4s, transform::ipv4)?;
    interface.public_ipv4s = many(&rule.public_ipv4s, transform::ipv4)?;
    interface.ipv6s = many(&rule.ipv6s, transform::ipv6)?;
    interface.network_id = one(&rule.network_id)?;
    interface.subnet_id = one(&rule.subnet_id)?;
    interface.security_groups = many(&rule.security_groups, as_it_is)?;
    Ok(interface)
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
