//! The configuration file, and what precedes it.

use imds_fake::Scenario;

use crate::harness::{Folder, Imds, Ran, Service};

fn with_file(text: &str, line: &str, variables: &[(&str, &str)]) -> Ran {
    let folder = Folder::new();
    let path = folder.write("imds.toml", text);
    let words: Vec<&str> = line.split_whitespace().chain(["--config", &path]).collect();
    variables.iter().fold(Imds::with(&words), |asked, (name, value)| asked.env(name, value)).run()
}

#[test]
fn an_option_precedes_a_variable_and_that_the_file() {
    let file = "cloud = \"none\"\n";
    assert_eq!(with_file(file, "detect", &[]).result(), (3, "none\n"));
    assert_eq!(with_file(file, "detect", &[("IMDS_FORCE_CLOUD", "gcp")]).result(), (0, "gcp\n"));
    assert_eq!(with_file(file, "detect --cloud aws", &[("IMDS_FORCE_CLOUD", "gcp")]).result(), (0, "aws\n"));
    assert_eq!(with_file(file, "detect --fake azure", &[]).result(), (0, "azure\n"));
}

#[test]
fn endpoints_have_an_order_too() {
    let service = |id: &str| {
        let mut scenario = Scenario::parse("aws").unwrap();
        scenario.set("meta-data/instance-id", id).unwrap();
        Service::of(scenario)
    };
    let [by_file, by_vendor, by_variable, by_option] =
        ["i-000000000000000f1", "i-000000000000000e2", "i-000000000000000d3", "i-000000000000000c4"]
            .map(service);
    let file = format!("endpoint = \"{}\"\n", by_file.url());
    let vendor = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*by_vendor.url());
    let own = ("IMDS_URL", &*by_variable.url());
    let line = "get instance_id --cloud aws";
    assert_eq!(with_file(&file, line, &[]).stdout, "i-000000000000000f1\n");
    assert_eq!(with_file(&file, line, &[vendor]).stdout, "i-000000000000000e2\n");
    assert_eq!(with_file(&file, line, &[vendor, own]).stdout, "i-000000000000000d3\n");
    let line = format!("{line} --endpoint {}", by_option.url());
    assert_eq!(with_file(&file, &line, &[vendor, own]).stdout, "i-000000000000000c4\n");
}

#[test]
fn every_setting_takes_effect() {
    let gcp = Service::start("gcp");
    let endpoint = format!("endpoint = \"{}\"\n", gcp.url());
    assert_eq!(with_file(&(endpoint.clone() + "clouds = [\"aws\"]\n"), "detect", &[]).code, 6);
    assert_eq!(with_file(&endpoint, "detect", &[]).result(), (0, "gcp\n"));
    // Who tells the cloud above the file doesn't mean its limits; beside a limit of the same line it is a mistake.
    let limited = endpoint.clone() + "clouds = [\"aws\"]\n";
    let forced = ("IMDS_FORCE_CLOUD", "gcp");
    assert_eq!(with_file(&limited, "detect --cloud gcp", &[]).result(), (0, "gcp\n"));
    assert_eq!(with_file(&limited, "detect", &[forced]).result(), (0, "gcp\n"));
    for (line, variables) in
        [("detect --cloud gcp --clouds aws", &[][..]), ("detect --clouds aws", &[forced])]
    {
        let ran = with_file(&endpoint, line, variables);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("says gcp, and --clouds doesn't permit it"), "{}", ran.stderr);
    }
    let ran = with_file(&(endpoint.clone() + "log = \"trace\"\n"), "detect", &[]);
    assert!(ran.stderr.contains("trace: "), "{}", ran.stderr);
    let v1_only = |variables: &[(&str, &str)]| {
        with_file("imdsv1 = false\n", "get region --fake aws:v1-only", variables).code
    };
    assert_eq!(v1_only(&[]), 5);
    assert_eq!(v1_only(&[("AWS_EC2_METADATA_V1_DISABLED", "false")]), 0, "the variable precedes the file");

    let folder = Folder::new();
    folder.write("sys/class/dmi/id/product_name", "Google Compute Engine\n");
    let file = format!("network = \"off\"\nsysroot = \"{}\"\n", folder.path());
    // The harness names a policy by a variable, which precedes the file's; an empty one isn't set.
    assert_eq!(with_file(&file, "show", &[("IMDS_NETWORK", "")]).result(), (0, "cloud  gcp\n"));

    let hanging = Service::start("gcp").faulty("hang");
    let file = format!("cloud = \"gcp\"\nendpoint = \"{}\"\ntimeout = \"200ms\"\n", hanging.url());
    let started = std::time::Instant::now();
    assert_eq!(with_file(&file, "get region", &[]).code, 6);
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn a_mistake_is_named_with_file_line_and_remedy() {
    let ran = with_file("# ours\n\ntimout = \"5s\"\n", "detect --fake aws", &[]);
    assert_eq!(ran.result(), (2, ""));
    assert!(ran.stderr.contains("imds.toml:3: no setting is called \"timout\""), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: did you mean timeout?"), "{}", ran.stderr);
    let ran = with_file("timeout = \"5\"\n", "detect --fake aws --timeout 3s", &[]);
    assert_eq!(ran.code, 2, "a wrong value is wrong even where an option precedes it");
    assert!(ran.stderr.contains("imds.toml:1: timeout: "), "{}", ran.stderr);
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let ran = Imds::with(&["detect", "--fake", "aws", "--config", "/no/such/imds.toml"]).run();
    assert_eq!(ran.result(), (2, ""));
    assert!(ran.stderr.contains("/no/such/imds.toml"), "{}", ran.stderr);
}
