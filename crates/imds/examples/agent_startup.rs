//! An agent that starts before its network, or off-cloud: it warns once, goes on, and has its metadata when the service
//! appears.
//!
//! `cargo run -p imds --example agent_startup` plays both parts: an agent that is told to ask a local address, and, two
//! seconds later, a fake service there.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use imds::machine::Environment;
use imds::{Config, Error, Field, Network, global};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let say = |what: &str| writeln!(std::io::stdout(), "{:4} ms  {what}", started.elapsed().as_millis());

    // A port that is free now, so that the service can appear there later.
    let address: SocketAddr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let config = Config::builder(Environment::default())
        .endpoint(&format!("http://{address}"), "--endpoint")
        .network(Network::Loopback)
        .probe_timeout(Duration::from_millis(300))
        .build()?;

    let mut options = global::Options::new(config);
    options.first_retry = Duration::from_millis(250);
    options.longest_retry = Duration::from_secs(1);
    global::init(options)?;
    say("the agent has started; nothing waited for the network")?;

    if let Err(error) = global::wait(Duration::from_millis(500)) {
        say(&format!("warning: no metadata yet ({error}); going on without"))?;
    }

    let _service = serve_later(address, Duration::from_secs(1))?;
    let provider = global::wait(Duration::from_secs(30))?;
    let id = provider.text(Field::InstanceId).unwrap_or_default();
    say(&format!("metadata is at hand: {} {id}", provider.cloud()))?;
    Ok(())
}

/// A service that appears at the address after a while, and stays for as long as the runtime lives.
fn serve_later(address: SocketAddr, delay: Duration) -> Result<tokio::runtime::Runtime, Error> {
    let internal = |error: std::io::Error| Error::new(imds::ErrorKind::Internal, error.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(internal)?;
    runtime.spawn(async move {
        tokio::time::sleep(delay).await;
        let scenario = imds_fake::Scenario::parse("azure:vmss-uniform-spot");
        if let Ok(scenario) = scenario
            && let Ok(_fake) = imds_fake::Fake::bind(scenario, address).await
        {
            std::future::pending::<()>().await;
        }
    });
    Ok(runtime)
}
