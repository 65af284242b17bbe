//! Many callers at once, and many one after the other.

use std::sync::Arc;
use std::time::Duration;

use imds_agent::api::Access;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Barrier;

use crate::house::{Client, House, generous};

const REQUEST: &str = "GET /v1/metadata HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_at_once_are_all_answered() {
    const READERS: usize = 1000;
    let house = House::new();
    let all_are_in = Arc::new(Barrier::new(READERS));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (socket, all_are_in) = (house.socket.clone(), Arc::clone(&all_are_in));
            tokio::spawn(async move {
                let mut client = Client::of(UnixStream::connect(socket).await.unwrap());
                assert_eq!(client.ask(REQUEST).await.status, 200);
                all_are_in.wait().await;
                let answer = client.ask(REQUEST).await;
                (answer.status, answer.body.contains("eu-west-1"))
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (200, true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_one_after_the_other_leave_nothing_behind() {
    let house = House::new();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let socket = house.socket.clone();
            tokio::spawn(async move {
                for _ in 0..2500 {
                    let mut client = Client::of(UnixStream::connect(&socket).await.unwrap());
                    assert_eq!(client.ask(REQUEST).await.status, 200);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    none_left(&house).await;
}

/// Waits until the server has noticed that everybody is gone.
async fn none_left(house: &House) {
    while house.server.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_too_many_is_told_so_at_once_and_costs_the_others_nothing() {
    let mut limits = generous();
    (limits.connections, limits.per_client) = (40, 20);
    let house = House::with(limits, Access::default());
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(house.connect().await);
    }
    for _ in 0..500 {
        let refused = house.connect().await.answer(false).await.unwrap();
        assert!(refused.status == 503 && refused.closes(), "{refused:?}");
        assert!(refused.body.contains("\"busy\"") && refused.head.contains("retry-after: 1"), "{refused:?}");
    }
    // Those of whom nothing is known are another client, and have what is left.
    let request =
        format!("GET /v1/metadata/region HTTP/1.1\r\nHost: {}\r\nMetadata: true\r\n\r\n", house.api);
    assert_eq!(House::ask_tcp(house.api, &request).await.body, "eu-west-1");
    let mut strangers = Vec::new();
    for _ in 0..10 {
        let mut stranger = Client::of(TcpStream::connect(house.api).await.unwrap());
        let answer = stranger.ask(&request).await;
        match answer.status {
            200 => strangers.push(stranger),
            // The connection of the one before may not be counted out yet.
            status => assert_eq!(status, 503),
        }
    }
    assert!(strangers.len() >= 9);
    silent.truncate(19);
    // The seat is free as soon as the server has noticed.
    let noticed = tokio::time::timeout(Duration::from_secs(10), async {
        while house.get("/v1/metadata/region").await.status != 200 {}
    });
    noticed.await.unwrap();
    let text = house_numbers(&house);
    drop(strangers);
    let text = text.await;
    assert!(text.contains("imds_connections_refused_total{limit=\"per_client\"} "), "{text}");
}

async fn house_numbers(house: &House) -> String {
    // The metrics' own connections count among all, so a seat has to be free.
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", house.metrics);
    loop {
        let answer = House::ask_tcp(house.metrics, &request).await;
        if answer.status == 200 {
            return answer.body;
        }
    }
}
