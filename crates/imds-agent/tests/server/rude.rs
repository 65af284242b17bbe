//! Clients that don't behave harm nobody but themselves.

use std::time::{Duration, Instant};

use imds_agent::api::Access;
use tokio::time::timeout;

use crate::house::{House, generous};

const WHOLE: &str = "GET /v1/metadata/region HTTP/1.1\r\nHost: x\r\n\r\n";

fn impatient() -> House {
    let mut limits = generous();
    (limits.read_time, limits.idle) = (Duration::from_millis(300), Duration::from_millis(900));
    House::with(limits, Access::default())
}

#[tokio::test]
async fn a_request_that_drips_in_is_cut_off_and_others_do_not_wait() {
    let house = impatient();
    let started = Instant::now();
    let mut loris = house.connect().await;
    loris.send("GET /v1/metadata HTTP/1.1\r\n").await;
    house.serves_others().await;
    loop {
        loris.send("X-A: b\r\n").await;
        // A pause between two drips that ends early when the server has had enough.
        if timeout(Duration::from_millis(10), loris.is_over()).await.is_ok() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10));
    }
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn a_silent_client_is_shown_out_later() {
    let house = impatient();
    let mut silent: Vec<_> = Vec::new();
    for _ in 0..50 {
        silent.push(house.connect().await);
    }
    let mut between = house.connect().await;
    assert_eq!(between.ask(WHOLE).await.status, 200);
    house.serves_others().await;
    for client in &mut silent {
        assert!(client.is_over().await);
    }
    assert!(between.is_over().await, "also after an answered request");
}

#[tokio::test]
async fn a_huge_head_is_refused_however_it_comes() {
    let house = House::new();
    let long_value = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(9000));
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    let endless = "Z".repeat(1 << 20);
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "p".repeat(9000));
    for request in [&long_value, &many, &long_path] {
        let answer = house.ask(request).await;
        assert!(matches!(answer.status, 414 | 431) && answer.closes(), "{answer:?}");
    }
    let mut client = house.connect().await;
    client.send(endless).await;
    let answer = client.answer(false).await;
    assert!(answer.is_none_or(|answer| answer.status >= 400));
    house.serves_others().await;
    let nearly = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(7000));
    assert_eq!(house.ask(&nearly).await.status, 200);
}

#[tokio::test]
async fn bodies_are_refused_unread() {
    let house = House::new();
    for request in [
        "GET /v1/metadata HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "GET /v1/metadata HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /v1/metadata HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n",
        "POST /v1/metadata HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let answer = house.ask(request).await;
        assert!(answer.status == 413 && answer.closes(), "{request:?}: {answer:?}");
    }
    let empty = house.ask("GET /v1/metadata/region HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(empty.status, 200);
    let posted = house.ask("POST /v1/metadata HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(posted.status, 405);
    assert!(posted.head.to_ascii_lowercase().contains("allow: get, head"), "{posted:?}");
}

#[tokio::test]
async fn what_is_no_http_is_no_request() {
    let house = House::new();
    for nonsense in [
        "\r\n\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /v1/metadata HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0",
        "GET /v1/meta data HTTP/1.1\r\n\r\n",
        "GET /v1/metadata HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /v1/metadata HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /v1/metadata HTTP/1.1\r\nHost : x\r\n\r\n",
    ] {
        let mut client = house.connect().await;
        client.send(nonsense).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
        let answer = client.answer(false).await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status >= 400), "{nonsense:?}: {answer:?}");
    }
    house.serves_others().await;
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    let house = House::new();
    let mut client = house.connect().await;
    let mut requests = String::new();
    for number in 0..100 {
        let path = if number % 2 == 0 { "/v1/metadata/region" } else { "/v1/metadata/cloud" };
        requests.push_str(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    client.send(&requests).await;
    house.serves_others().await;
    for number in 0..100 {
        let body = client.answer(false).await.unwrap().body;
        assert_eq!(body, if number % 2 == 0 { "eu-west-1" } else { "aws" });
    }
}

#[tokio::test]
async fn whoever_does_not_take_its_answers_is_cut_off() {
    let house = impatient();
    let mut greedy = house.connect().await;
    let request = "GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    let requests = request.repeat(200);
    // The server stops reading once its answers pile up, and has had enough soon after.
    greedy.send(&requests).await;
    house.serves_others().await;
    let mut count = 0;
    while house.server.connections() > 0 {
        count += 1;
        assert!(count < 100_000_000);
        tokio::task::yield_now().await;
    }
    drop(greedy);
}

#[tokio::test]
async fn clients_that_vanish_are_forgotten() {
    let house = House::new();
    for part in ["", "GET /v1/me", WHOLE, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n"] {
        for _ in 0..50 {
            house.connect().await.send(part).await;
        }
    }
    house.serves_others().await;
    while house.server.connections() > 0 {
        tokio::task::yield_now().await;
    }
}
