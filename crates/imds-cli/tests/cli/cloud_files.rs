//! Clouds that the user described: `--cloud-file`, and `cloud_files` of the configuration file.

use crate::harness::{Folder, Imds, Service, imds};

/// A cloud that DigitalOcean's fake can play.
const LAB: &str = r#"
name = "lab"
title = "The lab"

[[firmware]]
when = { sys_vendor = "Lab Inc." }
strength = "certain"

[service]
ipv4 = "192.0.2.1"

[documents]
v1 = { path = "/metadata/v1.json", format = "json" }

[fields]
instance_id = "v1#/droplet_id"
region = "v1#/region"

[otel]
provider = "lab_inc"
"#;

#[test]
fn every_command_knows_a_described_cloud() {
    let folder = Folder::new();
    let file = folder.write("lab.toml", LAB);
    let service = Service::start("digitalocean");
    let lab =
        |line: &str| imds(&format!("{line} --cloud-file {file} --cloud lab --endpoint {}", service.url()));
    assert_eq!(lab("detect").result(), (0, "lab\n"));
    assert_eq!(lab("get region").result(), (0, "fra1\n"));
    assert_eq!(lab("show --json").json()["cloud"], "lab");
    assert!(lab("show --format otel").stdout.starts_with("cloud.provider=lab_inc,cloud.region=fra1"));
    assert_eq!(lab("raw /metadata/v1/region").stdout.trim(), "fra1");
    assert_eq!(lab("raw /metadata/v1/user-data").code, 5);
    let template = folder.write("app.tmpl", "${lab:Region} ${aws:Region:-elsewhere} ${lap:Region}");
    assert_eq!(lab(&format!("resolve {template}")).result(), (0, "fra1 elsewhere ${lap:Region}"));
    let list = imds(&format!("resolve --list --json {template} --cloud-file {file}"));
    assert_eq!(list.json()["placeholders"][0]["namespace"], "lab");
    assert!(imds(&format!("clouds lab --cloud-file {file}")).stdout.starts_with("# The lab (`lab`)"));
}

#[test]
fn firmware_names_a_described_cloud() {
    let folder = Folder::new();
    let file = folder.write("lab.toml", LAB);
    folder.write("root/sys/class/dmi/id/sys_vendor", "Lab Inc.\n");
    let ran = imds(&format!("detect --offline --sysroot {}/root --cloud-file {file}", folder.path()));
    assert_eq!(ran.result(), (0, "lab\n"));
}

#[test]
fn the_configuration_file_names_descriptions_beside_it() {
    let folder = Folder::new();
    folder.write("clouds/lab.toml", LAB);
    let config = folder.write("imds.toml", "cloud = \"lab\"\ncloud_files = [\"clouds\"]\n");
    let service = Service::start("digitalocean");
    let with = |words: &[&str]| Imds::with(&[words, &["--config", &config]].concat()).run();
    assert_eq!(with(&["get", "region", "--endpoint", &service.url()]).result(), (0, "fra1\n"));
    assert!(with(&["clouds"]).stdout.contains("\nlab "));
    // The same file by option as well is one.
    let file = format!("{}/clouds/lab.toml", folder.path());
    assert_eq!(with(&["detect", "--offline", "--cloud-file", &file]).result(), (0, "lab\n"));
}

#[test]
fn a_mistake_is_told_with_its_place_whatever_is_asked() {
    let folder = Folder::new();
    let file = folder.write("lab.toml", &LAB.replace("v1#/region", "v2#/region"));
    for line in ["detect", "show", "get region", "clouds", "resolve --list"] {
        let ran = imds(&format!("{line} --offline --cloud-file {file}"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{line}");
        assert!(
            ran.stderr.contains(&format!("{file}:17:10: there is no document \"v2\"")),
            "{line}: {}",
            ran.stderr
        );
    }
    let ran = imds("clouds --cloud-file /no/such.toml");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("/no/such.toml: the cloud's description can't be read"), "{}", ran.stderr);
}
