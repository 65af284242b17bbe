//! Network interfaces, by the rules of a description.

use imds_model::{Error, Field, Interface, Source, Value};

use super::Documents;
use super::documents::{lookup, scalar};
use super::extract::{Extracted, Outcome, by_rule, respell};
use crate::clouds::description::{InterfaceRule, Map, Pattern, Rule};
use crate::clouds::transform;

/// The interfaces, the primary one first.
pub(super) fn read(documents: &Documents) -> Outcome {
    if let Some(rule) = documents.description().fields.get(Field::Interfaces.name()) {
        return by_rule(documents, Field::Interfaces, rule);
    }
    let mut all: Vec<(u64, Interface)> = Vec::new();
    let mut source = None;
    let mut absent = None;
    for rule in documents.description().interfaces.iter() {
        let (name, pointer) = Documents::split(rule.place());
        let content = match documents.content(name) {
            Ok(content) => content,
            Err(error) if error.is_absent() => {
                absent = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        source.get_or_insert_with(|| documents.source(name, pointer));
        let primary = mac_of_primary(documents, rule)?;
        let members = if rule.each.is_some() { format!("{pointer}/*") } else { pointer.to_owned() };
        for (item, at) in lookup(content, &members) {
            if !is_meant(&rule.when, item) {
                continue;
            }
            let key = at.rsplit('/').next().unwrap_or_default();
            if rule.mac.from.first().is_some_and(|from| &**from == "@key") && transform::mac(key).is_none() {
                let source = documents.source(name, &at);
                return Err(documents.malformed(&source, "the listing's entry isn't a MAC address"));
            }
            // An address by itself may be all that is told of an interface; an empty one tells of none.
            if rule.at.is_some() && !item.is_object() && scalar(item).is_none_or(|text| text == "''") {
                continue;
            }
            if !item.is_object() && rule.at.is_none() {
                return Err(documents.malformed(&documents.source(name, &at), "this isn't an interface"));
            }
            let source = |pointer: &str| documents.source(name, &format!("{at}{pointer}"));
            let interface = interface(documents, source, rule, key, item)?;
            let is_primary = primary.is_some() && interface.mac == primary;
            all.push((if is_primary { 0 } else { order(rule, item) }, interface));
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

/// The MAC of the primary interface, where the rule names its place and the service says it.
fn mac_of_primary(documents: &Documents, rule: &InterfaceRule) -> Result<Option<String>, Error> {
    let Some(place) = &rule.primary else { return Ok(None) };
    match documents.at(place) {
        Ok(found) => Ok(found.first().and_then(|found| transform::mac(&scalar(found.value)?))),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
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
                // Several values come as a list, in lines, or as the text of a list.
                let values: Vec<String> = match value {
                    serde_json::Value::Array(values) => values.iter().filter_map(scalar).collect(),
                    other => {
                        let text = scalar(other).unwrap_or_default();
                        match text.starts_with('[').then(|| serde_json::from_str(&text)) {
                            Some(Ok(list)) => list,
                            _ => text.lines().map(str::to_owned).collect(),
                        }
                    }
                };
                // Nothing that an interface bears has a line's end in it: what is behind one was meant for somebody else.
                if values.iter().any(|text| text.trim().contains(['\r', '\n'])) {
                    return Err(documents.malformed(&source(&at), "the value is of several lines"));
                }
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

/// Whether a rule means this member: everything that it wants to be there is.
pub(super) fn is_meant(when: &Map<Pattern>, item: &serde_json::Value) -> bool {
    when.iter().all(|(pointer, pattern)| {
        let found = lookup(item, pointer).first().and_then(|(value, _)| scalar(value));
        found.is_some_and(|text| pattern.matches(&text))
    })
}
