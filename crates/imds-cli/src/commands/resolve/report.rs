//! What went wrong with the inputs, all of it, and what stands in for values.

use std::collections::{BTreeSet, HashMap};

use imds::model::ErrorKind;
use imds::model::error::exit;
use imds_template::{Instead, Problem, ProblemKind, StandIn};

use super::document::Trouble;
use super::inputs::{Input, unreadable};
use crate::args::Dialect;
use crate::exit::{DONE, Failure};
use crate::messages::Messages;

/// So many places of one stand-in are named.
const PLACES: usize = 4;

/// Tells what went wrong, and remembers how it is to end.
pub(super) struct Report<'m> {
    messages: &'m Messages,
    code: Option<u8>,
    remedies: BTreeSet<String>,
}

impl<'m> Report<'m> {
    pub(super) fn new(messages: &'m Messages) -> Self {
        Self { messages, code: None, remedies: BTreeSet::new() }
    }

    /// The code to end with.
    pub(super) fn code(&self) -> u8 {
        self.code.unwrap_or(DONE)
    }

    /// Whether anything went wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.code.is_some()
    }

    /// Tells what is wrong with an input, by file, line and column.
    ///
    /// # Errors
    /// What has nothing to do with this input alone: reading and writing failed.
    pub(super) fn trouble(&mut self, input: &Input, trouble: Trouble) -> Result<(), Failure> {
        match trouble {
            Trouble::Errors(errors) => {
                for problem in errors.problems() {
                    self.problem(input, problem);
                }
            }
            Trouble::NotText { line, column } => {
                let text = format!("{}:{line}:{column}: this isn't UTF-8", input.name());
                self.say(&text, None, exit::UNRESOLVED);
            }
            Trouble::Read(error) => return Err(unreadable(&input.path(), &error).into()),
            Trouble::Write(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn problem(&mut self, input: &Input, problem: &Problem) {
        let place = problem.position().map(|position| format!("{position}:")).unwrap_or_default();
        let text = format!("{}:{place} {}", input.name(), problem.message());
        self.say(&text, problem.remedy(), code_of(problem));
    }

    /// Wrong usage before everything, what holds for good before what another try may heal, and else what came first.
    fn say(&mut self, text: &str, remedy: Option<&str>, code: u8) {
        self.code = Some(match (self.code, code) {
            (Some(exit::USAGE), _) | (_, exit::USAGE) => exit::USAGE,
            (Some(exit::UNRESOLVED), _) | (_, exit::UNRESOLVED) => exit::UNRESOLVED,
            (Some(first), _) => first,
            (None, code) => code,
        });
        // One remedy serves all.
        let remedy = remedy.filter(|remedy| self.remedies.insert((*remedy).to_owned()));
        self.messages.problem(text, remedy);
    }
}

/// The code of one problem alone.
fn code_of(problem: &Problem) -> u8 {
    match (problem.kind(), problem.cause().map(imds::Error::kind)) {
        (ProblemKind::Usage, _) => exit::USAGE,
        // The template's own path is none: no option is wrong, the input is.
        (ProblemKind::Unavailable, Some(ErrorKind::Usage)) => exit::UNRESOLVED,
        (ProblemKind::Unavailable, Some(kind)) => kind.exit_code(),
        (ProblemKind::Unavailable, None) => exit::UNREACHABLE,
        (_, _) => exit::UNRESOLVED,
    }
}

/// Warns of what stands in for values. That a default stands in where there is certainly no value is what it is for; the
/// inventions of a dialect are always worth a word.
pub(super) fn tell(input: &Input, stand_ins: &[StandIn], dialect: Option<Dialect>, messages: &Messages) {
    let mut groups: Vec<(&StandIn, Vec<String>)> = Vec::new();
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for one in stand_ins {
        let certain = one.cause.as_ref().is_none_or(|cause| cause.kind() == ErrorKind::NoCloud);
        if dialect.is_none() && one.instead == Instead::Default && certain {
            continue;
        }
        let group = *known.entry((&one.written, &one.reason)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some((_, places)) => places.push(one.position.to_string()),
            None => groups.push((one, vec![one.position.to_string()])),
        }
    }
    let mut remedies = BTreeSet::new();
    for (one, places) in groups {
        let shown: Vec<&str> = places.iter().take(PLACES).map(String::as_str).collect();
        let more = match places.len().saturating_sub(PLACES) {
            0 => String::new(),
            more => format!(" and at {more} more places"),
        };
        let what = if one.written.is_empty() { "an empty name" } else { &one.written };
        let instead = match (one.instead, dialect) {
            (Instead::Default, None) => "its default stands in",
            (Instead::Default, Some(_)) => "what the agent would write stands in",
            (Instead::Kept, _) => "it stays as it is",
            (Instead::Empty, _) => "nothing stands in its place",
            (Instead::Dropped, _) => "its entry is left out",
            _ => "something else stands in",
        };
        let remedy =
            one.cause.as_ref().and_then(imds::Error::remedy).filter(|remedy| remedies.insert(*remedy));
        let text =
            format!("{}:{}{more}: {what}: {instead}, because {}", input.name(), shown.join(", "), one.reason);
        messages.warning(&text, remedy);
    }
}
