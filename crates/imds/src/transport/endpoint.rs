//! Base URLs and the addresses behind them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use imds_model::{Error, ErrorKind};

use super::tls;

const HTTP: u16 = 80;
const HTTPS: u16 = 443;

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
    /// The name that the service has to prove over TLS; nothing where it is asked without.
    secured: Option<String>,
    /// Where it is asked over TLS when nobody listens here.
    instead: Option<Box<Endpoint>>,
}

impl Endpoint {
    /// A service at literal addresses, on one port.
    pub(crate) fn literal(addresses: Vec<SocketAddr>) -> Self {
        let authority = match addresses.first() {
            Some(first) => authority(&bracketed(first.ip()), first.port(), HTTP),
            None => String::new(),
        };
        Self { addresses, name: None, prefix: String::new(), authority, secured: None, instead: None }
    }

    /// A service that is known by its name; `addresses` stand in where nobody knows the name.
    pub(crate) fn named(name: &str, addresses: Vec<SocketAddr>, port: u16) -> Self {
        Self {
            addresses,
            name: Some((name.to_owned(), port)),
            prefix: String::new(),
            authority: authority(name, port, HTTP),
            secured: None,
            instead: None,
        }
    }

    /// The same service, which is asked over TLS by this name (`name` or `name:port`) when nobody listens here. Its
    /// addresses stand in where nobody knows the name.
    pub(crate) fn or_over_tls(mut self, name: &str) -> Self {
        if let Some((host, port)) = split_port(name, HTTPS) {
            let addresses = self.addresses.iter().map(|it| SocketAddr::new(it.ip(), port)).collect();
            let instead = Self {
                addresses,
                name: Some((host.to_owned(), port)),
                prefix: self.prefix.clone(),
                authority: authority(host, port, HTTPS),
                secured: Some(host.to_owned()),
                instead: None,
            };
            self.instead = Some(Box::new(instead));
        }
        self
    }

    /// The same service, where every path begins with this.
    pub(crate) fn below(mut self, prefix: &str) -> Self {
        self.prefix.push_str(prefix.trim_end_matches('/'));
        self.instead = self.instead.map(|instead| Box::new(instead.below(prefix)));
        self
    }

    /// A base URL that the user gave: `http://HOST[:PORT][/PREFIX]`, or `https://…` where TLS is spoken. `origin` is the
    /// option or variable it came from.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with what is wrong.
    pub(crate) fn parse(url: &str, origin: &str) -> Result<Self, Error> {
        let invalid = |why: &str| {
            Error::new(ErrorKind::Usage, format!("{url:?} {why}"))
                .with_path(origin)
                .with_remedy("give a base URL such as http://127.0.0.1:1338")
        };
        let (secure, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") && tls::SPOKEN => (true, rest),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(invalid("is https, and this build doesn't speak TLS").with_remedy(
                    "metadata services speak plain http: give http://; for those that don't, build with the cargo feature \
                     `tls`",
                ));
            }
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
        let usual = if secure { HTTPS } else { HTTP };
        let (host, port) = split_port(host_port, usual).ok_or_else(|| invalid("has no valid port"))?;
        let prefix = path.trim_end_matches('/');
        let mut endpoint = Self::at(host, port, usual, prefix).ok_or_else(|| invalid("has no valid host"))?;
        endpoint.secured = secure
            .then(|| host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_owned());
        Ok(endpoint)
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

    fn at(host: &str, port: u16, usual: u16, prefix: &str) -> Option<Self> {
        let literal = |addresses: &[IpAddr], shown: &str| Self {
            addresses: addresses.iter().map(|address| SocketAddr::new(*address, port)).collect(),
            name: None,
            prefix: prefix.to_owned(),
            authority: authority(shown, port, usual),
            secured: None,
            instead: None,
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
            authority: authority(host, port, usual),
            secured: None,
            instead: None,
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

    /// The name that the service has to prove over TLS; nothing where it is asked without.
    pub(crate) fn secured(&self) -> Option<&str> {
        self.secured.as_deref()
    }

    /// Where it is asked over TLS when nobody listens here.
    pub(crate) fn instead(&self) -> Option<&Self> {
        self.instead.as_deref()
    }

    /// What precedes every path.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is asked for to get this path. The root of a prefix is the prefix as it was given, without a slash.
    pub(crate) fn uri_of(&self, path: &str) -> String {
        if path == "/" && !self.prefix.is_empty() {
            self.prefix.clone()
        } else {
            format!("{}{path}", self.prefix)
        }
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

fn authority(host: &str, port: u16, usual: u16) -> String {
    if port == usual { host.to_owned() } else { format!("{host}:{port}") }
}

fn split_port(host_port: &str, usual: u16) -> Option<(&str, u16)> {
    let after_brackets = host_port.rfind(']').map_or(0, |end| end + 1);
    match host_port.get(after_brackets..)?.rfind(':') {
        None => Some((host_port, usual)),
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

    #[cfg(feature = "tls")]
    #[test]
    fn a_secured_service_has_to_prove_its_name() {
        for (url, secured, addresses, authority) in [
            ("https://127.0.0.1:8443/a", "127.0.0.1", "127.0.0.1:8443", "127.0.0.1:8443"),
            ("HTTPS://[::1]", "::1", "[::1]:443", "[::1]"),
            ("https://localhost:80", "localhost", "127.0.0.1:80 [::1]:80", "localhost:80"),
            ("https://metadata.example.", "metadata.example", "", "metadata.example."),
        ] {
            let endpoint = Endpoint::parse(url, "IMDS_URL").unwrap();
            let shown: Vec<String> = endpoint.addresses().iter().map(ToString::to_string).collect();
            assert_eq!((endpoint.secured(), endpoint.authority()), (Some(secured), authority), "{url}");
            assert_eq!(shown.join(" "), addresses, "{url}");
        }
        assert_eq!(Endpoint::parse("http://127.0.0.1", "IMDS_URL").unwrap().secured(), None);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_a_secured_service_is_refused_by_the_name_of_the_feature() {
        let error = Endpoint::parse("https://127.0.0.1", "IMDS_URL").unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("IMDS_URL")));
        assert!(error.remedy().is_some_and(|remedy| remedy.contains("feature `tls`")), "{error:?}");
    }

    #[test]
    fn a_service_may_be_asked_over_tls_instead() {
        let plain = Endpoint::literal(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 80)]).below("/v4");
        for (name, authority, port) in
            [("m.example", "m.example", 443), ("m.example:8443", "m.example:8443", 8443)]
        {
            let endpoint = plain.clone().or_over_tls(name);
            let instead = endpoint.instead().unwrap();
            assert_eq!((instead.authority(), instead.secured()), (authority, Some("m.example")));
            assert_eq!(instead.addresses(), [SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)]);
            assert_eq!(
                (instead.name(), instead.uri_of("/task")),
                (Some(("m.example", port)), "/v4/task".to_owned())
            );
        }
        assert_eq!(plain.uri_of("/"), "/v4");
    }
}
