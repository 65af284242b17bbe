//! Readers beside writers: what a data race detector watches (`.ci/race`), and what must hold anyway.
#![cfg(feature = "testing")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use imds::testing::MockProvider;
use imds::{Field, Provider, Value, global};

const ROUNDS: u32 = 2_000;

#[test]
fn readers_see_whole_snapshots_while_fields_change() {
    let provider = Arc::new(MockProvider::new("aws").with(Field::InstanceId, "0").with(Field::Hostname, "0"));
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (provider, done) = (Arc::clone(&provider), Arc::clone(&done));
            thread::spawn(move || {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let snapshot = provider.snapshot();
                    let number = |field| snapshot.text(field).unwrap().parse::<u32>().unwrap();
                    let (id, host) = (number(Field::InstanceId), number(Field::Hostname));
                    assert!(id == host || id == host + 1, "the id is set first: {id} {host}");
                    assert!(id >= last, "values never go back: {id} after {last}");
                    last = id;
                }
            })
        })
        .collect();
    for round in 1..=ROUNDS {
        provider.set(Field::InstanceId, Value::Text(round.to_string()));
        provider.set(Field::Hostname, Value::Text(round.to_string()));
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn the_process_wide_provider_can_be_replaced_beside_readers() {
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    if let Some(provider) = global::try_get() {
                        assert!(["1", "2"].contains(&provider.text(Field::InstanceId).unwrap().as_str()));
                    }
                }
            })
        })
        .collect();
    let tests: Vec<_> = ["1", "2"]
        .into_iter()
        .map(|id| {
            thread::spawn(move || {
                for _ in 0..ROUNDS / 10 {
                    let _replaced =
                        global::replace(Arc::new(MockProvider::new("aws").with(Field::InstanceId, id)));
                    let seen = global::try_get().unwrap().text(Field::InstanceId);
                    assert_eq!(seen.as_deref(), Some(id), "tests that replace it wait for each other");
                }
            })
        })
        .collect();
    for test in tests {
        test.join().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    assert!(global::try_get().is_none(), "nothing was started, so nothing is left");
}
