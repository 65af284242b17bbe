//! Values that EC2 repeats: the identity document, the interfaces, the account. Changing one changes all.

use serde_json::{Map, Value};

use crate::tree::Tree;

pub(super) const DOCUMENT: &str = "dynamic/instance-identity/document";
const INTERFACES: &str = "meta-data/network/interfaces/macs";

/// Paths and the identity document's fields that say the same.
const IN_DOCUMENT: &[(&str, &str)] = &[
    ("meta-data/ami-id", "imageId"),
    ("meta-data/instance-id", "instanceId"),
    ("meta-data/instance-type", "instanceType"),
    ("meta-data/local-ipv4", "privateIp"),
    ("meta-data/placement/availability-zone", "availabilityZone"),
    ("meta-data/placement/region", "region"),
];

/// Last segments of paths that hold the same thing, one value or several lines of them.
const ALIKE: &[&[&str]] = &[
    &["local-ipv4", "local-ipv4s"],
    &["public-ipv4", "public-ipv4s"],
    &["ipv6", "ipv6s"],
    &["hostname", "local-hostname"],
    &["public-hostname"],
    &["security-groups"],
    &["mac"],
];

/// Sets a value of the tree and everything that repeats it.
pub(super) fn set(tree: &mut Tree, path: &str, value: &str) -> Result<(), String> {
    if path == DOCUMENT {
        return set_document(tree, value);
    }
    let old = tree.get(path).map(str::to_owned);
    tree.insert(path, value);
    if let Some(old) = old.filter(|old| !old.is_empty() && !old.contains('\n') && old != value) {
        replace_alike(tree, path, &old, value);
    }
    if let Some((_, field)) = IN_DOCUMENT.iter().find(|(known, _)| *known == path) {
        put_in_document(tree, field, value);
    }
    Ok(())
}

/// Sets one field of the identity document, and the path that says the same.
pub(super) fn set_field(tree: &mut Tree, field: &str, value: &str) -> Result<(), String> {
    let document = read(tree).ok_or("there is no identity document")?;
    let Some(old) = document.get(field) else {
        return Err("the identity document has no such field".to_owned());
    };
    if let Some((path, _)) = IN_DOCUMENT.iter().find(|(_, known)| *known == field) {
        return set(tree, path, value);
    }
    if field == "accountId"
        && let Some(old) = old.as_str()
    {
        replace_account(tree, old, value);
    }
    put_in_document(tree, field, value);
    Ok(())
}

fn set_document(tree: &mut Tree, text: &str) -> Result<(), String> {
    let document: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| "the identity document has to be a JSON object".to_owned())?;
    for (path, field) in IN_DOCUMENT {
        if let Some(value) = document.get(*field).and_then(Value::as_str) {
            set(tree, path, value)?;
        }
    }
    if let Some(account) = document.get("accountId").and_then(Value::as_str) {
        set_field(tree, "accountId", account)?;
    }
    // The bytes stay as given: signatures are over them.
    tree.insert(DOCUMENT, text);
    Ok(())
}

fn read(tree: &Tree) -> Option<Map<String, Value>> {
    serde_json::from_str(tree.get(DOCUMENT)?).ok()
}

fn put_in_document(tree: &mut Tree, field: &str, value: &str) {
    let Some(mut document) = read(tree) else { return };
    document.insert(field.to_owned(), Value::String(value.to_owned()));
    let lines: Vec<String> =
        document.iter().map(|(key, value)| format!("  {} : {value}", Value::String(key.clone()))).collect();
    tree.insert(DOCUMENT, &format!("{{\n{}\n}}", lines.join(",\n")));
}

fn replace_alike(tree: &mut Tree, path: &str, old: &str, new: &str) {
    let last = |path: &str| path.rsplit('/').next().unwrap_or("").to_owned();
    let Some(names) = ALIKE.iter().find(|names| names.contains(&last(path).as_str())) else { return };
    for (other, value) in tree.iter_mut() {
        let mapped = names.contains(&"local-ipv4") && other.contains("/ipv4-associations/");
        if mapped || names.contains(&last(other).as_str()) {
            *value = value
                .split('\n')
                .map(|line| if line == old { new } else { line })
                .collect::<Vec<_>>()
                .join("\n");
        }
    }
    if names.contains(&"mac") {
        tree.rename(&format!("{INTERFACES}/{old}"), &format!("{INTERFACES}/{new}"));
    } else if names.contains(&"public-ipv4") {
        rename_association(tree, old, new);
    }
}

/// The public address is also the name of an entry under `ipv4-associations/`.
fn rename_association(tree: &mut Tree, old: &str, new: &str) {
    let ending = format!("/ipv4-associations/{old}");
    let found = tree
        .iter_mut()
        .find(|(path, _)| path.ends_with(&ending))
        .map(|(path, value)| (path.to_owned(), value.clone()));
    if let Some((path, value)) = found {
        tree.remove(&path);
        let directory = path.strip_suffix(old).unwrap_or("");
        tree.insert(&format!("{directory}{new}"), &value);
    }
}

/// The account also owns the interfaces and stands in documents about roles.
fn replace_account(tree: &mut Tree, old: &str, new: &str) {
    for (path, value) in tree.iter_mut() {
        if path.ends_with("/owner-id") && value == old {
            new.clone_into(value);
        } else if path == "meta-data/iam/info" {
            *value = value.replace(&format!(":{old}:"), &format!(":{new}:"));
        } else if path == "meta-data/identity-credentials/ec2/info" {
            *value = value.replace(&format!("\"{old}\""), &format!("\"{new}\""));
        }
    }
}
