//! TLS by rustls. Whoever is asked has to show a certificate for the name that it is asked by, from a root that the system
//! or the user trusts. There is no way to do without.

use std::io;
use std::sync::{Arc, OnceLock};

use imds_model::{Error, ErrorKind};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::transport::Failure;

/// Who is trusted: the roots of the system (where `SSL_CERT_FILE` and `SSL_CERT_DIR` say, as everywhere), and the user's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    roots: Vec<CertificateDer<'static>>,
    /// Made when TLS is spoken for the first time: reading the system's roots takes milliseconds.
    client: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Trusts these roots as well: texts in PEM, each with what errors call it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a text in which there is no certificate, or one that isn't well-formed.
    pub(crate) fn with(texts: &[(Vec<u8>, String)]) -> Result<Self, Error> {
        let mut roots = Vec::new();
        for (text, origin) in texts {
            let unusable = |why: String| {
                Error::new(ErrorKind::Usage, why)
                    .with_path(origin)
                    .with_remedy("give certificates in PEM: -----BEGIN CERTIFICATE----- …")
            };
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(text) {
                let certificate = certificate
                    .map_err(|error| unusable(format!("a root certificate can't be read: {error}")))?;
                RootCertStore::empty()
                    .add(certificate.clone())
                    .map_err(|error| unusable(format!("a root certificate can't be used: {error}")))?;
                roots.push(certificate);
            }
            if roots.len() == before {
                return Err(unusable("there is no certificate in it".to_owned()));
            }
        }
        Ok(Self(Arc::new(Inner { roots, client: OnceLock::new() })))
    }

    /// Speaks TLS on a connection with whoever can prove to be this: a name, or an address as text.
    pub(crate) async fn secure(
        &self,
        name: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let server = ServerName::try_from(name.to_owned())
            .map_err(|error| Failure::Untrusted(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let connector = TlsConnector::from(self.client()?);
        connector.connect(server, stream).await.map_err(failure)
    }

    fn client(&self) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(client) = self.0.client.get() {
            return Ok(Arc::clone(client));
        }
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::debug!(%error, "some of the system's root certificates can't be read");
        }
        let (added, ignored) =
            roots.add_parsable_certificates(native.certs.into_iter().chain(self.0.roots.iter().cloned()));
        tracing::debug!(added, ignored, "root certificates");
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::NotTls(io::Error::other(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.0.client.get_or_init(|| Arc::new(client))))
    }
}

/// Why there is no TLS: the other side isn't who it should be, doesn't speak it, or went away.
fn failure(error: io::Error) -> Failure {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Failure::Untrusted(error)
        }
        Some(_) => Failure::NotTls(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Failure::NotTls(error),
        None => Failure::NotConnected(error),
    }
}
