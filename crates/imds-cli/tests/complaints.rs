//! `docs/complaints.md` names tests and diagnoses; each has to be there.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file of the repository.
fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Number of each complaint, and what its last column names.
fn rows(page: &str) -> BTreeMap<u32, Vec<&str>> {
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [number, _, _, shown] = cells.as_slice() else { panic!("a row of four cells: {cells:?}") };
        let Ok(number) = number.trim().parse() else { continue };
        let names = shown.split('`').skip(1).step_by(2).collect();
        assert_eq!(rows.insert(number, names), None, "complaint {number} stands there twice");
    }
    rows
}

#[test]
fn every_complaint_has_a_test_or_a_diagnosis_and_each_is_there() {
    let page = text("docs/complaints.md");
    let rows = rows(&page);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    let diagnoses = text("docs/doctor.md");
    for (number, names) in rows {
        assert!(!names.is_empty(), "complaint {number} has nothing to show");
        for name in names {
            let (place, name) = name.split_once(':').unwrap();
            match name.strip_prefix(':') {
                Some(test) => {
                    let source = text(&format!("crates/{place}"));
                    let is_there = source.contains(&format!("fn {test}()"));
                    assert!(is_there, "complaint {number}: crates/{place} has no test {test}");
                }
                None => {
                    assert!(diagnoses.contains(&format!("`{name}`")), "complaint {number}: doctor:{name}");
                }
            }
        }
    }
}
