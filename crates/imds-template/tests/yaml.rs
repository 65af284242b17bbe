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
    ] {
        let template = Template::parse(source, Format::Yaml).unwrap();
        let metadata = imds_model::Metadata::new(imds_model::CloudName::AWS);
        assert_eq!(template.resolve(&metadata, Missing::Drop).unwrap(), expected, "{source:?}");
    }
}
