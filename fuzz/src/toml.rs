//! TOML read by `toml` and by `toml-span`. The first shares its lexer with the implementation; the second shares nothing,
//! knows no dates and nothing of TOML 1.1, and tells where a value stands.

use toml_span::value::ValueInner;

use crate::tree::{Node, What};

/// As `toml` reads it.
pub fn read(source: &str) -> Option<Vec<Node>> {
    let table: toml::Table = source.parse().ok()?;
    Some(vec![of_toml(&toml::Value::Table(table))])
}

fn of_toml(value: &toml::Value) -> Node {
    match value {
        toml::Value::String(text) => Node::text(text, 0..0),
        toml::Value::Array(items) => What::List(items.iter().map(of_toml).collect()).into(),
        toml::Value::Table(table) => {
            mapping(table.iter().map(|(key, value)| (key.clone(), of_toml(value))).collect())
        }
        toml::Value::Integer(number) => What::Other(format!("{number:?}")).into(),
        toml::Value::Float(number) => What::Other(format!("{number:?}")).into(),
        toml::Value::Boolean(truth) => What::Other(format!("{truth:?}")).into(),
        toml::Value::Datetime(time) => What::Other(format!("{time:?}")).into(),
    }
}

/// As `toml-span` reads it.
pub fn read_independently(source: &str) -> Option<Vec<Node>> {
    let mut value = toml_span::parse(source).ok()?;
    Some(vec![of_span(&mut value)])
}

fn of_span(value: &mut toml_span::Value<'_>) -> Node {
    let span = value.span.start..value.span.end;
    match value.take() {
        ValueInner::String(text) => Node::text(text, span),
        ValueInner::Array(mut items) => What::List(items.iter_mut().map(of_span).collect()).into(),
        ValueInner::Table(mut table) => {
            mapping(table.iter_mut().map(|(key, value)| (key.name.to_string(), of_span(value))).collect())
        }
        ValueInner::Integer(number) => What::Other(format!("{number:?}")).into(),
        ValueInner::Float(number) => What::Other(format!("{number:?}")).into(),
        ValueInner::Boolean(truth) => What::Other(format!("{truth:?}")).into(),
    }
}

/// The order of a table's keys means nothing.
fn mapping(mut entries: Vec<(String, Node)>) -> Node {
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let entries = entries.into_iter().map(|(key, value)| (Node::text(key, 0..0), value)).collect();
    What::Map { entries, pair: false }.into()
}
