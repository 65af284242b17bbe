//! The table of clouds and fields.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::commands::clouds::{Catalog, Cloud};
use crate::messages::visible;

/// Clouds, fields, and with `matrix` which cloud serves which field and announces which event.
pub(crate) fn catalog(catalog: &Catalog, matrix: bool) -> String {
    let title = |cloud: &Cloud| match &cloud.details.node_of {
        Some(of) => format!("{} (node of {of})", visible(cloud.title)),
        None => visible(cloud.title),
    };
    let all = || catalog.clouds.iter().chain(&catalog.nodes);
    let mut rows = vec![["cloud", "title", "found by", "fields", "events"].map(str::to_owned)];
    rows.extend(all().map(|cloud| {
        [
            cloud.name.to_string(),
            title(cloud),
            or_dash(usual(cloud).join(", ")),
            count(cloud.fields.len()),
            count(cloud.announces.len()),
        ]
    }));
    let mut text = aligned(&rows);
    if matrix {
        text.push('\n');
        text.push_str(&served(catalog));
    }
    text.push('\n');
    let mut rows = vec![["field", "class", "key", "meaning"].map(str::to_owned)];
    rows.extend(catalog.fields.iter().map(|field| {
        let key = or_dash(field.key.unwrap_or_default().to_owned());
        [field.name.to_string(), field.class.clone(), key, field.summary.to_owned()]
    }));
    text.push_str(&aligned(&rows));
    text
}

/// What finds it on an ordinary machine; the rest is on its page.
fn usual(cloud: &Cloud) -> Vec<&'static str> {
    let unusual = ["boot loader", "cloud-init"];
    cloud.found_by.iter().copied().filter(|how| !unusual.contains(how)).collect()
}

fn count(number: usize) -> String {
    if number == 0 { "-".to_owned() } else { number.to_string() }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Columns as wide as what is in them.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string can't fail, here and below.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Fields and events downwards, the clouds that can be read across, each name on a step of its own: one column a cloud is
/// narrow enough for a terminal.
fn served(catalog: &Catalog) -> String {
    let clouds: Vec<&Cloud> = catalog.clouds.iter().filter(|cloud| cloud.read).collect();
    let events: BTreeSet<&str> = clouds.iter().flat_map(|cloud| cloud.announces.iter().copied()).collect();
    let fields = catalog.fields.iter().map(|field| field.name.to_string());
    let width = fields.chain(events.iter().map(ToString::to_string)).map(|name| name.len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for (step, cloud) in clouds.iter().enumerate() {
        let _ = writeln!(text, "{:width$}  {}{}", "", "│ ".repeat(step), cloud.name);
    }
    let mut row = |name: &str, has: &dyn Fn(&Cloud) -> bool| {
        let marks: Vec<&str> = clouds.iter().map(|cloud| if has(cloud) { "●" } else { "·" }).collect();
        let _ = writeln!(text, "{name:width$}  {}", marks.join(" "));
    };
    for field in &catalog.fields {
        row(field.name.name(), &|cloud| cloud.fields.contains(&field.name));
    }
    for event in events {
        row(event, &|cloud| cloud.announces.contains(&event));
    }
    text
}
