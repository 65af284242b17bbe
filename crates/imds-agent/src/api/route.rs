//! Paths.

use imds::Selector;

use super::Refusal;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Route {
    /// `/v1/metadata`
    Metadata,
    /// `/v1/metadata/FIELD`, `/v1/tags/KEY`
    Value(Selector),
    /// `/v1/verdict`
    Verdict,
    /// `/v1/events`
    Events,
    /// `/v1/watch`
    Watch,
    /// `/v1/openapi.json`
    OpenApi,
    /// `/healthz`
    Health,
    /// `/readyz`
    Readiness,
}

/// Routes as metrics name them: few and fixed, whatever is asked.
pub const NAMES: &[&str] =
    &["metadata", "field", "tag", "verdict", "events", "watch", "openapi", "healthz", "readyz", "other"];

impl Route {
    /// Reads a path without its query.
    ///
    /// # Errors
    /// [`Refusal::unknown`] for a path or field that there isn't, [`Refusal::bad_request`] for one that can't be decoded.
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        Ok(match path {
            "/v1/metadata" => Self::Metadata,
            "/v1/verdict" => Self::Verdict,
            "/v1/events" => Self::Events,
            "/v1/watch" => Self::Watch,
            "/v1/openapi.json" => Self::OpenApi,
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            _ => return Self::below(path),
        })
    }

    fn below(path: &str) -> Result<Self, Refusal> {
        if let Some(name) = path.strip_prefix("/v1/metadata/") {
            let selector = decoded(name)?.parse().map_err(|error| {
                Refusal::unknown(&format!("{error}"), Some("/v1/openapi.json lists the fields"))
            })?;
            return Ok(Self::Value(selector));
        }
        if let Some(key) = path.strip_prefix("/v1/tags/").filter(|key| !key.is_empty()) {
            return Ok(Self::Value(Selector::Tag(decoded(key)?)));
        }
        Err(Refusal::unknown("no such path", Some("/v1/openapi.json lists the paths")))
    }

    /// One of [`NAMES`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Value(Selector::Tag(_)) => "tag",
            Self::Value(_) => "field",
            Self::Verdict => "verdict",
            Self::Events => "events",
            Self::Watch => "watch",
            Self::OpenApi => "openapi",
            Self::Health => "healthz",
            Self::Readiness => "readyz",
        }
    }
}

/// Text with its percent-encoding undone.
fn decoded(text: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(Refusal::bad_request("a % in the path isn't followed by two hexadecimal digits"));
        };
        // Two hexadecimal digits are a byte.
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| Refusal::bad_request("the path isn't UTF-8 once it is decoded"))
}

#[cfg(test)]
mod tests {
    use imds::Field;

    use super::*;

    #[test]
    fn paths_are_read() {
        let tag = |key: &str| Route::Value(Selector::Tag(key.to_owned()));
        for (path, route) in [
            ("/v1/metadata", Route::Metadata),
            ("/v1/metadata/region", Route::Value(Selector::Field(Field::Region))),
            ("/v1/metadata/tags.Name", tag("Name")),
            ("/v1/tags/Name", tag("Name")),
            ("/v1/tags/a%20b%2Fc", tag("a b/c")),
            ("/v1/tags/kubernetes.io/cluster/x", tag("kubernetes.io/cluster/x")),
            ("/v1/tags/%C3%BC+%25", tag("ü+%")),
            ("/v1/tags/..%2f..", tag("../..")),
            ("/v1/watch", Route::Watch),
            ("/readyz", Route::Readiness),
        ] {
            let parsed = Route::parse(path).unwrap();
            assert!(NAMES.contains(&parsed.name()));
            assert_eq!(parsed, route, "{path}");
        }
    }

    #[test]
    fn everything_else_is_unknown_or_no_path() {
        for path in [
            "/",
            "",
            "*",
            "/v1",
            "/v1/",
            "/v1/metadata/",
            "/v1/metadata//region",
            "/v1/metadata/moon",
            "/v1/tags/",
            "/v1/tags",
            "/V1/metadata",
            "/latest/meta-data/iam/security-credentials/",
            "/v1/verdict/",
            "/healthz/..",
        ] {
            assert_eq!(Route::parse(path).unwrap_err().status(), 404, "{path}");
        }
        for path in ["/v1/tags/%", "/v1/tags/%2", "/v1/tags/%zz", "/v1/tags/%ff", "/v1/metadata/%"] {
            assert_eq!(Route::parse(path).unwrap_err().status(), 400, "{path}");
        }
        assert!(Route::parse("/v1/metadata/regoin").unwrap_err().body_text().contains("region"));
    }
}
