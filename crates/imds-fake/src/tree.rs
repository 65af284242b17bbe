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

    /// What a path answers: the value, or the names below it, one a line without a newline at the end.
    pub(crate) fn page(&self, path: &str) -> Option<String> {
        Some(match self.find(path)? {
            Node::Value(value) => value.to_owned(),
            Node::Directory(names) => names.join("\n"),
        })
    }

    /// Changes or adds a value. The error says why it can't stand at that path.
    pub(crate) fn put(&mut self, path: &str, value: &str) -> Result<(), &'static str> {
        if !self.has_room(path) {
            return Err("this is a directory, or stands below a value");
        }
        self.insert(path, value);
        Ok(())
    }

    /// As [`Tree::put`]. Values that were equal to the old one follow, line by line, where their last name is in the same
    /// group of names as this one's.
    pub(crate) fn put_alike(
        &mut self,
        path: &str,
        value: &str,
        groups: &[&[&str]],
    ) -> Result<(), &'static str> {
        let last = |path: &str| path.rsplit('/').next().unwrap_or("").to_owned();
        let old = self.get(path).map(str::to_owned).unwrap_or_default();
        self.put(path, value)?;
        let group = groups.iter().find(|names| names.contains(&last(path).as_str()));
        let Some(names) = group.filter(|_| !old.is_empty() && !old.contains('\n')) else { return Ok(()) };
        for (_, text) in self.iter_mut().filter(|(other, _)| names.contains(&last(other).as_str())) {
            let lines: Vec<&str> =
                text.split('\n').map(|line| if line == old { value } else { line }).collect();
            *text = lines.join("\n");
        }
        Ok(())
    }

    /// Hangs another tree below a path.
    pub(crate) fn graft(&mut self, path: &str, tree: Tree) {
        self.values.extend(tree.values.into_iter().map(|(below, value)| (format!("{path}/{below}"), value)));
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
    fn equal_values_of_one_group_of_names_change_together() {
        let pairs = [("ip", "1"), ("nic/ips", "1\n11"), ("nic/mask", "1"), ("nic/ip", "2")];
        let mut tree =
            Tree::new(pairs.into_iter().map(|(path, value)| (path.to_owned(), value.to_owned())).collect());
        tree.put_alike("ip", "3", &[&["ip", "ips"]]).unwrap();
        let values = ["ip", "nic/ips", "nic/mask", "nic/ip"].map(|path| tree.get(path).unwrap());
        assert_eq!(values, ["3", "3\n11", "1", "2"]);
        assert!(tree.put_alike("nic", "x", &[]).is_err());
    }

    #[test]
    fn a_value_cannot_hide_a_directory() {
        assert!(!tree().has_room("a"));
        assert!(!tree().has_room("ab/x"));
        assert!(tree().has_room("a/new/value"));
    }
}
