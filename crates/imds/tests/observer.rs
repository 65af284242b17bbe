//! Observers hear of every request, and how it ended.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod service;

use std::sync::{Arc, Mutex};

use imds::observer::{Observed, Observer, RequestOutcome};
use imds::{CloudName, Field};
use service::{client, fake, told};

#[derive(Debug, Default)]
struct Heard {
    requests: Mutex<Vec<(String, RequestOutcome)>>,
    retries: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn requested(&self, request: &Observed<'_>) {
        self.requests.lock().unwrap().push((request.cloud.to_string(), request.outcome));
    }

    fn retried(&self, cloud: &CloudName) {
        self.retries.lock().unwrap().push(cloud.to_string());
    }
}

#[tokio::test]
async fn tokens_refusals_and_retries_are_all_heard_of() {
    let document = "/latest/dynamic/instance-identity/document";
    let fake = fake("aws", &[&format!("503:{document}:1")]).await;
    let heard = Arc::new(Heard::default());
    let client = client(told("aws", &fake.url(), &[]).observer(Arc::clone(&heard) as Arc<dyn Observer>));
    client.read(&[Field::InstanceId]).await.unwrap();
    let outcomes: Vec<RequestOutcome> =
        heard.requests.lock().unwrap().iter().map(|(_, outcome)| *outcome).collect();
    let answered = RequestOutcome::Answered;
    assert_eq!(outcomes, [answered(200), answered(503), answered(200)], "a token, a failure, the document");
    assert!(heard.requests.lock().unwrap().iter().all(|(cloud, _)| cloud == "aws"));
    assert_eq!(*heard.retries.lock().unwrap(), ["aws"]);
    assert_eq!(fake.requests().len(), outcomes.len());
}

#[tokio::test]
async fn who_does_not_answer_is_heard_of_too() {
    // A port that was free a moment ago, and refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let heard = Arc::new(Heard::default());
    let url = format!("http://127.0.0.1:{port}");
    let client = client(told("gcp", &url, &[]).observer(Arc::clone(&heard) as Arc<dyn Observer>));
    client.read(&[Field::InstanceId]).await.unwrap();
    let requests = heard.requests.lock().unwrap();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|(_, outcome)| *outcome == RequestOutcome::NotConnected), "{requests:?}");
    assert_eq!(heard.retries.lock().unwrap().len(), requests.len() - 1);
}
