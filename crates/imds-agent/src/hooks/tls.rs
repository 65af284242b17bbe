//! Posting to `https://`: a part of the cargo feature `tls`. Whoever is posted to has to show a certificate for the host of
//! the URL, from a root that the system or the user trusts.

#[cfg(feature = "tls")]
pub(super) use spoken::{check, secure};
#[cfg(not(feature = "tls"))]
pub(super) use unspoken::{check, secure};

/// Whether this build speaks it.
pub(super) const SPOKEN: bool = cfg!(feature = "tls");

#[cfg(not(feature = "tls"))]
mod unspoken {
    use std::path::Path;

    use tokio::net::TcpStream;

    use crate::executor::protocol::Tried;

    /// Whom nobody speaks to needs no certificates; that is told of the URL.
    #[expect(clippy::unnecessary_wraps, reason = "certificates can be wrong, where they are read")]
    pub(in super::super) fn check(_: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Nobody is trusted.
    pub(in super::super) async fn secure(
        _: &str,
        _: TcpStream,
        _: Option<&Path>,
    ) -> Result<TcpStream, Tried> {
        Err(Tried::Hopeless("https:// needs a build with the cargo feature `tls`".to_owned()))
    }
}

#[cfg(feature = "tls")]
mod spoken {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

    use crate::executor::protocol::Tried;

    /// Speaks TLS on a connection with whoever can prove to be this.
    pub(in super::super) async fn secure(
        host: &str,
        stream: TcpStream,
        roots: Option<&Path>,
    ) -> Result<TlsStream<TcpStream>, Tried> {
        let server = ServerName::try_from(host.to_owned())
            .map_err(|error| Tried::Hopeless(format!("{host} can't be in a certificate: {error}")))?;
        let client = client(roots).map_err(Tried::Hopeless)?;
        TlsConnector::from(Arc::new(client)).connect(server, stream).await.map_err(|error| {
            let is_tls = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()).is_some();
            let why = format!("{host} can't be posted to over TLS: {error}");
            if is_tls { Tried::Hopeless(why) } else { Tried::Again { why, after: None } }
        })
    }

    /// Whether there are certificates in a file.
    pub(in super::super) fn check(path: &Path) -> Result<(), String> {
        add_roots(&mut RootCertStore::empty(), path)
    }

    fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
        let wrong = |why: String| format!("the certificates {} can't be used: {why}", path.display());
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(wrong("there is none in it".to_owned()));
        }
        Ok(())
    }

    /// Made for each request: hooks are rare, and certificates are replaced.
    fn client(more: Option<&Path>) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = more {
            add_roots(&mut roots, path)?;
        }
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(client.with_root_certificates(roots).with_no_client_auth())
    }
}
