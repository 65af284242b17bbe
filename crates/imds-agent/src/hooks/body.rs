//! What is posted: the notice, or a text of the user's with parts of it.
//!
//! Such a text is JSON. In its strings, `${event:NAME}` stands for a member of the event and `${machine:NAME}` for one of the
//! machine: `{"text": "${event:action} of ${machine:instance_id} at ${event:not_before}"}`. What isn't known becomes nothing;
//! a name that there isn't is a mistake. The text is parsed before and written after, so that no value can become syntax.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value as Json;

use super::Notice;
use crate::events::event::Event;

/// No such text is longer.
const LONGEST: u64 = 256 * 1024;
/// The members of an event.
const EVENT: [&str; 12] = [
    "id",
    "cloud",
    "kind",
    "action",
    "state",
    "not_before",
    "deadline",
    "duration_seconds",
    "resources",
    "source",
    "description",
    "acknowledgeable",
];

/// A text with places for parts of a notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Template(Json);

impl Template {
    /// Reads a file.
    ///
    /// # Errors
    /// Why it can't be used, as a lower-case fragment.
    pub fn read(path: &Path) -> Result<Self, String> {
        let wrong = |why: String| format!("the template {} can't be used: {why}", path.display());
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Parses a text.
    ///
    /// # Errors
    /// What is wrong with it, as a lower-case fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| format!("it isn't JSON: {error}"))?;
        fill(&json, &|namespace, name| match namespace {
            "event" if EVENT.contains(&name) => Ok(String::new()),
            "machine" if name.parse::<imds::Field>().is_ok() => Ok(String::new()),
            _ => Err(format!("there is no ${{{namespace}:{name}}}")),
        })?;
        Ok(Self(json))
    }

    /// The text for a notice.
    #[must_use]
    pub fn text(&self, notice: &Notice) -> Vec<u8> {
        let event = member_texts(&notice.event);
        let value = |namespace: &str, name: &str| {
            Ok(match namespace {
                "event" => event.iter().find(|(member, _)| member == name).map(|(_, text)| text.clone()),
                _ => notice.machine.get(name).cloned(),
            }
            .unwrap_or_default())
        };
        // Every name was looked at when it was parsed.
        fill(&self.0, &value).map(|json| json.to_string()).unwrap_or_default().into_bytes()
    }
}

/// The notice itself, as it is posted and as commands find it.
#[must_use]
pub fn plain(notice: &Notice) -> Vec<u8> {
    // A notice is text, numbers, lists and maps of text: nothing in it lacks a JSON form.
    let mut text = serde_json::to_vec(notice).unwrap_or_default();
    text.push(b'\n');
    text
}

fn member_texts(event: &Event) -> Vec<(String, String)> {
    let Ok(Json::Object(members)) = serde_json::to_value(event) else { return Vec::new() };
    let text = |value: Json| match value {
        Json::String(text) => text,
        Json::Array(items) => items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    members.into_iter().map(|(name, value)| (name, text(value))).collect()
}

type Lookup<'a> = dyn Fn(&str, &str) -> Result<String, String> + 'a;

fn fill(json: &Json, value: &Lookup<'_>) -> Result<Json, String> {
    Ok(match json {
        Json::String(text) => Json::String(fill_text(text, value)?),
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| fill(item, value)).collect::<Result<_, _>>()?)
        }
        Json::Object(members) => {
            let filled = members.iter().map(|(name, of)| Ok((name.clone(), fill(of, value)?)));
            Json::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, value: &Lookup<'_>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    loop {
        let starts = ["${event:", "${machine:"].iter().filter_map(|start| rest.find(start));
        let Some(start) = starts.min() else {
            filled.push_str(rest);
            return Ok(filled);
        };
        let (before, from) = rest.split_at(start);
        filled.push_str(before);
        let (inside, after) = from.split_once('}').ok_or_else(|| format!("{from:?} has no end"))?;
        let (namespace, name) = inside.trim_start_matches("${").split_once(':').unwrap_or_default();
        filled.push_str(&value(namespace, name)?);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::State;
    use crate::events::event::tests::event;

    fn notice() -> Notice {
        let odd = Event {
            description: Some("a \"quoted\" ${machine:instance_id}\n".to_owned()),
            resources: vec!["a".to_owned(), "b".to_owned()],
            ..event("e-1", State::Scheduled)
        };
        Notice { event: odd, machine: [("instance_id".to_owned(), "i-0".to_owned())].into() }
    }

    fn text(template: &str) -> String {
        String::from_utf8(Template::parse(template).unwrap().text(&notice())).unwrap()
    }

    #[test]
    fn values_stand_where_they_are_named_and_never_become_syntax() {
        assert_eq!(
            text(
                r#"{"text": "${event:id}: ${event:state} for ${machine:instance_id}${machine:zone}", "n": [1, "${event:resources}"]}"#
            ),
            r#"{"n":[1,"a, b"],"text":"e-1: scheduled for i-0"}"#
        );
        assert_eq!(text(r#""${event:description}""#), r#""a \"quoted\" ${machine:instance_id}\n""#);
        assert_eq!(text(r#""$x ${y} ${event:not_before}$""#), r#""$x ${y} $""#);
        assert_eq!(text("\"${event:acknowledgeable}\""), "\"false\"");
    }

    #[test]
    fn mistakes_are_told_before_anything_happens() {
        for (template, why) in [
            ("{", "isn't JSON"),
            (r#""${event:colour}""#, "${event:colour}"),
            (r#"["${machine:moon}"]"#, "${machine:moon}"),
            (r#"{"a": "${event:id"}"#, "has no end"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
        assert!(Template::read(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn every_member_of_an_event_can_be_named() {
        let full = Event {
            action: Some(crate::events::Action::Stop),
            not_before: Some(std::time::SystemTime::UNIX_EPOCH),
            deadline: Some(std::time::SystemTime::UNIX_EPOCH),
            duration: Some(std::time::Duration::ZERO),
            description: Some("x".to_owned()),
            ..event("a", State::Started)
        };
        let mut members: Vec<String> = member_texts(&full).into_iter().map(|(name, _)| name).collect();
        let mut known: Vec<String> = EVENT.map(str::to_owned).to_vec();
        members.sort();
        known.sort();
        assert_eq!(members, known);
    }
}
