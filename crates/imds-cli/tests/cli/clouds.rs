//! `imds clouds`.

use crate::harness::imds;

#[test]
fn the_table_says_what_is_named_and_what_is_read() {
    let ran = imds("clouds");
    assert_eq!(ran.code, 0);
    let words = |name: &str| -> Vec<String> {
        let line = ran.stdout.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words("aws")[..6], ["aws", "Amazon", "Web", "Services", "yes", "yes"]);
    assert_eq!(words("resource_group")[..3], ["resource_group", "private", "ResourceGroupName"]);
}

#[test]
fn the_matrix_says_who_serves_what() {
    let ran = imds("clouds --fields");
    let header = ran.stdout.lines().find(|line| line.starts_with("served by ")).unwrap();
    let azure = header.find("  azure").unwrap() + 2;
    let row = |field: &str| ran.stdout.lines().find(|line| line.starts_with(&format!("{field} "))).unwrap();
    assert_eq!(row("resource_group").as_bytes()[azure], b'x');
    assert_eq!(row("resource_group").matches(" x").count(), 1);
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
