//! Which paths give secrets. Paths are normalised before they are judged, and what was judged is what is sent.

use std::fmt::Write as _;
use std::sync::OnceLock;

use imds_model::{Class, Error, ErrorKind};

use crate::clouds::description::{Description, Text};
use crate::clouds::{CLOUDS, NODES, is_built_in};
use crate::config::Config;
use crate::fetch::json;

/// Who may see what a service answers at this path, by the rules of [`Client::raw`](crate::Client::raw): secret if any
/// cloud's rules say so, since a path may be asked for before the cloud is known; private otherwise. What one cloud keeps
/// shut as a whole because another's face is behind it, and that other one reads openly, counts as private. Contacts
/// nothing.
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
    class(path, std::iter::empty())
}

impl Config {
    /// As [`path_class`], by the rules of the user's own clouds as well.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what can't be a path of a metadata service.
    pub fn path_class(&self, path: &str) -> Result<Class, Error> {
        let known = self.clouds.iter().chain(self.clouds.nodes().map(|(node, _)| node));
        class(path, known.filter(|cloud| !is_built_in(cloud)))
    }
}

fn class<'a>(path: &str, mut own: impl Iterator<Item = &'a Description>) -> Result<Class, Error> {
    let path = Path::parse(path)?;
    let secret = path.is_any_of(everywhere()) || own.any(|cloud| path.judge(cloud) == Ruling::Secret);
    Ok(if secret { Class::Secret } else { Class::Private })
}

/// The patterns that hold whatever cloud it is: those of every built-in one, but for those that cover what another reads
/// and doesn't call secret itself.
fn everywhere() -> &'static [Text] {
    static PATTERNS: OnceLock<Vec<Text>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let all = || CLOUDS.iter().chain(NODES.iter());
        let paths = |cloud: &'static Description| {
            cloud.documents.iter().filter_map(|(_, document)| Path::parse(&document.path).ok())
        };
        let open: Vec<Path> = all()
            .flat_map(|cloud| paths(cloud).filter(|path| !path.is_any_of(&cloud.secrets.paths)))
            .collect();
        let mut patterns: Vec<Text> = all().flat_map(|cloud| cloud.secrets.paths.iter().cloned()).collect();
        patterns.retain(|pattern| !open.iter().any(|path| path.is_any_of(std::slice::from_ref(pattern))));
        patterns
    })
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

    /// Whether it leads where the other does, whatever is asked there.
    #[cfg(feature = "cloud-files")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let lower = |path: &Self| path.segments.iter().map(|it| it.to_lowercase()).collect::<Vec<_>>();
        lower(self) == lower(other)
    }

    /// What may be shown of its answer. A cloud that the user described can't open what any built-in one keeps secret: it
    /// may be the same service by another name.
    pub(crate) fn judge<'a>(&self, cloud: &'a Description) -> Ruling<'a> {
        let is_users = !is_built_in(cloud);
        if self.is_any_of(&cloud.secrets.paths) || (is_users && self.is_any_of(everywhere())) {
            return Ruling::Secret;
        }
        let others = CLOUDS.iter().chain(NODES.iter()).filter(|_| is_users);
        let tables = || std::iter::once(&cloud.secrets).chain(others.clone().map(|other| &other.secrets));
        let matches = |pattern: &str| {
            let pattern: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
            matches(&pattern, &self.segments)
        };
        let mut members: Vec<&str> = Vec::new();
        for (_, secret) in tables().flat_map(|secrets| secrets.members.iter()).filter(|(it, _)| matches(it)) {
            members.extend(secret.iter().map(|member| &**member));
        }
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
        let whole_tree = query.contains("recursive")
            || text.trim_start().starts_with(['{', '['])
            || text.lines().any(|line| is_variable_of(line, members));
        if whole_tree { Err(refusal()) } else { Ok(body.to_vec()) }
    }
}

/// Whether a line sets a shell variable made of one of these members: `SSH_PUBLIC_KEYS_0_KEY=…`.
fn is_variable_of(line: &str, members: &[&str]) -> bool {
    let line = line.to_ascii_lowercase();
    let named = |member: &&str| line.contains(&member.trim_start_matches('/').to_ascii_lowercase());
    line.contains('=') && members.iter().any(named)
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
    fn what_holds_everywhere_covers_the_secrets_of_the_large_clouds() {
        for path in [
            "/latest/user-data",
            "/latest/meta-data/iam/security-credentials/x",
            "/latest/meta-data/public-keys/0/openssh-key",
            "/metadata/identity/oauth2/token",
            "/computeMetadata/v1/instance/attributes/ssh-keys",
            "/computeMetadata/v1/instance/service-accounts/default/token",
            "/metadata/v1/user-data",
            "/openstack/latest/user_data",
        ] {
            assert!(Path::parse(path).unwrap().is_any_of(everywhere()), "{path}");
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
        for variables in ["NAME=api-1\nSSH_PUBLIC_KEYS_0_KEY=s3cret\n", "TAGS_0='AUTHORIZED_KEY=s3cret'"] {
            assert!(path.redact(variables.as_bytes(), &["ssh_public_keys", "/authorized_key"]).is_err());
        }
        assert!(path.redact(b"NAME=api-1\nssh_public_keys/\n", &["ssh_public_keys"]).is_ok());
        let text = Path::parse("/computeMetadata/v1/instance/?r%65cursive=true&alt=text").unwrap();
        assert_eq!(
            text.redact(b"attributes/startup-script s3cret", &["attributes"]).unwrap_err().kind(),
            ErrorKind::Secret
        );
    }
}
