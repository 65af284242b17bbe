//! The table of all clouds, in Markdown.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use imds_model::Field;

use super::CloudSummary;

/// Which cloud serves which field and announces which event: fields downwards, the clouds that can be read across, each
/// with a link to its page below `pages`.
#[must_use]
pub fn matrix(clouds: &[CloudSummary], pages: &str) -> String {
    let read: Vec<&CloudSummary> = clouds.iter().filter(|cloud| !cloud.fields.is_empty()).collect();
    let mut text = String::from("| |");
    // Writing to a string can't fail, here and below.
    for cloud in &read {
        let _ = write!(text, " [{0}]({pages}{0}.md) |", cloud.name);
    }
    text.push_str("\n|---|");
    text.push_str(&":-:|".repeat(read.len()));
    text.push('\n');
    let mut row = |name: &str, has: &dyn Fn(&CloudSummary) -> bool| {
        let marks: String = read.iter().map(|cloud| if has(cloud) { " ● |" } else { "  |" }).collect();
        let _ = writeln!(text, "| {name} |{marks}");
    };
    for field in Field::ALL {
        row(&format!("`{field}`"), &|cloud| cloud.fields.contains(field));
    }
    let events: BTreeSet<&str> = read.iter().flat_map(|cloud| cloud.events.iter().copied()).collect();
    for event in events {
        row(&format!("event: {event}"), &|cloud| cloud.events.contains(&event));
    }
    text
}
