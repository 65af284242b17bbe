//! The one error type of the crate.

use std::fmt;

/// Why a scenario, a path, a fault or an event was refused. The message is a lower-case fragment that names what was given and,
/// where that is a closed set, what would have been accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Unknown { what: String, name: String, known: Vec<String> },
    Scenario { name: String, reason: String },
    Path { path: String, reason: String },
    Fault { spec: String, reason: String },
    Event { kind: String, reason: String },
}

impl Error {
    pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known = known.map(str::to_owned).collect();
        Self { problem: Problem::Unknown { what: what.to_owned(), name: name.to_owned(), known } }
    }

    pub(crate) fn scenario(name: &str, reason: impl Into<String>) -> Self {
        Self { problem: Problem::Scenario { name: name.to_owned(), reason: reason.into() } }
    }

    pub(crate) fn path(path: &str, reason: impl Into<String>) -> Self {
        Self { problem: Problem::Path { path: path.to_owned(), reason: reason.into() } }
    }

    pub(crate) fn fault(spec: &str, reason: impl Into<String>) -> Self {
        Self { problem: Problem::Fault { spec: spec.to_owned(), reason: reason.into() } }
    }

    pub(crate) fn event(kind: &str, reason: impl Into<String>) -> Self {
        Self { problem: Problem::Event { kind: kind.to_owned(), reason: reason.into() } }
    }

    /// Whether a name (of a cloud or a scenario) was not a known one.
    #[must_use]
    pub fn is_unknown_name(&self) -> bool {
        matches!(self.problem, Problem::Unknown { .. })
    }

    /// Whether a path given to `set` or `remove` was refused, or its value.
    #[must_use]
    pub fn is_path(&self) -> bool {
        matches!(self.problem, Problem::Path { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Unknown { what, name, known } => {
                write!(f, "unknown {what} `{name}`; known: {}", known.join(", "))
            }
            Problem::Scenario { name, reason } => write!(f, "scenario `{name}` is not valid: {reason}"),
            Problem::Path { path, reason } => write!(f, "`{path}` can't be changed: {reason}"),
            Problem::Event { kind, reason } => write!(f, "no event `{kind}`: {reason}"),
            Problem::Fault { spec, reason } => write!(f, "fault `{spec}` is not valid: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
