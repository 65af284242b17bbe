//! The table for people: a name and a value a line, what has parts as indented blocks below.

use imds::model::{Metadata, Reading, Source, Tags, Value};
use serde::Serialize;

use crate::messages::visible;

/// A value that is wider than this doesn't push the sources of all others away.
const WIDEST: usize = 40;

/// Members of interfaces and disks, what people look for first; further ones follow by name.
const ORDER: [&str; 10] =
    ["mac", "private_ipv4s", "public_ipv4s", "ipv6s", "id", "name", "device", "lun", "size_bytes", "boot"];

/// A line of the table.
struct Row {
    name: String,
    value: String,
    source: String,
}

/// Everything that is known, with its sources where they are wanted.
pub(crate) fn metadata(metadata: &Metadata, sources: bool) -> String {
    let source_of = |source: &Source| if sources { visible(&source.to_string()) } else { String::new() };
    let mut rows: Vec<Row> = Vec::new();
    for (field, reading) in metadata.readings() {
        let Reading::Known { value, source, .. } = reading else { continue };
        let source = source_of(source);
        let name = field.to_string();
        match value {
            Value::Text(text) => rows.push(Row { name, value: visible(text), source }),
            Value::Tags(tags) => block(&mut rows, name, source, tags.is_empty(), tag_rows(tags)),
            Value::Interfaces(list) => block(&mut rows, name, source, list.is_empty(), item_rows(list)),
            Value::Disks(list) => block(&mut rows, name, source, list.is_empty(), item_rows(list)),
            _ => {}
        }
    }
    laid_out(&rows)
}

/// Tags alone.
pub(crate) fn tags(tags: &Tags) -> String {
    let rows: Vec<Row> = tags
        .iter()
        .map(|(key, value)| Row { name: visible(key), value: visible(value), source: String::new() })
        .collect();
    laid_out(&rows)
}

fn block(rows: &mut Vec<Row>, name: String, source: String, empty: bool, parts: Vec<Row>) {
    let value = if empty { "(none)".to_owned() } else { String::new() };
    rows.push(Row { name, value, source });
    rows.extend(parts);
}

fn tag_rows(tags: &Tags) -> Vec<Row> {
    let row = |(key, value): (&String, &String)| Row {
        name: format!("  {}", visible(key)),
        value: visible(value),
        source: String::new(),
    };
    tags.iter().map(row).collect()
}

/// Items of a list: the number before the first member, the members below each other.
fn item_rows<T: Serialize>(items: &[T]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, item) in items.iter().enumerate() {
        // Interfaces and disks are structures of text, numbers and lists; they always have a JSON form.
        let Ok(serde_json::Value::Object(mut members)) = serde_json::to_value(item) else { continue };
        let mut ordered: Vec<_> = ORDER.iter().filter_map(|known| members.remove_entry(*known)).collect();
        ordered.extend(members);
        let mut lead = index.to_string();
        for (member, value) in &ordered {
            rows.push(Row {
                name: format!("  {lead:2} {member}"),
                value: visible(&flat(value)),
                source: String::new(),
            });
            lead.clear();
        }
    }
    rows
}

fn flat(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn laid_out(rows: &[Row]) -> String {
    let width = |pick: fn(&Row) -> &str, limit: usize| {
        rows.iter().map(|row| pick(row).chars().count()).filter(|width| *width <= limit).max().unwrap_or(0)
    };
    let names = width(|row| &row.name, WIDEST);
    let sourced = rows.iter().any(|row| !row.source.is_empty());
    let values = if sourced { width(|row| &row.value, WIDEST) } else { 0 };
    let line = |row: &Row| {
        let line = format!("{:names$}  {:values$}  {}", row.name, row.value, row.source);
        line.trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use imds::Field;
    use imds::model::{CloudName, Interface};

    use super::*;

    fn sample() -> Metadata {
        let mut sample = Metadata::new(CloudName::AWS);
        let mut set = |field, value| sample.set(field, Reading::known(value, Source::Mock));
        set(Field::Cloud, Value::Text("aws".into()));
        set(
            Field::Tags,
            Value::Tags([("a b".into(), "x\n\u{1b}[2J".into()), ("empty".into(), String::new())].into()),
        );
        let mut interface = Interface::default();
        interface.mac = Some("06:00:00:00:00:01".into());
        interface.private_ipv4s = vec!["10.0.0.1".into(), "10.0.0.2".into()];
        set(Field::Interfaces, Value::Interfaces(vec![interface]));
        set(Field::Disks, Value::Disks(Vec::new()));
        sample
    }

    #[test]
    fn the_table_is_aligned_and_harmless() {
        assert_eq!(
            metadata(&sample(), false),
            "\
cloud               aws
tags
  a b               x\\n\\u{1b}[2J
  empty
interfaces
  0  mac            06:00:00:00:00:01
     private_ipv4s  10.0.0.1, 10.0.0.2
disks               (none)
"
        );
    }

    #[test]
    fn sources_are_a_third_column() {
        let table = metadata(&sample(), true);
        let first = table.lines().next().unwrap();
        assert_eq!(first.split_whitespace().collect::<Vec<_>>(), ["cloud", "aws", "mock"]);
    }
}
