//! A program with the library: a provider that keeps itself fresh, readers, subscribers who go away, refreshes on demand.

use std::sync::Arc;
use std::time::Duration;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, LiveProvider, Provider, RefreshPolicy};
use tokio::time::{sleep, timeout};

use crate::Outcome;

/// Lives until it is ended. Its descriptors and memory are looked at from outside.
///
/// # Errors
/// Where the configuration can't be used.
pub(crate) async fn run(url: &str) -> Outcome<()> {
    let environment = Environment::of_this_process();
    let builder = Config::builder(environment).files(Arc::new(MemoryFiles::new())).patient();
    let config = builder.cloud("aws", "--provider").endpoint(url, "--provider").build()?;
    let provider = loop {
        match LiveProvider::start(Client::new(config.clone())).await {
            Ok(provider) => break provider,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    };
    let mut policy = RefreshPolicy::every(Duration::from_secs(1));
    policy.first_retry = Duration::from_millis(250);
    let _fresh = provider.keep_fresh(policy);
    for reader in 0..4_u64 {
        let provider = Arc::clone(&provider);
        tokio::spawn(async move {
            let mut rng = fastrand::Rng::with_seed(reader);
            loop {
                match rng.u8(..4) {
                    // What comes of it is in the snapshot.
                    0 => drop(timeout(Duration::from_millis(rng.u64(..500)), provider.refresh()).await),
                    1 => {
                        let mut changes = provider.subscribe();
                        drop(timeout(Duration::from_millis(rng.u64(..2_000)), changes.next()).await);
                    }
                    _ => drop(serde_json::to_vec(&provider.snapshot().document(true))),
                }
                sleep(Duration::from_millis(rng.u64(1..50))).await;
            }
        });
    }
    // A client of its own for each read, as short-lived programs have.
    loop {
        let client = Client::new(config.clone());
        drop(client.read(&[imds::Field::InstanceId, imds::Field::Tags]).await);
        sleep(Duration::from_millis(300)).await;
    }
}
