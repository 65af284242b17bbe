//! TOML, judged by another parser.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use imds_template::{Format, Missing, ProblemKind, Template};
use proptest::prelude::*;
use toml::{Table, Value};

mod machine;

/// A configuration with everything in it that people write.
const CONFIG: &str = "\
# Sent by ${tag:x}, which stays as it is.
[agent]
hostname = \"${cloud:InstanceId}\" # ${HOME}
interval = 0x0A
account   = '${cloud:AccountId}'
\"${tag:x}\".'${tag:x}' = 1_000.50

[[outputs.http]]
url = \"https://\\u0065xample.com/${cloud:Region}?owner=${tag:x}\\t\"
headers = { Owner = '${tag:x}', \"X-Path\".'C:\\' = 'C:\\${cloud:Region}' }
tags = [
  \"a\", # first
  '${tag:x}',
]
script = \"\"\"
echo \\
   ${tag:x} $${tag:x}
\"\"\"
plain = '''
C:\\${cloud:Region}\\\"${tag:x}\"
'''
at = 1979-05-27T07:32:00Z
";

fn with_tag(source: &str, value: &str, missing: Missing) -> Result<String, String> {
    let values = machine::aws(&[("x", value)]);
    Template::parse(source, Format::Toml)
        .and_then(|template| template.resolve(&values, missing))
        .map_err(|errors| errors.to_string())
}

fn read(source: &str) -> Table {
    source.parse().unwrap()
}

#[test]
fn a_configuration_keeps_everything_but_its_placeholders() {
    let expected = CONFIG
        .replace("= \"${cloud:InstanceId}", "= \"i-0123456789abcdef0")
        .replace("${cloud:AccountId}", "012345678901")
        .replace("${cloud:Region}", "eu-west-1")
        .replace("?owner=${tag:x}", "?owner=it's \\\"x\\\"")
        .replace("Owner = '${tag:x}'", "Owner = \"it's \\\"x\\\"\"")
        .replace("  '${tag:x}'", "  \"it's \\\"x\\\"\"")
        .replace("   ${tag:x} $${tag:x}", "   it's \\\"x\\\" ${tag:x}")
        .replace("\\\"${tag:x}\"", "\\\"it's \"x\"\"");
    assert_eq!(with_tag(CONFIG, "it's \"x\"", Missing::Error).unwrap(), expected);
}

#[test]
fn all_missing_placeholders_are_listed_at_their_places() {
    let source = "\"é\" = '${tag:none}'\nb = ['''\n\né ${azure:Region}''', \"\\u00e9 ${tag:none}\"]\n";
    let template = Template::parse(source, Format::Toml).unwrap();
    let errors = template.resolve(&machine::aws(&[]), Missing::Error).unwrap_err();
    let places: Vec<String> =
        errors.problems().filter_map(|problem| Some(problem.position()?.to_string())).collect();
    assert_eq!(places, ["1:8", "4:3", "4:31"]);
    assert_eq!(errors.kind(), ProblemKind::Unresolved);
}

#[test]
fn a_placeholder_outside_a_string_is_an_error_at_its_place() {
    for (source, place) in [("a = 1\nb = ${aws:InstanceId}\n", "2:5"), ("a = [1, ${tag:x}]\n", "1:9")] {
        let errors = Template::parse(source, Format::Toml).unwrap_err();
        assert_eq!(errors.problems().next().unwrap().position().unwrap().to_string(), place, "{source}");
        assert_eq!(errors.kind(), ProblemKind::Parse);
    }
}

#[test]
fn missing_values_are_kept_emptied_or_dropped() {
    let source =
        "a = '${tag:none}' # note\nb = {c = \"${tag:none}\", d = '${tag:x}'}\n[e]\nf = ['''${tag:none}''']\n";
    let policies = [
        (
            Missing::Keep,
            "a = '${tag:none}' # note\nb = {c = \"${tag:none}\", d = 'v'}\n[e]\nf = ['''${tag:none}''']\n",
        ),
        (Missing::Empty, "a = '' # note\nb = {c = \"\", d = 'v'}\n[e]\nf = ['''''']\n"),
        (Missing::Drop, "b = {d = 'v'}\n[e]\nf = []\n"),
    ];
    for (missing, expected) in policies {
        assert_eq!(with_tag(source, "v", missing).unwrap(), expected);
    }
}

#[test]
fn a_value_of_64_kib_is_no_problem_in_any_string() {
    let value = "0123456789'abcde\n".repeat(3856);
    for quotes in ["\"", "'", "\"\"\"", "'''"] {
        let result = with_tag(&format!("a = {quotes}${{tag:x}}{quotes}"), &value, Missing::Error).unwrap();
        assert_eq!(read(&result)["a"].as_str().unwrap(), value, "{quotes}");
    }
}

#[test]
fn nesting_beyond_any_limit_is_an_error() {
    for part in ["[", "{a = "] {
        assert!(Template::parse(&format!("a = {}", part.repeat(100_000)), Format::Toml).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tag_injects_nothing(value in "[ -~\n\t\u{0}\r\u{85}é😀]{0,40}|(\"|'|\\\\|\n| #|\\$\\{aws:Region\\}|\\]|\\{|\\}|,){0,12}") {
        let result = read(&with_tag(CONFIG, &value, Missing::Error).unwrap());
        prop_assert_eq!(&result["agent"]["account"], &Value::from("012345678901"));
        prop_assert_eq!(&result["agent"]["${tag:x}"]["${tag:x}"], &Value::from(1000.5));
        let http = &result["outputs"]["http"][0];
        prop_assert_eq!(&http["url"], &Value::from(format!("https://example.com/eu-west-1?owner={value}\t")));
        prop_assert_eq!(&http["headers"]["Owner"], &Value::from(value.as_str()));
        prop_assert_eq!(&http["headers"]["X-Path"]["C:\\"], &Value::from("C:\\eu-west-1"));
        prop_assert_eq!(&http["tags"], &Value::from(vec!["a", value.as_str()]));
        prop_assert_eq!(&http["script"], &Value::from(format!("echo {value} ${{tag:x}}\n")));
        prop_assert_eq!(&http["plain"], &Value::from(format!("C:\\eu-west-1\\\"{value}\"\n")));
        prop_assert_eq!((result.len(), http.as_table().unwrap().len()), (2, 6));
    }
}
