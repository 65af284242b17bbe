//! Readers that leave early, and disks that are full.

use std::process::Stdio;

use crate::harness::Imds;

#[test]
fn a_reader_that_left_is_no_failure() {
    for line in [
        "detect --fake aws",
        "detect --fake aws --explain",
        "show --fake azure:vmss-uniform-spot",
        "show --fake azure:vmss-uniform-spot --json",
        "get --fake aws instance_id",
        "tags --fake aws",
        "raw --fake aws /latest/meta-data/",
        "clouds --fields",
        "fake --list-scenarios",
        "fake aws --listen 127.0.0.1:0",
        "completions bash",
        "man",
        "--help",
        "--version",
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Imds::new(line).command().stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_is_lost_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        Imds::new("get --fake aws region").command().stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("imds: the output can't be written: "), "{stderr}");
}
