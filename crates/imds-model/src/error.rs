//! What can go wrong, and the one place that maps it to exit codes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::CloudName;

/// The exit codes of every command.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// Internal error; a `--check` command that failed.
    pub const INTERNAL: u8 = 1;
    /// Wrong usage.
    pub const USAGE: u8 = 2;
    /// No cloud here.
    pub const NO_CLOUD: u8 = 3;
    /// This cloud or instance has no such value.
    pub const ABSENT: u8 = 4;
    /// Refused: unauthorised, disabled, forbidden, locked by the host, by `IMDS_NETWORK`, or a secret.
    pub const REFUSED: u8 = 5;
    /// Unreachable, timed out, throttled, gone or answered wrongly; verdict `unknown`.
    pub const UNREACHABLE: u8 = 6;
    /// A placeholder can't be resolved for good, or the input doesn't parse.
    pub const UNRESOLVED: u8 = 7;
}

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal => $exit:ident; )+) => {
        /// What went wrong, coarsely enough to act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The name in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The exit code of a command that ends with it: one of [`exit`].
            #[must_use]
            pub const fn exit_code(self) -> u8 {
                match self { $( Self::$variant => exit::$exit, )+ }
            }
        }
    };
}

kinds! {
    /// The service has no such value (404).
    Absent = "absent" => ABSENT;
    /// The service wants a token or header that it did not accept (401).
    Unauthorized = "unauthorized" => REFUSED;
    /// The service is switched off or forbids the request (403).
    Disabled = "disabled" => REFUSED;
    /// The host's own rules forbid the connection (EACCES, EPERM): a `prohibit` route, a sandbox, SELinux.
    Locked = "locked" => REFUSED;
    /// `IMDS_NETWORK` or `--offline` forbids the connection.
    NetworkForbidden = "network_forbidden" => REFUSED;
    /// The path would give a secret.
    Secret = "secret" => REFUSED;
    /// Whoever answers isn't who was meant: a local socket that belongs to somebody else.
    Untrusted = "untrusted" => REFUSED;
    /// Too many requests (429).
    Throttled = "throttled" => UNREACHABLE;
    /// The service is being updated (410).
    Gone = "gone" => UNREACHABLE;
    /// The service answered with an error of its own (5xx).
    ServerError = "server_error" => UNREACHABLE;
    /// The answer isn't what this cloud's service says: wrong status, header, syntax.
    Malformed = "malformed" => UNREACHABLE;
    /// The answer is larger than any real one.
    TooLarge = "too_large" => UNREACHABLE;
    /// No answer within the deadline.
    TimedOut = "timed_out" => UNREACHABLE;
    /// The connection stands but the token's reply never came: the hop limit of the instance is too low.
    HopLimit = "hop_limit_suspected" => UNREACHABLE;
    /// No connection.
    Unreachable = "unreachable" => UNREACHABLE;
    /// Whether there is a cloud can't be said now.
    Unknown = "unknown" => UNREACHABLE;
    /// There is no cloud here.
    NoCloud = "no_cloud" => NO_CLOUD;
    /// An option, a variable or an argument can't be used.
    Usage = "usage" => USAGE;
    /// A defect of this program.
    Internal = "internal" => INTERNAL;
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ErrorKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| serde::de::Error::custom(format!("no error kind is called {name:?}")))
    }
}

/// What went wrong, where, and what can be done.
///
/// Cheap to clone. [`Display`](fmt::Display) is one line without the remedy: `aws: /latest/api/token: no answer within 1s`.
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    cloud: Option<CloudName>,
    path: Option<String>,
    remedy: Option<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with what happened, as a lower-case fragment.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            cloud: None,
            path: None,
            remedy: None,
            source: None,
        }))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Says which cloud was asked.
    #[must_use]
    pub fn with_cloud(self, cloud: &CloudName) -> Self {
        self.edit(|inner| inner.cloud = Some(cloud.clone()))
    }

    /// Says which path, variable or option it is about.
    #[must_use]
    pub fn with_path(self, path: impl Into<String>) -> Self {
        self.edit(|inner| inner.path = Some(path.into()))
    }

    /// Says what the user can do.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<Cow<'static, str>>) -> Self {
        self.edit(|inner| inner.remedy = Some(remedy.into()))
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// What went wrong, coarsely.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without cloud and path.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The cloud that was asked.
    #[must_use]
    pub fn cloud(&self) -> Option<&CloudName> {
        self.0.cloud.as_ref()
    }

    /// The path that was asked.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// What the user can do, where something is known to help.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.0.remedy.as_deref()
    }

    /// Whether the value doesn't exist, as opposed to couldn't be read.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.kind() == ErrorKind::Absent
    }

    /// Whether asking again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind().exit_code() == exit::UNREACHABLE
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cloud) = &self.0.cloud {
            write!(f, "{cloud}: ")?;
        }
        if let Some(path) = &self.0.path {
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Reads back what was written by a program of this or a later version: a kind that isn't known here is
/// [`ErrorKind::Malformed`]. Cloud and path come back as a part of the message.
impl<'de> Deserialize<'de> for Error {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            kind: String,
            message: String,
            remedy: Option<String>,
        }
        let written = Written::deserialize(deserializer)?;
        let kind = ErrorKind::ALL.iter().copied().find(|kind| kind.name() == written.kind);
        let error = Self::new(kind.unwrap_or(ErrorKind::Malformed), written.message);
        Ok(match written.remedy {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        })
    }
}

/// Equal when a user would see the same; causes aren't compared.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
            && self.message() == other.message()
            && self.cloud() == other.cloud()
            && self.path() == other.path()
            && self.remedy() == other.remedy()
    }
}

/// `{"kind": …, "message": …}`, with the remedy where there is one.
impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("kind", &self.kind())?;
        object.serialize_entry("message", &self.to_string())?;
        if let Some(remedy) = self.remedy() {
            object.serialize_entry("remedy", remedy)?;
        }
        object.end()
    }
}
