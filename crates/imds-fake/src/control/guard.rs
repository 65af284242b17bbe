//! Who is refused: web pages, which reach loopback through their reader's browser, and what comes through a proxy.

use std::net::SocketAddr;

use hyper::HeaderMap;

/// Headers that no program on this machine sends by itself.
const FOREIGN: [&str; 5] = ["origin", "sec-fetch-mode", "x-forwarded-for", "forwarded", "via"];

/// Why a request with these headers is refused, if it is.
pub(super) fn refusal(headers: &HeaderMap, addr: SocketAddr) -> Option<String> {
    if let Some(name) = FOREIGN.iter().find(|name| headers.contains_key(**name)) {
        return Some(format!(
            "requests with the header {name} are refused: they come from a browser or a proxy"
        ));
    }
    let mut hosts = headers.get_all("host").iter();
    let (host, more) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    // Any other name may be somebody's that resolves to loopback (DNS rebinding).
    let own = [addr.to_string(), format!("localhost:{}", addr.port())];
    match host {
        Some(host) if more.is_none() && own.iter().any(|own| host.eq_ignore_ascii_case(own)) => None,
        _ => Some(format!("the header Host has to be {}", own.join(" or "))),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn is_refused(headers: &[(&'static str, &'static str)], addr: &str) -> bool {
        let named = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        named.for_each(|(name, value)| {
            map.append(name, value);
        });
        refusal(&map, addr.parse().unwrap()).is_some()
    }

    #[test]
    fn only_its_own_address_is_a_host() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"] {
            assert!(!is_refused(&[("host", host)], "127.0.0.1:8080"), "{host}");
        }
        assert!(!is_refused(&[("host", "[::1]:8080")], "[::1]:8080"));
        for host in ["", "127.0.0.1", "127.0.0.1:80", "evil.example:8080", "127.0.0.1:8080.evil.example"] {
            assert!(is_refused(&[("host", host)], "127.0.0.1:8080"), "{host}");
        }
        assert!(is_refused(&[], "127.0.0.1:8080"));
        let twice = [("host", "127.0.0.1:8080"), ("host", "evil.example")];
        assert!(is_refused(&twice, "127.0.0.1:8080"));
    }

    #[test]
    fn browsers_and_proxies_are_refused() {
        for name in FOREIGN {
            assert!(is_refused(&[("host", "127.0.0.1:8080"), (name, "null")], "127.0.0.1:8080"), "{name}");
        }
    }
}
