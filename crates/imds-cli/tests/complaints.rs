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

/// Whether a source has a test of this name, as a function or as an entry of a macro that makes one: `name: …` or a
/// line of names.
fn has_test(source: &str, test: &str) -> bool {
    if source.contains(&format!("fn {test}()")) {
        return true;
    }
    let mut within = false;
    source.lines().any(|line| {
        if line == "}" {
            within = false;
        } else if !line.starts_with(' ') && line.ends_with("! {") && !line.starts_with("macro_rules!") {
            within = true;
        }
        let mut names = line.split_once(':').map_or(line, |(name, _)| name).split_whitespace();
        within && names.any(|name| name == test)
    })
}

#[test]
fn a_test_is_a_function_or_an_entry_of_a_macro() {
    let source = "fn plain() {}\nmacro_rules! made {\n    never\n}\nmade! {\n    first: \"word\", Way;\n    some more\n}\nnever\n";
    for test in ["plain", "first", "some", "more"] {
        assert!(has_test(source, test), "{test}");
    }
    for test in ["never", "word", "Way", "fir", "made"] {
        assert!(!has_test(source, test), "{test}");
    }
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
                    assert!(has_test(&source, test), "complaint {number}: crates/{place} has no test {test}");
                }
                None => {
                    assert!(diagnoses.contains(&format!("`{name}`")), "complaint {number}: doctor:{name}");
                }
            }
        }
    }
}
