//! What a request over TCP has to look like.
//!
//! Anything on this machine can reach loopback: a browser on behalf of any web page, a proxy on behalf of anybody. So a
//! request is refused unless it was meant: for exactly this host (a page that points its own name at 127.0.0.1 sends that
//! name), with a header that no page can add without asking first, by nobody who says that they pass on another's request,
//! with a method that changes nothing. Nothing is ever answered that would permit a page to ask. (EC2's, Azure's and
//! Google's own services demand the same header tricks; reference: their pages on accessing metadata.)

use std::net::SocketAddr;

use hyper::header::{FORWARDED, HOST, HeaderMap, ORIGIN, VIA};
use hyper::{Method, Uri};

use crate::api::Refusal;

/// Header by which a caller shows that it means it.
const MEANT: &str = "metadata";
/// Headers of requests that are passed on, or that a web page caused. Browsers add the last to all they send to loopback.
const SECOND_HAND: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via", "sec-fetch-site"];

/// The rules of one TCP listener.
#[derive(Clone, Debug)]
pub struct Guard {
    hosts: Vec<String>,
    needs_header: bool,
}

impl Guard {
    /// Rules for the API: the header `Metadata: true` is demanded. `hosts` are further exact values of `Host`.
    #[must_use]
    pub fn of_api(address: SocketAddr, hosts: &[String]) -> Self {
        Self { hosts: own_hosts(address, hosts), needs_header: true }
    }

    /// Rules for metrics, which Prometheus scrapes without special headers.
    #[must_use]
    pub fn of_metrics(address: SocketAddr, hosts: &[String]) -> Self {
        Self { hosts: own_hosts(address, hosts), needs_header: false }
    }

    /// Judges a request's head.
    ///
    /// # Errors
    /// What is wrong with it; the connection should be closed then.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if method != Method::GET && method != Method::HEAD {
            return Err(Refusal::method());
        }
        // The form that is sent to proxies.
        if uri.authority().is_some() {
            return Err(Refusal::bad_request("the request names a host in its path"));
        }
        let hosts: Vec<_> = headers.get_all(HOST).iter().collect();
        let is_own = |host: &str| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host));
        match hosts.as_slice() {
            [host] if host.to_str().is_ok_and(is_own) => {}
            _ => {
                let remedy =
                    format!("ask with the header Host: {}", self.hosts.first().map_or("", |own| own));
                return Err(Refusal::forbidden("the request is for another host", Some(&remedy)));
            }
        }
        debug_assert!(SECOND_HAND.contains(&FORWARDED.as_str()) && SECOND_HAND.contains(&VIA.as_str()));
        if let Some(name) = SECOND_HAND.into_iter().find(|name| headers.contains_key(*name)) {
            let message = format!("requests with the header {name} are passed on for somebody else");
            return Err(Refusal::forbidden(&message, None));
        }
        if headers.contains_key(ORIGIN) {
            return Err(Refusal::forbidden("no web page may ask here", None));
        }
        if self.needs_header {
            let meant: Vec<_> = headers.get_all(MEANT).iter().collect();
            if !matches!(meant.as_slice(), [value] if value.as_bytes().eq_ignore_ascii_case(b"true")) {
                let remedy = Some("ask with the header Metadata: true");
                return Err(Refusal::forbidden(
                    "the request lacks the header that shows that it is meant",
                    remedy,
                ));
            }
        }
        Ok(())
    }
}

fn own_hosts(address: SocketAddr, further: &[String]) -> Vec<String> {
    // Clients leave out the port that is HTTP's own.
    let bare = (address.port() == 80).then(|| match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    });
    [address.to_string()].into_iter().chain(bare).chain(further.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, method: &Method, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        match guard.check(method, &path.parse().unwrap(), &headers) {
            Ok(()) => 200,
            Err(refusal) => refusal.status().as_u16(),
        }
    }

    #[test]
    fn only_what_was_meant_for_here_is_let_in() {
        let guard = Guard::of_api("127.0.0.1:8181".parse().unwrap(), &["imds.internal:8181".to_owned()]);
        let path = "/v1/metadata";
        let host = ("host", "127.0.0.1:8181");
        let meant = ("metadata", "true");
        let get = |headers: &[(&'static str, &str)]| check(&guard, &Method::GET, path, headers);
        assert_eq!(get(&[host, meant]), 200);
        assert_eq!(get(&[host, ("metadata", "True")]), 200);
        assert_eq!(get(&[("host", "IMDS.internal:8181"), meant]), 200);
        assert_eq!(check(&guard, &Method::HEAD, path, &[host, meant]), 200);
        for other in
            ["", "127.0.0.1", "localhost:8181", "127.0.0.1:8182", "evil.example:8181", "127.0.0.1:8181."]
        {
            assert_eq!(get(&[("host", other), meant]), 403, "{other}");
        }
        assert_eq!(get(&[meant]), 403);
        assert_eq!(get(&[host, host, meant]), 403);
        for bad in
            [&[host][..], &[host, ("metadata", "false")], &[host, meant, meant], &[host, ("metadata", "")]]
        {
            assert_eq!(get(bad), 403, "{bad:?}");
        }
        for name in SECOND_HAND.into_iter().chain(["origin"]) {
            assert_eq!(get(&[host, meant, (name, "null")]), 403, "{name}");
        }
        for method in
            [Method::POST, Method::PUT, Method::OPTIONS, Method::DELETE, Method::TRACE, Method::CONNECT]
        {
            assert_eq!(check(&guard, &method, path, &[host, meant]), 405, "{method}");
        }
        assert_eq!(check(&guard, &Method::GET, "http://127.0.0.1:8181/v1/metadata", &[host, meant]), 400);
    }

    #[test]
    fn metrics_want_no_header_but_the_right_host() {
        let guard = Guard::of_metrics("[::1]:80".parse().unwrap(), &[]);
        assert_eq!(check(&guard, &Method::GET, "/metrics", &[("host", "[::1]")]), 200);
        assert_eq!(check(&guard, &Method::GET, "/metrics", &[("host", "[::1]:80")]), 200);
        assert_eq!(check(&guard, &Method::GET, "/metrics", &[("host", "evil.example")]), 403);
        assert_eq!(
            check(&guard, &Method::GET, "/metrics", &[("host", "[::1]"), ("origin", "http://x")]),
            403
        );
    }
}
