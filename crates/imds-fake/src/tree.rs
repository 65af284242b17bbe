//! A tree of text values, as EC2 and `DigitalOcean` serve it: directories list their children one a line.

use std::collections::{BTreeMap, BTreeSet};

/// Values by their path without leading slash; directories are implied by the paths below them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    values: BTreeMap<String, String>,
}

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Value(&'a str),
    /// The names below, sorted, sub-directories with a trailing slash.
    Directory(Vec<String>),
}

impl Tree {
    pub(crate) fn new(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.values.get(path).map(String::as_str)
    }

    pub(crate) fn insert(&mut self, path: &str, value: &str) {
        self.values.insert(path.to_owned(), value.to_owned());
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut String)> {
        self.values.iter_mut().map(|(path, value)| (path.as_str(), value))
    }

    pub(crate) fn find(&self, path: &str) -> Option<Node<'_>> {
        if let Some(value) = self.get(path) {
            return Some(Node::Value(value));
        }
        let mut names = BTreeSet::new();
        for (known, _) in self.below(path) {
            match known.split_once('/') {
                Some((directory, _)) => names.insert(format!("{directory}/")),
                None => names.insert(known.to_owned()),
            };
        }
        (!names.is_empty()).then(|| Node::Directory(names.into_iter().collect()))
    }

    /// Paths (relative to `path`) and values below a directory.
    fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.iter().filter_map(move |(known, value)| {
            let rest = if path.is_empty() { known } else { known.strip_prefix(path)?.strip_prefix('/')? };
            Some((rest, value.as_str()))
        })
    }

    /// Removes a value or a whole directory; tells whether there was one.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let directory = format!("{path}/");
        let before = self.values.len();
        self.values.retain(|known, _| known != path && !known.starts_with(&directory));
        self.values.len() < before
    }

    /// Gives a directory another name.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        let moved: Vec<(String, String)> =
            self.below(from).map(|(rest, value)| (format!("{to}/{rest}"), value.to_owned())).collect();
        self.remove(from);
        self.values.extend(moved);
    }

    /// Whether a value could be put at `path` without hiding a directory or standing below a value.
    pub(crate) fn has_room(&self, path: &str) -> bool {
        let below_a_value =
            path.match_indices('/').any(|(at, _)| self.values.contains_key(path.get(..at).unwrap_or("")));
        !below_a_value && !matches!(self.find(path), Some(Node::Directory(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let pairs = [("a/b", "1"), ("a/c/d", "2"), ("ab", "3")];
        Tree::new(pairs.into_iter().map(|(path, value)| (path.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn directories_list_sorted_names_with_slashes() {
        assert_eq!(tree().find(""), Some(Node::Directory(vec!["a/".into(), "ab".into()])));
        assert_eq!(tree().find("a"), Some(Node::Directory(vec!["b".into(), "c/".into()])));
        assert_eq!(tree().find("a/c/d"), Some(Node::Value("2")));
        assert_eq!(tree().find("a/x"), None);
    }

    #[test]
    fn removing_a_directory_spares_its_namesakes() {
        let mut tree = tree();
        assert!(tree.remove("a"));
        assert_eq!(tree.find(""), Some(Node::Directory(vec!["ab".into()])));
        assert!(!tree.remove("a"));
    }

    #[test]
    fn a_value_cannot_hide_a_directory() {
        assert!(!tree().has_room("a"));
        assert!(!tree().has_room("ab/x"));
        assert!(tree().has_room("a/new/value"));
    }
}
