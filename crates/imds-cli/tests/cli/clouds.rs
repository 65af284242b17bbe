//! `imds clouds`.

use crate::harness::{Folder, imds};

#[test]
fn the_table_says_what_is_named_and_what_is_read() {
    let ran = imds("clouds");
    assert_eq!(ran.code, 0);
    let words = |name: &str| -> Vec<String> {
        let line = ran.stdout.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words("aws")[..4], ["aws", "Amazon", "Web", "Services"]);
    assert!(words("aws").contains(&"firmware,".to_owned()), "{}", ran.stdout);
    assert_eq!(words("ovh").last().map(String::as_str), Some("-"));
    assert!(ran.stdout.contains("(node of aws)"), "{}", ran.stdout);
    assert_eq!(words("resource_group")[..3], ["resource_group", "private", "ResourceGroupName"]);
}

#[test]
fn the_matrix_says_who_serves_what() {
    let ran = imds("clouds --fields");
    // Each cloud's name stands on a step of its own, above its column.
    let step = |cloud: &str| {
        let line =
            ran.stdout.lines().find(|line| line.starts_with(' ') && line.ends_with(&format!(" {cloud}")));
        line.unwrap().chars().count() - cloud.chars().count()
    };
    let row = |field: &str| ran.stdout.lines().find(|line| line.starts_with(&format!("{field} "))).unwrap();
    let mark = |field: &str, cloud: &str| row(field).chars().nth(step(cloud)).unwrap();
    for (field, cloud, expected) in [
        ("resource_group", "azure", '●'),
        ("resource_group", "aws", '·'),
        ("instance_id", "gcp", '●'),
        ("subnet_id", "gcp", '·'),
    ] {
        assert_eq!(mark(field, cloud), expected, "{field} {cloud}\n{}", ran.stdout);
    }
    assert!(
        ran.stdout
            .lines()
            .take_while(|line| !line.starts_with("field"))
            .all(|line| line.chars().count() < 100)
    );
}

#[test]
fn json_is_one_object() {
    let json = imds("clouds --json").json();
    let clouds = json["clouds"].as_array().unwrap();
    let azure = clouds.iter().find(|cloud| cloud["name"] == "azure").unwrap();
    assert_eq!((&azure["read"], &azure["named_by_firmware"]), (&true.into(), &true.into()));
    assert!(azure["fields"].as_array().unwrap().contains(&"resource_group".into()));
    assert_eq!(json["fields"][0]["name"], "cloud");
    assert!(imds("clouds --format yaml").stdout.starts_with("clouds:\n"));
}

#[test]
fn a_name_prints_its_page() {
    let ran = imds("clouds azure");
    assert_eq!(ran.code, 0);
    for part in [
        "# Microsoft Azure (`azure`)",
        "`Metadata: true`",
        "| `instance_id` | `/metadata/instance#/compute/vmId` |",
    ] {
        assert!(ran.stdout.contains(part), "{part}:\n{}", ran.stdout);
    }
    let json = imds("clouds azure --json").json();
    assert_eq!(json["headers"]["Metadata"], "true");
    assert_eq!(json["documents"][0]["path"], "/metadata/instance");
    assert!(imds("clouds ecs").stdout.contains("A node of `aws`"));
    let unknown = imds("clouds azur");
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean azure?"), "{}", unknown.stderr);
}

#[test]
fn a_cloud_that_closed_is_told_from_a_slip_of_the_finger() {
    for line in [
        "clouds equinix",
        "clouds packet",
        "detect --cloud equinix",
        "detect --cloud packet",
        "detect --clouds aws,packet",
    ] {
        let ran = imds(line);
        assert_eq!(ran.code, 2, "{line}");
        assert!(ran.stderr.contains("Equinix Metal closed in June 2026"), "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_description_that_is_printed_can_be_read_back() {
    let ran = imds("clouds --export digitalocean");
    assert_eq!(ran.code, 0);
    let folder = Folder::new();
    let file =
        folder.write("mine.toml", &ran.stdout.replace("title = \"DigitalOcean\"", "title = \"My ocean\""));
    let table = imds(&format!("clouds --cloud-file {file}"));
    assert!(table.stdout.contains("My ocean"), "{}", table.stderr);
    let own = imds(&format!("show --json --fake digitalocean --cloud-file {file}"));
    assert_eq!(own.json(), imds("show --json --fake digitalocean").json());
    let refused = imds("clouds --export azure");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("azure_image") && refused.stderr.contains("based_on"),
        "{}",
        refused.stderr
    );
}
