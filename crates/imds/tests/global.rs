//! The process-wide provider, in a process of its own: one test plays its whole life.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use imds::machine::Environment;
use imds::{Config, ErrorKind, Field, Network, RefreshPolicy, global};
use imds_fake::{Fake, Scenario};

/// An address at which nobody listens.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[test]
fn it_starts_at_once_fails_for_now_and_succeeds_later() {
    let address = free_address();
    let config = Config::builder(Environment::default())
        .endpoint(&format!("http://{address}"), "--endpoint")
        .network(Network::Loopback)
        .probe_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let mut options = global::Options::new(config);
    options.first_retry = Duration::from_millis(20);
    options.longest_retry = Duration::from_millis(100);
    options.refresh = RefreshPolicy::every(Duration::from_millis(30));

    assert!(global::try_get().is_none());
    assert_eq!(global::wait(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::TimedOut);
    let mut states = global::subscribe();

    let before = Instant::now();
    global::init(options.clone()).unwrap();
    assert!(before.elapsed() < Duration::from_millis(250), "it never waits for the network");
    assert_eq!(global::init(options).unwrap_err().kind(), ErrorKind::Usage, "once a process");

    // Nobody serves metadata yet: the failure is told, and isn't for life.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        states.wait_for(|state| matches!(state, global::State::Failed(_))).await.unwrap();
    });
    assert_eq!(global::wait(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::Unknown);

    // The service appears.
    let fake = runtime.block_on(Fake::bind(Scenario::parse("gcp:plain").unwrap(), address)).unwrap();
    let provider = global::wait(Duration::from_secs(20)).unwrap();
    assert_eq!(provider.text(Field::Cloud).as_deref(), Some("gcp"));
    runtime.block_on(async {
        assert!(global::ready(Duration::from_secs(1)).await.is_ok(), "also inside a runtime");
        // Blocking inside somebody's runtime is allowed, too.
        assert!(global::wait(Duration::from_secs(1)).is_ok());
        let mut changes = provider.subscribe();
        fake.set("instance/hostname", "renamed.example").unwrap();
        let change = tokio::time::timeout(Duration::from_secs(10), changes.next()).await.unwrap().unwrap();
        assert_eq!(change.fields, [Field::Hostname], "it keeps itself fresh");
    });

    #[cfg(feature = "testing")]
    {
        use imds::testing::MockProvider;
        use std::sync::Arc;
        let hostname = || global::try_get().and_then(|provider| provider.text(Field::Hostname));
        {
            let _replaced =
                global::replace(Arc::new(MockProvider::new("aws").with(Field::Hostname, "mocked")));
            assert_eq!(hostname().as_deref(), Some("mocked"));
        }
        assert_eq!(
            hostname().as_deref(),
            Some("renamed.example"),
            "the old one comes back with the guard's end"
        );
    }
}
