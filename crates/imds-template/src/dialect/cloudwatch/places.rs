//! Where in a configuration the agent looks for placeholders.

use crate::format::json::events::{Event, Events};
use crate::format::json::string;
use crate::format::{ParseError, Scalar, Style};

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A log group's name, or a name that has no default.
    Group,
    /// A log stream's name in a collect list.
    Stream,
    /// The log stream's name for all that name none.
    GlobalStream,
    /// A value of a plugin's `append_dimensions`.
    Dimension,
}

/// The strings at such places, and what else decides.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) scalars: Vec<(Place, Scalar)>,
    /// `agent.region`, if it says something.
    pub(super) region: Option<String>,
    /// Whether `logs.log_stream_name` says something.
    pub(super) global_stream: bool,
}

/// An item of a list, in a path.
const ITEM: &str = "[]";

/// Reads the configuration.
pub(super) fn find(source: &str) -> Result<Places, ParseError> {
    let mut places = Places::default();
    let mut events = Events::new(source);
    // The key of each open value; the last one is that of the value which comes next.
    let mut path: Vec<String> = Vec::new();
    let mut key = None;
    while let Some(event) = events.next()? {
        match event {
            Event::Key(range) => key = Some(range),
            Event::Open => {
                path.push(key.take().map_or_else(|| ITEM.to_owned(), |range| decoded(source, &range)));
            }
            Event::Close => drop(path.pop()),
            Event::Other(_) | Event::Comma(_) => key = None,
            Event::String { range, .. } => {
                let start = key.as_ref().map_or(range.start, |key: &std::ops::Range<usize>| key.start);
                let name = key.take().map_or_else(|| ITEM.to_owned(), |range| decoded(source, &range));
                // The first one is that of the document, which has no key.
                let outer = path.get(1..).unwrap_or_default();
                let is_region = name == "region" && outer == ["agent"];
                let place = place(outer, &name);
                if place.is_none() && !is_region {
                    continue;
                }
                let (Some(text), origins) = string::decode(source, &range) else { continue };
                if is_region {
                    places.region = Some(text).filter(|region| !region.is_empty());
                } else if let Some(place) = place {
                    places.global_stream |= place == Place::GlobalStream && !text.is_empty();
                    let entry = Some(start..range.end);
                    places
                        .scalars
                        .push((place, Scalar { span: range, text, origins, style: Style::Json, entry }));
                }
            }
        }
    }
    Ok(places)
}

fn decoded(source: &str, range: &std::ops::Range<usize>) -> String {
    string::decode(source, range).0.unwrap_or_default()
}

fn place(outer: &[String], name: &str) -> Option<Place> {
    // No place is this deep, but below `opentelemetry` any depth is one.
    let path: Vec<&str> = outer.iter().take(6).map(String::as_str).collect();
    match (path.as_slice(), name) {
        (["logs"], "log_stream_name") => Some(Place::GlobalStream),
        (["logs", "logs_collected", "files" | "windows_events" | "journald", "collect_list", ITEM], name) => {
            match name {
                "log_group_name" => Some(Place::Group),
                "log_stream_name" => Some(Place::Stream),
                _ => None,
            }
        }
        (["opentelemetry", ..], "log_group_name" | "log_stream_name") => Some(Place::Group),
        (
            ["metrics", "metrics_collected", _, "append_dimensions"]
            | ["metrics", "metrics_collected", _, ITEM, "append_dimensions"],
            _,
        ) => Some(Place::Dimension),
        _ => None,
    }
}
