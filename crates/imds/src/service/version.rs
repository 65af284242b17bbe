//! Versions in the query, negotiated once and remembered.

use std::sync::{Mutex, PoisonError};

use imds_model::{Error, ErrorKind};

use crate::clouds::description::Version as Protocol;

/// The longest version that can be meant.
const LENGTH_LIMIT: usize = 32;

/// The version that a service is asked in.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// The one that the user told, and where: no other is asked in.
    told: Option<(String, String)>,
    negotiated: Mutex<Option<String>>,
}

impl Clone for Versions {
    fn clone(&self) -> Self {
        let negotiated = self.negotiated.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { told: self.told.clone(), negotiated: Mutex::new(negotiated) }
    }
}

impl Versions {
    /// Asks in the version that was told, if one was.
    pub(super) fn new(told: Option<(String, String)>) -> Self {
        Self { told, negotiated: Mutex::default() }
    }

    /// The version to ask in: the told one, else the negotiated one, else the best that this crate knows.
    pub(super) fn current(&self, protocol: &Protocol) -> String {
        if let Some((told, _)) = &self.told {
            return told.clone();
        }
        let negotiated = self.negotiated.lock().unwrap_or_else(PoisonError::into_inner).clone();
        negotiated.or_else(|| protocol.preferred.first().map(ToString::to_string)).unwrap_or_default()
    }

    /// Where the told version was told and what the service offers in its place, if it refused just that.
    pub(super) fn refused(&self, protocol: &Protocol, body: &[u8]) -> Option<Error> {
        let (told, origin) = self.told.as_ref()?;
        let offered = offered(protocol, body);
        if offered.is_empty() || offered.contains(told) {
            return None;
        }
        Some(
            Error::new(ErrorKind::Usage, format!("the service doesn't know the version {told:?}"))
                .with_path(origin)
                .with_remedy(format!("its newest versions are {}", offered.join(", "))),
        )
    }

    /// Learns from a refusal of `asked` which version would do. Says whether there is one to try.
    pub(super) fn negotiate(&self, protocol: &Protocol, asked: &str, body: &[u8]) -> bool {
        if self.told.is_some() {
            return false;
        }
        let offered = offered(protocol, body);
        let Some(best) = best(protocol, asked, &offered) else { return false };
        tracing::debug!(asked, best, "another version is wanted");
        *self.negotiated.lock().unwrap_or_else(PoisonError::into_inner) = Some(best.to_owned());
        true
    }
}

/// Whether a version can stand in a query as it is.
pub(crate) fn is_plausible(version: &str) -> bool {
    version.len() <= LENGTH_LIMIT && version.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

fn offered(protocol: &Protocol, body: &[u8]) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let member = protocol.offered.as_deref();
    let versions = member.and_then(|member| body.get(member)).and_then(|versions| versions.as_array());
    versions
        .into_iter()
        .flatten()
        .filter_map(|version| version.as_str())
        .filter(|version| is_plausible(version))
        .map(str::to_owned)
        .collect()
}

/// The best version that this crate knows and the service offers; else the newest of those offered that isn't newer than
/// what this crate knows; else the oldest. Versions are dates, so that text compares them.
fn best<'a>(protocol: &Protocol, asked: &str, offered: &'a [String]) -> Option<&'a str> {
    let others = || offered.iter().map(String::as_str).filter(|version| *version != asked);
    let known =
        protocol.preferred.iter().find_map(|preferred| others().find(|version| **preferred == **version));
    let newest_known = protocol.preferred.iter().map(|version| &**version).max().unwrap_or_default();
    known.or_else(|| others().filter(|version| *version < newest_known).max()).or_else(|| others().min())
}

/// The path with the version in its query.
pub(super) fn with_version(path: &str, parameter: &str, version: &str) -> String {
    format!("{path}{}{parameter}={version}", if path.contains('?') { '&' } else { '?' })
}

/// Whether the path's query already names a version.
pub(super) fn has_version(path: &str, parameter: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| pair.split('=').next() == Some(parameter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clouds;

    #[test]
    fn the_best_common_version_is_chosen() {
        let azure = clouds::find("azure")
            .and_then(|cloud| cloud.service.as_ref())
            .and_then(|service| service.version.as_ref())
            .unwrap();
        for (offered, chosen) in [
            (&["2025-04-07", "2023-11-15"][..], Some("2023-11-15")),
            (&["2024-07-17", "2024-03-15", "2023-11-15"], Some("2023-11-15")),
            (&["2019-11-01", "2019-08-15", "2019-08-01"], Some("2019-11-01")),
            (&["2018-04-02", "2018-02-01"], Some("2018-04-02")),
            (&["2031-01-01", "2030-01-01"], Some("2030-01-01")),
            (&["2025-04-07"], None),
            (&[], None),
        ] {
            let offered: Vec<String> = offered.iter().map(|version| (*version).to_owned()).collect();
            assert_eq!(best(azure, "2025-04-07", &offered), chosen, "{offered:?}");
        }
    }

    #[test]
    fn a_version_that_could_break_the_query_is_not_taken() {
        let azure = clouds::find("azure")
            .and_then(|cloud| cloud.service.as_ref())
            .and_then(|service| service.version.as_ref())
            .unwrap();
        assert!(
            offered(azure, br#"{"newest-versions":["2019&x=1", "a b", 7, ""]}"#).iter().all(String::is_empty)
        );
        assert!(offered(azure, b"<html>").is_empty());
    }

    #[test]
    fn queries_are_extended() {
        assert_eq!(with_version("/a", "v", "1"), "/a?v=1");
        assert_eq!(with_version("/a?b=c", "v", "1"), "/a?b=c&v=1");
        assert!(has_version("/a?b=c&v=1", "v") && !has_version("/a?vv=1", "v") && !has_version("/v=1", "v"));
    }
}
