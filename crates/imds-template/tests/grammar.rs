//! What is a placeholder, what isn't, and what becomes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use imds_model::error::exit;
use imds_model::{Class, CloudName, Error, ErrorKind, Field, Metadata, Reading};
use imds_template::{
    Errors, Format, Instead, Key, Lookup, Missing, Otherwise, ProblemKind, StandIn, Template, Values,
};

mod machine;

fn resolve(source: &str) -> String {
    Template::parse(source, Format::Text)
        .unwrap()
        .resolve(
            &machine::aws(&[("Name", "web"), ("odd:-name", "odd"), ("a\"}b", "quoted"), ("empty", "")]),
            Missing::Error,
        )
        .unwrap()
}

fn refused(source: &str) -> Errors {
    Template::parse(source, Format::Text).unwrap_err()
}

#[test]
fn placeholders_become_values() {
    for (source, result) in [
        ("${cloud:InstanceId}", "i-0123456789abcdef0"),
        ("${cloud:instance_id}", "i-0123456789abcdef0"),
        ("${aws:Region}/${cloud:region}", "eu-west-1/eu-west-1"),
        ("${tag:Name}", "web"),
        ("${tag:\"odd:-name\"}", "odd"),
        (r#"${tag:"a\"}b"}"#, "quoted"),
        ("${tag:empty:-x}", ""),
        ("${azure:Region:-elsewhere}", "elsewhere"),
        ("${cloud:zone:-}", ""),
        ("${cloud:zone:-a:-b:?c}", "a:-b:?c"),
        (r"${cloud:zone:-{a\}}", "{a}"),
        ("${cloud:zone:-two\nlines}", "two\nlines"),
        ("${cloud:zone:-${aws:Region}}", "${aws:Region}"),
        ("${tag:absent:-x}${tag:\"odd:-name\":-x}", "xodd"),
        ("${cloud:Region:?never said}", "eu-west-1"),
    ] {
        // A default runs to the next `}`, so that one more stays where placeholders are nested.
        let result = if source.contains(":-${") {
            format!("{}}}", result.trim_end_matches('}'))
        } else {
            result.to_owned()
        };
        assert_eq!(resolve(source), result, "{source}");
    }
}

#[test]
fn everything_else_stays_byte_for_byte() {
    for source in [
        "",
        "$X ${X} ${env:X} ${1} $$ $${X} $ ${ ${} $}",
        "${AWS:Region} ${aws :Region} ${ aws:Region} ${aws} ${file:/etc/x}",
        "{{ cloud:Region }} $(cloud:Region) #{cloud:Region}",
        "${averyveryveryveryveryverylongnamespace:x",
        "${cloud",
        "tag:Name} ${",
        "\u{feff}line\r\n\0 \u{1F600}",
    ] {
        assert_eq!(resolve(source), source);
    }
    let template = Template::parse("${X}", Format::Text).unwrap();
    assert!(template.placeholders().is_empty() && template.fields_needed().is_empty());
}

#[test]
fn a_second_dollar_makes_it_literal() {
    for (source, result) in [
        ("$${cloud:Region}", "${cloud:Region}"),
        ("$$${cloud:Region}", "$${cloud:Region}"),
        ("${cloud:Region}$${cloud:Region}", "eu-west-1${cloud:Region}"),
        ("$${cloud:NoSuchKey:-x}", "${cloud:NoSuchKey:-x}"),
        ("$${tag:\"}\"}", "${tag:\"}\"}"),
        ("$${X}", "$${X}"),
    ] {
        assert_eq!(resolve(source), result, "{source}");
    }
}

#[test]
fn values_are_never_expanded_again() {
    let values = machine::aws(&[("Name", "${aws:InstanceId} $${aws:Region} ${tag:Name}")]);
    let template = Template::parse("<${tag:Name}>", Format::Text).unwrap();
    assert_eq!(
        template.resolve(&values, Missing::Error).unwrap(),
        "<${aws:InstanceId} $${aws:Region} ${tag:Name}>"
    );
}

#[test]
fn what_is_wrong_is_told_all_at_once_with_place_and_remedy() {
    let errors = refused(
        "ä ${cloud:Regoin}\n\t${aws:VmSize} ${imds:x} ${tag:} ${tag:\"a\"b}\n${cloud:Reg\n ${gcp:Zone",
    )
    .in_file("a.conf");
    assert_eq!(
        errors.to_string().lines().collect::<Vec<_>>(),
        [
            "a.conf:1:3: cloud has no key \"Regoin\"; did you mean Region?",
            "a.conf:2:2: aws has no key \"VmSize\"; it is InstanceType here; VmSize is a key of azure",
            "a.conf:2:16: \"x\" is no path of the service; a path starts with a slash",
            "a.conf:2:26: the tag's key is missing; write ${tag:Name}",
            "a.conf:2:34: something follows the quoted key; only }, :- or :? may follow the closing quote",
            "a.conf:3:1: the placeholder has no end; close it with }, or write $${ for a literal ${",
            "a.conf:4:2: the placeholder has no end; close it with }, or write $${ for a literal ${",
        ]
    );
    assert_eq!((errors.kind(), errors.exit_code()), (ProblemKind::Parse, exit::UNRESOLVED));
}

#[test]
fn a_placeholder_without_end_in_a_large_text_is_told_where_it_begins() {
    let source = format!("x\n${{cloud:Region:-{}", "y".repeat(100_000));
    assert_eq!(
        refused(&source).to_string(),
        "2:1: the placeholder has no end within 64 KiB; close it with }, or write $${ for a literal ${"
    );
}

#[test]
fn what_a_placeholder_asks_for_is_known_before_anything_is_asked() {
    let source = "${aws:VpcId}\n  ${cloud:Region:-x} ${tag:a:?say a} ${imds:/latest/x} ${imds:/latest/x:-}";
    let template = Template::parse(source, Format::Text).unwrap();
    let told: Vec<_> = template
        .placeholders()
        .iter()
        .map(|one| (one.position().to_string(), one.namespace().to_string(), one.name(), one.class()))
        .collect();
    let expected = [
        ("1:1", "aws", "VpcId", Some(Class::Private)),
        ("2:3", "cloud", "Region", Some(Class::Public)),
        ("2:22", "tag", "a", Some(Class::Private)),
        ("2:38", "imds", "/latest/x", None),
        ("2:56", "imds", "/latest/x", None),
    ];
    assert_eq!(
        told,
        expected.map(|(at, namespace, name, class)| (at.to_owned(), namespace.to_owned(), name, class))
    );
    assert_eq!(template.fields_needed(), [Field::Region, Field::NetworkId, Field::Tags]);
    assert_eq!(template.paths_needed(), ["/latest/x"]);
    let [first, second, third, ..] = template.placeholders() else { unreachable!("there are five") };
    assert_eq!(first.key(), &Key::Field { cloud: Some(CloudName::AWS), field: Field::NetworkId });
    assert_eq!((second.default(), second.as_written()), (Some("x"), "${cloud:Region:-x}"));
    assert_eq!(third.otherwise(), Some(&Otherwise::Error("say a".to_owned())));
    assert_eq!(machine::aws(&[]).path_class("/latest/x"), Class::Private);
}

#[test]
fn every_missing_placeholder_is_told() {
    let source = "${cloud:zone} ${cloud:Region}\n${gcp:Zone} ${tag:Missing:?set the tag}";
    let values = machine::aws(&[]);
    let template = Template::parse(source, Format::Text).unwrap();
    let errors = template.resolve(&values, Missing::Error).unwrap_err();
    assert_eq!(
        errors.to_string().lines().collect::<Vec<_>>(),
        [
            "1:1: ${cloud:zone} has no value: this instance has no zone",
            "2:1: ${gcp:Zone} has no value: this is aws, not gcp",
            "2:13: ${tag:Missing:?set the tag}: set the tag (this instance has no tag \"Missing\")",
        ]
    );
    assert_eq!((errors.kind(), errors.exit_code()), (ProblemKind::Unresolved, exit::UNRESOLVED));
    for missing in [Missing::Keep, Missing::Empty] {
        let errors = template.resolve(&values, missing).unwrap_err();
        assert_eq!(errors.problems().count(), 1, "a message is an error whatever the policy says");
    }
}

#[test]
fn a_policy_says_what_stands_in() {
    let template = Template::parse("<${cloud:zone}|${gcp:Zone:-g}|$${cloud:zone}>", Format::Text).unwrap();
    let values = machine::aws(&[]);
    let resolve = |missing| template.resolve(&values, missing);
    assert_eq!(resolve(Missing::Keep).unwrap(), "<${cloud:zone}|g|${cloud:zone}>");
    assert_eq!(resolve(Missing::Empty).unwrap(), "<|g|${cloud:zone}>");
    let errors = resolve(Missing::Drop).unwrap_err();
    assert_eq!((errors.kind(), errors.exit_code()), (ProblemKind::Usage, exit::USAGE));

    let stand_ins = template.resolve_reported(&values, Missing::Empty).unwrap().stand_ins;
    let told = |one: &StandIn| (one.position.to_string(), one.instead, one.reason.clone());
    assert_eq!(
        stand_ins.iter().map(told).collect::<Vec<_>>(),
        [
            ("1:2".to_owned(), Instead::Empty, "this instance has no zone".to_owned()),
            ("1:16".to_owned(), Instead::Default, "this is aws, not gcp".to_owned()),
        ]
    );
}

struct Failing(ErrorKind);

impl Values for Failing {
    fn lookup(&self, _: &Key) -> Lookup {
        Lookup::Failed(Error::new(self.0, "it failed").with_remedy("mend it"))
    }
}

#[test]
fn a_service_that_cannot_be_asked_is_not_a_missing_value() {
    let bare = Template::parse("${cloud:zone}", Format::Text).unwrap();
    let with_default = Template::parse("${cloud:zone:-d}", Format::Text).unwrap();
    for (kind, code, kept, default) in [
        (ErrorKind::TimedOut, exit::UNREACHABLE, false, true),
        (ErrorKind::Unknown, exit::UNREACHABLE, false, true),
        (ErrorKind::NetworkForbidden, exit::REFUSED, false, true),
        (ErrorKind::NoCloud, exit::NO_CLOUD, true, true),
        (ErrorKind::Absent, exit::UNRESOLVED, true, true),
        (ErrorKind::Secret, exit::REFUSED, false, false),
    ] {
        let values = Failing(kind);
        let errors = bare.resolve(&values, Missing::Error).unwrap_err();
        assert_eq!(errors.exit_code(), code, "{kind}");
        assert_eq!(errors.to_string().ends_with("; mend it"), kind != ErrorKind::Absent, "{errors}");
        assert_eq!(bare.resolve(&values, Missing::Keep).is_ok(), kept, "{kind}");
        assert_eq!(with_default.resolve(&values, Missing::Error).is_ok(), default, "{kind}");
    }
}

#[test]
fn what_holds_for_good_comes_before_what_another_try_may_heal() {
    let mut values = machine::aws(&[]);
    values.set(Field::Zone, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
    let errors = Template::parse("${cloud:zone} ${gcp:Zone}", Format::Text)
        .unwrap()
        .resolve(&values, Missing::Error)
        .unwrap_err();
    assert_eq!(errors.exit_code(), exit::UNRESOLVED);
    assert_eq!(errors.problems().filter_map(imds_template::Problem::cause).count(), 1);
}

#[test]
fn a_snapshot_knows_what_is_absent_and_what_could_not_be_read() {
    let key = |field| Key::Field { cloud: None, field };
    let mut metadata = Metadata::new(CloudName::AWS);
    metadata.set(Field::Tags, Reading::Absent { remedy: Some("switch them on".to_owned()) });
    metadata.set(Field::Zone, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
    assert_eq!(
        metadata.lookup(&Key::Tag("a".to_owned())),
        Lookup::Missing("this instance has no tag \"a\" (switch them on)".to_owned())
    );
    assert!(matches!(metadata.lookup(&key(Field::Zone)), Lookup::Failed(_)));
    assert!(matches!(metadata.lookup(&key(Field::Region)), Lookup::Missing(_)));
    metadata.set_failure(Some(Error::new(ErrorKind::Unreachable, "no route")));
    assert!(matches!(metadata.lookup(&key(Field::Region)), Lookup::Failed(_)));
    assert!(matches!(metadata.lookup(&Key::Path("/x".to_owned())), Lookup::Failed(_)));
}
