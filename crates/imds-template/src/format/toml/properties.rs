//! Whatever a value holds, in whatever string it ends up: another parser reads exactly that value there, and the rest of
//! the file is what it was.

use proptest::prelude::*;
use toml::{Table, Value};

use super::Toml;
use crate::format::Format;
use crate::format::testing::{dropped, filled, fragments};

/// Files with a `${x}` in every kind of string and place. `⟦` and `⟧` stand around what may change.
const SOURCES: &[&str] = &[
    "a = ⟦\"${x}\"⟧\n",
    "a = ⟦'${x}'⟧ # note ${x}\n'${x}' = ⟦\"\\u00e9 ${x} \\\"\"⟧\n",
    "a = ⟦\"\"\"${x}\"\"\"⟧\nb = ⟦'''${x}'''⟧",
    "a = ⟦\"\"\"\none ${x}\n\n  ${x}two \\\n   ${x} three \\\n\n ${x}\"\"\"⟧\n",
    "a = ⟦'''\none ${x}\n\n  ${x}\\two\"\n'''⟧\nb = ⟦'''''${x}'''''⟧\n",
    "\u{feff}[t.\"${x}\"]\r\na = ⟦\"\"\"\r\n${x}\r\n\"\"\"⟧\r\nb = ⟦'''\r\n${x}\r\n'''⟧\r\n",
    "[[t]]\na.b.\"c d\" = [⟦'${x}'⟧, { e = ⟦\"${x}\"⟧, f = ⟦'''${x}'''⟧ }, # note\n ⟦\"\"\"\n${x}\"\"\"⟧,\n]\n[[t]]\n",
];

fn replaced(value: Value, new: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${x}", new)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| replaced(item, new)).collect()),
        Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, item)| (key, replaced(item, new))).collect())
        }
        other => other,
    }
}

fn parsed(source: &str) -> Value {
    source.parse::<Table>().map(Value::Table).unwrap_or_else(|error| panic!("{error}\n{source:?}"))
}

/// As read by a parser that shares no code with the one that this crate builds upon.
fn parsed_by_another(source: &str) -> Value {
    independent(&mut toml_span::parse(source).unwrap_or_else(|error| panic!("{error}\n{source:?}")))
}

fn independent(value: &mut toml_span::Value<'_>) -> Value {
    use toml_span::value::ValueInner;
    match value.take() {
        ValueInner::String(text) => Value::String(text.into_owned()),
        ValueInner::Integer(number) => Value::Integer(number),
        ValueInner::Float(number) => Value::Float(number),
        ValueInner::Boolean(truth) => Value::Boolean(truth),
        ValueInner::Array(mut items) => Value::Array(items.iter_mut().map(independent).collect()),
        ValueInner::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, mut item)| (key.name.into_owned(), independent(&mut item)))
                .collect(),
        ),
    }
}

/// Fills a file whose changing parts are marked, and checks everything about it.
fn check(marked: &str, value: &str) {
    let source = marked.replace(['⟦', '⟧'], "");
    let result = filled::<Toml>(&source, value).unwrap();
    // Each parser by itself: one of them reads `\r\n` as `\n` and one doesn't.
    for parse in [parsed, parsed_by_another] {
        assert_eq!(parse(&result), replaced(parse(&source), value), "{source}\n{result:?}");
    }
    let mut outside = marked.split('⟦').map(|part| part.split_once('⟧').map_or(part, |(_, outside)| outside));
    let mut rest = result.strip_prefix(outside.next().unwrap()).unwrap();
    rest = rest.strip_suffix(outside.next_back().unwrap()).unwrap();
    for part in outside {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing from {result}"));
        rest = &rest[at + part.len()..];
    }
}

/// Values that look like TOML, and any others.
fn value() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\"",
        "\"\"\"",
        "'",
        "'''",
        "\\",
        "\\\n",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\t",
        " ",
        "#",
        " = ",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        "${aws:InstanceId}",
        "012345678901",
        "true",
        "😀",
        "é",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{7f}",
        "\u{ffff}",
        "\u{1b}",
        "a",
    ]);
    prop_oneof![
        8 => prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        2 => any::<String>(),
        2 => "[ -~]{0,40}",
        1 => "([a-z \n]|😀){0,200}",
    ]
}

/// Bits of TOML, glued together.
fn source() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a = ",
        "b",
        ".",
        "c=",
        " = ",
        "\"${x}\"",
        "'${x}'",
        "'''\n${x}'''",
        "\"\"\"\n${x} \\\n  b\"\"\"",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "${x}",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ", ",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "# c",
        "\\",
        "\\u00e9",
        "\\x41",
        "\\e",
        "1",
        "1979-05-27",
        "true",
        "é",
        "😀",
        "\u{feff}",
        "\0",
        "\\ ",
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
            " v",
            "v ",
            "v\n",
            "\nv",
            "\tv",
            "012345678901",
            "\"",
            "'",
            "\"\"\"",
            "'''",
            "'v'",
            "\\",
            "\\\\",
            "\\\n",
            "\0",
            "\r",
            "\r\n",
            "${aws:InstanceId}",
            "😀",
            "\u{feff}",
            "\u{2028}",
            "\u{85}",
            "#",
            "]",
            "\n[t]\n",
            &long,
        ] {
            check(source, value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4 * ProptestConfig::default().cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn other_parsers_read_exactly_the_value(index in 0..SOURCES.len(), value in value()) {
        check(SOURCES[index], &value);
    }

    #[test]
    fn nothing_panics_and_what_was_read_can_be_written(source in source(), value in value()) {
        let scalars = match Toml::scalars(&source) {
            Ok(scalars) => scalars,
            Err(error) => {
                prop_assert!(error.offset <= source.len() && !error.message.contains("rewritten"), "{error:?}\n{source:?}");
                return Ok(());
            }
        };
        for scalar in &scalars {
            for offset in 0..=scalar.text.len() {
                prop_assert!(scalar.origins.source(offset) <= source.len());
            }
        }
        let result = filled::<Toml>(&source, &value).unwrap();
        let again = Toml::scalars(&result).unwrap_or_else(|error| panic!("{error:?}\n{source:?}\n{result:?}"));
        let expected: Vec<String> = scalars
            .iter()
            .map(|scalar| crate::format::apply(&scalar.text, &fragments(scalar, &value)))
            .filter(|text| text.contains("${"))
            .collect();
        let found: Vec<&String> = again.iter().map(|scalar| &scalar.text).collect();
        prop_assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{:?}\n{:?}", source, result);
        let result = dropped::<Toml>(&source);
        let left = Toml::scalars(&result).unwrap_or_else(|error| panic!("{error:?}\n{source:?}\n{result:?}"));
        prop_assert!(left.is_empty(), "{:?}\n{:?}", source, result);
        if source.parse::<Table>().is_ok() {
            prop_assert!(result.parse::<Table>().is_ok(), "{:?}\n{:?}", source, result);
        }
    }
}
