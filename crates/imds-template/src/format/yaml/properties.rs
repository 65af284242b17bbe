//! Whatever a value holds, in whatever scalar it ends up: another parser (libyaml's) reads exactly that value there, and
//! the rest of the file is what it was.

use proptest::prelude::*;
use serde::Deserialize as _;
use yaml_serde::{Deserializer, Mapping, Value};

use super::Yaml;
use crate::format::Format;
use crate::format::testing::{dropped, filled, fragments};

/// Files with a `${x}` in every kind of scalar and place. `⟦` and `⟧` stand around what may change.
const SOURCES: &[&str] = &[
    "a: ⟦${x}⟧\n",
    "a: ⟦pre ${x} post⟧ # note ${x}\nb: 0x1F\n",
    "# head\na: ⟦'it''s ${x}'⟧\nb: ⟦\"q\\\" \\u00e9 ${x}\\n\"⟧\n",
    "a:\n  ⟦multi ${x}\n   line\n\n  plain⟧\nb: 1.50\n",
    "a: ⟦'multi ${x}\n   line\n\n  quoted'⟧\n",
    "a: ⟦\"multi\n   ${x}\n\n  quoted \\\n  ${x} end\"⟧\nb: ~\n",
    "${x}: ⟦${x}⟧\n? ${x} k\n: ⟦${x}⟧\n",
    "- ⟦${x}⟧\n- - ⟦'${x}'⟧\n  - a: ⟦\"${x}\"⟧\n    b: c\n-\n  ⟦${x}⟧\n",
    "a:\n- ⟦${x}⟧\n- b\nc: {d: ⟦'${x}'⟧, e: [⟦\"${x}\"⟧, f], 'g': ⟦\"${x}\"⟧}\n",
    "[⟦\"${x}\"⟧, ⟦'${x}'⟧, a: ⟦'${x}'⟧,\n  # note\n  b\n]\n",
    "a: &b ⟦${x}⟧\nc: *b\nd: !!str ⟦${x}⟧\n",
    "--- ⟦${x}⟧\n...\n---\n- ⟦${x}⟧\n--- # third\na: 1\n",
    "%YAML 1.1\n---\n⟦${x}⟧\n",
    "a: ⟦|\n  ${x}\n⟧b: 1\n",
    "a: ⟦|-\n  ${x}⟧\nb: 1\n",
    "a: ⟦|+\n  ${x}\n\n\n⟧b: 1\n",
    "a: ⟦| # note\n\n  one\n   ${x}\n  # no note\n⟧\n\n# note\nb: 1\n",
    "a: ⟦|2-\n   ${x}\n  b⟧\n",
    "a:\n    b: ⟦|1+\n      ${x}\n     b\n\n⟧c: 1\n",
    "- ⟦|\n  pre ${x} post\n  ${x}\n⟧- ⟦>\n  pre ${x} post\n  next ${x}\n⟧- - ⟦|-\n     ${x}⟧\n",
    "a: ⟦>\n  ${x}\n⟧b: 1\n",
    "a: ⟦>-\n  one\n  ${x}\n\n  two\n    three ${x}\n  four⟧\nb: 1\n",
    "a: ⟦>+\n\n  ${x}\n  b\n\n⟧b: 1\n",
    "a: ⟦>2\n   ${x}\n  b ${x}\n⟧b: 1\n",
    "--- ⟦|\n ${x}\n⟧--- ⟦>-\n  a\n  ${x}⟧\n",
    "a: ⟦|\n  ${x}⟧",
    "a: ⟦|+\n  b\n  ${x}⟧",
    "a: ⟦${x}⟧\r\nb: ⟦|\r\n  ${x}\r\n  c\r\n⟧d: ⟦'${x}'⟧\r\ne: ⟦>-\r\n  ${x}⟧\r\n",
    "\u{feff}a: ⟦${x}⟧\nb:\t⟦${x}⟧\t# tab\n",
];

fn documents(source: &str) -> Vec<Value> {
    // libyaml takes the byte order mark of a string for a column.
    Deserializer::from_str(source.trim_start_matches('\u{feff}'))
        .map(|document| Value::deserialize(document).unwrap_or_else(|error| panic!("{error}\n{source}")))
        .collect()
}

/// The tree with the value in the placeholders of its values, not of its keys.
fn replaced(tree: &Value, value: &str) -> Value {
    match tree {
        Value::String(text) => Value::String(text.replace("${x}", value)),
        Value::Sequence(items) => items.iter().map(|item| replaced(item, value)).collect(),
        Value::Mapping(entries) => Value::Mapping(
            entries.iter().map(|(key, item)| (key.clone(), replaced(item, value))).collect::<Mapping>(),
        ),
        other => other.clone(),
    }
}

/// Fills a file whose changing parts are marked, and checks everything about it.
fn check(marked: &str, value: &str) {
    let source = marked.replace(['⟦', '⟧'], "");
    let result = filled::<Yaml>(&source, value).unwrap();
    let expected: Vec<Value> = documents(&source).iter().map(|document| replaced(document, value)).collect();
    assert_eq!(documents(&result), expected, "{source}\n{result}");
    let mut outside = marked.split('⟦').map(|part| part.split_once('⟧').map_or(part, |(_, outside)| outside));
    let mut rest = result.strip_prefix(outside.next().unwrap()).unwrap();
    rest = rest.strip_suffix(outside.next_back().unwrap()).unwrap();
    for part in outside {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing from {result}"));
        rest = &rest[at + part.len()..];
    }
}

/// Values that look like YAML, and any others.
fn value() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\"",
        "'",
        "\\",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\t",
        " ",
        "  ",
        "#",
        " #",
        ": ",
        ":",
        "- ",
        "---",
        "...",
        "%",
        "&a",
        "*a",
        "!!int",
        "|",
        ">",
        "{",
        "}",
        "[",
        "]",
        ",",
        "${aws:InstanceId}",
        "$${x}",
        "012345678901",
        "null",
        "~",
        "true",
        "😀",
        "é",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{2029}",
        "\u{feff}",
        "\u{7f}",
        "\u{9f}",
        "\u{ffff}",
        "\u{1b}",
        "a",
        "value",
        "\n\n",
        "\n ",
        "\n\t",
        " \n",
        "k: v",
        "? x",
        "`",
        "@",
    ]);
    prop_oneof![
        8 => prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        2 => any::<String>(),
        2 => "[ -~]{0,40}",
        1 => "([a-z \n]|😀){0,200}",
    ]
}

/// Bits of YAML, glued together.
fn source() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "${x}", "${aws:X}", "$", "{", "}", "[", "]", ",", ": ", ":", "- ", "-", "? ", "?", "|", ">", "|-",
        ">+", "|2", "\n", "\n  ", "\n    ", " ", "\t", "\r\n", "'", "\"", "\\", "\\n", "#", " # c", "&a ",
        "*a", "!!str ", "!t ", "---", "\n---\n", "...", "%", "a", "b: ", "c", "é", "😀", "\u{feff}", "\0",
        "\n\n",
    ]);
    prop_oneof![
        6 => prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

#[test]
fn values_that_broke_other_tools_come_out_whole() {
    let long = "0123456789abcdef ".repeat(4096);
    for source in SOURCES {
        for value in [
            "",
            " ",
            "\n",
            "\n\n",
            " v",
            "v ",
            "v\n",
            "\nv",
            "\tv",
            "v\n\n\nw",
            "v\n w\nx",
            "v\n\tw",
            "012345678901",
            "null",
            "- a",
            "a: b",
            "a #b",
            "#b",
            "\"",
            "'",
            "\\",
            "\0",
            "\r",
            "\r\n",
            "---",
            "\n---\n",
            "...",
            "${aws:InstanceId}",
            "😀",
            "\u{feff}",
            "\u{2028}",
            "\u{85}",
            "%a",
            "}",
            "]",
            "{",
            "\n...\n",
            "a\\",
            "\\\"",
            &long,
        ] {
            check(source, value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4 * ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_parser_reads_exactly_the_value(index in 0..SOURCES.len(), value in value()) {
        check(SOURCES[index], &value);
    }

    #[test]
    fn nothing_panics_and_what_was_read_can_be_written(source in source(), value in value()) {
        let scalars = match Yaml::scalars(&source) {
            Ok(scalars) => scalars,
            Err(error) => {
                prop_assert!(error.offset <= source.len() && !error.message.contains("rewritten"), "{error:?}\n{source:?}");
                return Ok(());
            }
        };
        for scalar in &scalars {
            prop_assert!(source.get(scalar.span.clone()).is_some());
            for offset in 0..=scalar.text.len() {
                prop_assert!(scalar.origins.source(offset) <= source.len());
            }
        }
        let result = filled::<Yaml>(&source, &value).unwrap();
        let again = Yaml::scalars(&result).unwrap_or_else(|error| panic!("{error:?}\n{source:?}\n{result:?}"));
        let expected: Vec<String> = scalars
            .iter()
            .map(|scalar| crate::format::apply(&scalar.text, &fragments(scalar, &value)))
            .filter(|text| text.contains("${"))
            .collect();
        let found: Vec<&String> = again.iter().map(|scalar| &scalar.text).collect();
        prop_assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{:?}\n{:?}", source, result);
        if scalars.iter().all(|scalar| scalar.entry.is_some()) {
            let result = dropped::<Yaml>(&source);
            let left = Yaml::scalars(&result).unwrap_or_else(|error| panic!("{error:?}\n{source:?}\n{result:?}"));
            prop_assert!(left.is_empty(), "{:?}\n{:?}", source, result);
        }
    }
}
