//! Base URLs and the addresses behind them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use imds_model::{Error, ErrorKind};

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The addresses, in the order of preference; behind those of a name that has to be looked up.
    addresses: Vec<SocketAddr>,
    /// The name, where the user gave one or the service is known by one.
    name: Option<(String, u16)>,
    /// What precedes every path: empty, or `/prefix`.
    prefix: String,
    /// The `Host` header.
    authority: String,
}

impl Endpoint {
    /// A service at literal addresses, on one port.
    pub(crate) fn literal(addresses: Vec<SocketAddr>) -> Self {
        let authority = match addresses.first() {
            Some(first) => authority(&bracketed(first.ip()), first.port()),
            None => String::new(),
        };
        Self { addresses, name: None, prefix: String::new(), authority }
    }

    /// A service that is known by its name; `addresses` stand in where nobody knows the name.
    pub(crate) fn named(name: &str, addresses: Vec<SocketAddr>, port: u16) -> Self {
        Self {
            addresses,
            name: Some((name.to_owned(), port)),
            prefix: String::new(),
            authority: authority(name, port),
        }
    }

    /// The same service, where every path begins with this.
    pub(crate) fn below(mut self, prefix: &str) -> Self {
        self.prefix.push_str(prefix.trim_end_matches('/'));
        self
    }

    /// A base URL that the user gave: `http://HOST[:PORT][/PREFIX]`. `origin` is the option or variable it came from.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with what is wrong.
    pub(crate) fn parse(url: &str, origin: &str) -> Result<Self, Error> {
        let invalid = |why: &str| {
            Error::new(ErrorKind::Usage, format!("{url:?} {why}"))
                .with_path(origin)
                .with_remedy("give a base URL such as http://127.0.0.1:1338")
        };
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(("https", _)) => return Err(invalid("is https; metadata services speak plain http")),
            Some(_) => return Err(invalid("is no http:// URL")),
            None => return Err(invalid("has no scheme")),
        };
        let (host_port, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if rest.contains(['?', '#']) {
            return Err(invalid("has a query or a fragment; a base URL has none"));
        }
        if host_port.contains('@') {
            return Err(invalid("holds credentials; metadata services take none"));
        }
        if !rest.chars().all(|c| c.is_ascii_graphic()) {
            return Err(invalid("holds characters that no URL has"));
        }
        let (host, port) = split_port(host_port).ok_or_else(|| invalid("has no valid port"))?;
        let prefix = path.trim_end_matches('/');
        Self::at(host, port, prefix).ok_or_else(|| invalid("has no valid host"))
    }

    /// A host that the user gave, with or without a port: `metadata.example`, `127.0.0.1:8080`, `[::1]:80`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with what is wrong.
    pub(crate) fn parse_host(host: &str, origin: &str) -> Result<Self, Error> {
        if host.contains(['/', ' ', '?', '#', '@']) {
            return Err(Error::new(ErrorKind::Usage, format!("{host:?} is no host[:port]"))
                .with_path(origin)
                .with_remedy("leave out scheme and path"));
        }
        Self::parse(&format!("http://{host}"), origin)
    }

    fn at(host: &str, port: u16, prefix: &str) -> Option<Self> {
        let literal = |addresses: &[IpAddr], shown: &str| Self {
            addresses: addresses.iter().map(|address| SocketAddr::new(*address, port)).collect(),
            name: None,
            prefix: prefix.to_owned(),
            authority: authority(shown, port),
        };
        if let Some(v6) = host.strip_prefix('[') {
            let address: Ipv6Addr = v6.strip_suffix(']')?.parse().ok()?;
            return Some(literal(&[address.into()], host));
        }
        if let Ok(v4) = host.parse::<Ipv4Addr>() {
            return Some(literal(&[v4.into()], host));
        }
        // Loopback by name needs no resolver, and must not depend on what one says.
        if host.eq_ignore_ascii_case("localhost") {
            return Some(literal(&[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()], host));
        }
        // Other spellings of IPv4 addresses (decimal, hexadecimal, short) would be left to the resolver's taste.
        let last_label = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let looks_numeric = match last_label.strip_prefix("0x").or_else(|| last_label.strip_prefix("0X")) {
            Some(digits) => digits.chars().all(|c| c.is_ascii_hexdigit()),
            None => last_label.chars().all(|c| c.is_ascii_digit()),
        };
        let valid = !host.is_empty()
            && host.len() <= 253
            && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        (valid && !looks_numeric).then(|| Self {
            addresses: Vec::new(),
            name: Some((host.to_owned(), port)),
            prefix: prefix.to_owned(),
            authority: authority(host, port),
        })
    }

    /// The literal addresses.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The name that has to be looked up.
    pub(crate) fn name(&self) -> Option<(&str, u16)> {
        self.name.as_ref().map(|(name, port)| (name.as_str(), *port))
    }

    /// What precedes every path.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

fn authority(host: &str, port: u16) -> String {
    if port == 80 { host.to_owned() } else { format!("{host}:{port}") }
}

fn split_port(host_port: &str) -> Option<(&str, u16)> {
    let after_brackets = host_port.rfind(']').map_or(0, |end| end + 1);
    match host_port.get(after_brackets..)?.rfind(':') {
        None => Some((host_port, 80)),
        Some(colon) => {
            let (host, port) = host_port.split_at(after_brackets + colon);
            Some((host, port.trim_start_matches(':').parse().ok().filter(|port| *port != 0)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_read() {
        for (url, addresses, prefix, authority) in [
            ("http://127.0.0.1:1338", "127.0.0.1:1338", "", "127.0.0.1:1338"),
            ("http://127.0.0.1/", "127.0.0.1:80", "", "127.0.0.1"),
            ("HTTP://127.0.0.1:80/a/b/", "127.0.0.1:80", "/a/b", "127.0.0.1"),
            ("http://[fd00:ec2::254]", "[fd00:ec2::254]:80", "", "[fd00:ec2::254]"),
            ("http://[::1]:8080", "[::1]:8080", "", "[::1]:8080"),
            ("http://localhost:9", "127.0.0.1:9 [::1]:9", "", "localhost:9"),
            ("http://metadata.example", "", "", "metadata.example"),
        ] {
            let endpoint = Endpoint::parse(url, "--endpoint").unwrap();
            let shown: Vec<String> = endpoint.addresses().iter().map(ToString::to_string).collect();
            assert_eq!(shown.join(" "), addresses, "{url}");
            assert_eq!((endpoint.prefix(), endpoint.authority()), (prefix, authority), "{url}");
        }
        assert_eq!(
            Endpoint::parse_host("metadata.example:81", "GCE_METADATA_HOST").unwrap().name(),
            Some(("metadata.example", 81))
        );
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_its_origin() {
        for url in [
            "",
            "127.0.0.1",
            "https://127.0.0.1",
            "ftp://x",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:0",
            "http://a:99999",
            "http://u:p@h",
            "http://h?x=1",
            "http://h/#x",
            "http://[::1",
            "http://0xa9fea9fe",
            "http://2852039166",
            "http://127.1",
            "http://0xa9.0xfe.0xa9.0xFE",
            "http://0251.0376.0251.0376.",
            "http://0X7f.1",
            "http://a b",
            "http://a\r\nX: y",
        ] {
            let error = Endpoint::parse(url, "IMDS_URL").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
            assert_eq!(error.path(), Some("IMDS_URL"));
        }
        assert!(Endpoint::parse_host("http://h", "GCE_METADATA_HOST").is_err());
    }
}
