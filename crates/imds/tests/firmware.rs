//! The signature table against its fixtures: captured firmware of clouds, hypervisors and makers.
//!
//! No packet leaves: the policy permits loopback only and the services' addresses are elsewhere, so that a probe ends with
//! a refusal in the evidence, which is how these tests see that there would have been one.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use harness::{client_of, machine};
use imds::machine::MemoryFiles;
use imds::model::EvidenceSource;
use imds::{Confidence, Evidence, Network, Outcome, Verdict};
use serde::Deserialize;

#[expect(dead_code, reason = "no service is faked here")]
mod harness;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    about: String,
    source: String,
    expect: Expected,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    outcome: String,
    cloud: Option<String>,
    confidence: String,
    probed: bool,
}

/// A row of the signature table, as its file has it.
#[derive(Deserialize)]
struct Row {
    when: BTreeMap<String, toml::Value>,
    strength: String,
    source: String,
    fixture: String,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    firmware: Vec<Row>,
    node: Option<Node>,
}

/// Whose node it is.
#[derive(Deserialize)]
struct Node {
    of: String,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn parse<T: for<'de> Deserialize<'de>>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(here(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn fixtures() -> BTreeMap<String, Fixture> {
    toml_files("tests/firmware").iter().map(|file| (stem(file), parse(file))).collect()
}

/// The rows of the whole table, with the outcome that each speaks for.
fn rows() -> Vec<(String, Row)> {
    let tables = toml_files("clouds").into_iter().map(|file| (stem(&file), file));
    let none = ("none".to_owned(), here("not-clouds.toml"));
    tables
        .chain([none])
        .flat_map(|(name, file)| {
            let table: Table = parse(&file);
            let outcome = table.node.map_or(name, |node| node.of);
            table.firmware.into_iter().map(move |row| (outcome.clone(), row))
        })
        .collect()
}

async fn detect(fixture: &Fixture, network: Network) -> Verdict {
    let files = fixture
        .files
        .iter()
        .fold(MemoryFiles::new(), |files, (path, content)| files.with(&format!("/{path}"), content.clone()));
    client_of(machine(files, &[]).network(network)).detect().await
}

fn is_probe(piece: &&Evidence) -> bool {
    piece.source == EvidenceSource::Probe
}

fn supported(verdict: &Verdict) -> BTreeSet<String> {
    verdict.evidence.iter().filter_map(|piece| piece.supports.as_ref().map(ToString::to_string)).collect()
}

#[tokio::test]
async fn every_machine_is_judged_as_its_fixture_says() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 100, "{}", fixtures.len());
    let readable: BTreeSet<String> = imds::clouds()
        .into_iter()
        .filter(|cloud| !cloud.fields.is_empty())
        .map(|cloud| cloud.name.to_string())
        .collect();
    for (name, fixture) in &fixtures {
        let verdict = detect(fixture, Network::Loopback).await;
        let what = format!("{name} ({}): {verdict:?}", fixture.about);
        let expected = &fixture.expect;
        let kind = match verdict.outcome {
            Outcome::Cloud(_) => "cloud",
            Outcome::None => "none",
            Outcome::Unknown => "unknown",
        };
        assert_eq!(kind, expected.outcome, "{what}");
        if expected.cloud.is_some() {
            assert_eq!(verdict.cloud().map(ToString::to_string), expected.cloud, "{what}");
        }
        let confidence = match verdict.confidence {
            Confidence::Certain => "certain",
            Confidence::Likely => "likely",
        };
        assert_eq!(confidence, expected.confidence, "{what}");
        let probes: Vec<&Evidence> = verdict.evidence.iter().filter(is_probe).collect();
        // A suspect that can be named but not yet read has nobody who could be asked.
        let askable = verdict.cloud().is_none_or(|cloud| readable.contains(cloud.as_str()));
        assert_eq!(!probes.is_empty(), expected.probed && askable, "{what}");
        assert!(probes.iter().all(|probe| probe.detail.contains("only loopback addresses")), "{what}");
        assert_eq!(verdict.requests, 0, "{what}");
        assert!(!fixture.source.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn without_a_network_firmware_says_the_same() {
    for (name, fixture) in &fixtures() {
        let verdict = detect(fixture, Network::Off).await;
        let online = detect(fixture, Network::Loopback).await;
        assert_eq!(
            (&verdict.outcome, verdict.confidence, verdict.requests),
            (&online.outcome, online.confidence, 0),
            "{name}: {verdict:?}"
        );
    }
}

#[tokio::test]
async fn every_row_of_the_table_fires_on_the_fixture_that_it_names() {
    let fixtures = fixtures();
    let rows = rows();
    assert!(rows.len() > 100, "{}", rows.len());
    for (outcome, row) in &rows {
        let what = format!("{outcome}: {:?}", row.when);
        assert!(!row.source.is_empty() && !row.when.is_empty(), "{what}");
        let fixture =
            fixtures.get(&row.fixture).unwrap_or_else(|| panic!("{what}: no fixture {}", row.fixture));
        let verdict = detect(fixture, Network::Loopback).await;
        let seen: Vec<String> = row.when.iter().map(|(key, pattern)| seen(fixture, key, pattern)).collect();
        // A weak sign of a machine that may be in a cloud or not speaks for neither.
        let speaks_for = (outcome != "none" || row.strength != "weak").then(|| outcome.clone());
        let fires = verdict.evidence.iter().any(|piece| {
            piece.supports.as_ref().map(ToString::to_string) == speaks_for
                && piece.strength.to_string() == row.strength
                && seen.iter().all(|seen| piece.detail.contains(seen))
                && piece.detail.matches(" and ").count() + 1 >= seen.len()
        });
        assert!(fires, "{what} doesn't fire on {}: looked for {seen:?} in {verdict:?}", row.fixture);
    }
}

/// How the evidence tells what a condition saw.
fn seen(fixture: &Fixture, key: &str, pattern: &toml::Value) -> String {
    let exact = || pattern.as_str().expect("this key is compared exactly");
    let path = match key {
        "exists" => return format!("{} exists", exact()),
        "cmdline" => return format!("the kernel command line has {:?}", exact()),
        "hypervisor_uuid" => "sys/hypervisor/uuid".to_owned(),
        "osrelease" => "proc/sys/kernel/osrelease".to_owned(),
        dmi => format!("sys/class/dmi/id/{dmi}"),
    };
    let content = fixture.files.get(&path).unwrap_or_else(|| panic!("{}: no {path}", fixture.about));
    format!("{key} is {:?}", content.trim())
}

#[tokio::test]
async fn every_cloud_that_firmware_can_name_has_a_fixture_that_names_it() {
    let named: BTreeSet<String> =
        fixtures().into_values().filter_map(|fixture| fixture.expect.cloud).collect();
    let nameable: BTreeSet<String> = imds::clouds()
        .into_iter()
        .filter(|cloud| cloud.has_signature)
        .map(|cloud| cloud.name.to_string())
        .collect();
    assert_eq!(named, nameable);
}

#[tokio::test]
async fn contradicting_signs_are_all_told() {
    let fixtures = fixtures();
    let verdict = detect(&fixtures["contradiction"], Network::Loopback).await;
    assert!(supported(&verdict).is_superset(&["aws".to_owned(), "azure".to_owned()].into()), "{verdict:?}");
    assert!(!verdict.is_definite());
}

#[tokio::test]
async fn what_is_common_to_clouds_and_others_names_nothing_alone() {
    for (key, value) in [
        ("sys_vendor", "Microsoft Corporation"),
        ("sys_vendor", "Xen"),
        ("sys_vendor", "QEMU"),
        ("sys_vendor", "Google"),
        ("product_name", "Google Pixelbook"),
        ("product_uuid", "ec2e1916-9099-7caf-fd21-012345abcdef"),
        ("product_uuid", "45e12aec-dcd1-b213-94ed-012345abcdef"),
        ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-7"),
        ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-777"),
        ("bios_vendor", "amazon ec2"),
        ("board_asset_tag", "i-0123456789abcdef0"),
        ("product_serial", "Not GoogleCloud-5C7A2B10"),
    ] {
        let files = MemoryFiles::new().with(&format!("/sys/class/dmi/id/{key}"), format!("{value}\n"));
        let verdict = client_of(machine(files, &[])).detect().await;
        assert_eq!(verdict.outcome, Outcome::Unknown, "{key} = {value}: {verdict:?}");
    }
}

#[tokio::test]
async fn firmware_that_cannot_be_read_is_no_evidence() {
    for content in [&b""[..], b"\n", b"\xff\xfe\xff", b"\0\0\0\0", b"To Be Filled By O.E.M.\n", b"0000\n"] {
        let files = ["sys_vendor", "bios_vendor", "product_name", "chassis_asset_tag", "product_uuid"]
            .iter()
            .fold(MemoryFiles::new(), |files, key| files.with(&format!("/sys/class/dmi/id/{key}"), content));
        let verdict = client_of(machine(files, &[])).detect().await;
        assert_eq!(verdict.outcome, Outcome::Unknown, "{content:?}: {verdict:?}");
        assert!(supported(&verdict).is_empty(), "{content:?}: {verdict:?}");
    }
}
