//! A JSON document that is also served as a tree of text values, as `DigitalOcean`, Vultr and `UpCloud` do.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::document;
use crate::tree::Tree;

/// How one cloud's tree differs from its document.
#[derive(Debug)]
pub(crate) struct Spelling {
    /// Where (below which key of the top level; empty for the top level itself), the document's key, the tree's name.
    pub(crate) renamed: &'static [(&'static str, &'static str, &'static str)],
    /// Paths of values a machine may gain, spelled as in the document; `*` stands for any one name.
    pub(crate) optional: &'static [&'static str],
}

/// A document whose tree is spelled like itself.
pub(crate) const SAME: Spelling = Spelling { renamed: &[], optional: &[] };

#[derive(Clone, Debug)]
pub(crate) struct JsonTree {
    root: Value,
    spelling: &'static Spelling,
}

impl JsonTree {
    pub(crate) fn new(spelling: &'static Spelling) -> Self {
        Self { root: Value::Null, spelling }
    }

    /// Takes a document over. The error says what is wrong with it.
    pub(crate) fn load(&mut self, text: &str) -> Result<(), String> {
        let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !root.is_object() {
            return Err("it has to be a JSON object".to_owned());
        }
        self.root = root;
        Ok(())
    }

    /// Takes a document over as the value of one key of the top level.
    pub(crate) fn load_under(&mut self, key: &str, text: &str) -> Result<(), String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !value.is_object() && !value.is_array() {
            return Err("it has to be a JSON object or list".to_owned());
        }
        if self.root.is_null() {
            self.root = Value::Object(Map::new());
        }
        document::put(&mut self.root, &[key.to_owned()], value);
        Ok(())
    }

    pub(crate) fn document(&self) -> &Value {
        &self.root
    }

    /// Objects and lists of objects become directories, lists of values a line each. A null is not there.
    pub(crate) fn tree(&self) -> Tree {
        let mut values = BTreeMap::new();
        if let Value::Object(map) = &self.root {
            for (key, child) in map {
                self.plant(&mut vec![key.clone()], self.name(&[], key), child, &mut values);
            }
        }
        Tree::new(values)
    }

    fn plant(&self, keys: &mut Vec<String>, path: &str, value: &Value, tree: &mut BTreeMap<String, String>) {
        match value {
            Value::Null => {}
            Value::Object(map) => {
                for (key, child) in map {
                    let below = format!("{path}/{}", self.name(keys, key));
                    keys.push(key.clone());
                    self.plant(keys, &below, child, tree);
                    keys.pop();
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (at, child) in items.iter().enumerate() {
                    keys.push(at.to_string());
                    self.plant(keys, &format!("{path}/{at}"), child, tree);
                    keys.pop();
                }
            }
            Value::Array(items) => {
                let lines: Vec<String> = items.iter().filter_map(document::scalar).collect();
                tree.insert(path.to_owned(), lines.join("\n"));
            }
            scalar => {
                tree.insert(path.to_owned(), document::scalar(scalar).unwrap_or_default());
            }
        }
    }

    /// What the tree calls a key of the document that stands below others.
    fn name<'a>(&self, above: &[String], key: &'a str) -> &'a str {
        let top = above.first().map_or("", String::as_str);
        let known = self.spelling.renamed.iter().find(|(below, known, _)| *below == top && *known == key);
        known.map_or(key, |(_, _, name)| name)
    }

    /// Changes the value at a path, as the document or the tree spells it, with slashes or dots. What
    /// holds an object, a list or nothing can become `null`. The error says why not.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> Result<(), &'static str> {
        let keys = self.keys(path).or_else(|| self.new_keys(path)).ok_or("the machine has no such value")?;
        let new = match document::get(&self.root, &keys) {
            Some(Value::Null | Value::Object(_) | Value::Array(_)) if value == "null" => Value::Null,
            old => document::parse_like(value, old)?,
        };
        for depth in 1..keys.len() {
            let above = keys.get(..depth).unwrap_or(&[]);
            if document::get(&self.root, above).is_none_or(Value::is_null) {
                document::put(&mut self.root, above, Value::Object(Map::new()));
            }
        }
        if document::put(&mut self.root, &keys, new) { Ok(()) } else { Err("this stands below a value") }
    }

    /// As [`JsonTree::set`]. Each group names paths, spelled as in the document, that say the same: those which were
    /// equal to the old value follow.
    pub(crate) fn set_alike(
        &mut self,
        path: &str,
        value: &str,
        groups: &[&[&str]],
    ) -> Result<(), &'static str> {
        let split = |path: &str| -> Vec<String> { path.split('/').map(str::to_owned).collect() };
        let keys = self.keys(path).unwrap_or_default();
        let old = document::get(&self.root, &keys).cloned();
        self.set(path, value)?;
        let new = document::get(&self.root, &keys).cloned();
        let group = groups.iter().find(|paths| paths.iter().any(|known| split(known) == keys));
        let (Some(paths), Some(old), Some(new)) = (group, old, new) else { return Ok(()) };
        for other in paths.iter().map(|path| split(path)) {
            if document::get(&self.root, &other) == Some(&old) {
                document::put(&mut self.root, &other, new.clone());
            }
        }
        Ok(())
    }

    /// Replaces a value wherever it stands below a key of the top level: as a text or a key of its own, or in quotes
    /// within a text that is JSON itself.
    pub(crate) fn replace_below(&mut self, key: &str, old: &str, new: &str) {
        if let Some(node) = self.root.get_mut(key) {
            document::replace_whole(node, old, new);
        }
    }

    /// Takes a value away; `false` when there is none.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        self.keys(path).is_some_and(|keys| document::take(&mut self.root, &keys))
    }

    /// The document's keys for a path to something that is there.
    pub(crate) fn keys(&self, path: &str) -> Option<Vec<String>> {
        let same =
            |above: &[String], key: &str, segment: &str| key == segment || self.name(above, key) == segment;
        // Names with dots in them are found by slashes only.
        ['/', '.'].iter().find_map(|separator| {
            let segments: Vec<String> = path.split(*separator).map(str::to_owned).collect();
            document::resolve(&self.root, &segments, same)
        })
    }

    /// The document's keys for a value that the machine lacks but could have.
    fn new_keys(&self, path: &str) -> Option<Vec<String>> {
        let separator = if path.contains('/') { '/' } else { '.' };
        let mut keys: Vec<String> = Vec::new();
        for segment in path.split(separator) {
            let top = keys.first().map_or("", String::as_str);
            let known =
                self.spelling.renamed.iter().find(|(below, _, name)| *below == top && *name == segment);
            keys.push(known.map_or(segment, |(_, key, _)| key).to_owned());
        }
        let fits = |pattern: &&&str| {
            let names: Vec<&str> = pattern.split('/').collect();
            names.len() == keys.len()
                && names.iter().zip(&keys).all(|(name, key)| *name == "*" && !key.is_empty() || name == key)
        };
        self.spelling.optional.iter().find(fits).is_some().then_some(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;

    const SPELLING: Spelling = Spelling {
        renamed: &[("", "machine_id", "id"), ("nics", "ip_address", "address")],
        optional: &["machine_id", "tags/*"],
    };

    fn loaded() -> JsonTree {
        let mut tree = JsonTree::new(&SPELLING);
        tree.load(r#"{"machine_id": 7, "nics": [{"ip_address": "10.0.0.1", "v6": null}], "dns": ["a", "b"], "none": []}"#)
            .unwrap();
        tree
    }

    #[test]
    fn the_tree_has_the_documents_values_under_its_own_names() {
        let tree = loaded().tree();
        let names = vec!["dns".into(), "id".into(), "nics/".into(), "none".into()];
        assert_eq!(tree.find(""), Some(Node::Directory(names)));
        for (path, value) in [("id", "7"), ("nics/0/address", "10.0.0.1"), ("dns", "a\nb"), ("none", "")] {
            assert_eq!(tree.find(path), Some(Node::Value(value)), "{path}");
        }
        assert_eq!(tree.find("nics/0/v6"), None);
    }

    #[test]
    fn values_are_changed_by_either_name_and_keep_their_kind() {
        let mut tree = loaded();
        tree.set("id", "8").unwrap();
        tree.set("nics.0.ip_address", "10.0.0.2").unwrap();
        assert!(tree.set("id", "eight").is_err() && tree.set("id", "null").is_err());
        assert!(tree.set("nics/1/address", "x").is_err());
        assert_eq!(
            (&tree.document()["machine_id"], &tree.document()["nics"][0]["ip_address"]),
            (&8.into(), &"10.0.0.2".into())
        );
    }

    #[test]
    fn values_that_say_the_same_change_together() {
        let mut tree = JsonTree::new(&SAME);
        tree.load_under("a", r#"{"zone": "z1", "place": {"zone": "z1"}, "other": "z1"}"#).unwrap();
        tree.load_under("b", r#"{"zone": "z2"}"#).unwrap();
        tree.set_alike("a.zone", "z9", &[&["a/zone", "a/place/zone", "b/zone"]]).unwrap();
        let expected = serde_json::json!({"a": {"zone": "z9", "place": {"zone": "z9"}, "other": "z1"}, "b": {"zone": "z2"}});
        assert_eq!(*tree.document(), expected);
    }

    #[test]
    fn what_a_machine_may_gain_can_be_added() {
        let mut tree = loaded();
        tree.set("none", "null").unwrap();
        tree.set("tags/team", "storage").unwrap();
        assert_eq!((tree.document().get("none"), tree.tree().find("none")), (Some(&Value::Null), None));
        assert_eq!(tree.document()["tags"]["team"], "storage");
        assert!(tree.remove("id") && !tree.remove("id"));
        tree.set("id", "9").unwrap();
        assert_eq!(tree.document()["machine_id"], "9");
        assert!(tree.set("tags/a/b", "x").is_err() && tree.set("size", "x").is_err());
    }
}
