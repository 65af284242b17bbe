//! `imds show`.

use std::process::Command;

use imds_fake::Scenario;

use crate::harness::{Folder, Ran, Refusing, Service, imds};

fn shown(line: &str) -> String {
    let Ran { code, stdout, stderr } = imds(line);
    assert_eq!((code, &*stderr), (0, ""), "{line}");
    stdout
}

#[test]
fn everything_about_a_machine_as_a_table() {
    assert_eq!(
        shown("show --fake azure:vmss-uniform-spot"),
        include_str!("expected/azure-vmss-uniform-spot.txt")
    );
}

#[test]
fn everything_about_a_machine_as_json() {
    assert_eq!(
        shown("show --fake azure:vmss-uniform-spot --json"),
        include_str!("expected/azure-vmss-uniform-spot.json")
    );
}

#[test]
fn everything_about_a_machine_as_yaml() {
    assert_eq!(shown("show --fake digitalocean --format yaml"), include_str!("expected/digitalocean.yaml"));
}

#[test]
fn everything_with_its_sources() {
    assert_eq!(shown("show --fake gcp --sources"), include_str!("expected/gcp-sources.txt"));
    let json: serde_json::Value = serde_json::from_str(&shown("show --fake gcp --sources --json")).unwrap();
    assert_eq!(json["sources"]["cloud"], "firmware:/sys/class/dmi/id/product_name");
    assert!(json["sources"]["instance_id"].as_str().unwrap().starts_with("imds:/computeMetadata/v1/"));
}

#[test]
fn attributes_for_opentelemetry() {
    assert_eq!(
        shown("show --fake azure:aks --format otel"),
        "cloud.provider=azure,cloud.platform=azure.aks,cloud.region=westeurope,cloud.availability_zone=2,\
         cloud.account.id=6a5b4c3d-2e1f-4a0b-9c8d-7e6f5a4b3c2d,\
         cloud.resource_id=/subscriptions/6a5b4c3d-2e1f-4a0b-9c8d-7e6f5a4b3c2d/resourceGroups/\
         MC_rg-shop_shop-prod_westeurope/providers/Microsoft.Compute/virtualMachineScaleSets/\
         aks-pool1-12345678-vmss/virtualMachines/3,\
         host.id=deadbeef-0011-4223-8445-566778899aab,host.name=aks-pool1-12345678-vmss000003,\
         host.type=Standard_D4ds_v5,\
         host.image.id=/subscriptions/3e2d1c0b-9a8f-4e7d-8c6b-5a4938271605/resourceGroups/AKS-Ubuntu/providers/\
         Microsoft.Compute/galleries/AKSUbuntu/images/2204gen2containerd/versions/202501.12.0,\
         k8s.cluster.name=shop-prod,azure.resource_group.name=MC_rg-shop_shop-prod_westeurope,\
         azure.vm.name=aks-pool1-12345678-vmss_3,azure.vm.size=Standard_D4ds_v5,\
         azure.vm.scaleset.name=aks-pool1-12345678-vmss\n"
    );
}

#[cfg(unix)]
#[test]
fn a_shell_reads_back_exactly_what_was_there() {
    let odd = r#"a "b" 'c' \d $HOME ${aws:InstanceId} `id` !! # ; & *	tab é 東京 %"#;
    let mut scenario = Scenario::parse("aws").unwrap();
    scenario.set("meta-data/tags/instance/odd", odd).unwrap();
    let service = Service::of(scenario);
    let folder = Folder::new();
    let ran = imds(&format!("show --format env --endpoint {}", service.url()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let file = folder.write("metadata.env", &ran.stdout);
    let script = r#". "$1"; printf '%s|%s|%s' "$IMDS_TAG_ODD" "$IMDS_TAG_NAME" "$IMDS_REGION""#;
    let output = Command::new("sh").args(["-eu", "-c", script, "sh", &file]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{odd}|web-17|eu-west-1"));
}

#[test]
fn variables_have_names_that_a_shell_takes() {
    let ran = imds("show --fake aws:spot-asg --format env");
    assert_eq!(ran.code, 0);
    for line in ran.stdout.lines() {
        let (name, value) = line.split_once('=').unwrap();
        let rest = name.strip_prefix("IMDS_").unwrap();
        assert!(rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'), "{line}");
        assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
    }
    assert!(ran.stdout.contains("IMDS_ACCOUNT_ID=\"012345678901\"\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("IMDS_TAG_PLACEHOLDER=\"\\${aws:InstanceId}\"\n"), "{}", ran.stdout);
}

#[test]
fn fields_that_fail_while_others_come_are_a_warning() {
    let service = Service::start("aws").faulty("403:/latest/meta-data/tags");
    let line = format!("show --endpoint {}", service.url());
    let ran = imds(&line);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("eu-west-1"), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("imds: warning: ") && ran.stderr.contains("tags"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("warning").count(), 1, "one cause is told once: {}", ran.stderr);
    let json = imds(&format!("{line} --json -q"));
    assert_eq!((&json.json()["errors"]["tags"]["kind"], &*json.stderr), (&"disabled".into(), ""));
}

#[test]
fn what_firmware_knows_is_shown_when_the_service_is_off() {
    let ran = imds("show --fake aws:disabled");
    assert_eq!(
        ran.result(),
        (5, "cloud          aws\ninstance_id    i-0fedcba9876543210\ninstance_type  m6i.xlarge\n")
    );
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 2, "{}", ran.stderr);
}

#[test]
fn where_nothing_but_the_cloud_is_known_nothing_is_shown() {
    let nobody = Refusing::new();
    let ran = imds(&format!("show --cloud gcp --endpoint {}", nobody.url()));
    assert_eq!(ran.result(), (6, ""));
    assert!(ran.stderr.starts_with("imds: gcp: "), "{}", ran.stderr);
    assert_eq!(imds("show --cloud none").result(), (3, ""));
    assert_eq!(imds("show --cloud brightbox --json").result(), (4, ""), "named, but not read");
}

#[test]
fn offline_firmware_is_all_there_is() {
    assert_eq!(
        imds("show --fake aws --offline").result(),
        (0, "cloud          aws\ninstance_id    i-0fedcba9876543210\ninstance_type  m6i.xlarge\n")
    );
    let ran = imds("show --fake gcp --offline");
    assert_eq!((ran.result(), &*ran.stderr), ((0, "cloud  gcp\n"), ""));
    let folder = Folder::new();
    let ran = imds(&format!("show --offline --sysroot {}", folder.path()));
    assert_eq!(ran.result(), (3, ""));
    assert!(ran.stderr.contains("nothing on this machine names a cloud"), "{}", ran.stderr);
}

#[test]
fn text_of_a_service_cant_steer_the_terminal() {
    let mut scenario = Scenario::parse("azure").unwrap();
    scenario.set("tags.evil", "\u{1b}]0;owned\u{7}").unwrap();
    let service = Service::of(scenario);
    let ran = imds(&format!("show --endpoint {}", service.url()));
    assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.contains("\\u{1b}]0;owned\\u{7}"), "{}", ran.stdout);
}
