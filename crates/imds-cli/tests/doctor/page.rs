//! The page that lists all diagnoses.

use std::fs;
use std::path::Path;

const BEGIN: &str =
    "<!-- diagnoses: begin (written by `cargo run -p imds --features doctor --example doctor_page`) -->\n";
const END: &str = "<!-- diagnoses: end -->";

#[test]
fn the_page_lists_exactly_the_diagnoses_that_there_are() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md")).unwrap();
    let (_, rest) = page.split_once(BEGIN).unwrap();
    let (table, _) = rest.split_once(END).unwrap();
    let rows: Vec<String> = table.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let expected: Vec<String> =
        imds::doctor::diagnoses().map(|(id, about)| format!("| `{id}` | {about} |")).collect();
    assert_eq!(rows, expected, "run `cargo run -p imds --features doctor --example doctor_page`");
}
