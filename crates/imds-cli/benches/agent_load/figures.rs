//! Figures for `bench/run`, a line each, parted by tabs.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::caller::{Caller, Door, rate};
use crate::servers::{Server, service};

const CALLERS: usize = 32;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);
const READS: usize = 10_000;
/// How often each client asks when it is counted how time grows with their number.
const ANSWERS: usize = 20;
const CLIENTS: [usize; 6] = [10, 50, 100, 200, 400, 800];

pub(crate) async fn print() {
    let service = service().await;
    let agent = Server::agent(&service, "connections = 18000\nper_client = 6000").await;
    for path in ["/v1/metadata/region", "/v1/metadata"] {
        let (_, answer) = Caller::new(&Door::Unix(agent.socket.clone()), path).await.unwrap();
        let constant = Server::constant(&answer);
        for (name, of_agent, of_constant) in [
            ("unix socket", Door::Unix(agent.socket.clone()), Door::Unix(constant.socket.clone())),
            ("TCP", Door::Tcp(agent.tcp), Door::Tcp(constant.tcp)),
        ] {
            for _ in 0..ROUNDS {
                let ours = rate(&of_agent, path, CALLERS, ROUND).await;
                let floor = rate(&of_constant, path, CALLERS, ROUND).await;
                println!("rate\t{path}\t{}\t{name}\t{ours}\t{floor}", answer.len());
            }
        }
    }
    let door = Door::Unix(agent.socket.clone());
    let asked = service.requests().len();
    all_answered(&door, CALLERS, READS / CALLERS + 1).await;
    println!("extra\t{READS}\t{}", service.requests().len() - asked);
    for clients in CLIENTS {
        for _ in 0..ROUNDS {
            let taken = all_answered(&door, clients, ANSWERS).await;
            println!("clients\t{clients}\t{}", taken.as_secs_f64());
        }
    }
}

/// How long it takes until each of so many clients, connected already, has got so many answers.
async fn all_answered(door: &Door, clients: usize, answers: usize) -> Duration {
    let mut ready = Vec::new();
    for _ in 0..clients {
        ready.push(Caller::new(door, "/v1/metadata").await.unwrap().0);
    }
    let mut asking = JoinSet::new();
    let started = Instant::now();
    for mut caller in ready {
        asking.spawn(async move {
            for _ in 0..answers {
                caller.ask().await.unwrap();
            }
        });
    }
    asking.join_all().await;
    started.elapsed()
}
