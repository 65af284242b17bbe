//! Tags, in any of the usual forms.

use imds_model::{Error, Tags, Value};
use serde_json::Value as Json;

use super::Documents;
use super::documents::{Found, lookup, scalar};
use super::extract::{Extracted, Outcome};
use crate::clouds::description::Rule;

/// The tags of every place of the rule together; of a key that is in several, the first.
pub(super) fn read(documents: &Documents, rule: &Rule) -> Outcome {
    let mut tags = Tags::new();
    let (mut source, mut absent) = (None, None);
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
        source.get_or_insert_with(|| first.source.clone());
        for (key, value) in tags_of(documents, first)? {
            tags.entry(key).or_insert(value);
        }
    }
    match (source, absent) {
        (Some(source), _) => Ok(Some(Extracted::new(Value::Tags(tags), source))),
        (None, Some(absent)) => Err(absent),
        (None, None) => Ok(None),
    }
}

/// An object, a list of `{name, value}`, a list of bare words or lines of them. Objects in an object are namespaces:
/// `{"Operations": {"Owner": "a"}}` is the tag `Operations.Owner`.
fn tags_of(documents: &Documents, found: &Found<'_>) -> Result<Tags, Error> {
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
                match value {
                    Json::Object(below) => {
                        for (name, value) in below {
                            tags.insert(format!("{key}.{name}"), plain(value)?);
                        }
                    }
                    value => {
                        tags.insert(key.clone(), plain(value)?);
                    }
                }
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
        Json::String(lines) => {
            tags.extend(
                lines.lines().filter(|line| !line.is_empty()).map(|line| (line.to_owned(), String::new())),
            );
        }
        _ => return Err(malformed()),
    }
    Ok(tags)
}
