//! What can go wrong: all of it at once, each problem with its place.

use std::fmt;

use imds_model::error::exit;

use crate::Position;

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// What was asked for makes no sense: dropping entries of plain text.
    Usage,
    /// The source doesn't parse, a placeholder has no end, or its key is unknown.
    Parse,
    /// A placeholder has no value, or the format can't hold the value.
    Unresolved,
    /// The value couldn't be asked for: [`Problem::cause`] says why.
    Unavailable,
}

/// One problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    kind: ProblemKind,
    position: Option<Position>,
    message: String,
    remedy: Option<String>,
    cause: Option<imds_model::Error>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemKind, position: Position, message: impl Into<String>) -> Self {
        Self { kind, position: Some(position), message: message.into(), remedy: None, cause: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: ProblemKind::Usage, position: None, message: message.into(), remedy: None, cause: None }
    }

    #[must_use]
    pub(crate) fn with_remedy(mut self, remedy: Option<String>) -> Self {
        self.remedy = remedy;
        self
    }

    #[must_use]
    pub(crate) fn with_cause(mut self, cause: Option<imds_model::Error>) -> Self {
        self.cause = cause;
        self
    }

    /// What kind of problem it is.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Where it is; nothing where it concerns the whole.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What is wrong, as a lower-case fragment.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What can be done, where something is known to help.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// Why the value couldn't be asked for.
    #[must_use]
    pub fn cause(&self) -> Option<&imds_model::Error> {
        self.cause.as_ref()
    }
}

/// `LINE:COLUMN: message; remedy`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "{position}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a template, or that kept it from being resolved; never empty.
///
/// [`Display`](fmt::Display) is one line for each problem: `FILE:LINE:COLUMN: message; remedy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    file: Option<String>,
    problems: Vec<Problem>,
}

impl Errors {
    /// All these problems, in the order of their places; `None` if there are none.
    pub(crate) fn of(mut problems: Vec<Problem>) -> Option<Self> {
        problems.sort_by_key(|problem| problem.position);
        (!problems.is_empty()).then_some(Self { file: None, problems })
    }

    /// Says which file it is about: shown before every place.
    #[must_use]
    pub fn in_file(mut self, name: impl Into<String>) -> Self {
        self.file = Some(name.into());
        self
    }

    /// The file, where the caller said so.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The problems, in the order of their places.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// What it comes down to: wrong usage before everything, what holds for good before what another try may heal.
    #[must_use]
    pub fn kind(&self) -> ProblemKind {
        let has = |kind| self.problems().any(|problem| problem.kind == kind);
        [ProblemKind::Usage, ProblemKind::Parse, ProblemKind::Unresolved]
            .into_iter()
            .find(|kind| has(*kind))
            .unwrap_or(ProblemKind::Unavailable)
    }

    /// The exit code of a command that ends with it: one of [`imds_model::error::exit`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            ProblemKind::Usage => exit::USAGE,
            ProblemKind::Parse | ProblemKind::Unresolved => exit::UNRESOLVED,
            ProblemKind::Unavailable => self
                .problems()
                .find_map(Problem::cause)
                .map_or(exit::UNREACHABLE, |cause| cause.kind().exit_code()),
        }
    }
}

impl From<Problem> for Errors {
    fn from(problem: Problem) -> Self {
        Self { file: None, problems: vec![problem] }
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            if let Some(file) = &self.file {
                f.write_str(file)?;
                f.write_str(if problem.position.is_some() { ":" } else { ": " })?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problems().find_map(Problem::cause).map(|cause| cause as _)
    }
}
