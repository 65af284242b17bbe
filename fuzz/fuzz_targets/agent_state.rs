//! The agent's state file: what is damaged is refused, and what is believed is of this machine, never from the future, marked
//! as old, and the same when it is saved again.
//!
//! An input whose first byte is odd is the file; any other is its content, which is given the sum that belongs to it.
#![no_main]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use imds::model::metadata::Kept;
use imds::{Field, Reading};
use imds_agent::clock::Moment;
use imds_agent::state::{Binding, KEPT_OVER_BOOTS, Refused, load, save};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// As the state's own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    machine: String,
    boot: Option<String>,
    saved_at: SystemTime,
    saved_after: Duration,
    metadata: Kept,
}

thread_local! {
    static FILE: PathBuf = {
        // In memory where there is such a place.
        let folder = if PathBuf::from("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        folder.join(format!("imds-fuzz-state-{}", std::process::id()))
    };
}

fn moment(wall: u64, running: u64) -> Moment {
    Moment { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall), running: Duration::from_secs(running) }
}

fn binding(machine: &str, boot: Option<&str>, unique: bool) -> Binding {
    Binding { machine: machine.to_owned(), unique, boot: boot.map(str::to_owned) }
}

fuzz_target!(|data: &[u8]| {
    let [how, text @ ..] = data else { return };
    FILE.with(|path| {
        if how % 2 == 1 {
            std::fs::write(path, text).unwrap();
            let damaged = load(path, &binding("m", Some("b"), true), moment(1_000_000, 5000));
            // No sum can be guessed.
            assert!(!matches!(damaged, Ok(Some(_))), "{damaged:?}");
            return;
        }
        let Ok(content) = serde_json::from_slice::<Content>(text) else { return };
        let canonical = serde_json::to_vec(&content).unwrap();
        let sum: String = Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect();
        let content_text = String::from_utf8(canonical).unwrap();
        std::fs::write(path, format!("{{\"format\":1,\"sum\":\"{sum}\",\"content\":{content_text}}}"))
            .unwrap();
        for (boot, unique) in [(Some("b"), true), (Some("c"), true), (Some("c"), false), (None, false)] {
            for now in [moment(1_000_000, 5000), moment(10, 10), moment(4_000_000_000, 100_000)] {
                believed(path, &content, &binding("m", boot, unique), now);
            }
        }
    });
});

fn believed(path: &PathBuf, content: &Content, here: &Binding, now: Moment) {
    let restored = match load(path, here, now) {
        Ok(Some(restored)) => restored,
        Ok(None) | Err(Refused::Corrupt(_)) => return,
        Err(Refused::OtherMachine) => return assert_ne!(content.machine, here.machine),
        Err(Refused::OtherBoot) => return assert!(!here.unique),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(content.machine, here.machine);
    assert_eq!(restored.same_boot, here.boot.is_some() && content.boot == here.boot);
    assert!(restored.same_boot || here.unique);
    let metadata = &restored.metadata;
    assert!(metadata.is_stale() && metadata.taken_at() <= now.wall, "{metadata:?}");
    let kept = content.metadata.clone().restore().expect("it was believed");
    for (field, reading) in metadata.readings() {
        assert!(reading.error().is_some(), "{field} is taken for fresh");
        let Reading::Known { value, source, read_at, .. } = reading else { continue };
        assert!(*read_at <= now.wall, "{field} is known from the future");
        assert!(restored.same_boot || KEPT_OVER_BOOTS.contains(&field), "{field} outlives its boot");
        let Some(Reading::Known { value: before, source: from, .. }) = kept.reading(field) else {
            panic!("{field} is made up");
        };
        assert_eq!((value, source), (before, from));
    }
    let document = serde_json::to_vec(&metadata.document(true).at(now.wall)).expect("it has a JSON form");
    // The agent reads every field, the cloud among them; without it a document isn't one.
    if metadata.text(Field::Cloud).is_some() {
        imds::Metadata::from_document(&document, now.wall, &imds::Source::Mock).expect("which can be read");
    }
    save(path, here, metadata, now).expect("what was read can be saved");
    let again = load(path, here, now).expect("and read again");
    if here.boot.is_some() {
        let again = again.expect("with all that is in it");
        let values = |metadata: &imds::Metadata| -> Vec<_> {
            Field::ALL.iter().filter_map(|field| metadata.value(*field).ok().cloned()).collect()
        };
        assert_eq!(values(&again.metadata), values(metadata));
    }
    // The next machine meets the first file.
    let canonical = serde_json::to_vec(content).unwrap();
    let sum: String = Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8(canonical).unwrap();
    std::fs::write(path, format!("{{\"format\":1,\"sum\":\"{sum}\",\"content\":{text}}}")).unwrap();
}
