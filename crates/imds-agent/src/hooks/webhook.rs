//! Posting.
//!
//! | outcome | again? |
//! |---|---|
//! | 2xx | done |
//! | no connection, no name, connection lost, no answer in time | yes |
//! | 408, 429, 5xx | yes, not before `Retry-After` where it is said in seconds |
//! | every other status, redirects among them; an answer that isn't HTTP; TLS with somebody else | no |
//!
//! Never through a proxy. The body is signed where there is a key.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use imds::Network;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Webhook, signature, tls};
use crate::executor::protocol::Tried;
use crate::task::task;

const USER_AGENT: &str = concat!("imds/", env!("CARGO_PKG_VERSION"));
/// An answer's body says nothing that is needed; so much of it is read, so that the connection ends well.
const ANSWER: usize = 64 * 1024;
/// Nobody is left alone for longer than this.
const LONGEST_REST: u64 = 600;

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whether over TLS.
    pub secured: bool,
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `Host`, as it was written.
    authority: String,
    /// Path and query.
    target: String,
}

impl Place {
    /// Reads a URL.
    ///
    /// # Errors
    /// Why nothing can be posted there, as a lower-case fragment.
    pub fn of(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
        let authority = uri.authority().ok_or_else(|| format!("{url:?} names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!(
                "{:?} holds a password; use a header or secret_file",
                uri.host().unwrap_or_default()
            ));
        }
        let secured = match uri.scheme_str() {
            Some("http") => false,
            Some("https") if tls::SPOKEN => true,
            Some("https") => return Err("https:// needs a build with the cargo feature `tls`".to_owned()),
            _ => return Err(format!("{url:?} is neither http:// nor https://")),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("{url:?} names no host"));
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            secured,
            host,
            port: authority.port_u16().unwrap_or(if secured { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
        })
    }
}

/// The user's headers.
///
/// # Errors
/// The one that can't be sent, or is ours.
pub fn headers(written: &[(String, String)]) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let ours = [
        header::HOST.as_str(),
        header::CONTENT_LENGTH.as_str(),
        header::TRANSFER_ENCODING.as_str(),
        signature::HEADER,
    ];
    let header = |(name, value): &(String, String)| {
        let wrong = || format!("the header {name:?} can't be sent");
        let name_sent: HeaderName = name.parse().map_err(|_| wrong())?;
        if ours.contains(&name_sent.as_str()) {
            return Err(format!("the header {name:?} is set by imds itself"));
        }
        let mut value: HeaderValue = value.parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        Ok((name_sent, value))
    };
    written.iter().map(header).collect()
}

/// Posts a body once.
pub async fn post(webhook: &Webhook, body: Vec<u8>, time: Duration, network: Network) -> Tried {
    let tried = tokio::time::timeout(time, post_now(webhook, body, network)).await;
    tried.unwrap_or_else(|_| again(format!("no answer within {time:?}")))
}

async fn post_now(webhook: &Webhook, body: Vec<u8>, network: Network) -> Tried {
    let prepared = Place::of(&webhook.url).and_then(|place| {
        let request = request(webhook, &place, body)?;
        Ok((place, request))
    });
    let (place, request) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return Tried::Hopeless(why),
    };
    let stream = match connect(&place, network).await {
        Ok(stream) => stream,
        Err(tried) => return tried,
    };
    if !place.secured {
        return exchange(stream, request).await;
    }
    match tls::secure(&place.host, stream, webhook.root_certificates.as_deref()).await {
        Ok(stream) => exchange(stream, request).await,
        Err(tried) => tried,
    }
}

fn again(why: impl Into<String>) -> Tried {
    Tried::Again { why: why.into(), after: None }
}

fn request(webhook: &Webhook, place: &Place, body: Vec<u8>) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&place.target)
        .header(header::HOST, &place.authority)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(path) = &webhook.secret_file {
        let key = signature::key(path)?;
        request = request.header(signature::HEADER, signature::sign(&key, &body));
    }
    let mut request =
        request.body(Full::from(body)).map_err(|error| format!("the request can't be made: {error}"))?;
    for (name, value) in headers(&webhook.headers)? {
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

async fn connect(place: &Place, network: Network) -> Result<TcpStream, Tried> {
    let refused = |what: &str| Tried::Hopeless(format!("{what} may not be contacted (IMDS_NETWORK)"));
    let addresses: Vec<SocketAddr> = match place.host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, place.port)],
        // Loopback, as everywhere, without asking anybody (RFC 6761, section 6.3).
        Err(_) if place.host.eq_ignore_ascii_case("localhost") => {
            vec![
                SocketAddr::from(([127, 0, 0, 1], place.port)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1u16], place.port)),
            ]
        }
        Err(_) if network != Network::On => return Err(refused(&place.host)),
        Err(_) => {
            #[expect(clippy::disallowed_methods, reason = "the user named this host")]
            let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await;
            found.map_err(|error| again(format!("{} can't be looked up: {error}", place.host)))?.collect()
        }
    };
    let permitted = |address: &SocketAddr| match network {
        Network::On => true,
        Network::Loopback => address.ip().to_canonical().is_loopback(),
        _ => false,
    };
    if !addresses.iter().all(permitted) {
        return Err(refused(&place.host));
    }
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(again(format!("no connection to {}: {last}", place.authority)))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Tried {
    let lost = |error: &hyper::Error| match error.is_parse() || error.is_user() {
        true => Tried::Hopeless(format!("the answer isn't HTTP: {error}")),
        false => again(format!("the connection was lost: {error}")),
    };
    let (mut sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
        Ok(both) => both,
        Err(error) => return lost(&error),
    };
    let connection = tokio::spawn(task(async { drop(connection.await) }));
    let tried = match sender.send_request(request).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            // Whatever it is, the status has said enough.
            let _ = Limited::new(body, ANSWER).collect().await;
            judge(head.status.as_u16(), head.headers.get(header::RETRY_AFTER))
        }
        Err(error) => lost(&error),
    };
    connection.abort();
    tried
}

/// The table above.
fn judge(status: u16, retry_after: Option<&HeaderValue>) -> Tried {
    let why = format!("the answer was {status}");
    match status {
        200..=299 => Tried::Done,
        408 | 429 | 500..=599 => {
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
            Tried::Again { why, after: seconds.map(|seconds| Duration::from_secs(seconds.min(LONGEST_REST))) }
        }
        _ => Tried::Hopeless(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_to_places() {
        let place = |url: &str| Place::of(url).map(|place| (place.host, place.port, place.target));
        let is = |host: &str, port, target: &str| Ok((host.to_owned(), port, target.to_owned()));
        assert_eq!(place("http://127.0.0.1:8080/a?b=c"), is("127.0.0.1", 8080, "/a?b=c"));
        assert_eq!(place("http://hooks.example"), is("hooks.example", 80, "/"));
        assert_eq!(place("http://[::1]:1/x"), is("::1", 1, "/x"));
        for wrong in
            ["", "x", "/a", "http://", "ftp://a/", "http:///a", "http://u:secret@host/", "http://a b/"]
        {
            let error = place(wrong).unwrap_err();
            assert!(!error.contains("secret@"), "{error}");
        }
        assert_eq!(place("https://a/").is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn statuses_are_judged_by_the_table() {
        let value = HeaderValue::from_static("7");
        assert_eq!(judge(204, None), Tried::Done);
        for status in [408, 429, 500, 503] {
            let after = Some(Duration::from_secs(7));
            assert_eq!(
                judge(status, Some(&value)),
                Tried::Again { why: format!("the answer was {status}"), after }
            );
        }
        let date = HeaderValue::from_static("Fri, 31 Dec 1999 23:59:59 GMT");
        assert!(matches!(judge(503, Some(&date)), Tried::Again { after: None, .. }));
        let years = HeaderValue::from_static("99999999");
        assert!(
            matches!(judge(503, Some(&years)), Tried::Again { after: Some(rest), .. } if rest.as_secs() == 600)
        );
        for status in [100, 301, 400, 401, 404, 418] {
            assert!(matches!(judge(status, None), Tried::Hopeless(_)), "{status}");
        }
    }

    #[test]
    fn headers_that_are_ours_or_cant_be_sent_are_refused() {
        let one = |name: &str, value: &str| headers(&[(name.to_owned(), value.to_owned())]);
        assert_eq!(one("X-Team", "platform").unwrap().len(), 1);
        for (name, value) in
            [("host", "x"), ("X-Imds-Signature", "x"), ("a b", "x"), ("a", "x\ny"), ("Content-Length", "1")]
        {
            assert!(one(name, value).is_err(), "{name}");
        }
    }

    #[tokio::test]
    async fn the_network_policy_holds_for_webhooks_too() {
        for (url, network) in [
            ("http://192.0.2.1/", Network::Loopback),
            ("http://hooks.example/", Network::Loopback),
            ("http://127.0.0.1/", Network::Off),
            ("http://localhost/", Network::Off),
        ] {
            let place = Place::of(url).unwrap();
            match connect(&place, network).await {
                Err(Tried::Hopeless(why)) => assert!(why.contains("IMDS_NETWORK"), "{why}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }
}
