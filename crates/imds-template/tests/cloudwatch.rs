//! amazon-cloudwatch-agent's own rules, quirk by quirk.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use imds_model::{CloudName, Error, ErrorKind, Field, Metadata, Reading, Source, Value};
use imds_template::dialect::cloudwatch::{Configuration, Host};
use imds_template::{Instead, Key, Lookup, Values};
use proptest::prelude::*;

mod machine;

fn host() -> Host {
    Host {
        hostname: Some("ip-10-0-0-1".into()),
        ip_address: Some("192.0.2.7".into()),
        date: "2026-08-07".into(),
        windows: false,
    }
}

fn on(cloud: CloudName) -> Metadata {
    let mut metadata = machine::of(cloud, &[]);
    for (field, text) in [
        (Field::Hostname, "web.internal"),
        (Field::PrivateIpv4, "10.0.0.1"),
        (Field::ImageId, "ami-1"),
        (Field::ScalingGroup, "group"),
        (Field::ResourceGroup, "resources"),
    ] {
        metadata.set(field, Reading::known(Value::Text(text.to_owned()), Source::Mock));
    }
    metadata
}

/// Where nothing can be asked.
struct Nowhere;

impl Values for Nowhere {
    fn lookup(&self, _: &Key) -> Lookup {
        Lookup::Failed(Error::new(ErrorKind::NoCloud, "there is no cloud here"))
    }
}

fn resolve(source: &str, values: &dyn Values, host: &Host) -> String {
    Configuration::parse(source).unwrap().resolve(values, host).text
}

/// The log stream's name of a file, after resolution; `null` if its entry went.
fn stream_name(name: &str, values: &dyn Values, host: &Host) -> serde_json::Value {
    let name = serde_json::json!(name);
    let source = format!(
        r#"{{"logs":{{"logs_collected":{{"files":{{"collect_list":[{{"log_stream_name":{name}}}]}}}}}}}}"#
    );
    let result: serde_json::Value = serde_json::from_str(&resolve(&source, values, host)).unwrap();
    result["logs"]["logs_collected"]["files"]["collect_list"][0]["log_stream_name"].clone()
}

/// The value of a plugin's dimension, after resolution; `null` if its entry went.
fn dimension(value: &str, values: &dyn Values, host: &Host) -> serde_json::Value {
    let value = serde_json::json!(value);
    let source = format!(
        r#"{{"metrics":{{"metrics_collected":{{"cpu":{{"append_dimensions":{{"a":"1","d":{value},"z":"2"}}}}}}}}}}"#
    );
    let result: serde_json::Value = serde_json::from_str(&resolve(&source, values, host)).unwrap();
    let dimensions = &result["metrics"]["metrics_collected"]["cpu"]["append_dimensions"];
    assert_eq!((&dimensions["a"], &dimensions["z"]), (&"1".into(), &"2".into()));
    dimensions["d"].clone()
}

#[test]
fn names_are_replaced_by_substring() {
    let values = on(CloudName::AWS);
    for (name, result) in [
        ("{instance_id}", "i-0123456789abcdef0"),
        ("{hostname}", "web.internal"),
        ("{local_hostname}", "ip-10-0-0-1"),
        ("{ip_address}", "10.0.0.1"),
        ("{aws_region}", "eu-west-1"),
        ("{account_id}", "012345678901"),
        ("{date}", "2026-08-07"),
        ("{date}/{aws_region}/{date}", "2026-08-07/eu-west-1/2026-08-07"),
        ("{{date}}", "{2026-08-07}"),
        ("{unknown}-{Date}-{instance_id", "{unknown}-{Date}-{instance_id"),
        ("${aws:InstanceId}", "${aws:InstanceId}"),
        ("\"\n{date}\\", "\"\n2026-08-07\\"),
        ("", "i-0123456789abcdef0"),
    ] {
        assert_eq!(stream_name(name, &values, &host()), result, "{name}");
    }
}

#[test]
fn names_without_a_value_fall_back() {
    let bare = Host { date: "2026-08-07".into(), ..Host::default() };
    for (name, with_host, without) in [
        ("{instance_id}", "i-UNKNOWN", "i-UNKNOWN"),
        ("{hostname}", "ip-10-0-0-1", "UNKNOWN-HOST"),
        ("{local_hostname}", "ip-10-0-0-1", "UNKNOWN-HOST"),
        ("{ip_address}", "192.0.2.7", "UNKNOWN-IP"),
        ("{aws_region}", "UNKNOWN-REGION", "UNKNOWN-REGION"),
        ("{account_id}", "UNKNOWN-ACCOUNT", "UNKNOWN-ACCOUNT"),
        ("{date}", "2026-08-07", "2026-08-07"),
        ("", "i-UNKNOWN", "i-UNKNOWN"),
    ] {
        assert_eq!(stream_name(name, &Nowhere, &host()), with_host, "{name}");
        assert_eq!(stream_name(name, &Nowhere, &bare), without, "{name}");
    }
}

#[test]
fn a_value_is_not_looked_at_again() {
    let host = Host { hostname: Some("{date}{local_hostname}".into()), ..host() };
    assert_eq!(stream_name("{local_hostname}", &Nowhere, &host), "{date}{local_hostname}");
}

#[test]
fn names_are_resolved_in_their_places_only() {
    let values = on(CloudName::AWS);
    for place in [
        r#"{"logs":{"log_stream_name":N}}"#,
        r#"{"logs":{"logs_collected":{"files":{"collect_list":[{},{"log_group_name":N}]}}}}"#,
        r#"{"logs":{"logs_collected":{"windows_events":{"collect_list":[{"log_stream_name":N}]}}}}"#,
        r#"{"logs":{"logs_collected":{"windows_events":{"collect_list":[{"log_group_name":N}]}}}}"#,
        r#"{"logs":{"logs_collected":{"journald":{"collect_list":[{"log_group_name":N}]}}}}"#,
        r#"{"logs":{"logs_collected":{"journald":{"collect_list":[{"log_stream_name":N}]}}}}"#,
        r#"{"opentelemetry":{"collect":{"logs":{"files":[{"log_group_name":N}]}}}}"#,
        r#"{"opentelemetry":{"log_stream_name":N}}"#,
    ] {
        let source = place.replace('N', r#""a/{date}""#);
        assert_eq!(resolve(&source, &values, &host()), place.replace('N', r#""a/2026-08-07""#));
    }
    for place in [
        r#"{"log_stream_name":N,"agent":{"log_stream_name":N}}"#,
        r#"{"logs":{"log_group_name":N}}"#,
        r#"{"logs":{"logs_collected":{"files":{"collect_list":[{"file_path":N,"x":{"log_group_name":N}}]}}}}"#,
        r#"{"logs":{"metrics_collected":{"emf":{"log_group_name":N}}}}"#,
        r#"{"metrics":{"namespace":N,"append_dimensions":{"a":N},"metrics_collected":{"cpu":{"append_dimensions":{"a":N},"b":N}}}}"#,
        r#"[{"logs":{"log_stream_name":N}}]"#,
        "N",
    ] {
        let source = place.replace('N', r#""{date} {instance_id}""#);
        assert_eq!(resolve(&source, &values, &host()), source);
    }
}

#[test]
fn an_empty_stream_name_is_the_instance_unless_the_global_one_says_more() {
    let values = on(CloudName::AWS);
    let source = |global: &str| {
        format!(
            r#"{{"logs":{{"logs_collected":{{"files":{{"collect_list":[{{"log_group_name":"","log_stream_name":""}}]}}}}{global}}}}}"#
        )
    };
    let id = "\"i-0123456789abcdef0\"";
    let without = source("");
    assert_eq!(
        resolve(&without, &values, &host()),
        without.replace(r#"stream_name":"""#, &format!("stream_name\":{id}"))
    );
    let with = source(r#","log_stream_name":"{date}""#);
    assert_eq!(resolve(&with, &values, &host()), with.replace("{date}", "2026-08-07"));
    let empty = source(r#","log_stream_name":"""#);
    assert_eq!(
        resolve(&empty, &values, &host()),
        empty.replace(r#"stream_name":"""#, &format!("stream_name\":{id}"))
    );
}

#[test]
fn the_region_of_the_agents_section_comes_first() {
    let values = on(CloudName::AWS);
    let logs = r#""logs":{"log_stream_name":"{aws_region}"}"#;
    for (source, region, needed) in [
        (format!(r#"{{"agent":{{"region":"us-x-1"}},{logs}}}"#), "us-x-1", false),
        (format!(r#"{{{logs},"agent":{{"region":"us-\u0078-1"}}}}"#), "us-x-1", false),
        (format!(r#"{{"agent":{{"region":""}},{logs}}}"#), "eu-west-1", true),
        (
            r#"{"region":"us-x-1","logs":{"region":"us-x-1","log_stream_name":"{aws_region}"}}"#.to_owned(),
            "eu-west-1",
            true,
        ),
    ] {
        assert_eq!(resolve(&source, &values, &host()), source.replace("{aws_region}", region));
        let needs = Configuration::parse(&source).unwrap().fields_needed();
        assert_eq!(needs, if needed { vec![Field::Region] } else { vec![] });
    }
}

#[test]
fn dimensions_are_resolved_by_whole_value() {
    let (aws, azure) = (on(CloudName::AWS), on(CloudName::AZURE));
    let gone = serde_json::Value::Null;
    for (value, on_aws, on_azure) in [
        ("${aws:InstanceId}", "i-0123456789abcdef0", ""),
        ("${aws:InstanceType}", "m7g.large", ""),
        ("${aws:ImageId}", "ami-1", ""),
        ("${aws:AutoScalingGroupName}", "group", ""),
        ("${azure:InstanceId}", "", "i-0123456789abcdef0"),
        ("${azure:InstanceType}", "", "m7g.large"),
        ("${azure:ImageId}", "", "ami-1"),
        ("${azure:VmScaleSetName}", "", "group"),
        ("${azure:ResourceGroupName}", "", "resources"),
        ("x${aws:InstanceId}", "", ""),
        ("${aws:InstanceId} ", "", ""),
        ("${aws:InstanceId:-x}", "", ""),
        ("${aws:Region}", "", ""),
        ("${azure:InstanceId}-x", "", ""),
        ("${aws:", "", ""),
        ("${aws:VolumeId}", "${aws:VolumeId}", "${aws:VolumeId}"),
        ("${disk.id}", "${disk.id}", "${disk.id}"),
        ("x${aws:VolumeId}", "", ""),
        ("${host.id}", "${host.id}", "${host.id}"),
        ("${cloud:InstanceId}", "${cloud:InstanceId}", "${cloud:InstanceId}"),
        ("{instance_id}", "{instance_id}", "{instance_id}"),
        ("${AWS_REGION}", "${AWS_REGION}", "${AWS_REGION}"),
        ("", "-", "-"),
    ] {
        for (values, result) in [(&aws, on_aws), (&azure, on_azure)] {
            let result = match result {
                "" => gone.clone(),
                "-" => "".into(),
                result => result.into(),
            };
            assert_eq!(dimension(value, values, &host()), result, "{value} on {}", values.cloud());
            let windows = Host { windows: true, ..host() };
            assert_eq!(dimension(value, values, &windows), value, "{value} on Windows");
        }
        if value.contains("Id}") && !value.contains("olume") && value.starts_with("${a") {
            assert_eq!(dimension(value, &Nowhere, &host()), gone, "{value} nowhere");
        }
    }
}

#[test]
fn plugins_that_are_lists_have_dimensions_and_the_global_block_is_left() {
    let source = r#"{"metrics": {
  "append_dimensions": {"InstanceId": "${aws:InstanceId}", "x": "a${aws:", "y": "${azure:InstanceId}"},
  "aggregation_dimensions": [["${aws:InstanceId}"]],
  "metrics_collected": {
    "procstat": [{"append_dimensions": {"a": "${aws:InstanceType}", "b": "${azure:ImageId}"}}],
    "disk": {"append_dimensions": {"VolumeId": "${aws:VolumeId}", "n": 1}}
  }
}}"#;
    let result =
        source.replace("${aws:InstanceType}", "m7g.large").replace(r#", "b": "${azure:ImageId}""#, "");
    assert_eq!(resolve(source, &on(CloudName::AWS), &host()), result);
}

#[test]
fn what_got_no_value_is_reported() {
    let source = "{\"logs\":{\"log_stream_name\":\"{instance_id}\"},\n \"metrics\":{\"metrics_collected\":{\"cpu\":{\"append_dimensions\":{\"é\":\"${aws:ImageId}\",\"c\":\"a${aws:x\"}}}}}";
    let configuration = Configuration::parse(source).unwrap();
    let placeholders: Vec<_> =
        configuration.placeholders().map(|one| (one.position.to_string(), one.written, one.field)).collect();
    assert_eq!(
        placeholders,
        [
            ("1:29".to_owned(), "{instance_id}".to_owned(), Some(Field::InstanceId)),
            ("2:67".to_owned(), "${aws:ImageId}".to_owned(), Some(Field::ImageId)),
            ("2:88".to_owned(), "a${aws:x".to_owned(), None),
        ]
    );
    assert_eq!(configuration.fields_needed(), [Field::InstanceId, Field::ImageId]);
    let stand_ins = configuration.resolve(&Nowhere, &host()).stand_ins;
    let told: Vec<_> =
        stand_ins.iter().map(|one| (one.instead, one.cause.as_ref().map(Error::kind))).collect();
    assert_eq!(
        told,
        [
            (Instead::Default, Some(ErrorKind::NoCloud)),
            (Instead::Dropped, Some(ErrorKind::NoCloud)),
            (Instead::Dropped, None),
        ]
    );
    for (values, without_value) in [(on(CloudName::AWS), 1), (machine::aws(&[]), 2)] {
        assert_eq!(configuration.resolve(&values, &host()).stand_ins.len(), without_value);
    }
}

#[test]
fn a_configuration_with_every_section_goes_through_unharmed() {
    let source = r#"{
  "agent": {"metrics_collection_interval": 60, "run_as_user": "cwagent", "debug": false, "logfile": "/var/log/{date}.log",
    "credentials": {"role_arn": "arn:aws:iam::012345678901:role/{instance_id}"}, "internal": true},
  "metrics": {
    "namespace": "App/{hostname}", "endpoint_override": "https://example.invalid", "force_flush_interval": 6e1,
    "append_dimensions": {"ImageId": "${aws:ImageId}", "InstanceId": "${aws:InstanceId}",
      "InstanceType": "${aws:InstanceType}", "AutoScalingGroupName": "${aws:AutoScalingGroupName}"},
    "aggregation_dimensions": [["InstanceId"], []],
    "metrics_destinations": {"amp": {"workspace_id": "ws-1"}, "cloudwatch": {}},
    "metrics_collected": {
      "cpu": {"resources": ["*"], "totalcpu": true, "measurement": [{"name": "usage", "rename": "u", "unit": "Percent"}]},
      "disk": {"drop_device": true, "ignore_file_system_types": ["sysfs"], "append_dimensions": {"VolumeId": "${aws:VolumeId}"}},
      "collectd": {"collectd_security_level": "none"}, "statsd": {"service_address": ":8125"},
      "procstat": [{"pattern": "a\\.b", "measurement": ["cpu_usage"]}], "ethtool": {}, "nvidia_gpu": {},
      "jmx": [{"endpoint": "localhost:1"}], "otlp": [{"grpc_endpoint": "127.0.0.1:4317"}]
    }
  },
  "logs": {
    "force_flush_interval": 15, "endpoint_override": "x", "concurrency": 10,
    "metrics_collected": {"prometheus": {"log_group_name": "{ClusterName}", "emf_processor": {"metric_declaration": []}},
      "kubernetes": {"cluster_name": "c"}, "application_signals": {"hosted_in": "{hostname}"}, "emf": {}},
    "logs_collected": {"files": {"collect_list": [{"file_path": "/a/{date}.log", "timestamp_format": "%Y",
      "multi_line_start_pattern": "{timestamp_format}", "filters": [{"type": "exclude", "expression": "\\{\\d+\\}"}]}]},
      "windows_events": {"collect_list": [{"event_name": "System", "event_levels": ["ERROR"]}]}}
  },
  "traces": {"concurrency": 1, "buffer_size_mb": 3, "traces_collected": {"xray": {"bind_address": "127.0.0.1:2000"}}}
}
"#;
    assert_eq!(resolve(source, &on(CloudName::AWS), &host()), source);
    assert!(Configuration::parse(source).unwrap().fields_needed().is_empty());
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    assert_eq!(
        Configuration::parse("{\n  \"logs\" 1}").unwrap_err().in_file("c.json").to_string(),
        "c.json:2:10: a colon was expected"
    );
}

proptest! {
    #[test]
    fn any_value_comes_out_whole(value in any::<String>(), text in "[^{}$]*") {
        let host = Host { hostname: Some(value.clone()), ..host() };
        let name = format!("{text}/{{local_hostname}}/{text}");
        prop_assert_eq!(stream_name(&name, &Nowhere, &host), format!("{text}/{value}/{text}"));
    }
}
