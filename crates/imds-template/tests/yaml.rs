//! YAML, judged by another parser (libyaml's).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use imds_template::{Format, Missing, ProblemKind, Template};
use proptest::prelude::*;
use yaml_serde::Value;

mod machine;

/// A configuration with everything in it that people write.
const CONFIG: &str = "\
# Sent by ${tag:x}, which stays as it is.
exporters: &all
  otlp:   { endpoint: \"https://${cloud:Region}.example.com\", \"tls\": {insecure: no} }
  account:  ${cloud:AccountId}   # a string, whatever it looks like
  ratio: 0.250
  ${tag:x}: off
processors:
- resource:
    attributes:
      - {key: owner, value: '${tag:x}', action: upsert}
      - key: team
        value: >-
          owned by
          ${tag:x}
  script: |
    #!/bin/sh
    echo \"${tag:x}\" ${HOME} $${tag:x}

    exit 0x00
copy: *all
...
---
!Sub \"${AWS::Region} \\u00e9 ${tag:x}\"
";

fn with_tag(source: &str, value: &str, missing: Missing) -> Result<String, String> {
    let values = machine::aws(&[("x", value)]);
    Template::parse(source, Format::Yaml)
        .and_then(|template| template.resolve(&values, missing))
        .map_err(|errors| errors.to_string())
}

fn read(source: &str) -> Value {
    yaml_serde::from_str(source).unwrap()
}

#[test]
fn a_configuration_keeps_everything_but_its_placeholders() {
    let expected = CONFIG
        .replace("//${cloud:Region}", "//eu-west-1")
        .replace("  ${cloud:AccountId}  ", "  \"012345678901\"  ")
        .replace("'${tag:x}'", "\"ops: a\\\"b\"")
        .replace("          ${tag:x}", "          ops: a\"b")
        .replace("\\\"${tag:x}\\\"", "\\\"ops\\\"")
        .replace("\"${tag:x}\" ${HOME} $${tag:x}", "\"ops: a\"b\" ${HOME} ${tag:x}")
        .replace("\\u00e9 ${tag:x}", "\\u00e9 ops: a\\\"b");
    assert_eq!(with_tag(CONFIG, "ops: a\"b", Missing::Error).unwrap(), expected);
}

#[test]
fn an_account_with_a_leading_zero_stays_a_string() {
    for source in [
        "a: ${cloud:AccountId}",
        "a: '${cloud:AccountId}'",
        "a: |-\n  ${cloud:AccountId}\n",
        "{a: \"${cloud:AccountId}\"}",
    ] {
        let result = with_tag(source, "", Missing::Error).unwrap();
        assert_eq!(read(&result)["a"], Value::from("012345678901"), "{result}");
    }
}

#[test]
fn all_missing_placeholders_are_listed_at_their_places() {
    let source = "é: ${tag:none}\nb:\n  - |\n\n    é ${azure:Region}\n  - \"\\u00e9 ${tag:none}\"\n";
    let template = Template::parse(source, Format::Yaml).unwrap();
    let errors = template.resolve(&machine::aws(&[]), Missing::Error).unwrap_err();
    let places: Vec<String> =
        errors.problems().filter_map(|problem| Some(problem.position()?.to_string())).collect();
    assert_eq!(places, ["1:4", "5:7", "6:13"]);
    assert_eq!(errors.kind(), ProblemKind::Unresolved);
}

#[test]
fn what_yaml_would_cut_is_an_error_with_its_place_and_the_advice_to_quote_it() {
    for (source, place) in [
        ("a: 1\nb: {c: ${aws:InstanceId}}\n", "2:8"),
        ("a:\n- [é, ${tag:x}]\n", "2:7"),
        ("a: é ${aws:InstanceId:- #1}\n", "1:6"),
        ("- ${aws:InstanceId:-a: b}\n", "1:3"),
        ("a: ${aws:InstanceId:-a: b}\n", "1:4"),
    ] {
        let errors = Template::parse(source, Format::Yaml).unwrap_err();
        let problem = errors.problems().next().unwrap();
        assert_eq!(problem.position().unwrap().to_string(), place, "{source}");
        assert!(problem.remedy().unwrap().contains("in quotes"), "{source}");
        assert_eq!(errors.kind(), ProblemKind::Parse);
    }
}

#[test]
fn missing_values_are_kept_emptied_or_dropped() {
    let source = "a: ${tag:none} # note\nb: {c: '${tag:none}', d: \"${tag:x}\"}\ne:\n- ${tag:none}\n";
    let policies = [
        (Missing::Keep, "a: ${tag:none} # note\nb: {c: '${tag:none}', d: \"v\"}\ne:\n- ${tag:none}\n"),
        (Missing::Empty, "a: \"\" # note\nb: {c: \"\", d: \"v\"}\ne:\n- \"\"\n"),
        (Missing::Drop, "b: {d: \"v\"}\ne:\n []\n"),
    ];
    for (missing, expected) in policies {
        assert_eq!(with_tag(source, "v", missing).unwrap(), expected);
    }
    let error = with_tag("a: &a ${tag:none}\nb: *a\n", "v", Missing::Drop).unwrap_err();
    assert!(error.contains("1:7"), "{error}");
}

#[test]
fn a_value_of_64_kib_is_no_problem_in_any_scalar() {
    let value = "0123456789abcde\n".repeat(4096);
    for source in
        ["a: ${tag:x}", "a: |+\n  ${tag:x}", "a: >-\n  ${tag:x}.", "{a: '${tag:x}'}", "a: \"${tag:x}\""]
    {
        let result = with_tag(source, &value, Missing::Error).unwrap();
        let text = read(&result)["a"].as_str().unwrap().to_owned();
        assert_eq!(text.trim_end_matches('.'), value, "{source}");
    }
}

#[test]
fn nesting_beyond_any_limit_is_an_error() {
    for source in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000), "? ".repeat(100_000)] {
        assert!(Template::parse(&source, Format::Yaml).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tag_injects_nothing(value in "[ -~\n\t\u{0}\r\u{85}é😀]{0,40}|(\"|'|: |- |\n| #|\\$\\{aws:Region\\}|---|\\{|\\}){0,12}") {
        let result = with_tag(CONFIG, &value, Missing::Error).unwrap();
        let (first, second) = result.split_once("\n...\n---\n").unwrap();
        let first = read(first);
        prop_assert_eq!(&first["exporters"]["account"], &Value::from("012345678901"));
        prop_assert_eq!(&first["exporters"]["${tag:x}"], &Value::from("off"));
        let resource = &first["processors"][0];
        prop_assert_eq!(&resource["resource"]["attributes"][0]["value"], &Value::from(value.as_str()));
        let owned = format!("owned by {value}");
        prop_assert_eq!(&resource["resource"]["attributes"][1]["value"], &Value::from(owned));
        let script = format!("#!/bin/sh\necho \"{value}\" ${{HOME}} ${{tag:x}}\n\nexit 0x00\n");
        prop_assert_eq!(&resource["script"], &Value::from(script));
        prop_assert_eq!(first.as_mapping().unwrap().len(), 3);
        let Value::Tagged(tagged) = read(second) else { panic!("the tag is gone from {second}") };
        prop_assert_eq!(tagged.tag.to_string(), "!Sub");
        prop_assert_eq!(tagged.value, Value::from(format!("${{AWS::Region}} é {value}")));
    }
}

/// Found by fuzzing: a block scalar ends where the next line begins, where a key may begin with a colon; and blank lines
/// behind it would be its own.
#[test]
fn an_entry_behind_a_block_scalar_goes_whole_and_leaves_nothing_to_it() {
    for (source, expected) in [
        ("a: |\n x\n:-: ${tag:none}\n", "a: |\n x\n"),
        ("a: >-\n x\n:-: ${tag:none}\nb: 1\n", "a: >-\n x\nb: 1\n"),
        ("a:\n:-: ${tag:none}\nb: 1\n", "a:\nb: 1\n"),
        ("a: 1\n:-: ${tag:none}\n", "a: 1\n"),
        ("a: |\n x\nb: ${tag:none}\n\n  ", "a: |\n x\n"),
        ("a: |+\n x\nb: ${tag:none}\n\nc: 1\n", "a: |+\n x\nc: 1\n"),
        ("a: 1\nb: ${tag:none}\n\nc: 1\n", "a: 1\n\nc: 1\n"),
        // Entries that go one behind the other, in one collection or in several.
        ("a: |+\n x\nb: ${tag:none}\nc: ${tag:none}\n\nd: 1\n", "a: |+\n x\nd: 1\n"),
        ("a: 1\nb: |+\n ${tag:none}\nc: ${tag:none}\n\nd: 1\n", "a: 1\n\nd: 1\n"),
        ("- a: |+\n   x\n  b: ${tag:none}\n- ${tag:none}\n\n- 1\n", "- a: |+\n   x\n- 1\n"),
        // A comment that is indented as the scalar's text is would be a line of it; one that is indented less ends it.
        ("a: |\n  x\nb: ${tag:none}\n  # b\nc: 1\n", "a: |\n  x\nc: 1\n"),
        ("a: |\n  x\nb: ${tag:none}\n # b\n  # c\n\nc: 1\n", "a: |\n  x\n # b\n  # c\n\nc: 1\n"),
        ("a: |\n  x\n# a\nb: ${tag:none}\n  # b\nc: 1\n", "a: |\n  x\n# a\n  # b\nc: 1\n"),
        ("a: |\nb: ${tag:none}\n # b\nc: 1\n", "a: |\nc: 1\n"),
        ("k:\n  a: |\n    x\n  b: ${tag:none}\n  # b\nc: 1\n", "k:\n  a: |\n    x\n  # b\nc: 1\n"),
        ("a: |\n  x\nb: ${tag:none}\n\t# b\nc: 1\n", "a: |\n  x\nc: 1\n"),
    ] {
        let template = Template::parse(source, Format::Yaml).unwrap();
        let metadata = imds_model::Metadata::new(imds_model::CloudName::AWS);
        assert_eq!(template.resolve(&metadata, Missing::Drop).unwrap(), expected, "{source:?}");
    }
}

/// Found by fuzzing: behind a nested sequence a key's colon was taken for what the entry before it left.
#[test]
fn a_key_that_starts_with_a_colon_goes_whole() {
    for (source, expected) in [
        ("m:\n- a\n:-: ${tag:none}\n", "m:\n- a\n"),
        ("-\n  m:\n  - a\n  :?n: ${tag:none}\n", "-\n  m:\n  - a\n"),
        ("-\n  m:\n    k: a\n  :?n: ${tag:none}\n", "-\n  m:\n    k: a\n"),
        ("? a\n:-: ${tag:none}\nb: 1\n", "? a\nb: 1\n"),
        ("? a\n:\n:-: ${tag:none}\nb: 1\n", "? a\n:\nb: 1\n"),
        ("? - a\n:\nb: ${tag:none}\n", "? - a\n:\n"),
        (":\nb: ${tag:none}\n", ":\n"),
        ("a: 1\n: ${tag:none}\n", "a: 1\n"),
        ("a: |\n: ${tag:none}\n", "a: |\n"),
        ("{a: , :b: '${tag:none}', \"c\":}\n", "{a: , \"c\":}\n"),
    ] {
        assert_eq!(with_tag(source, "", Missing::Drop).unwrap(), expected, "{source:?}");
    }
}

/// Found by fuzzing, which took all that is behind a carriage return for the comment of the block's header.
#[test]
fn a_carriage_return_ends_the_header_of_a_block_scalar() {
    for (source, value, expected) in [
        ("\u{feff}|\r t #.7g:-${tag:x}", "v", "\u{feff}|\r t #.7g:-v"),
        ("\u{feff}|\r t #.7g:-${tag:x}", "v\nw\n", "\u{feff}|\r t #.7g:-v\r w\r"),
        ("\u{feff}|\r t #.7g:-${tag:x}", "v\n\n", "\u{feff} \"t #.7g:-v\\n\\n\""),
        ("\u{feff}|\r t #.7g:-${tag:x}\r", "v\nw", "\u{feff}|\r t #.7g:-v\r w\r"),
        ("\u{feff}a: | # c\r t #.7g:-${tag:x}\rb: 1\r", "v\n", "\u{feff}a: \"t #.7g:-v\\n\\n\" # c\rb: 1\r"),
    ] {
        let result = with_tag(source, value, Missing::Error).unwrap();
        assert_eq!(result, expected, "{source:?}");
        // libyaml takes the byte order mark of a string for a column.
        let [before, after] = [source, &result].map(|text| read(text.trim_start_matches('\u{feff}')));
        let text = |value: &Value| value.get("a").unwrap_or(value).as_str().unwrap().to_owned();
        assert_eq!(text(&after), text(&before).replace("${tag:x}", value), "{source:?}");
    }
}

/// Found by fuzzing, which missed the header behind an anchor.
#[test]
fn anchors_tags_and_the_comment_of_the_header_stay_where_a_block_becomes_quoted() {
    for (source, expected) in [
        ("a: &b |  # ${tag:x}\n  ${tag:x}\n", "a: &b \"v\\n\\n\"  # ${tag:x}\n"),
        ("a: !t &b # c\n  |- # d\n   ${tag:x}\nc: *b\n", "a: !t &b # c\n  \"v\\n\" # d\nc: *b\n"),
    ] {
        assert_eq!(with_tag(source, "v\n", Missing::Error).unwrap(), expected, "{source:?}");
    }
}

#[test]
fn an_entry_that_keeps_others_apart_is_an_error_at_its_place() {
    for (source, place) in [
        ("? a\nk: ${tag:none}\n: v\n", "2:4"),
        ("b: 1\nm: [1, {? a\n}]\nk:\n  ? a\n  # k\n  k: '${tag:none}'\n  : v\n", "7:6"),
    ] {
        let template = Template::parse(source, Format::Yaml).unwrap();
        let errors = template.resolve(&machine::aws(&[]), Missing::Drop).unwrap_err();
        let problem = errors.problems().next().unwrap();
        assert_eq!(problem.position().unwrap().to_string(), place, "{source}");
        assert_eq!(errors.kind(), ProblemKind::Unresolved);
        assert!(template.resolve(&machine::aws(&[("none", "v")]), Missing::Drop).is_ok(), "{source}");
    }
    // Nothing changes but the entries.
    let source =
        "[a: &x 1, b: '${tag:none}', *x, {c: &y 2, d: '${tag:none}', e: *y}, ['${tag:none}']] # ${tag:x}\n";
    assert_eq!(
        with_tag(source, "", Missing::Drop).unwrap(),
        "[a: &x 1, *x, {c: &y 2, e: *y}, []] # ${tag:x}\n"
    );
}
