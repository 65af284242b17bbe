//! Random trees, written in random layouts: what is filled in and what is dropped is right at every place, as libyaml
//! reads it.

use proptest::prelude::*;
use yaml_serde::{Mapping, Value};

use super::Yaml;
use crate::format::testing::{dropped, filled};

/// A node and how it is written.
#[derive(Clone, Debug)]
enum Node {
    /// `${x}` in one of [`HOLES`].
    Hole(usize),
    /// One of [`OTHERS`].
    Other(usize),
    Map(Vec<Node>, Layout),
    Seq(Vec<Node>, Layout),
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    flow: bool,
    /// A sequence's dashes stand below its key, a flow collection has a line for each entry and a comma at its end.
    loose: bool,
    /// Comments and empty lines, too.
    noise: bool,
}

const HOLES: [&str; 9] = [
    "'${x}'",
    "\"${x}\"",
    "${x}",
    "!!str ${x}",
    "\"\n @${x}\"",
    "|\n @${x}\n",
    "|-\n @${x}\n",
    ">+\n @${x}\n\n",
    "&a |2-\n  ${x}\n",
];
const OTHERS: [&str; 6] = ["b", "1", "", "'$x'", "[]", "|\n @b\n\n @ c\n"];

/// The leaves before this one can stand in a flow collection.
const FLOW_HOLES: usize = 2;
const FLOW_OTHERS: usize = 5;

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![(0..HOLES.len()).prop_map(Node::Hole), (0..OTHERS.len()).prop_map(Node::Other)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let layout = (any::<bool>(), any::<bool>(), any::<bool>());
        let layout = layout.prop_map(|(flow, loose, noise)| Layout { flow, loose, noise });
        (prop::collection::vec(inner, 1..4), layout, any::<bool>()).prop_map(|(nodes, layout, map)| {
            if map { Node::Map(nodes, layout) } else { Node::Seq(nodes, layout) }
        })
    })
}

/// Writes what stands behind a colon or a dash, with its line's end. Lines below it are indented by at least `indent`.
fn write(node: &Node, indent: usize, in_seq: bool, out: &mut String) {
    match node {
        Node::Hole(index) => leaf(HOLES[*index], indent, out),
        Node::Other(index) => leaf(OTHERS[*index], indent, out),
        Node::Map(_, layout) | Node::Seq(_, layout) if layout.flow => {
            out.push(' ');
            flow(node, indent, out);
            out.push('\n');
        }
        Node::Map(nodes, layout) => {
            if in_seq && layout.loose {
                // `- key: value`: the dash is one character wide.
                out.push(' ');
                entries(nodes, *layout, indent + 1, true, "", out);
            } else {
                out.push('\n');
                entries(nodes, *layout, indent + 1, true, &" ".repeat(indent + 1), out);
            }
        }
        Node::Seq(nodes, layout) => {
            if in_seq && layout.loose {
                out.push(' ');
                entries(nodes, *layout, indent + 1, false, "", out);
            } else {
                out.push('\n');
                let indent = if layout.loose && !in_seq { indent - 1 } else { indent + 1 };
                entries(nodes, *layout, indent, false, &" ".repeat(indent), out);
            }
        }
    }
}

fn entries(nodes: &[Node], layout: Layout, indent: usize, map: bool, first: &str, out: &mut String) {
    for (index, node) in nodes.iter().enumerate() {
        if index > 0 {
            if layout.noise {
                out.push_str("# about ${x}\n\n");
            }
            out.push_str(&" ".repeat(indent));
        } else {
            out.push_str(first);
        }
        out.push_str(&if map { format!("k{index}:") } else { "-".to_owned() });
        write(node, indent + 1, !map, out);
    }
}

fn leaf(text: &str, indent: usize, out: &mut String) {
    out.push(' ');
    // A block scalar with an indication indicator counts from its collection, whose indentation is one less.
    let text = if text.contains("|2-") {
        text.replace("  $", &format!("{:1$}$", "", indent + 1))
    } else {
        text.to_owned()
    };
    out.push_str(&text.replace('@', &" ".repeat(indent)));
    if !text.ends_with('\n') {
        out.push_str(" # ${x}\n");
    }
}

fn flow(node: &Node, indent: usize, out: &mut String) {
    let (nodes, layout, map) = match node {
        Node::Hole(index) => return out.push_str(HOLES[index % FLOW_HOLES]),
        Node::Other(index) => {
            let text = OTHERS[index % FLOW_OTHERS];
            return out.push_str(if text.is_empty() { "~" } else { text });
        }
        Node::Map(nodes, layout) => (nodes, layout, true),
        Node::Seq(nodes, layout) => (nodes, layout, false),
    };
    let space = if layout.loose { format!("\n{:indent$} ", "") } else { String::new() };
    out.push(if map { '{' } else { '[' });
    for (index, node) in nodes.iter().enumerate() {
        out.push_str(&space);
        if layout.loose && layout.noise {
            out.push_str("# about, this\n ");
            out.push_str(&" ".repeat(indent));
        }
        if map {
            out.push_str(&format!("k{index}: "));
        }
        flow(node, indent + 1, out);
        if index + 1 < nodes.len() || layout.loose {
            out.push_str(if layout.noise { " , " } else { "," });
        }
    }
    out.push_str(&space);
    out.push(if map { '}' } else { ']' });
}

/// What a reader gets: with the value in the holes, or without them.
fn tree(node: &Node, hole: Option<&str>, in_flow: bool) -> Option<Value> {
    let in_flow = in_flow || matches!(node, Node::Map(_, layout) | Node::Seq(_, layout) if layout.flow);
    Some(match node {
        Node::Hole(index) => {
            let source = HOLES[if in_flow { index % FLOW_HOLES } else { *index }];
            let tail = match source {
                _ if source.starts_with("|\n") => "\n",
                _ if source.starts_with(">+") => "\n\n",
                _ => "",
            };
            let head = if source.starts_with("\"\n") { " " } else { "" };
            Value::String(format!("{head}{}{tail}", hole?))
        }
        Node::Other(index) => match if in_flow { index % FLOW_OTHERS } else { *index } {
            0 => "b".into(),
            1 => 1.into(),
            2 => Value::Null,
            3 => "$x".into(),
            4 => Value::Sequence(Vec::new()),
            _ => "b\n\n c\n".into(),
        },
        Node::Seq(nodes, _) => nodes.iter().filter_map(|node| tree(node, hole, in_flow)).collect(),
        Node::Map(nodes, _) => {
            let entries = nodes.iter().enumerate();
            let entries = entries
                .filter_map(|(index, node)| Some((format!("k{index}").into(), tree(node, hole, in_flow)?)));
            Value::Mapping(entries.collect::<Mapping>())
        }
    })
}

fn read(source: &str) -> Value {
    yaml_serde::from_str(source).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4 * ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_place_gets_its_value_or_loses_its_entry(nodes in prop::collection::vec(node(), 1..4), map: bool, noise: bool) {
        let layout = Layout { flow: false, loose: false, noise };
        let mut source = String::new();
        entries(&nodes, layout, 0, map, "", &mut source);
        let root = if map { Node::Map(nodes, layout) } else { Node::Seq(nodes, layout) };
        prop_assert_eq!(Some(read(&source)), tree(&root, Some("${x}"), false), "{}", source);
        for value in ["v", "", "\n", "a: b #c", " \"'\\"] {
            let result = filled::<Yaml>(&source, value).unwrap();
            prop_assert_eq!(Some(read(&result)), tree(&root, Some(value), false), "{}\n{}", source, result);
        }
        let result = dropped::<Yaml>(&source);
        prop_assert_eq!(Some(read(&result)), tree(&root, None, false), "{}\n{}", source, result);
    }
}
