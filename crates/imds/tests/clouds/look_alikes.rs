//! Many services answer on one address and under each other's paths. Every ready-made machine meets every cloud's
//! detector: by its answers alone each is named right or stays unknown, and is never taken for another.

use std::time::Duration;

use crate::harness::{client_of, machine, start};
use imds::machine::MemoryFiles;
use imds::{Outcome, Verdict};
use imds_fake::{Fake, Scenario};
use tokio::task::JoinSet;

/// Scenarios that by themselves don't show which cloud they are in, and why. They may stay unknown.
const SILENT: [(&str, &str); 9] = [
    ("aws:disabled", "the endpoint is switched off and refuses everything"),
    ("aws:hop-limit-v2-required", "no token arrives, and nothing is said without one"),
    ("aws:fargate", "the task's endpoint is known by a variable alone"),
    ("azure:arc", "the local service is known by a variable alone"),
    ("gcp:gke-concealed", "only the project is told"),
    ("gcp:cloud-run", "its ids have another form; it is known by its variables"),
    ("ibm:disabled", "the service is switched off and refuses everything"),
    ("outscale:tags-instance", "an old machine type"),
    ("yandex:gce-face-off", "what is left looks like EC2"),
];

fn readable() -> Vec<String> {
    let readable = imds::clouds().into_iter().filter(|cloud| !cloud.fields.is_empty());
    readable.map(|cloud| cloud.name.to_string()).collect()
}

async fn seen_by(fake: &Fake, detectors: &[String]) -> Verdict {
    let builder = machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint");
    let builder = builder.clouds(detectors, "--clouds").probe_timeout(Duration::from_secs(3));
    client_of(builder).detect().await
}

fn of(cloud: &str) -> Vec<Scenario> {
    Scenario::all().into_iter().filter(|scenario| scenario.cloud().name() == cloud).collect()
}

/// One row of the matrix: the machines of one cloud before every detector alone, and before all of them.
async fn row(cloud: &str) {
    let detectors = readable();
    assert!(!of(cloud).is_empty(), "{cloud} has no ready-made machine");
    for scenario in of(cloud) {
        let name = format!("{cloud}:{}", scenario.name());
        let fake = std::sync::Arc::new(start(scenario).await);
        let mut running = JoinSet::new();
        for detector in detectors.clone() {
            let (fake, name) = (std::sync::Arc::clone(&fake), name.clone());
            running.spawn(async move {
                let verdict = seen_by(&fake, std::slice::from_ref(&detector)).await;
                let right = detector == fake.cloud().name();
                match &verdict.outcome {
                    Outcome::Unknown => {}
                    Outcome::Cloud(found) if right && found.as_str() == detector => {}
                    other => panic!("{name} before the detector of {detector}: {other}: {verdict:?}"),
                }
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        let verdict = seen_by(&fake, &detectors).await;
        let may_be_unknown = SILENT.iter().any(|(silent, _)| *silent == name);
        match &verdict.outcome {
            Outcome::Cloud(found) if found.as_str() == cloud => {}
            Outcome::Unknown if may_be_unknown => {}
            other => panic!("{name} before all detectors: {other}: {verdict:?}"),
        }
    }
}

macro_rules! rows {
    ($($cloud:ident)+) => {
        $(
            #[tokio::test]
            async fn $cloud() {
                row(stringify!($cloud)).await;
            }
        )+

        #[test]
        fn every_cloud_that_can_be_read_has_its_row() {
            let rows: std::collections::BTreeSet<String> = [$(stringify!($cloud).to_owned()),+].into();
            assert_eq!(rows, readable().into_iter().collect());
        }
    };
}

rows! {
    akamai alibaba aws azure cloudstack digitalocean exoscale gcp hetzner huawei ibm openstack oracle outscale ovh scaleway
    tencent upcloud vultr yandex
}
