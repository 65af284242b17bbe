//! Callers on the unix socket: known by the kernel, answered by the rules.

use std::time::Duration;

use imds_agent::api::{Access, Who};

use crate::house::{House, generous, metadata};

/// The user that runs the tests, as a socket tells it.
fn own_ids() -> (u32, u32) {
    let (stream, _other) = tokio::net::UnixStream::pair().unwrap();
    let own = stream.peer_cred().unwrap();
    (own.uid(), own.gid())
}

#[tokio::test]
async fn a_caller_is_who_the_kernel_says() {
    let (uid, gid) = own_ids();
    for (who, status) in [
        (Who::User(uid), 200),
        (Who::Group(gid), 200),
        (Who::User(uid + 1), 403),
        (Who::Group(gid + 100_000), 403),
        (Who::Everybody, 200),
    ] {
        let house = House::with(generous(), Access { private: vec![who], ..Access::default() });
        assert_eq!(house.get("/v1/metadata/instance_id").await.status, status, "{who:?}");
        assert_eq!(house.get("/v1/metadata/region").await.status, 200);
        // Of whoever comes over TCP nothing is known.
        let request =
            format!("GET /v1/metadata/instance_id HTTP/1.1\r\nHost: {}\r\nMetadata: true\r\n\r\n", house.api);
        let over_tcp = House::ask_tcp(house.api, &request).await.status;
        assert_eq!(over_tcp, if who == Who::Everybody { 200 } else { 403 }, "{who:?}");
    }
}

#[tokio::test]
async fn other_rules_hold_from_the_next_request_on() {
    let house = House::new();
    let mut client = house.connect().await;
    let request = "GET /v1/metadata/instance_id HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(client.ask(request).await.status, 200);
    house.rules.replace(Access { private: vec![], ..Access::default() });
    assert_eq!(client.ask(request).await.status, 403);
}

#[tokio::test]
async fn what_changes_is_answered_at_once() {
    let house = House::new();
    assert_eq!(house.get("/v1/metadata/region").await.body, "eu-west-1");
    house.store.update(|view| view.metadata = Some(metadata("eu-north-1").into()));
    assert_eq!(house.get("/v1/metadata/region").await.body, "eu-north-1");
}

#[tokio::test]
async fn an_old_client_without_host_and_one_that_ends_its_side_are_answered() {
    let house = House::new();
    let old = house.ask("GET /v1/metadata/region HTTP/1.0\r\n\r\n").await;
    assert_eq!((old.status, &*old.body), (200, "eu-west-1"));
    let mut client = house.connect().await;
    client.send("GET /v1/metadata/region HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
    assert_eq!(client.answer(false).await.unwrap().body, "eu-west-1");
    assert!(client.is_over().await);
}

#[tokio::test]
async fn the_server_ends_when_it_is_told_watchers_and_silent_ones_included() {
    let house = House::new();
    let mut silent = house.connect().await;
    let mut watching = house.connect().await;
    watching.send("GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n").await;
    watching.until("event: metadata").await.unwrap();
    let started = std::time::Instant::now();
    house.server.stop(Duration::from_secs(15)).await;
    assert!(started.elapsed() < Duration::from_secs(10), "nobody had to be cut off");
    assert!(silent.is_over().await);
    assert_eq!(watching.until("no such mark").await, None);
    assert!(tokio::net::UnixStream::connect(&house.socket).await.is_err());
}
