//! What is measured.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::caller::{Caller, Door, rate, waits};
use crate::servers::{Server, service};

const CALLERS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Requests a second, in turns with the constant.
pub(crate) async fn throughput() {
    println!(
        "\n| asked | at | agent | constant | agent / constant, median (least, most) |\n|---|---|--:|--:|--:|"
    );
    let service = service().await;
    let agent = Server::agent(&service, "").await;
    for path in ["/v1/metadata/region", "/v1/metadata"] {
        let (_, answer) = Caller::new(&Door::Unix(agent.socket.clone()), path).await.unwrap();
        let constant = Server::constant(&answer);
        for (name, doors) in [
            ("unix socket", [&agent, &constant].map(|server| Door::Unix(server.socket.clone()))),
            ("TCP", [&agent, &constant].map(|server| Door::Tcp(server.tcp))),
        ] {
            let (mut ours, mut floor, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let both = [
                    rate(&doors[0], path, CALLERS, ROUND).await,
                    rate(&doors[1], path, CALLERS, ROUND).await,
                ];
                ours.push(both[0]);
                floor.push(both[1]);
                ratios.push(both[0] / both[1]);
            }
            let (least, ratio, most) = spread(ratios);
            let (ours, floor) = (spread(ours).1, spread(floor).1);
            let length = answer.len();
            println!(
                "| `{path}`, {length} bytes | {name} | {ours:.0}/s | {floor:.0}/s | {ratio:.2} ({least:.2}, {most:.2}) |"
            );
        }
    }
}

fn spread(mut numbers: Vec<f64>) -> (f64, f64, f64) {
    numbers.sort_unstable_by(f64::total_cmp);
    (numbers[0], numbers[numbers.len() / 2], numbers[numbers.len() - 1])
}

/// Ten thousand connections, half of them on each listener.
pub(crate) async fn crowd() {
    println!(
        "\n| connections | memory of the agent | for each | one more waits (median, longest) | asked of the service |"
    );
    println!("|---|--:|--:|--:|--:|");
    let service = service().await;
    let agent = Server::agent(&service, "connections = 18000\nper_client = 6000\nidle = \"10m\"").await;
    let doors = [Door::Unix(agent.socket.clone()), Door::Tcp(agent.tcp)];
    let (before, asked) = (agent.status("VmRSS"), service.requests().len());
    let row = async |what: &str| {
        let now = agent.status("VmRSS");
        let each = now.saturating_sub(before) * 1024 / CONNECTIONS as u64;
        let waits = waits(&doors[0], 200).await;
        let requests = service.requests().len() - asked;
        let (middle, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        println!("| {what} | {now} KiB | {each} bytes | {middle:.1?}, {longest:.1?} | {requests} requests |");
    };
    row("none").await;
    let mut silent = Vec::new();
    for number in 0..CONNECTIONS {
        silent.push(doors[number % 2].open().await.unwrap());
    }
    // The last one is let in after all others.
    Caller::new(&doors[0], "/v1/metadata").await.unwrap();
    Caller::new(&doors[1], "/v1/metadata").await.unwrap();
    row("10,000 that have said nothing").await;
    drop(silent);
    let mut callers = Vec::new();
    for number in 0..CONNECTIONS {
        callers.push(Caller::new(&doors[number % 2], "/v1/metadata").await.unwrap().0);
    }
    row("10,000, each answered once with everything").await;
    let started = Instant::now();
    let mut asking = JoinSet::new();
    for mut caller in callers {
        asking.spawn(async move {
            caller.ask().await.unwrap();
            caller
        });
    }
    let callers = asking.join_all().await;
    let took = started.elapsed();
    row("10,000, asking all at once").await;
    drop(callers);
    println!("\nAll ten thousand at once were answered within {took:.2?}.");
    println!("The most memory that the agent ever had: {} KiB.", agent.status("VmHWM"));
}

/// One caller among others who mean no good, all of one user.
pub(crate) async fn attack() {
    println!("\n| others | one caller waits: median | 99 of 100 | longest |\n|---|--:|--:|--:|");
    let service = service().await;
    let agent = Server::agent(&service, "").await;
    let door = Door::Unix(agent.socket.clone());
    let request = door.request("/v1/metadata");
    let none: [(&str, usize, Vec<u8>, bool); 5] = [
        ("none", 0, Vec::new(), false),
        ("8 connect as fast as they can", 8, Vec::new(), false),
        ("100 pipeline and read", 100, request.repeat(50).into_bytes(), true),
        ("100 pipeline and never read", 100, request.repeat(50).into_bytes(), false),
        ("8 send headers without end", 8, b"GET / HTTP/1.1\r\nX: y".repeat(50), false),
    ];
    for (name, count, bytes, reads) in none {
        let mut attacking = JoinSet::new();
        for _ in 0..count {
            let (door, bytes) = (door.clone(), bytes.clone());
            attacking.spawn(async move {
                loop {
                    let Ok(stream) = door.open().await else { continue };
                    if bytes.is_empty() {
                        tokio::task::yield_now().await;
                        continue;
                    }
                    let (mut read, mut write) = tokio::io::split(stream);
                    let writing = async { while write.write_all(&bytes).await.is_ok() {} };
                    let reading = async {
                        while reads && read.read(&mut [0; 65_536]).await.is_ok_and(|length| length > 0) {}
                    };
                    tokio::join!(writing, reading);
                }
            });
        }
        let waits = waits(&door, 500).await;
        attacking.shutdown().await;
        let at = |share: usize| waits[(waits.len() - 1) * share / 100];
        println!("| {name} | {:.2?} | {:.2?} | {:.2?} |", at(50), at(99), at(100));
    }
}

/// A minute without callers.
pub(crate) async fn idle() {
    let service = service().await;
    let agent = Server::agent(&service, "").await;
    // What is done once after the start is done, and the thread that did it has ended (after 10 s without work).
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (wakes, asked) = (agent.wakes(), service.requests().len());
    tokio::time::sleep(MINUTE).await;
    let wakes = agent.wakes() - wakes;
    let asked = service.requests().len() - asked;
    println!("\nIn a minute without callers the agent woke {wakes} times and made {asked} requests.");
    println!(
        "Its memory: {} KiB resident, of which {} KiB are its own (the rest is the program's file).",
        agent.status("VmRSS"),
        agent.memory("Private_Dirty"),
    );
}
