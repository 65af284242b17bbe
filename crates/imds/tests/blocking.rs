//! The blocking face, outside and inside a runtime.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use imds::machine::{Environment, MemoryFiles};
use imds::{Config, ErrorKind, Field, Network, blocking};
use imds_fake::{Fake, Scenario};

fn client(fake: &Fake) -> blocking::Client {
    let config = Config::builder(Environment::default())
        .endpoint(&fake.url(), "--endpoint")
        .files(Arc::new(MemoryFiles::new()))
        .network(Network::Loopback);
    blocking::Client::new(config.build().unwrap()).unwrap()
}

#[test]
fn it_detects_and_reads_without_a_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fake = runtime.block_on(Fake::start(Scenario::parse("digitalocean").unwrap())).unwrap();
    let client = client(&fake);
    assert_eq!(client.detect().unwrap().outcome.to_string(), "digitalocean");
    assert_eq!(client.read(&[Field::InstanceId]).unwrap().text(Field::InstanceId), Some("412345678"));
    assert_eq!(client.raw("/metadata/v1/region", false).unwrap(), b"fra1");
    assert_eq!(client.raw("/metadata/v1/user-data", false).unwrap_err().kind(), ErrorKind::Secret);
    assert_eq!(client.volume_id("sda").unwrap_err().kind(), ErrorKind::Absent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_inside_somebody_elses_runtime() {
    let fake = Fake::start(Scenario::parse("gcp").unwrap()).await.unwrap();
    assert_eq!(client(&fake).detect().unwrap().outcome.to_string(), "gcp");
}
