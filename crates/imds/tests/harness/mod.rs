//! A fake service, and clients that meet it in the three ways in which a machine can meet its cloud.

use std::sync::Arc;
use std::time::Duration;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, ConfigBuilder, Field, Metadata, Network};
use imds_fake::{Fake, Scenario};

/// How a client learns which cloud it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The machine's firmware says it.
    Firmware,
    /// There is no firmware; the service itself has to be recognised.
    Probing,
    /// `--cloud` says it, and there is no firmware.
    Told,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Firmware, Self::Probing, Self::Told];
}

/// A built-in scenario by `CLOUD[:NAME]`.
pub(crate) fn scenario(spec: &str) -> Scenario {
    Scenario::parse(spec).expect("the scenario is built in")
}

/// A running fake of a built-in scenario.
pub(crate) async fn fake(spec: &str) -> Fake {
    start(scenario(spec)).await
}

/// A running fake of this scenario.
pub(crate) async fn start(scenario: Scenario) -> Fake {
    Fake::start(scenario).await.expect("a port on loopback is free")
}

/// The firmware that a scenario lends, where Linux shows it.
pub(crate) fn firmware(scenario: &Scenario) -> MemoryFiles {
    scenario.firmware().iter().fold(MemoryFiles::new(), |files, (name, content)| {
        files.with(&format!("/sys/class/dmi/id/{name}"), format!("{content}\n"))
    })
}

/// Variables of the environment.
pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A configuration that reaches nothing but loopback, on a machine with these files and variables.
pub(crate) fn machine(files: MemoryFiles, variables: &[(&str, &str)]) -> ConfigBuilder {
    Config::builder(environment(variables)).files(Arc::new(files)).network(Network::Loopback)
}

/// The client of a configuration.
pub(crate) fn client_of(builder: ConfigBuilder) -> Client {
    Client::new(builder.build().expect("the configuration is valid"))
}

/// A configuration on a machine with these files, where the platform of the fake's machine tells its programs what it does.
pub(crate) fn machine_of(fake: &Fake, files: MemoryFiles) -> ConfigBuilder {
    let environment = fake.environment().into_iter().collect();
    Config::builder(environment).files(Arc::new(files)).network(Network::Loopback)
}

/// A client of a fake. `scenario` lends its firmware where the way is [`Way::Firmware`].
pub(crate) fn client(fake: &Fake, scenario: &Scenario, way: Way) -> Client {
    let files = if way == Way::Firmware { firmware(scenario) } else { MemoryFiles::new() };
    let builder = machine_of(fake, files).endpoint(&fake.url(), "--endpoint").timeout(Duration::from_secs(5));
    client_of(match way {
        Way::Told => builder.cloud(fake.cloud().name(), "--cloud"),
        Way::Firmware | Way::Probing => builder,
    })
}

/// A client that was told the fake's cloud.
pub(crate) fn told(fake: &Fake) -> Client {
    let builder = machine_of(fake, MemoryFiles::new()).endpoint(&fake.url(), "--endpoint");
    client_of(builder.cloud(fake.cloud().name(), "--cloud"))
}

/// Everything that a client told the fake's cloud can read.
pub(crate) async fn read_all(fake: &Fake) -> Metadata {
    told(fake).read(Field::ALL).await.expect("the cloud is told")
}

/// The stable JSON form of a snapshot.
pub(crate) fn json(metadata: &Metadata) -> serde_json::Value {
    serde_json::to_value(metadata.document(false)).expect("a snapshot has a JSON form")
}
