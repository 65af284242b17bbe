//! `imds detect`.

use crate::harness::{Folder, Imds, Refusing, Service, imds};

#[test]
fn one_word_says_where() {
    for cloud in ["aws", "azure", "gcp", "digitalocean"] {
        assert_eq!(imds(&format!("detect --fake {cloud}")).result(), (0, &*format!("{cloud}\n")));
    }
    assert_eq!(imds("detect --cloud none").result(), (3, "none\n"));
    assert_eq!(Imds::new("detect").env("IMDS_FORCE_CLOUD", "none").run().result(), (3, "none\n"));
}

#[test]
fn without_any_answer_it_is_unknown() {
    let nobody = Refusing::new();
    let ran = imds(&format!("detect --endpoint {}", nobody.url()));
    assert_eq!(ran.result(), (6, "unknown\n"));
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_service_is_found_by_asking_it() {
    for cloud in ["aws", "azure", "gcp", "digitalocean"] {
        let service = Service::start(cloud);
        let ran = imds(&format!("detect --endpoint {}", service.url()));
        assert_eq!(ran.result(), (0, &*format!("{cloud}\n")), "{}", ran.stderr);
        // Other clouds' protocols were tried on the way; that is no news.
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn known_firmware_costs_no_request() {
    let json = imds("detect --fake aws --format json").json();
    assert_eq!(
        (&json["outcome"], &json["cloud"], &json["confidence"]),
        (&"cloud".into(), &"aws".into(), &"certain".into())
    );
    assert_eq!(json["requests"], 0);
    let mut names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cloud", "confidence", "elapsed_ms", "evidence", "outcome", "requests"]);
    let piece = &json["evidence"][0];
    assert_eq!(
        (&piece["source"], &piece["supports"], &piece["strength"]),
        (&"firmware".into(), &"aws".into(), &"certain".into())
    );
    assert!(piece["detail"].as_str().unwrap().contains("Amazon EC2"), "{piece}");
}

#[test]
fn json_says_what_isnt_there_with_null() {
    let ran = imds("detect --cloud none --json");
    let json = ran.json();
    assert_eq!((ran.code, &json["outcome"], &json["cloud"]), (3, &"none".into(), &serde_json::Value::Null));
    assert_eq!(json["evidence"][0]["supports"], "none");
}

#[test]
fn an_explanation_goes_from_evidence_to_conclusion() {
    let ran = imds("detect --fake azure --explain");
    assert_eq!(ran.code, 0);
    let (evidence, conclusion) = ran.stdout.split_once("\nConclusion\n").unwrap();
    assert!(evidence.contains("\n  Firmware\n    + chassis_asset_tag is \"7783-"), "{evidence}");
    assert!(evidence.contains("[decides for azure]"), "{evidence}");
    assert!(conclusion.contains("azure, certain"), "{conclusion}");
    assert!(conclusion.contains("no request was sent"), "{conclusion}");
}

#[test]
fn a_likely_none_says_how_to_object() {
    let folder = Folder::new();
    folder.write("sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
    let ran = imds(&format!("detect --explain --sysroot {}", folder.path()));
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("none, likely"), "{}", ran.stdout);
    assert!(ran.stdout.contains("--cloud"), "{}", ran.stdout);
}

#[test]
fn verifying_asks_the_service_itself() {
    let ran = imds("detect --fake gcp --verify --json");
    assert_eq!((ran.code, &ran.json()["cloud"]), (0, &"gcp".into()));
    assert_ne!(ran.json()["requests"], 0);
    assert!(
        imds("detect --fake gcp --verify --explain").stdout.contains("\n  Metadata services\n    + gcp: ")
    );
}

#[test]
fn a_cloud_that_isnt_confirmed_is_printed_all_the_same() {
    let ran = imds("detect --fake aws:disabled --verify");
    assert_eq!(ran.result(), (5, "aws\n"));
    assert!(ran.stderr.starts_with("imds: aws: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  hint: "), "{}", ran.stderr);

    let nobody = Refusing::new();
    let ran = imds(&format!("detect --verify --cloud azure --endpoint {}", nobody.url()));
    assert_eq!(ran.result(), (6, "azure\n"));
    assert!(ran.stderr.contains("azure: "), "{}", ran.stderr);
}
