//! Watchers over real sockets.

use std::sync::Arc;
use std::time::Duration;

use imds::Field;
use imds::model::{Reading, Source, Value};
use imds_agent::api::Access;
use serde_json::{Value as Json, json};
use tokio::net::UnixStream;

use crate::house::{Client, House, generous, metadata};

const WATCH: &str = "GET /v1/watch HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";

/// The next event of this name, with its id.
async fn next(client: &mut Client<UnixStream>, name: &str) -> (String, Json) {
    loop {
        let block = client.until("\n\n").await.unwrap();
        let line = |prefix: &str| block.lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned);
        if line("event: ").as_deref() == Some(name) {
            let data = serde_json::from_str(&line("data: ").unwrap()).unwrap();
            return (line("id: ").unwrap_or_default(), data);
        }
    }
}

#[tokio::test]
async fn a_watcher_hears_the_current_state_then_changes_and_events() {
    let house = House::new();
    let mut client = house.connect().await;
    client.send(WATCH).await;
    let head = client.until("\r\n\r\n").await.unwrap();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let (_, first) = next(&mut client, "metadata").await;
    assert_eq!(first["metadata"]["region"], "eu-west-1");
    house.store.update(|view| view.metadata = Some(metadata("eu-north-1").into()));
    let (id, second) = next(&mut client, "metadata").await;
    assert_eq!((&second["changed"], &second["revision"]), (&json!(["region"]), &json!(2)));
    house.announcements.replace(vec![json!({ "id": "e", "kind": "preempt" })]);
    assert_eq!(next(&mut client, "event").await.1["kind"], "preempt");
    drop(client);
    let mut client = house.connect().await;
    client.send(WATCH.replace("\r\n\r\n", &format!("\r\nLast-Event-ID: {id}\r\n\r\n"))).await;
    assert_eq!(next(&mut client, "event").await.1["id"], "e", "nothing comes before it");
    house.store.update(|view| view.metadata = Some(metadata("eu-south-1").into()));
    assert_eq!(next(&mut client, "metadata").await.1["metadata"]["region"], "eu-south-1");
}

#[tokio::test]
async fn a_slow_watcher_hears_the_latest_and_not_every_step() {
    const STEPS: usize = 400;
    let house = House::new();
    let mut slow = house.connect().await;
    slow.send(WATCH).await;
    next(&mut slow, "metadata").await;
    for step in 1..=STEPS {
        let mut metadata = metadata(&format!("r-{step}"));
        let tags = (0..50).map(|number| (format!("key-{number}"), "x".repeat(200))).collect();
        metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
        house.store.update(|view| view.metadata = Some(Arc::new(metadata)));
        // Others hear each of them.
        assert_eq!(house.get("/v1/metadata/region").await.body, format!("r-{step}"));
    }
    let mut heard = 0;
    loop {
        heard += 1;
        let (_, data) = next(&mut slow, "metadata").await;
        if data["metadata"]["region"] == format!("r-{STEPS}") {
            break;
        }
    }
    assert!(heard < STEPS, "what nobody took wasn't kept for it: {heard}");
}

#[tokio::test]
async fn a_watcher_with_nothing_to_hear_gets_signs_of_life() {
    let mut limits = generous();
    limits.heartbeat = Duration::from_millis(20);
    // Watching is no idling.
    limits.idle = Duration::from_millis(60);
    let house = House::with(limits, Access::default());
    let mut client = house.connect().await;
    client.send(WATCH).await;
    for _ in 0..10 {
        client.until(": still here\n\n").await.unwrap();
    }
}
