//! A cloud is data first: code is where a cloud is irregular, and nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Each cloud's files: what is said of it and, where there is any, its code.
fn files() -> BTreeMap<String, (String, Option<String>)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder("clouds")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let code = fs::read_to_string(folder("src/clouds").join(format!("{name}.rs"))).ok();
        files.insert(name, (fs::read_to_string(&path).unwrap(), code));
    }
    files
}

#[test]
fn a_cloud_that_is_pure_data_has_no_code() {
    for (name, (said, code)) in files() {
        let calls = said.contains(&format!("function = \"{name}_"));
        assert_eq!(calls, code.is_some(), "{name}: its description and its code don't belong together");
    }
}

#[test]
fn the_two_largest_clouds_are_aws_and_azure() {
    let size = |(said, code): &(String, Option<String>)| said.len() + code.as_ref().map_or(0, String::len);
    let mut sizes: Vec<(usize, String)> =
        files().iter().map(|(name, files)| (size(files), name.clone())).collect();
    sizes.sort();
    let mut largest: Vec<&str> = sizes.iter().rev().take(2).map(|(_, name)| &**name).collect();
    largest.sort_unstable();
    assert_eq!(largest, ["aws", "azure"], "{sizes:?}");
}
