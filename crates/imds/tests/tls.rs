//! Services that are asked over TLS: who is believed, who isn't, and what the user hears.
#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::{client_of, fake, machine};
use imds::machine::MemoryFiles;
use imds::{ConfigBuilder, ErrorKind, Field};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

#[expect(dead_code, reason = "most of it is for ready-made machines")]
mod harness;

/// A proxy that speaks TLS in front of a service on loopback. Lives as long as the test's runtime.
struct Proxy {
    address: SocketAddr,
    /// Its certificate, which is its own root.
    certificate: String,
    /// The names that clients asked it by.
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Proxy {
    async fn start(name: &str, behind: SocketAddr) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let names = Arc::<Mutex<Vec<Option<String>>>>::default();
        let seen = Arc::clone(&names);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(mut secured) = acceptor.accept(stream).await else { return };
                    seen.lock().unwrap().push(secured.get_ref().1.server_name().map(str::to_owned));
                    let mut plain = TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut secured, &mut plain).await;
                });
            }
        });
        Self { address, certificate: cert.pem(), names }
    }

    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    fn names(&self) -> Vec<Option<String>> {
        self.names.lock().unwrap().clone()
    }
}

fn told(cloud: &str, url: &str) -> ConfigBuilder {
    let builder = machine(MemoryFiles::new(), &[]).endpoint(url, "--endpoint");
    builder.cloud(cloud, "--cloud").timeout(Duration::from_secs(3))
}

/// Why the instance id can't be had.
async fn failure(builder: ConfigBuilder) -> imds::Error {
    let metadata = client_of(builder).read(&[Field::InstanceId]).await.unwrap();
    metadata.value(Field::InstanceId).unwrap_err()
}

#[tokio::test]
async fn a_service_that_proves_its_name_is_read() {
    let fake = fake("ibm").await;
    for name in ["127.0.0.1", "localhost"] {
        let proxy = Proxy::start(name, fake.addr()).await;
        let url = format!("https://{name}:{}", proxy.address.port());
        for builder in [
            told("ibm", &url),
            // By its answers alone, too.
            machine(MemoryFiles::new(), &[]).endpoint(&url, "--endpoint"),
        ] {
            let client = client_of(builder.root_certificate(proxy.certificate.clone(), "root.pem"));
            let metadata = client.read(Field::ALL).await.unwrap();
            assert_eq!(metadata.cloud().as_str(), "ibm", "{name}");
            assert_eq!(metadata.text(Field::Zone), Some("us-south-1"), "{name}");
        }
        // Addresses are no names to be told apart by.
        let by_name = (name == "localhost").then(|| name.to_owned());
        assert!(proxy.names().iter().all(|name| *name == by_name), "{:?}", proxy.names());
    }
}

#[tokio::test]
async fn who_cannot_prove_its_name_is_not_believed_and_gets_no_request() {
    let fake = fake("ibm").await;
    let other = Proxy::start("metadata.example", fake.addr()).await;
    let right = Proxy::start("127.0.0.1", fake.addr()).await;
    for (proxy, root, what) in [
        (&other, &other.certificate, "another name"),
        (&right, &other.certificate, "a root that nobody trusts"),
    ] {
        let builder = told("ibm", &proxy.url()).root_certificate(root.clone(), "root.pem");
        let error = failure(builder).await;
        assert_eq!(error.kind(), ErrorKind::Malformed, "{what}: {error}");
        assert!(error.message().contains("can't prove"), "{what}: {error}");
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("certificate")), "{what}: {error:?}");
        assert!(proxy.names().len() <= 1, "{what}: it isn't tried again");
    }
    let error = failure(told("ibm", &right.url())).await;
    assert_eq!(error.kind(), ErrorKind::Malformed, "without its root: {error}");
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn the_wrong_scheme_is_named() {
    let fake = fake("ibm").await;
    let proxy = Proxy::start("127.0.0.1", fake.addr()).await;
    let error = failure(told("ibm", &format!("http://{}", proxy.address))).await;
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("https://")), "{error:?}");
    let error = failure(told("ibm", &format!("https://{}", fake.addr()))).await;
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error:?}");
    assert!(error.message().contains("doesn't speak TLS"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("http://")), "{error:?}");
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_root_that_is_none_is_refused_by_its_name() {
    for junk in [
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----",
    ] {
        let error = machine(MemoryFiles::new(), &[]).root_certificate(junk, "root.pem").build().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("root.pem")), "{junk:?}: {error}");
    }
}

/// What IBM calls secure access: the plain port refuses, and the service is asked over TLS by its name.
#[cfg(feature = "cloud-files")]
mod secure_access {
    use super::*;

    /// A port of loopback that nobody listens on.
    async fn refusing() -> u16 {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    }

    async fn client_with(tls_host: &str, root: Option<&str>, port: u16) -> imds::Client {
        let cloud = format!(
            "name = 'lab'\ntitle = 'The lab'\nbased_on = 'digitalocean'\n[service]\nipv4 = '127.0.0.1'\nport = {port}\n\
             tls_host = '{tls_host}'\n"
        );
        let builder = machine(MemoryFiles::new(), &[]).describe(&cloud, "lab.toml").cloud("lab", "--cloud");
        client_of(match root {
            Some(root) => builder.root_certificate(root, "root.pem"),
            None => builder,
        })
    }

    #[tokio::test]
    async fn the_service_is_asked_over_tls_where_its_plain_port_refuses() {
        let fake = fake("digitalocean").await;
        let proxy = Proxy::start("metadata.test", fake.addr()).await;
        let host = format!("metadata.test:{}", proxy.address.port());
        let client = client_with(&host, Some(&proxy.certificate), refusing().await).await;
        let metadata = client.read(&[Field::InstanceId, Field::Region]).await.unwrap();
        assert!(metadata.text(Field::InstanceId).is_some(), "{metadata:?}");
        assert!(
            proxy.names().iter().all(|name| name.as_deref() == Some("metadata.test")),
            "{:?}",
            proxy.names()
        );
        for request in fake.requests() {
            assert_eq!(request.header("host"), Some(host.as_str()));
        }
        // Where the plain port is open, it is asked.
        let before = proxy.names().len();
        let client = client_with(&host, Some(&proxy.certificate), fake.addr().port()).await;
        assert!(client.read(&[Field::InstanceId]).await.unwrap().text(Field::InstanceId).is_some());
        assert_eq!(proxy.names().len(), before);
    }

    #[tokio::test]
    async fn its_name_has_to_be_proved_there_too() {
        let fake = fake("digitalocean").await;
        let proxy = Proxy::start("other.test", fake.addr()).await;
        let host = format!("metadata.test:{}", proxy.address.port());
        let client = client_with(&host, Some(&proxy.certificate), refusing().await).await;
        let metadata = client.read(&[Field::InstanceId]).await.unwrap();
        let error = metadata.value(Field::InstanceId).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(fake.requests().is_empty());
    }

    #[tokio::test]
    async fn where_nobody_listens_at_all_the_plain_refusal_is_told() {
        let (plain, secured) = (refusing().await, refusing().await);
        let client = client_with(&format!("metadata.test:{secured}"), None, plain).await;
        let metadata = client.read(&[Field::InstanceId]).await.unwrap();
        let error = metadata.value(Field::InstanceId).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.message().contains(&format!("127.0.0.1:{plain}")), "{error}");
    }
}
