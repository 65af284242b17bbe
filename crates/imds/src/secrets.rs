//! Which paths give secrets. Paths are normalised before they are judged, and what was judged is what is sent.

use std::fmt::Write as _;

use imds_model::{Class, Error, ErrorKind};

use crate::clouds::{CLOUDS, NODES};
use crate::clouds::description::{Description, Text};
use crate::fetch::json;

/// Who may see what a service answers at this path, by the rules of [`Client::raw`](crate::Client::raw): secret if any
/// cloud's rules say so, since a path may be asked for before the cloud is known; private otherwise. Contacts nothing.
///
/// # Errors
/// [`ErrorKind::Usage`] for what can't be a path of a metadata service.
///
/// ```
/// use imds::model::Class;
/// assert_eq!(imds::path_class("/latest/./user-data").unwrap(), Class::Secret);
/// assert_eq!(imds::path_class("/latest/meta-data/instance-id").unwrap(), Class::Private);
/// ```
pub fn path_class(path: &str) -> Result<Class, Error> {
    let path = Path::parse(path)?;
    let secret = CLOUDS.iter().chain(NODES).any(|cloud| path.judge(cloud) == Ruling::Secret);
    Ok(if secret { Class::Secret } else { Class::Private })
}

/// A path that can be asked for, in its one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Decoded segments, without empty ones and dots.
    segments: Vec<String>,
    /// Whether it ended in a slash: some services tell folders by it.
    folder: bool,
    /// The query as it was given.
    query: Option<String>,
}

/// What may be shown of a path's answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ruling<'a> {
    /// Everything.
    Open,
    /// Everything but these members of its JSON.
    Without(Vec<&'a str>),
    /// Nothing.
    Secret,
}

impl Path {
    /// Normalises a path: percent-encoding is undone however often it was done, backslashes are slashes, empty segments
    /// and dots go.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what can't be a path of a metadata service.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: &str| {
            Error::new(ErrorKind::Usage, format!("{text:?} {why}"))
                .with_remedy("give a path such as /latest/meta-data/instance-id")
        };
        // A query may well hold one: Azure's tokens are for a resource.
        if text.split('?').next().is_some_and(|path| path.contains("://")) {
            return Err(invalid("is a URL; give only its path"));
        }
        if text.contains('#') {
            return Err(invalid("has a fragment"));
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (text, None),
        };
        let decoded = decoded(path).ok_or_else(|| invalid("isn't properly percent-encoded"))?;
        if !decoded.starts_with(['/', '\\']) {
            return Err(invalid("doesn't start with a slash"));
        }
        let readable = |text: &str| !text.chars().any(char::is_control);
        if !readable(&decoded)
            || query.as_deref().is_some_and(|query| !readable(query) || query.contains([' ', '#']))
        {
            return Err(invalid("holds characters that no path has"));
        }
        let mut segments: Vec<String> = Vec::new();
        for segment in decoded.split(['/', '\\']) {
            // `;…` is a parameter to some servers and a part of the name to others.
            match segment.split(';').next().unwrap_or_default().trim() {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name => segments.push(name.to_owned()),
            }
        }
        let folder = decoded.ends_with(['/', '\\']);
        Ok(Self { segments, folder, query })
    }

    /// The one spelling in which it is sent.
    pub(crate) fn to_request(&self) -> String {
        let mut text = String::new();
        for segment in &self.segments {
            let _ = write!(text, "/{}", crate::fetch::read::segment(segment));
        }
        if self.folder || text.is_empty() {
            text.push('/');
        }
        if let Some(query) = &self.query {
            let _ = write!(text, "?{query}");
        }
        text
    }

    /// Whether it is of one of these patterns' form.
    pub(crate) fn is_any_of(&self, patterns: &[Text]) -> bool {
        let parts = |pattern: &Text| -> bool {
            let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
            matches(&pattern, &self.segments)
        };
        patterns.iter().any(parts)
    }

    /// What may be shown of its answer.
    pub(crate) fn judge<'a>(&self, cloud: &'a Description) -> Ruling<'a> {
        let matches = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
            matches(&pattern, &self.segments)
        };
        if self.is_any_of(&cloud.secrets.paths) {
            return Ruling::Secret;
        }
        let members: Vec<&str> = cloud
            .secrets
            .members
            .iter()
            .filter(|(pattern, _)| matches(pattern))
            .flat_map(|(_, members)| members.iter().map(|member| &**member))
            .collect();
        if members.is_empty() { Ruling::Open } else { Ruling::Without(members) }
    }

    /// What is shown of an answer that holds secret members: its JSON without them, and a single value as it is. Any
    /// other form of the same document can't be taken apart, and is refused.
    pub(crate) fn redact(&self, body: &[u8], members: &[&str]) -> Result<Vec<u8>, Error> {
        let refusal = || {
            Error::new(ErrorKind::Secret, "this form of the document may hold secrets that can't be dropped")
                .with_path(self.to_request())
                .with_remedy("ask for it as JSON, or add --allow-secret")
        };
        if let Ok(document) = json::parse(body, members) {
            let shown = match document.is_object() || document.is_array() {
                true => serde_json::to_vec_pretty(&document).map_err(|_| refusal())?,
                false => body.to_vec(),
            };
            return Ok(shown);
        }
        let query =
            decoded(self.query.as_deref().unwrap_or_default()).unwrap_or_default().to_ascii_lowercase();
        let text = std::str::from_utf8(body).map_err(|_| refusal())?;
        let whole_tree = query.contains("recursive") || text.trim_start().starts_with(['{', '[']);
        if whole_tree { Err(refusal()) } else { Ok(body.to_vec()) }
    }
}

/// Undoes percent-encoding until nothing is left of it; `None` where it isn't one, or isn't UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    while text.contains('%') {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            if *first == b'%' {
                let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
                if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = tail.get(2..)?;
            } else {
                bytes.push(*first);
            }
        }
        text = String::from_utf8(bytes).ok()?;
    }
    Some(text)
}

/// Whether segments are of a pattern's form, letters of any case: `*` is one segment, `**` any number.
fn matches(pattern: &[&str], segments: &[String]) -> bool {
    match (pattern.split_first(), segments.split_first()) {
        (None, None) => true,
        (Some((&"**", rest)), _) => {
            matches(rest, segments)
                || segments.split_first().is_some_and(|(_, below)| matches(pattern, below))
        }
        (Some((part, rest)), Some((segment, below))) => {
            (*part == "*" || part.to_lowercase() == segment.to_lowercase()) && matches(rest, below)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clouds;

    fn ruling(cloud: &str, path: &str) -> Ruling<'static> {
        Path::parse(path).unwrap().judge(clouds::find(cloud).unwrap())
    }

    #[test]
    fn secret_paths_are_refused_in_every_spelling() {
        for (cloud, path) in [
            ("aws", "/latest/user-data"),
            ("aws", "/2021-07-15/user-data/"),
            ("aws", "/latest/meta-data/iam"),
            ("aws", "/latest/meta-data/iam/security-credentials/web-role"),
            ("aws", "//latest///meta-data//iam//"),
            ("aws", "/latest/./meta-data/./iam/info"),
            ("aws", "/latest/meta-data/x/../iam/info"),
            ("aws", "/latest/dynamic/../meta-data/iam/info"),
            ("aws", "/latest/meta-data/%69am/info"),
            ("aws", "/latest/meta-data/%2569am/info"),
            ("aws", "/latest/meta-data%2Fiam%2Finfo"),
            ("aws", "/latest/meta-data%5Ciam"),
            ("aws", "/latest\\meta-data\\iam"),
            ("aws", "\\latest\\user-data"),
            ("aws", "/LATEST/Meta-Data/IAM/info"),
            ("aws", "/latest/user-data?x=y"),
            ("aws", "/latest/user-data;x=y"),
            ("aws", "/latest/dynamic/instance-identity/pkcs7"),
            ("aws", "/latest/api/token"),
            ("aws", "/latest/meta-data/public-keys/0/openssh-key"),
            ("azure", "/metadata/identity/oauth2/token?resource=x"),
            ("azure", "/Metadata/Identity/info"),
            ("azure", "/metadata/attested/document"),
            ("azure", "/metadata/instance/compute/userData?format=text"),
            ("azure", "/metadata/instance/compute/%63ustomData"),
            ("gcp", "/computeMetadata/v1/instance/service-accounts/default/token"),
            ("gcp", "/computeMetadata/v1beta1/instance/attributes/"),
            ("gcp", "/computeMetadata/v1/project/attributes/ssh-keys"),
            ("gcp", "/computemetadata/V1/instance/service-accounts/a@b/identity?audience=x"),
            ("digitalocean", "/metadata/v1/user-data"),
            ("digitalocean", "/metadata/v1/auth-token"),
        ] {
            assert_eq!(ruling(cloud, path), Ruling::Secret, "{cloud} {path}");
        }
    }

    #[test]
    fn other_paths_are_open_or_shown_without_their_secrets() {
        for (cloud, path) in [
            ("aws", "/latest/meta-data/instance-id"),
            ("aws", "/latest/meta-data/"),
            ("aws", "/latest/meta-data/tags/instance/user-data"),
            ("aws", "/"),
            ("azure", "/metadata/versions"),
            ("gcp", "/"),
        ] {
            assert_eq!(ruling(cloud, path), Ruling::Open, "{cloud} {path}");
        }
        for (cloud, path) in [
            ("azure", "/metadata/instance"),
            ("azure", "/metadata/instance/compute"),
            ("gcp", "/computeMetadata/v1/?recursive=true"),
            ("gcp", "/computeMetadata/v1/instance/?recursive=true"),
            ("digitalocean", "/metadata/v1.json"),
        ] {
            assert!(matches!(ruling(cloud, path), Ruling::Without(_)), "{cloud} {path}");
        }
    }

    #[test]
    fn what_was_judged_is_what_is_sent() {
        for (given, sent) in [
            (
                "/latest//meta-data/../meta-data/./tags/instance/a%2520b",
                "/latest/meta-data/tags/instance/a%20b",
            ),
            ("/latest/meta-data/tags/instance/Name/", "/latest/meta-data/tags/instance/Name/"),
            ("/../../..", "/"),
            ("/a?b=c&d=%20e", "/a?b=c&d=%20e"),
            ("/a?b=https://c/", "/a?b=https://c/"),
            ("/computeMetadata/v1/instance/?recursive=true", "/computeMetadata/v1/instance/?recursive=true"),
        ] {
            assert_eq!(Path::parse(given).unwrap().to_request(), sent);
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "latest",
            "http://169.254.169.254/latest",
            "/a#b",
            "/%zz",
            "/%",
            "/%ff",
            "/a\r\nX: y",
            "/a%0d%0a",
            "/a%00",
            "/a?b c",
        ] {
            assert_eq!(Path::parse(text).unwrap_err().kind(), ErrorKind::Usage, "{text:?}");
        }
    }

    #[test]
    fn documents_lose_their_secrets_or_are_refused() {
        let path = Path::parse("/metadata/instance").unwrap();
        let shown = path.redact(br#"{"compute":{"userData":"s3cret","name":"x"}}"#, &["userData"]).unwrap();
        assert!(!String::from_utf8(shown).unwrap().contains("s3cret"));
        assert_eq!(path.redact(b"web-7", &["attributes"]).unwrap(), b"web-7");
        assert_eq!(path.redact(b"7654321098765432109", &["attributes"]).unwrap(), b"7654321098765432109");
        assert!(path.redact(b"{\"userData\": truncated", &["userData"]).is_err());
        let text = Path::parse("/computeMetadata/v1/instance/?r%65cursive=true&alt=text").unwrap();
        assert_eq!(
            text.redact(b"attributes/startup-script s3cret", &["attributes"]).unwrap_err().kind(),
            ErrorKind::Secret
        );
    }
}
