//! Events: what services say of them, and what the agent kept in `events.json`. Whatever it is, an event is of this machine,
//! can be logged and put into an environment, survives its own JSON, and is told once.
//!
//! An input is a line that says what it is, `kept` or `CLOUD PATH`, and the text.
#![no_main]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use imds::CloudName;
use imds_agent::events::read::{Place, Reader, approval};
use imds_agent::events::{Board, Event, Keeping};
use imds_agent::hooks::Notice;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static FILE: PathBuf = {
        let folder = if PathBuf::from("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        folder.join(format!("imds-fuzz-events-{}", std::process::id()))
    };
}

const OWN: &str = "web-1";

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (Ok(what), text) = (std::str::from_utf8(&data[..end]), &data[end + 1..]) else { return };
    FILE.with(|path| match what.split_once(' ') {
        None => kept(path, text),
        Some((cloud, place)) => said(path, cloud, place, text),
    });
});

fn keeping(path: &PathBuf) -> Keeping {
    Keeping { path: path.clone(), machine: "m".to_owned(), boot: "b".to_owned(), unique: true }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

/// A file is used whole or not at all, and the same when it is written again.
fn kept(path: &PathBuf, text: &[u8]) {
    std::fs::write(path, text).unwrap();
    let board = Board::open(keeping(path));
    let before = board.snapshot();
    if before.events.is_empty() {
        return;
    }
    for event in &before.events {
        lasts(event);
    }
    let source = "/fuzz/events";
    let news = Event { id: "news".to_owned(), source: source.to_owned(), ..before.events[0].ended(now()) };
    let news = Event { state: imds_agent::events::State::Started, ..news };
    let mut changes = board.changes();
    board.observe(source, vec![news.clone()], now());
    let told = changes.try_recv();
    assert!(told.is_ok() || before.events.iter().any(|event| event.source == source), "news is told");
    let again = Board::open(keeping(path));
    assert_eq!(again.snapshot().events, board.snapshot().events, "what is kept is what is known");
    let mut changes = again.changes();
    again.observe(source, vec![news], now());
    assert!(changes.try_recv().is_err(), "nothing is told twice");
}

/// What a service says.
fn said(path: &PathBuf, cloud: &str, place: &str, text: &[u8]) {
    let Ok(cloud) = CloudName::new(cloud.to_owned()) else { return };
    let Some(reader) = Reader::of(&cloud, place) else { return };
    let place = Place { cloud: &cloud, path: place, own_name: Some(OWN) };
    let events = match reader.read(&place, text) {
        Ok(events) => events,
        Err(why) => return assert!(!why.is_empty()),
    };
    assert!(events.len() <= 64);
    assert_eq!(reader.read(&place, text).as_ref(), Ok(&events), "an answer means one thing");
    for event in &events {
        assert_eq!((&event.cloud, &*event.source), (&cloud, place.path));
        let texts = [&event.id].into_iter().chain(&event.resources).chain(&event.description);
        for text in texts {
            assert!(!text.is_empty() && !text.chars().any(char::is_control), "{event:?}");
            assert!(text.chars().count() <= 600, "{event:?}");
        }
        let is_own =
            event.resources.is_empty() || event.resources.iter().any(|name| name.eq_ignore_ascii_case(OWN));
        assert!(is_own, "somebody else's: {event:?}");
        if event.acknowledgeable {
            assert!(
                event.resources.iter().all(|name| name.eq_ignore_ascii_case(OWN)),
                "not for others: {event:?}"
            );
            serde_json::from_slice::<serde_json::Value>(&approval(event)).expect("an approval is JSON");
        }
        lasts(event);
    }
    let _ = std::fs::remove_file(path);
    let board = Board::open(keeping(path));
    board.observe(place.path, events.clone(), now());
    let mut changes = board.changes();
    board.observe(place.path, events, now());
    assert!(changes.try_recv().is_err(), "nothing is told twice");
    let again = Board::open(keeping(path));
    assert_eq!(again.snapshot().events, board.snapshot().events);
    board.observe(place.path, Vec::new(), now());
    assert!(board.snapshot().events.is_empty(), "what nobody speaks of any more is over");
}

/// It has a JSON form that says all of it, so have its end and its notice.
fn lasts(event: &Event) {
    let text = serde_json::to_string(event).expect("an event has a JSON form");
    let again: Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    serde_json::to_string(&event.ended(now())).expect("so has its end");
    serde_json::to_string(&Notice::new(event.clone(), None)).expect("and its notice");
}
