//! Files of a machine, each behind a byte `0xff`: its path in a line, then its content. Without a packet, whatever they hold:
//! a verdict has its reasons, doesn't hang on blanks or on files that are none of its business, and no value is made up.
#![no_main]

use std::sync::Arc;

use imds::machine::{Environment, MemoryFiles};
use imds::model::Strength;
use imds::{Client, Config, Field, Network, Outcome, Reading, Source, Verdict};
use imds_fuzz::files;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
}

fn client(files: MemoryFiles) -> Client {
    let builder = Config::builder(Environment::default()).files(Arc::new(files)).network(Network::Off);
    Client::new(builder.build().expect("nothing is told"))
}

fn detect(client: &Client) -> Verdict {
    RUNTIME.with(|runtime| runtime.block_on(client.detect()))
}

fuzz_target!(|data: &[u8]| {
    let files = files::split(data);
    let memory = |change: &dyn Fn(&str, &[u8]) -> Vec<u8>| {
        files
            .iter()
            .fold(MemoryFiles::new(), |memory, (path, content)| memory.with(path, change(path, content)))
    };
    let client = client(memory(&|_, content| content.to_vec()));
    let verdict = detect(&client);
    reasons(&verdict);
    let same = |other: &Verdict| {
        assert_eq!((&other.outcome, other.confidence), (&verdict.outcome, verdict.confidence))
    };
    // The kernel ends what it says with a newline, and some tools with blanks.
    let is_dmi = |path: &str| path.trim_start_matches('/').starts_with("sys/class/dmi/id/");
    let blank = self::client(memory(&|path, content| match is_dmi(path) {
        true => [b" ", content, b" \n"].concat(),
        false => content.to_vec(),
    }));
    same(&detect(&blank));
    let more = memory(&|_, content| content.to_vec()).with("/sys/class/dmi/id/no_such_key", "Amazon EC2");
    same(&detect(&self::client(more)));
    values(&client, &verdict, &files);
});

fn reasons(verdict: &Verdict) {
    assert_eq!(verdict.requests, 0, "nothing may be sent");
    let json = serde_json::to_string(verdict).expect("a verdict has a JSON form");
    let again: Verdict = serde_json::from_str(&json).expect("and can be read back");
    assert_eq!((&again.outcome, &again.evidence), (&verdict.outcome, &verdict.evidence));
    let supports =
        |outcome: &Outcome| verdict.evidence.iter().any(|piece| piece.supports.as_ref() == Some(outcome));
    match &verdict.outcome {
        Outcome::Unknown => {}
        outcome => assert!(supports(outcome), "{outcome} without a reason: {:?}", verdict.evidence),
    }
    let mut certain: Vec<_> = verdict
        .evidence
        .iter()
        .filter(|piece| piece.strength == Strength::Certain)
        .filter_map(|piece| piece.supports.as_ref()?.cloud())
        .collect();
    certain.sort();
    certain.dedup();
    if let [only] = certain[..] {
        assert_eq!(verdict.cloud(), Some(only), "{:?}", verdict.evidence);
    }
}

/// What firmware gives stands in the file that it is said to be from.
fn values(client: &Client, verdict: &Verdict, files: &[(&str, &[u8])]) {
    let read = RUNTIME.with(|runtime| runtime.block_on(client.read(Field::ALL)));
    let metadata = match (read, verdict.cloud()) {
        (Ok(metadata), Some(cloud)) => {
            assert_eq!(metadata.cloud(), cloud);
            metadata
        }
        (Err(_), None) => return,
        (outcome, cloud) => panic!("{outcome:?} in {cloud:?}"),
    };
    for (field, reading) in metadata.readings() {
        let Reading::Known { value, source, .. } = reading else { continue };
        let (Source::Firmware(path) | Source::File(path)) = source else { continue };
        if field == Field::Cloud || field == Field::Platform {
            continue;
        }
        let text = value.as_text().expect("firmware says text");
        assert!(!text.trim().is_empty(), "{field}");
        let path = path.trim_matches('/');
        let content = files.iter().rev().find(|(known, _)| known.trim_matches('/') == path);
        let content = content.map(|(_, content)| String::from_utf8_lossy(content)).unwrap_or_default();
        // JSON may spell it otherwise.
        let is_json = content.contains('\\');
        assert!(
            is_json || content.contains(text),
            "{field} is {text:?}, which {path} doesn't say: {content:?}"
        );
    }
}
