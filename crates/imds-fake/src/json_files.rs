//! JSON documents by their paths. A longer path names a value inside one of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::document;

#[derive(Clone, Debug, Default)]
pub(crate) struct JsonFiles {
    files: BTreeMap<String, Value>,
}

impl JsonFiles {
    /// Takes a document over. The error says what is wrong with it.
    pub(crate) fn load(&mut self, path: &str, text: &str) -> Result<(), String> {
        let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !file.is_object() {
            return Err("it has to be a JSON object".to_owned());
        }
        self.files.insert(path.to_owned(), file);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Value> {
        self.files.get(path)
    }

    /// Changes a document, or a value of one that is there already; gives back the value that was there. The error says
    /// why not.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> Result<Value, &'static str> {
        let (name, keys) = self.split(path).ok_or("there is no such document")?;
        let file = self.files.get_mut(&name).ok_or("there is no such document")?;
        let old = document::get(file, &keys).cloned().ok_or("the document has no such value")?;
        document::put(file, &keys, document::parse_like(value, Some(&old))?);
        Ok(old)
    }

    /// Takes a document away, or a value of one; `false` when there is none.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        if self.files.remove(path).is_some() {
            return true;
        }
        let Some((name, keys)) = self.split(path) else { return false };
        self.files.get_mut(&name).is_some_and(|file| document::take(file, &keys))
    }

    /// Changes every document.
    pub(crate) fn for_each(&mut self, change: impl FnMut(&mut Value)) {
        self.files.values_mut().for_each(change);
    }

    /// The document with the longest name that begins the path, and the keys below it.
    fn split(&self, path: &str) -> Option<(String, Vec<String>)> {
        let begins = |name: &&String| {
            path.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let name = self.files.keys().filter(begins).max_by_key(|name| name.len())?;
        let rest = path.get(name.len()..)?.trim_start_matches('/');
        let keys = rest.split('/').filter(|key| !key.is_empty()).map(str::to_owned).collect();
        Some((name.clone(), keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded() -> JsonFiles {
        let mut files = JsonFiles::default();
        files.load("a", r#"{"b": {"c": 1}, "d": "x"}"#).unwrap();
        files.load("a/b", r#"{"c": ["y"]}"#).unwrap();
        files
    }

    #[test]
    fn the_longest_name_wins() {
        let mut files = loaded();
        assert_eq!(files.set("a/b/c/0", "z").unwrap(), "y");
        assert_eq!(files.set("a/d", "w").unwrap(), "x");
        assert_eq!(files.get("a/b").unwrap()["c"][0], "z");
        assert_eq!(files.get("a").unwrap()["b"]["c"], 1);
    }

    #[test]
    fn what_is_not_there_cannot_be_set_or_removed() {
        let mut files = loaded();
        assert!(files.set("a/e", "x").is_err() && files.set("ab", "{}").is_err());
        assert!(files.load("x", "[]").is_err() && files.load("x", "{").is_err());
        assert!(!files.remove("a/e") && files.remove("a/d") && !files.remove("a/d"));
        assert!(files.remove("a/b") && files.get("a/b").is_none());
    }
}
