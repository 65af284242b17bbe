//! Changing Azure's instance document: finding a field by its path, and keeping the fields that repeat one another.

use serde_json::{Value, json};

use super::azure_versions as versions;
use crate::document;

/// The keys of a path into the instance document, dotted or with slashes; a field the
/// document lacks is found too, where the service knows one of that name.
pub(super) fn instance_keys(instance: &Value, path: &str) -> Option<Vec<String>> {
    let separator = if path.contains('/') { '/' } else { '.' };
    let mut segments: Vec<String> = path.split(separator).map(str::to_owned).collect();
    if segments.first().is_some_and(|first| first == "instance") {
        segments.remove(0);
    }
    let same = |_: &[String], key: &str, segment: &str| key.eq_ignore_ascii_case(segment);
    if let Some(keys) = document::resolve(instance, &segments, same) {
        return Some(keys);
    }
    let (last, above) = segments.split_last()?;
    let mut keys = document::resolve(instance, above, same)?;
    keys.push(versions::field(&keys, last)?.to_owned());
    Some(keys)
}

/// Tags stand twice: as a list, and joined in one text.
pub(super) fn set_tag(instance: &mut Value, name: &str, value: &str) {
    let Some(compute) = instance.get_mut("compute").and_then(Value::as_object_mut) else { return };
    if let Some(Value::Array(list)) = compute.get_mut("tagsList") {
        match list.iter_mut().find(|tag| tag.get("name").and_then(Value::as_str) == Some(name)) {
            Some(tag) => *tag = json!({ "name": name, "value": value }),
            None => list.push(json!({ "name": name, "value": value })),
        }
    }
    join_tags(instance);
}

fn join_tags(instance: &mut Value) {
    let list = instance.pointer("/compute/tagsList").and_then(Value::as_array).into_iter().flatten();
    let pairs: Vec<String> = list
        .map(|tag| format!("{}:{}", document::text(tag, &["name"]), document::text(tag, &["value"])))
        .collect();
    document::put(instance, &["compute".to_owned(), "tags".to_owned()], pairs.join(";").into());
}

/// Values the instance document repeats in others of its fields.
pub(super) fn repeat(instance: &mut Value, keys: &[String], old: &str, new: &str) {
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let resource = &["compute", "resourceId"];
    match names.as_slice() {
        ["compute", "tagsList", ..] => join_tags(instance),
        ["compute", "subscriptionId"] => {
            document::replace_text(
                instance,
                resource,
                &format!("/subscriptions/{old}/"),
                &format!("/subscriptions/{new}/"),
            );
        }
        ["compute", "resourceGroupName"] => {
            document::replace_text(
                instance,
                resource,
                &format!("/resourceGroups/{old}/"),
                &format!("/resourceGroups/{new}/"),
            );
        }
        ["compute", "name"] => {
            // The last segment; a uniform scale set's is the instance number instead, and stays.
            let id = document::text(instance, resource).to_owned();
            if let Some(parent) =
                id.strip_suffix(old).filter(|parent| parent.ends_with('/') && !old.is_empty())
            {
                document::put(instance, &resource.map(str::to_owned), format!("{parent}{new}").into());
            }
        }
        ["compute", part @ ("publisher" | "offer" | "sku" | "version")] => {
            let path = ["compute", "storageProfile", "imageReference", part].map(str::to_owned);
            if document::get(instance, &path).and_then(Value::as_str) == Some(old) {
                document::put(instance, &path, new.into());
            }
        }
        _ => {}
    }
}

pub(super) fn replace_address(node: &mut Value, old: &str, new: &str) {
    match node {
        Value::String(text) if text == old => new.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_address(item, old, new)),
        Value::Object(map) => map.values_mut().for_each(|item| replace_address(item, old, new)),
        _ => {}
    }
}
