//! What a structured source says, and what it has to say once its placeholders are resolved.

use std::collections::HashMap;
use std::ops::Range;

use imds_template::{Errors, Format, Missing, Template};

use crate::{Machine, substituted};

/// What a reader makes of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its tag, where the format has such.
    pub tag: Option<String>,
    /// The number of its anchor; 0 for none.
    pub anchor: usize,
    /// What it is.
    pub what: What,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A string.
    Text(Text),
    /// Anything else that has no parts, as the reader spells it.
    Other(String),
    /// What an anchor with this number names.
    Alias(usize),
    /// A list.
    List(Vec<Node>),
    /// A mapping; `pair` where it is an item `key: value` of a YAML list without braces.
    Map {
        /// Its entries, in order.
        entries: Vec<(Node, Node)>,
        /// Whether it has no braces of its own.
        pair: bool,
    },
}

/// A string.
#[derive(Clone, Debug)]
pub struct Text {
    /// What it says.
    pub text: String,
    /// Where a change of its quoting would change its meaning: how it is quoted.
    pub plain: bool,
    /// Where it stands.
    pub span: Range<usize>,
}

/// Places don't count.
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.plain == other.plain
    }
}

impl From<What> for Node {
    fn from(what: What) -> Self {
        Self { tag: None, anchor: 0, what }
    }
}

impl Node {
    /// A string without a tag.
    pub fn text(text: impl Into<String>, span: Range<usize>) -> Self {
        What::Text(Text { text: text.into(), plain: false, span }).into()
    }

    fn is_string(&self) -> bool {
        match self.tag.as_deref().and_then(|tag| tag.strip_prefix("tag:yaml.org,2002:")) {
            Some(tag) => tag == "str",
            None => true,
        }
    }

    /// With the placeholders of all string values resolved; nothing where the entry goes.
    pub fn resolved(&self, machine: &Machine<'_>, missing: Missing) -> Result<Option<Self>, Errors> {
        let what = match &self.what {
            What::Text(text) if self.is_string() => {
                let Some(new) = substituted(&text.text, machine, missing)? else { return Ok(None) };
                let plain = text.plain && new == text.text;
                What::Text(Text { text: new, plain, span: text.span.clone() })
            }
            What::List(items) => {
                let items = items.iter().filter_map(|item| item.resolved(machine, missing).transpose());
                What::List(items.collect::<Result<_, _>>()?)
            }
            What::Map { entries, pair } => {
                let mut kept = Vec::new();
                for (key, value) in entries {
                    match value.resolved(machine, missing)? {
                        Some(value) => kept.push((key.clone(), value)),
                        // A pair without braces is itself the entry of the list around it.
                        None if *pair => return Ok(None),
                        None => {}
                    }
                }
                What::Map { entries: kept, pair: *pair }
            }
            other => other.clone(),
        };
        Ok(Some(Self { tag: self.tag.clone(), anchor: self.anchor, what }))
    }

    /// Where the strings stand that differ from those of a tree of the same shape, here and there.
    pub fn changed(&self, other: &Self, spans: &mut Vec<(Range<usize>, Range<usize>)>) {
        match (&self.what, &other.what) {
            (What::Text(one), What::Text(two)) if one != two => {
                spans.push((one.span.clone(), two.span.clone()));
            }
            (What::List(ones), What::List(twos)) => {
                for (one, two) in ones.iter().zip(twos) {
                    one.changed(two, spans);
                }
            }
            (What::Map { entries: ones, .. }, What::Map { entries: twos, .. }) => {
                for ((_, one), (_, two)) in ones.iter().zip(twos) {
                    one.changed(two, spans);
                }
            }
            _ => {}
        }
    }

    /// Without the mappings that have no entries, at any depth.
    pub fn pruned(self) -> Option<Self> {
        let what = match self.what {
            What::List(items) => What::List(items.into_iter().filter_map(Self::pruned).collect()),
            What::Map { entries, pair } => {
                let entries: Vec<_> =
                    entries.into_iter().filter_map(|(key, value)| Some((key, value.pruned()?))).collect();
                if entries.is_empty() {
                    return None;
                }
                What::Map { entries, pair }
            }
            other => other,
        };
        Some(Self { what, ..self })
    }
}

/// Whether every string value's placeholders can be read.
pub fn is_readable(nodes: &[Node], machine: &Machine<'_>) -> bool {
    nodes.iter().all(|node| node.resolved(machine, Missing::Empty).is_ok())
}

/// Resolves the source by every policy and compares what a reader makes of the results with what it should. `lenient`
/// where an entry may be impossible to drop.
pub fn judge(
    template: &Template<'_>,
    machine: &Machine<'_>,
    missing: Missing,
    before: &[Node],
    read: impl Fn(&str) -> Option<Vec<Node>>,
    lenient: bool,
) {
    let source = template.source();
    let expected: Result<Vec<Option<Node>>, Errors> =
        before.iter().map(|node| node.resolved(machine, missing)).collect();
    let expected: Option<Vec<Node>> = expected.ok().and_then(|nodes| nodes.into_iter().collect());
    let result = template.resolve(machine, missing);
    let (expected, result) = match (expected, result) {
        (None, Err(_)) => return,
        (Some(_), Err(_)) if lenient && missing == Missing::Drop => return,
        (None, Ok(result)) => panic!("{missing:?}: resolved what has no value\n{source:?}\n{result:?}"),
        (Some(_), Err(errors)) => panic!("{missing:?}: {errors}\n{source:?}"),
        (Some(expected), Ok(result)) => (expected, result),
    };
    let Some(after) = read(&result) else {
        panic!("{missing:?}: the result doesn't parse\n{source:?}\n{result:?}");
    };
    let alike = if missing == Missing::Drop && template.format() == Format::Toml {
        // What was the only value of a dotted key takes the tables that it alone defined with it.
        let pruned = |nodes: Vec<Node>| nodes.into_iter().filter_map(Node::pruned).collect::<Vec<_>>();
        pruned(expected.clone()) == pruned(after.clone())
    } else {
        normal(&expected) == normal(&after)
    };
    assert!(
        alike,
        "{missing:?}: the result says something else\n{source:?}\n{result:?}\nexpected {expected:#?}\nfound {after:#?}"
    );
    if missing != Missing::Drop && has_places(before) {
        same_around(source, &result, before, &after);
    }
}

/// Whether the reader says where strings stand.
fn has_places(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match &node.what {
        What::Text(text) => text.span.end > 0,
        What::Other(_) | What::Alias(_) => false,
        What::List(items) => has_places(items),
        What::Map { entries, .. } => entries.iter().any(|(_, value)| has_places(std::slice::from_ref(value))),
    })
}

/// Everything outside the strings that changed is as it was, but for white space and quotes beside them.
fn same_around(source: &str, result: &str, before: &[Node], after: &[Node]) {
    let mut spans = Vec::new();
    for (one, two) in before.iter().zip(after) {
        one.changed(two, &mut spans);
    }
    spans.sort_by_key(|(span, _)| span.start);
    spans.push((source.len()..source.len(), result.len()..result.len()));
    let (mut here, mut there) = (0, 0);
    // The comment behind the `|` of a block scalar, which stands behind the string where it became a quoted one.
    let mut comment = "";
    for (one, two) in spans {
        let gap = |text: &str, from: usize, to: usize| {
            // Some readers count the quotes to the string, some don't.
            let edge = |char: char| char.is_whitespace() || matches!(char, '"' | '\'');
            let gap = text.get(from..to).map(|gap| gap.trim_matches(edge));
            gap.unwrap_or_else(|| panic!("{from}..{to} is no gap\n{source:?}\n{result:?}")).to_owned()
        };
        let found = gap(result, there, two.start);
        assert_eq!(
            Some(gap(source, here, one.start).as_str()),
            found.strip_prefix(comment).map(str::trim_start),
            "changed outside the placeholders\n{source:?}\n{result:?}"
        );
        comment = match (header_comment(&source[one.clone()]), header_comment(&result[two.clone()])) {
            (Some(comment), None) => comment,
            _ => "",
        };
        (here, there) = (one.end, two.end);
    }
}

/// The comment in the header of a block scalar, maybe empty. A carriage return alone ends the header, too, which
/// `str::lines` doesn't know: with it, a `#` in the scalar's text was taken for a comment that then had to stand elsewhere.
fn header_comment(scalar: &str) -> Option<&str> {
    let header = scalar.starts_with(['|', '>']).then(|| scalar.split(['\n', '\r']).next())??;
    Some(header.find('#').map_or("", |at| header[at..].trim_end()))
}

/// With anchors numbered in the order in which they stand, and without what only the source's layout knows.
pub fn normal(documents: &[Node]) -> Vec<Node> {
    let mut numbers = HashMap::new();
    documents.iter().map(|document| renumbered(document, &mut numbers)).collect()
}

fn renumbered(node: &Node, numbers: &mut HashMap<usize, usize>) -> Node {
    let anchor = if node.anchor == 0 {
        0
    } else {
        let next = numbers.len() + 1;
        *numbers.entry(node.anchor).or_insert(next)
    };
    let what = match &node.what {
        // Where the anchor is gone, the number is one that no anchor has.
        What::Alias(to) => What::Alias(numbers.get(to).copied().unwrap_or(usize::MAX)),
        What::List(items) => What::List(items.iter().map(|item| renumbered(item, numbers)).collect()),
        What::Map { entries, .. } => {
            let entries = entries.iter();
            let entries =
                entries.map(|(key, value)| (renumbered(key, numbers), renumbered(value, numbers))).collect();
            What::Map { entries, pair: false }
        }
        other => other.clone(),
    };
    Node { tag: node.tag.clone(), anchor, what }
}
