//! `io.systemd.InstanceMetadata`: its calls, its errors, and how a path of the service becomes one of its keys.

#![cfg_attr(
    not(all(feature = "varlink", unix)),
    expect(dead_code, reason = "only a build that speaks Varlink hears of most of it")
)]

use std::io;

use serde_json::Value;

pub(super) const GET: &str = "io.systemd.InstanceMetadata.Get";
pub(super) const GET_VENDOR_INFO: &str = "io.systemd.InstanceMetadata.GetVendorInfo";

/// Why systemd-imdsd gave no value.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nobody listens on its socket.
    NotThere(io::Error),
    /// Its socket belongs to this user, who is neither root nor the caller.
    Untrusted(u32),
    /// It doesn't let this user ask.
    NotPermitted,
    /// The service has no such value (404).
    KeyNotFound,
    /// The service forbids it (403).
    NotAvailable,
    /// It knows of no service here.
    NotSupported,
    /// It couldn't reach the service itself.
    CommunicationFailure,
    /// The service didn't answer it in time.
    Timeout,
    /// It didn't answer within the deadline.
    TimedOut,
    /// Its answer is larger than this.
    TooLarge(usize),
    /// What it answers isn't Varlink, or not this interface.
    Malformed(String),
    /// The path isn't below the one that it serves.
    Outside(String),
    /// Another error of its own.
    Other(String),
}

impl Refusal {
    /// An error by its name in a reply.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "io.systemd.InstanceMetadata.KeyNotFound" => Self::KeyNotFound,
            "io.systemd.InstanceMetadata.NotAvailable" => Self::NotAvailable,
            "io.systemd.InstanceMetadata.NotSupported" => Self::NotSupported,
            "io.systemd.InstanceMetadata.CommunicationFailure" => Self::CommunicationFailure,
            "io.systemd.InstanceMetadata.Timeout" => Self::Timeout,
            // By polkit; systemd's services say the second where a password could help.
            "org.varlink.service.PermissionDenied" | "io.systemd.InteractiveAuthenticationRequired" => {
                Self::NotPermitted
            }
            // Whoever answers chose the name.
            name => Self::Other(name.chars().filter(char::is_ascii_graphic).take(80).collect()),
        }
    }
}

/// Where it finds the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vendor {
    /// The path of its data URL, `/latest`; empty where keys are whole paths.
    below: String,
    /// Whether it puts something of its own behind every key.
    has_suffix: bool,
}

impl Vendor {
    pub(super) fn of(reply: &Value) -> Result<Self, Refusal> {
        let text = |name| reply.get(name).and_then(Value::as_str).unwrap_or_default();
        let url = text("dataUrl");
        if url.is_empty() {
            return Err(Refusal::NotSupported);
        }
        let below = url
            .strip_prefix("http://")
            .map(|rest| rest.split_once('/').map_or_else(String::new, |(_, path)| format!("/{path}")))
            .ok_or_else(|| Refusal::Malformed("its service isn't asked over http".to_owned()))?;
        Ok(Self {
            below: below.trim_end_matches('/').to_owned(),
            has_suffix: !text("dataUrlSuffix").is_empty(),
        })
    }

    /// The key under which it asks for this path.
    ///
    /// It asks for data URL, key and suffix put together. Where it has a suffix (Azure's `?api-version=…&format=text`), a
    /// `#` after our own query makes that a fragment, which is no part of a request (RFC 3986 section 3.5).
    pub(super) fn key(&self, path: &str) -> Result<String, Refusal> {
        match path.strip_prefix(&self.below) {
            Some(key) if key.starts_with('/') && !key.contains('#') => {
                Ok(if self.has_suffix { format!("{key}#") } else { key.to_owned() })
            }
            _ => Err(Refusal::Outside(self.below.clone())),
        }
    }
}

/// The data in a reply.
#[cfg(all(feature = "varlink", unix))]
pub(super) fn data(reply: &Value) -> Result<Vec<u8>, Refusal> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let text = reply.get("data").and_then(Value::as_str);
    let text = text.ok_or_else(|| Refusal::Malformed("the reply holds no data".to_owned()))?;
    STANDARD.decode(text).map_err(|error| Refusal::Malformed(format!("the data isn't base64: {error}")))
}

/// No build without Varlink gets a reply.
#[cfg(not(all(feature = "varlink", unix)))]
pub(super) fn data(_: &Value) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::NotSupported)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vendor(url: &str, suffix: Option<&str>) -> Vendor {
        Vendor::of(&json!({ "vendor": "x", "dataUrl": url, "dataUrlSuffix": suffix })).unwrap()
    }

    /// The URLs of systemd's own table (40-imds.hwdb, v261), and paths as their vendors' pages have them.
    #[test]
    fn paths_become_keys_below_the_data_url() {
        let aws = vendor("http://169.254.169.254/latest", None);
        let azure = vendor("http://169.254.169.254/metadata", Some("?api-version=2025-04-07&format=text"));
        let vultr = vendor("http://169.254.169.254", None);
        for (vendor, path, key) in [
            (&aws, "/latest/meta-data/instance-id", "/meta-data/instance-id"),
            (&aws, "/latest/dynamic/instance-identity/document", "/dynamic/instance-identity/document"),
            (&azure, "/metadata/instance?api-version=2021-02-01", "/instance?api-version=2021-02-01#"),
            (&vultr, "/v1.json", "/v1.json"),
        ] {
            assert_eq!(vendor.key(path).unwrap(), key);
        }
        for (vendor, path) in [(&aws, "/2021-01-03/meta-data/"), (&aws, "/latestmeta"), (&azure, "/machine")]
        {
            assert!(matches!(vendor.key(path), Err(Refusal::Outside(_))), "{path}");
        }
    }

    #[test]
    fn a_host_without_a_service_says_so() {
        assert!(matches!(Vendor::of(&json!({})), Err(Refusal::NotSupported)));
        assert!(matches!(Vendor::of(&json!({ "dataUrl": "ftp://x" })), Err(Refusal::Malformed(_))));
    }
}
