//! JSON, judged by another parser.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use imds_template::{Format, Missing, ProblemKind, Template};
use proptest::prelude::*;
use serde_json::Value;

mod machine;

fn with_tag(source: &str, value: &str, missing: Missing) -> Result<String, String> {
    let values = machine::aws(&[("x", value)]);
    Template::parse(source, Format::Json)
        .and_then(|template| template.resolve(&values, missing))
        .map_err(|errors| errors.to_string())
}

fn dropped(source: &str) -> String {
    with_tag(source, "value", Missing::Drop).unwrap()
}

#[test]
fn only_placeholders_in_string_values_are_touched() {
    let source = "\u{feff}{ // ${tag:x}\r\n  \"${tag:x}\": 1.50e+3, /* \"${tag:x}\" */\r\n\t\"a\":[ \"\\/\\u00e9 ${tag:x} \\ud83d\\ude00\\t\" , 012345e0 ],\n \"k\": true ,\"k\":null,}\n\n"
        .replace("012345e0", "-0.0E1");
    assert_eq!(
        with_tag(&source, "q\"\n", Missing::Error).unwrap(),
        source.replacen("é ${tag", "", 1).replace("u00e9 ${tag:x}", "u00e9 q\\\"\\n")
    );
}

#[test]
fn a_placeholder_may_be_spelled_in_escapes() {
    for source in [r#"["\u0024{tag:x}"]"#, r#"["$\u007btag:\u0078\u007D"]"#, r#"["${tag:\"x\"}"]"#] {
        assert_eq!(with_tag(source, "v", Missing::Error).unwrap(), r#"["v"]"#, "{source}");
        assert_eq!(
            with_tag(&source.replace('x', "y").replace("0078", "0079"), "v", Missing::Keep).unwrap(),
            source.replace('x', "y").replace("0078", "0079")
        );
    }
}

#[test]
fn a_number_as_text_stays_text() {
    let values = machine::aws(&[]);
    let template = Template::parse(r#"{"account": "${cloud:AccountId}"}"#, Format::Json).unwrap();
    assert_eq!(template.resolve(&values, Missing::Error).unwrap(), r#"{"account": "012345678901"}"#);
}

#[test]
fn dropped_entries_take_the_right_commas_with_them() {
    let gone = "\"${tag:none}\"";
    for (source, result) in [
        ("[G]", "[]"),
        ("[ G ]", "[ ]"),
        ("[G, 1]", "[1]"),
        ("[1, G]", "[1]"),
        ("[1,G,2]", "[1,2]"),
        ("[1, G, G]", "[1]"),
        ("[G, G, 1]", "[1]"),
        ("[G, G]", "[]"),
        ("[G, 1, G]", "[1]"),
        ("[1, G, 2, G, G]", "[1, 2]"),
        ("[G,]", "[]"),
        ("[1, G,]", "[1, ]"),
        ("[[G], {\"a\": G}, G]", "[[], {}]"),
        ("[[1], G]", "[[1]]"),
        ("{\"a\": G, \"b\": [G, {\"c\": G, \"d\": 1}]}", "{\"b\": [{\"d\": 1}]}"),
        ("{\n  \"a\": 1,\n  \"b\": G\n}\n", "{\n  \"a\": 1\n}\n"),
        ("{\n  \"a\": G,\n  \"b\": 1\n}\n", "{\n  \"b\": 1\n}\n"),
        (
            "{\r\n  \"a\": 1, // one\r\n  \"b\": G, // two\r\n  \"c\": G\r\n}",
            "{\r\n  \"a\": 1 // one\r\n  // two\r\n}",
        ),
        ("{\n  \"a\"\n  :\n  G\n}", "{\n}"),
        ("{\"a\": 1 /* , */, \"b\": G}", "{\"a\": 1 /* , */}"),
        ("[\"x ${tag:none} ${tag:x}\", 1]", "[1]"),
        ("[\"${tag:none:-d}\", G]", "[\"d\"]"),
    ] {
        assert_eq!(dropped(&source.replace('G', gone)), result, "{source}");
    }
    assert_eq!(
        with_tag("\"${tag:none}\"", "", Missing::Drop).unwrap_err(),
        "1:2: a placeholder here has no value, and there is no entry that could be dropped"
    );
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    for (source, place, reason) in [
        ("", "1:1", "ends too early"),
        ("{\"a\": 1", "1:8", "ends too early"),
        ("[1 2]", "1:4", "comma"),
        ("[1}", "1:3", "comma"),
        ("{\"a\" 1}", "1:6", "colon"),
        ("{a: 1}", "1:2", "quoted key"),
        ("[,]", "1:2", "value"),
        ("[01]", "1:2", "value"),
        ("[1.]", "1:2", "value"),
        ("[1e+]", "1:2", "value"),
        ("[-]", "1:2", "value"),
        ("[.5]", "1:2", "value"),
        ("[nul]", "1:2", "value"),
        ("[\"a]", "1:2", "no end"),
        ("[\"a\nb\"]", "1:4", "control character"),
        ("[\"\\x\"]", "1:3", "no such escape"),
        ("[\"\\u12g4\"]", "1:3", "no such escape"),
        ("[]\n x", "2:2", "follows"),
        ("[ /* x", "1:3", "comment"),
        ("[\"${tag:x} \\ud800\"]", "1:2", "surrogate"),
        ("{\"a\":\n  \"é ${tag:none} \\u00e9${cloud:Nope}\"}", "2:24", "Nope"),
    ] {
        let error = with_tag(source, "v", Missing::Error).unwrap_err();
        assert!(error.starts_with(&format!("{place}: ")) && error.contains(reason), "{source}: {error}");
    }
    let errors = Template::parse("[1 2]", Format::Json).unwrap_err();
    assert_eq!((errors.kind(), errors.exit_code()), (ProblemKind::Parse, 7));
}

#[test]
fn half_a_pair_that_nobody_asks_for_stays() {
    let source = r#"["\ud800", "${tag:x}"]"#;
    assert_eq!(with_tag(source, "v", Missing::Error).unwrap(), r#"["\ud800", "v"]"#);
}

#[test]
fn depth_has_a_limit_and_no_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(with_tag(&nested(1024), "", Missing::Error).is_ok());
    assert!(with_tag(&nested(1025), "", Missing::Error).unwrap_err().contains("deeply"));
    assert!(with_tag(&"[".repeat(1_000_000), "", Missing::Error).is_err());
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        Just("\"\\\n\r\t\0\u{7f}\u{2028}".to_owned()),
        Just("${aws:InstanceId} # : , ]}".to_owned()),
        Just("\u{1F600}".to_owned()),
        (0_usize..4000).prop_map(|length| "\"x\u{1}".repeat(length)),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().chars().take(64 * 1024).collect())
}

/// Arbitrary JSON whose strings may be placeholders.
fn tree() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        Just("${tag:x}".to_owned()),
        Just("a ${tag:x} é ${tag:x}".to_owned()),
        Just("${tag:none}".to_owned())
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What the tree is with its placeholders resolved, or without the entries that have no value.
fn expected(tree: &Value, value: &str) -> Option<Value> {
    Some(match tree {
        Value::String(text) if text.contains("${tag:none}") => return None,
        Value::String(text) => Value::String(text.replace("${tag:x}", value)),
        Value::Array(items) => items.iter().filter_map(|item| expected(item, value)).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter_map(|(key, member)| Some((key.clone(), expected(member, value)?)))
                .collect(),
        ),
        other => other.clone(),
    })
}

fn has_no_other_placeholders(text: &str) -> bool {
    !text.replace("${tag:x}", "").replace("${tag:none}", "").contains("${")
}

proptest! {
    #[test]
    fn another_parser_reads_exactly_the_value(value in value()) {
        let source = "{\"a\": \"<${tag:x}\\u00e9|$${tag:x}>\", \"b\": [\"${tag:x}\"]} // end";
        let result = with_tag(source, &value, Missing::Error).unwrap();
        let (document, comment) = result.split_at(result.len() - " // end".len());
        prop_assert_eq!(comment, " // end");
        let document: Value = serde_json::from_str(document).unwrap();
        prop_assert_eq!(&document, &serde_json::json!({"a": format!("<{value}é|${{tag:x}}>"), "b": [value]}));
    }

    #[test]
    fn any_document_is_resolved_and_thinned_out_rightly(tree in tree(), value in any::<String>(), pretty in any::<bool>()) {
        let source = if pretty { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() };
        prop_assume!(has_no_other_placeholders(&source));
        if let Some(expected) = expected(&tree, &value) {
            let result = with_tag(&source, &value, Missing::Drop).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&result).unwrap(), expected);
        }
    }

    #[test]
    fn everything_around_is_byte_for_byte_the_same(value in any::<String>(), blanks in "[ \\t\\r\\n]{0,9}", text in "[a-z\\\\/é]{0,0}") {
        let (before, after) = (format!("[{blanks}1.0{blanks},\"\\u0041{text}"), format!("\\/\"{blanks}]{blanks}"));
        let result = with_tag(&format!("{before}${{tag:x}}{after}"), &value, Missing::Error).unwrap();
        prop_assert!(result.starts_with(&before) && result.ends_with(&after));
    }

    #[test]
    fn no_source_is_too_strange(source in any::<String>(), parts in prop::collection::vec("[\\[\\]{}\",:\\\\/*a\\n0$]{0,4}|\\$\\{tag:x\\}", 0..30)) {
        for source in [source, parts.concat()] {
            let strict = serde_json::from_str::<Value>(&source).is_ok();
            let ours = Template::parse(&source, Format::Json);
            if strict {
                let half = source.contains("\\u");
                prop_assert!(half || ours.is_ok() || source.contains("${"), "{source}");
            }
            if let Ok(template) = ours {
                for missing in [Missing::Keep, Missing::Empty, Missing::Drop] {
                    let _ = template.resolve(&machine::aws(&[]), missing);
                }
            }
        }
    }
}
