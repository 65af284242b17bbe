//! One row for each thing that a file can do.

use crate::format::Format as _;
use crate::format::testing::{dropped, filled};

use super::Yaml;

#[track_caller]
fn fills(source: &str, value: &str, expected: &str) {
    assert_eq!(filled::<Yaml>(source, value).unwrap(), expected);
}

#[test]
fn plain_and_single_quoted_scalars_become_double_quoted() {
    fills("a: ${x}\n", "012345678901", "a: \"012345678901\"\n");
    fills("a: ${x} # note\nb: 0x1F\n", "q\"\\\n", "a: \"q\\\"\\\\\\n\" # note\nb: 0x1F\n");
    fills("a: 'it''s ${x}'\r\n", "i-1", "a: \"it's i-1\"\r\n");
    fills("- pre ${x} mid ${x}\n", "v", "- \"pre v mid v\"\n");
    fills("a: one\n  ${x}\n\n  two\nb: 1\n", "v", "a: \"one v\\ntwo\"\nb: 1\n");
    fills("--- ${x}\n...\n--- # none\n- ${x}\n", "v", "--- \"v\"\n...\n--- # none\n- \"v\"\n");
    fills("\u{feff}a: ${x}", "v", "\u{feff}a: \"v\"");
    fills("a: ${x}\n", "a\0\u{85}\u{2028}\u{7f}😀\t", "a: \"a\\0\\x85\\u2028\\x7F😀\\t\"\n");
}

#[test]
fn double_quoted_scalars_keep_their_spelling_around_a_placeholder() {
    fills(r#"a: "\x41\/ ${x} \u0042""#, "v", r#"a: "\x41\/ v \u0042""#);
    fills(
        "a: \"one \\\n   two\n\n   ${x} three\n   four\"\n",
        "v",
        "a: \"one \\\n   two\n\n   v three\n   four\"\n",
    );
    fills("a: \"one\n  ${x}\n  two\"\n", " v ", "a: \"one\n  \\x20v\\x20\n  two\"\n");
    fills("a: \"one\n  ${x}\n  two\"\n", "", "a: \"one  two\"\n");
    fills(r#""\ud83d\ude00${x}\L""#, "v", r#""\ud83d\ude00v\L""#);
    fills("{a: \"${x}\", 'b': ['${x}', c]}\n", "v", "{a: \"v\", 'b': [\"v\", c]}\n");
}

#[test]
fn block_scalars_stay_blocks() {
    fills("a: |\n  one\n   ${x}\n\n# note\nb: 1\n", "v", "a: |\n  one\n   v\n\n# note\nb: 1\n");
    fills("a: |- # note\n  ${x}\n", "one\ntwo\n\nthree", "a: |- # note\n  one\n  two\n\n  three\n");
    fills("a: >\n  one\n  ${x}\n\n  two\nb: 1\n", "v", "a: >\n  one\n  v\n\n  two\nb: 1\n");
    fills("a: >-\n  one ${x}\n", "v\nw", "a: >-\n  one v\n\n  w\n");
    fills("a: |+\n  ${x}\n\n\nb: 1\n", "v", "a: |+\n  v\n\n\nb: 1\n");
    fills("a:\n  - |2-\n     ${x}\n", " v", "a:\n  - |2-\n      v\n");
    fills("a: |\r\n  ${x}\r\n  b\r\n", "v\nw", "a: |\r\n  v\r\n  w\r\n  b\r\n");
    fills("a: &b !c |\n  ${x}", "v", "a: &b !c |\n  v");
    fills("...\n|\n  ${x}\n", "v", "...\n|\n  v\n");
    fills("# note\n|\n  ${x}\n", "v", "# note\n|\n  v\n");
    fills("|\n${x}\n", "v", " \"v\\n\"\n");
}

#[test]
fn block_scalars_that_cannot_hold_the_value_are_quoted() {
    fills("a: | # note\n  ${x}\n  b\n# c\n", " v", "a: \" v\\nb\\n\" # note\n# c\n");
    fills("a: |\n  ${x}\n", "", "a: \"\\n\"\n");
    fills("a: |\n  ${x}\n", "v\n", "a: \"v\\n\\n\"\n");
    fills("a: |-\n  ${x}\nb: 1\n", "v\n", "a: \"v\\n\"\nb: 1\n");
    fills("a: >+\n  ${x}\n\nb: 1\n", "v\r", "a: \"v\\r\\n\\n\"\nb: 1\n");
    fills("--- |\n${x}\n", "--- v", "--- \"--- v\\n\"\n");
}

#[test]
fn keys_anchors_tags_aliases_comments_and_other_types_stay() {
    for source in [
        "${x}: 1\n",
        "? ${x}\n: 1\n",
        "? [\"${x}\", {a: '${x}'}]\n: 1\n",
        "a: 1 # ${x}\n",
        "a: !!int \"${x}\"\n",
        "a: !!binary ${x}\n",
        "%NOTE ${x}\n---\na: 1\n",
        "{\"${x}\": 1}\n",
    ] {
        fills(source, "v", source);
    }
    fills("a: &b ${x}\nc: *b\n", "v", "a: &b \"v\"\nc: *b\n");
    fills("a: !!str &b '${x}'\n", "v", "a: !!str &b \"v\"\n");
    fills("a: !Sub ${x}\n", "v", "a: !Sub \"v\"\n");
}

#[test]
fn a_placeholder_that_yaml_would_cut_is_an_error_at_its_place() {
    for (source, offset) in [
        ("{a: ${aws:InstanceId}}\n", 4),
        ("[b, ${tag:x}]\n", 4),
        ("a: [b,\n  c ${cloud:X} ]\n", 11),
        ("{ ${cloud:X}: 1 }\n", 2),
        ("a: ${aws:X:- #1}\n", 3),
        ("a: b ${tag:\"c #d\"} e\n", 5),
        ("a: ${aws:X:-b: c}\n", 3),
        ("- ${aws:X:-b: c}\n", 2),
        ("- ${tag:\"b: c\"}\n", 2),
        ("a: ${tag:\"odd: name\"}\n", 3),
    ] {
        let error = filled::<Yaml>(source, "v").unwrap_err();
        assert_eq!(error.offset, offset, "{source} {error:?}");
        assert!(error.remedy.is_some_and(|remedy| remedy.contains("in quotes")), "{source}");
    }
    let error = filled::<Yaml>("a: !!int ${aws:X}\n", "v").unwrap_err();
    assert_eq!((error.offset, error.remedy.is_some()), (9, true));
    // Nobody's placeholder, and nothing cut.
    for source in
        ["a: ${env:X #1}\n", "a: b # ${aws:X\n", "a: '${aws:X: #' # }\n", "a: ${aws:X:-say \"hi} # note\n"]
    {
        assert!(filled::<Yaml>(source, "v").is_ok(), "{source}");
    }
}

#[test]
fn what_does_not_parse_is_an_error_at_its_place() {
    for (source, offset) in [("a: 'b\n", 3), ("a: [1\n", 3), ("a: *b\n", 3), ("a: b: c\n", 4), ("\"\\q\"", 0)]
    {
        let error = Yaml::scalars(source).unwrap_err();
        assert!(
            error.offset >= offset && error.offset <= source.len() && !error.message.is_empty(),
            "{source} {error:?}"
        );
    }
}

#[test]
fn origins_lead_back_to_the_placeholder() {
    for source in [
        "a: b ${x}",
        "a: b\n   c\n\n  ${x}\n",
        "a: 'it''s\n  ${x}'",
        "a: \"\\u00e9\\\n  \\n ${x}\"",
        "a: |\n\n  b\n   ${x}\n",
        "a: >\n\n  b\n\n  c\n   d\n  ${x}\n",
        "a: |+\r\n  b\r\n  ${x}\r\n\r\n",
    ] {
        let scalar = &Yaml::scalars(source).unwrap()[0];
        let offset = scalar.text.find('$').unwrap();
        assert_eq!(scalar.origins.source(offset), source.find('$').unwrap(), "{source:?} {scalar:?}");
    }
}

#[test]
fn dropped_entries_leave_the_others() {
    for (source, expected) in [
        ("a: ${x} # note\nb: 1\n", "b: 1\n"),
        ("b: 1\n# about a\na: ${x}", "b: 1\n# about a\n"),
        ("t:\n  a: ${x}\n  b: |\n    ${x}\n\n  c: 1\n", "t:\n\n  c: 1\n"),
        ("t:\n  a: ${x} # one\n  # two\n  b: '${x}'\nu: 1\n", "t:\n  {}\n  # two\nu: 1\n"),
        ("t:\n- ${x}\nu: 1\n", "t:\n []\nu: 1\n"),
        ("t: &s !t # note\n- - ${x}\n", "t: &s !t # note\n- []\n"),
        ("t:\n- ${x}\n-\n- b\n", "t:\n-\n- b\n"),
        ("t:\n-\n- ${x}\n- b\n", "t:\n-\n- b\n"),
        ("a:\nb: ${x}\nc:\n", "a:\nc:\n"),
        ("- a: ${x}\n  b: 1\n- c: ${x}\n", "- b: 1\n- {}\n"),
        ("- a: ${x}\n  b: ${x}\n\n  c: 1\n  d: 2\n", "- c: 1\n  d: 2\n"),
        ("- - ${x}\n  - ${x}\n  - 1\n- - ${x}\n", "- - 1\n- []\n"),
        ("? k\n: ${x}\n? [l]\n: 2\n", "? [l]\n: 2\n"),
        ("[a, '${x}', \"${x}\"]\n", "[a]\n"),
        ("['${x}', \"${x}\", c]\n", "[c]\n"),
        ("['${x}', b, '${x}', ]\n", "[b, ]\n"),
        ("{a: '${x}'}\n", "{}\n"),
        ("{a: , b: '${x}', c: 1}\n", "{a: , c: 1}\n"),
        ("[a: '${x}', b]\n", "[b]\n"),
        ("[\n  '${x}',\n  b, # b\n  '${x}'\n]\n", "[\n  b # b\n]\n"),
        ("\u{feff}a: ${x}\nb: 1\n", "\u{feff}b: 1\n"),
        ("a: ${x}\r\nb: 1\r\n", "b: 1\r\n"),
        ("&m a: &n ${x}\nb: 1\n", "b: 1\n"),
    ] {
        assert_eq!(dropped::<Yaml>(source), expected, "{source:?}");
    }
}

#[test]
fn what_an_alias_needs_and_whole_documents_cannot_be_dropped() {
    for source in
        ["a: &b ${x}\nc: *b\n", "&b a: ${x}\nc: *b\n", "--- ${x}\n", "a: &a 1\n---\nb: &b ${x}\nc: *b\n"]
    {
        assert_eq!(Yaml::scalars(source).unwrap()[0].entry, None, "{source}");
    }
}
