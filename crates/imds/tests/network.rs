//! What is sent, and where: the network policy, proxies, connections, headers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod service;

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use imds::machine::{Environment, MemoryFiles};
use imds::model::{Error, ErrorKind};
use imds::{Client, Config, Field, Network};
use imds_fake::{Behaviour, Fake, Scenario, Stranger};
use service::{client, fake, told};

const CLOUDS: [&str; 4] = ["aws", "azure", "gcp", "digitalocean"];

async fn assert_forbidden(client: &Client, who: &str) {
    let metadata = client.read(Field::ALL).await.unwrap();
    let failure = metadata.failure().unwrap();
    assert_eq!(failure.kind(), ErrorKind::NetworkForbidden, "{who}: {failure}");
    assert!(failure.remedy().is_some_and(|remedy| remedy.contains("IMDS_NETWORK=on")), "{who}");
    let raw = client.raw("/latest/meta-data/instance-id", false).await.unwrap_err();
    assert_eq!(raw.kind(), ErrorKind::NetworkForbidden, "{who}");
    let (_, verified) = client.verify().await;
    assert_eq!(verified.unwrap_err().kind(), ErrorKind::NetworkForbidden, "{who}");
}

#[tokio::test]
async fn loopback_means_that_nothing_else_is_contacted() {
    for cloud in CLOUDS {
        for url in [
            "http://169.254.169.254",
            "http://[fd00:ec2::254]",
            "http://[::ffff:169.254.169.254]",
            "http://10.0.0.1:1338",
            "http://0.0.0.0:1338",
            "http://metadata.google.internal",
            "http://localhost.example",
            "http://localhost.",
        ] {
            let who = format!("{cloud} {url}");
            assert_forbidden(&client(told(cloud, url, &[])), &who).await;
        }
        // The cloud's own address, without any endpoint told.
        let environment: Environment =
            [("IMDS_NETWORK".to_owned(), "loopback".to_owned())].into_iter().collect();
        let builder =
            Config::builder(environment).files(Arc::new(MemoryFiles::new())).cloud(cloud, "--cloud");
        assert_forbidden(&client(builder), cloud).await;
    }
}

#[tokio::test]
async fn probing_keeps_to_the_policy() {
    for network in [Network::Loopback, Network::Off] {
        let builder = Config::builder(Environment::default()).files(Arc::new(MemoryFiles::new()));
        let verdict = client(builder.network(network)).detect().await;
        assert_eq!((verdict.cloud(), verdict.requests), (None, 0), "{network}");
    }
}

#[tokio::test]
async fn offline_nothing_is_contacted_not_even_loopback() {
    for cloud in CLOUDS {
        let fake = fake(cloud, &[]).await;
        let offline = client(told(cloud, &fake.url(), &[]).network(Network::Off));
        assert_forbidden(&offline, cloud).await;
        let by_variable = told(cloud, &fake.url(), &[("IMDS_NETWORK", "off")]);
        assert_forbidden(&client(by_variable), cloud).await;
        assert_eq!(client(told("?", &fake.url(), &[]).network(Network::Off)).detect().await.requests, 0);
        assert_eq!(fake.connections(), 0, "{cloud}");
    }
}

/// Variables that send other programs' requests through a proxy.
const PROXY_VARIABLES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "REQUEST_METHOD",
    "CGI_HTTP_PROXY",
];

#[tokio::test]
async fn a_proxy_in_the_environment_changes_nothing() {
    let proxy = Stranger::start(Behaviour::Ok).await.unwrap();
    let url = proxy.url();
    let variables: Vec<(&str, &str)> =
        PROXY_VARIABLES.iter().map(|name| (*name, &*url)).chain([("NO_PROXY", "")]).collect();
    for cloud in CLOUDS {
        let fake = fake(cloud, &[]).await;
        let metadata = client(told("?", &fake.url(), &variables)).read(Field::ALL).await.unwrap();
        assert_eq!(metadata.cloud().as_str(), cloud);
        assert_eq!(metadata.failure(), None, "{cloud}");
    }
    assert_eq!(proxy.connections(), 0);
}

/// Also run in a process of its own, in whose environment there are proxies.
#[tokio::test]
async fn a_service_is_read_directly() {
    for cloud in CLOUDS {
        let fake = fake(cloud, &[]).await;
        let metadata = client(told("?", &fake.url(), &[])).read(Field::ALL).await.unwrap();
        assert_eq!((metadata.cloud().as_str(), metadata.failure()), (cloud, None));
        assert!(
            fake.requests().iter().all(|request| request.path().starts_with('/')),
            "not as a proxy is asked"
        );
    }
}

#[tokio::test]
async fn a_proxy_in_the_environment_of_the_process_changes_nothing() {
    let proxy = Stranger::start(Behaviour::Ok).await.unwrap();
    let url = proxy.url();
    let child = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_service_is_read_directly"]).env("NO_PROXY", "");
        for name in PROXY_VARIABLES {
            command.env(name, &url);
        }
        command.output().unwrap()
    });
    let output = child.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(proxy.connections(), 0);
}

async fn assert_served(fake: &Fake, url: &str) {
    let metadata = client(told("?", url, &[])).read(&[Field::InstanceId]).await.unwrap();
    assert!(metadata.text(Field::InstanceId).is_some(), "{url}: {metadata:?}");
    let authority = url.trim_start_matches("http://").split('/').next();
    for request in fake.requests() {
        assert_eq!(request.header("host"), authority, "{url}");
    }
}

#[tokio::test]
async fn ipv6_and_localhost_lead_to_the_service_on_either_family() {
    let ipv4 = fake("gcp", &[]).await;
    assert_served(&ipv4, &format!("http://localhost:{}", ipv4.addr().port())).await;

    let ipv6 = Fake::bind(Scenario::parse("gcp").unwrap(), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).await;
    // Kernels without IPv6 exist.
    let ipv6 = match ipv6 {
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => return,
        bound => bound.unwrap(),
    };
    assert_served(&ipv6, &format!("http://[::1]:{}", ipv6.addr().port())).await;
    let ipv6 = Fake::bind(Scenario::parse("gcp").unwrap(), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).await;
    let ipv6 = ipv6.unwrap();
    assert_served(&ipv6, &format!("http://LOCALHOST:{}", ipv6.addr().port())).await;
}

#[tokio::test]
async fn a_base_url_with_a_prefix_precedes_every_path() {
    let stranger = Stranger::start(Behaviour::Status(404)).await.unwrap();
    for cloud in CLOUDS {
        client(told(cloud, &format!("{}/a/b/", stranger.url()), &[])).read(Field::ALL).await.unwrap();
    }
    let requests = stranger.requests();
    assert!(requests.len() > 4);
    assert!(requests.iter().all(|request| request.path().starts_with("/a/b/")), "{requests:?}");
    assert!(requests.iter().all(|request| !request.path().contains("//")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_eight_connections_are_open_at_once() {
    let mut scenario = Scenario::parse("aws:spot-asg").unwrap();
    for number in 0..40 {
        scenario.set(&format!("meta-data/tags/instance/key-{number}"), &format!("value {number}")).unwrap();
    }
    let fake = Fake::start(scenario).await.unwrap();
    fake.inject("delay=5ms".parse().unwrap());
    let client = client(told("?", &fake.url(), &[]));
    client.detect().await;
    let reads = (0..3).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.read(Field::ALL).await.unwrap() })
    });
    for read in reads.collect::<Vec<_>>() {
        let metadata = read.await.unwrap();
        let tags = metadata.tags().unwrap();
        for number in 0..40 {
            let value = tags.get(&format!("key-{number}")).cloned();
            assert_eq!(value, Some(format!("value {number}")));
        }
    }
    assert!((4..=8).contains(&fake.peak_connections()), "{}", fake.peak_connections());
}

fn client_told(fake: &Fake) -> Client {
    client(told(fake.cloud().name(), &fake.url(), &[]))
}

/// What a cloud's own page wants of requests, beside what every request carries.
fn headers_of(cloud: &str) -> &'static [&'static str] {
    match cloud {
        "aws" => &["x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"],
        "azure" => &["metadata"],
        "gcp" | "yandex" => &["metadata-flavor"],
        "oracle" => &["authorization"],
        "alibaba" => &["x-aliyun-ecs-metadata-token", "x-aliyun-ecs-metadata-token-ttl-seconds"],
        "akamai" => &["metadata-token", "metadata-token-expiry-seconds"],
        "huawei" => &["x-metadata-token", "x-metadata-token-ttl-seconds"],
        "ibm" => &["authorization", "content-type", "metadata-flavor"],
        _ => &[],
    }
}

#[tokio::test]
async fn requests_say_who_asks_and_carry_nothing_else() {
    for scenario in Scenario::all() {
        let name = format!("{}:{}", scenario.cloud(), scenario.name());
        let fake = Fake::start(scenario).await.unwrap();
        let _ = client_told(&fake).read(Field::ALL).await.unwrap();
        assert!(!fake.requests().is_empty(), "{name}");
        let agent = concat!("imds/", env!("CARGO_PKG_VERSION"));
        for request in fake.requests() {
            assert_eq!(request.header("user-agent"), Some(agent), "{name}");
            assert_eq!(request.header("host"), Some(&*fake.addr().to_string()), "{name}");
            let tokens = ["/api/token", "/v1/token"];
            let is_token = tokens.iter().any(|path| request.path_only().ends_with(path));
            assert_eq!(request.method(), if is_token { "PUT" } else { "GET" }, "{name} {}", request.path());
            // IBM's page wants the life of a token in the body.
            assert!(request.body().is_empty() || is_token && fake.cloud().name() == "ibm", "{name}");
            for (header, _) in request.headers() {
                let known = ["host", "user-agent", "accept", "content-length"];
                let own = headers_of(fake.cloud().name());
                assert!(known.iter().chain(own).any(|known| known == header), "{name}: {header}");
            }
        }
    }
}

#[tokio::test]
async fn each_cloud_hears_its_own_headers_only() {
    for (cloud, header) in [
        ("aws", Some("x-aws-ec2-metadata-token")),
        ("azure", Some("metadata")),
        ("gcp", Some("metadata-flavor")),
        ("digitalocean", None),
    ] {
        let fake = fake(cloud, &[]).await;
        client_told(&fake).read(Field::ALL).await.unwrap();
        for request in fake.requests().iter().filter(|request| request.method() == "GET") {
            for other in ["x-aws-ec2-metadata-token", "metadata", "metadata-flavor"] {
                assert_eq!(request.header(other).is_some(), Some(other) == header, "{cloud} {other}");
            }
        }
    }
}

#[tokio::test]
async fn a_service_that_went_away_is_found_again_at_the_same_address() {
    let first = fake("aws", &[]).await;
    let address = first.addr();
    let client = client_told(&first);
    client.read(&[Field::InstanceId]).await.unwrap();
    drop(first);
    let mut scenario = Scenario::parse("aws:imdsv2-required").unwrap();
    scenario.set("meta-data/instance-id", "i-00000000000000007").unwrap();
    let second = loop {
        match Fake::bind(scenario.clone(), address).await {
            Ok(fake) => break fake,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    // The old connection is dead and the old token unknown to it: neither is the user's business.
    let metadata = client.read(&[Field::InstanceId]).await.unwrap();
    assert_eq!(metadata.reading(Field::InstanceId).and_then(|it| it.error()).map(Error::kind), None);
    assert_eq!(metadata.text(Field::InstanceId), Some("i-00000000000000007"));
    assert!(second.connections() >= 1);
}
