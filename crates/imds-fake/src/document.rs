//! Finding and changing values in captured JSON documents.

use serde_json::{Map, Value};

/// The value at a path of exact keys and decimal indexes.
pub(crate) fn get<'a>(root: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(root, |node, key| match node {
        Value::Object(map) => map.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn get_mut<'a>(root: &'a mut Value, keys: &[String]) -> Option<&'a mut Value> {
    keys.iter().try_fold(root, |node, key| match node {
        Value::Object(map) => map.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Spells each segment as the document does. `same` compares a key of the document with a segment, given the keys
/// above it. `None` where the document has no such value.
pub(crate) fn resolve(
    root: &Value,
    segments: &[String],
    same: impl Fn(&[String], &str, &str) -> bool,
) -> Option<Vec<String>> {
    let mut keys: Vec<String> = Vec::with_capacity(segments.len());
    let mut node = root;
    for segment in segments {
        let (key, child) = match node {
            Value::Object(map) => map
                .iter()
                .find(|(key, _)| same(&keys, key, segment))
                .map(|(key, child)| (key.clone(), child))?,
            Value::Array(items) => {
                let index = segment.parse::<usize>().ok().filter(|index| index.to_string() == *segment)?;
                (segment.clone(), items.get(index)?)
            }
            _ => return None,
        };
        keys.push(key);
        node = child;
    }
    Some(keys)
}

/// Replaces the value at `keys`, or adds it to its parent object. `false` when there is no such parent.
pub(crate) fn put(root: &mut Value, keys: &[String], value: Value) -> bool {
    let Some((last, above)) = keys.split_last() else {
        *root = value;
        return true;
    };
    match get_mut(root, above) {
        Some(Value::Object(map)) => {
            map.insert(last.clone(), value);
            true
        }
        Some(Value::Array(items)) => {
            match last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(slot) => {
                    *slot = value;
                    true
                }
                None => false,
            }
        }
        _ => false,
    }
}

/// Takes the value at `keys` away; `false` when there is none.
pub(crate) fn take(root: &mut Value, keys: &[String]) -> bool {
    let Some((last, above)) = keys.split_last() else { return false };
    match get_mut(root, above) {
        Some(Value::Object(map)) => map.remove(last).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Reads `text` as a value of the same kind as the one it replaces; the error says which kind is wanted.
pub(crate) fn parse_like(text: &str, old: Option<&Value>) -> Result<Value, &'static str> {
    match old {
        Some(Value::Number(_)) => serde_json::from_str::<serde_json::Number>(text)
            .map(Value::Number)
            .map_err(|_| "a number is wanted here"),
        Some(Value::Bool(_)) => text.parse().map(Value::Bool).map_err(|_| "true or false is wanted here"),
        Some(Value::Object(_)) => serde_json::from_str::<Map<String, Value>>(text)
            .map(Value::Object)
            .map_err(|_| "a JSON object is wanted here"),
        Some(Value::Array(_)) if !text.trim_start().starts_with('[') => {
            Ok(Value::Array(text.lines().map(|line| Value::String(line.to_owned())).collect()))
        }
        Some(Value::Array(_)) => serde_json::from_str::<Vec<Value>>(text)
            .map(Value::Array)
            .map_err(|_| "a JSON array is wanted here"),
        Some(Value::String(_)) => Ok(Value::String(text.to_owned())),
        Some(Value::Null) | None => match text.trim_start().chars().next() {
            Some('{' | '[') => serde_json::from_str(text).map_err(|_| "this is not valid JSON"),
            _ => Ok(Value::String(text.to_owned())),
        },
    }
}

/// A scalar as plain text; `None` for objects and arrays.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Replaces `from` by `to` in the string at `keys`, if there is one.
pub(crate) fn replace_text(root: &mut Value, keys: &[&str], from: &str, to: &str) {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    if let Some(Value::String(text)) = get_mut(root, &keys)
        && !from.is_empty()
    {
        *text = text.replace(from, to);
    }
}

/// Replaces `from` by `to` in every string and every key.
pub(crate) fn replace_everywhere(node: &mut Value, from: &str, to: &str) {
    match node {
        Value::String(text) => *text = text.replace(from, to),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_everywhere(item, from, to)),
        Value::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                replace_everywhere(&mut value, from, to);
                map.insert(key.replace(from, to), value);
            }
        }
        _ => {}
    }
}

/// Replaces strings and keys that are `from`, and `"from"` in quotes within longer strings.
pub(crate) fn replace_whole(node: &mut Value, from: &str, to: &str) {
    match node {
        Value::String(text) if text == from => to.clone_into(text),
        Value::String(text) => *text = text.replace(&format!("\"{from}\""), &format!("\"{to}\"")),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_whole(item, from, to)),
        Value::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                replace_whole(&mut value, from, to);
                map.insert(if key == from { to.to_owned() } else { key }, value);
            }
        }
        _ => {}
    }
}

/// The string at a path of keys, empty where there is none.
pub(crate) fn text<'a>(root: &'a Value, keys: &[&str]) -> &'a str {
    keys.iter().try_fold(root, |node, key| node.get(key)).and_then(Value::as_str).unwrap_or("")
}
