//! What the tests about hostile and failing services share: a fake with faults, and a client that is pointed at it.

use std::sync::Arc;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, ConfigBuilder};
use imds_fake::{Fake, Scenario};

/// A fake of this scenario (`aws`, `azure:stack`) with these faults (`503:/latest:2`).
pub(crate) async fn fake(scenario: &str, faults: &[&str]) -> Fake {
    let fake = Fake::start(Scenario::parse(scenario).unwrap()).await.unwrap();
    for fault in faults {
        fake.inject(fault.parse().unwrap());
    }
    fake
}

/// A configuration that was told the cloud (`?` has it found) and the address, and that knows nothing of this machine.
pub(crate) fn told(cloud: &str, url: &str, variables: &[(&str, &str)]) -> ConfigBuilder {
    let variables = [("IMDS_NETWORK", "loopback")].iter().chain(variables);
    let environment: Environment =
        variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let builder =
        Config::builder(environment).endpoint(url, "--endpoint").files(Arc::new(MemoryFiles::new()));
    if cloud == "?" { builder } else { builder.cloud(cloud, "--cloud") }
}

/// A client of this configuration.
pub(crate) fn client(builder: ConfigBuilder) -> Client {
    Client::new(builder.build().unwrap())
}
