//! However many ask, the service is asked once.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Barrier;

use crate::caller::{Caller, PATIENCE};
use crate::running::Running;

const READERS: usize = 1000;

/// With the limits as they are without a configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_at_once_cost_the_service_one_refresh() {
    let agent = Arc::new(Running::with("", "127.0.0.1:0").await);
    let refresh: Vec<(String, String)> = agent
        .service
        .requests()
        .iter()
        .map(|request| (request.method().to_owned(), request.path().to_owned()))
        .collect();
    let once: BTreeSet<_> = refresh.iter().collect();
    assert_eq!(once.len(), refresh.len(), "one refresh asks for each thing once: {refresh:?}");
    let all_are_in = Arc::new(Barrier::new(READERS));
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let (agent, all_are_in) = (Arc::clone(&agent), Arc::clone(&all_are_in));
            tokio::spawn(async move {
                let mut caller = match number % 4 {
                    0 => Caller::over_tcp(&agent).await.unwrap(),
                    _ => Caller::local(&agent).await.unwrap(),
                };
                let first = caller.get("/v1/metadata/region").await.unwrap();
                tokio::time::timeout(PATIENCE, all_are_in.wait()).await.unwrap();
                (first, caller.get("/v1/metadata").await.unwrap())
            })
        })
        .collect();
    for reader in readers {
        let (first, (status, all)) = reader.await.unwrap();
        assert_eq!(first, (200, "us-east-1".to_owned()));
        assert!(status == 200 && all.contains("i-0a1b2c3d4e5f67890"), "{status} {all}");
    }
    assert_eq!(agent.service.requests().len(), refresh.len(), "readers were none of its business");
    let (status, numbers) = Caller::at(agent.metrics).await.unwrap().get("/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(numbers.lines().any(|line| line == r#"imds_refreshes_total{outcome="success"} 1"#), "{numbers}");
}
