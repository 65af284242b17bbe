//! What becomes of a placeholder: its value, its default, what the policy says, or a problem.
//!
//! | the value is | with `:-DEFAULT` | with `:?MESSAGE` | with neither |
//! |---|---|---|---|
//! | known | the value | the value | the value |
//! | missing for certain (also: there is no cloud) | the default | an error | [`Missing`] decides |
//! | not to be had (time-out, refusal, …) | the default | an error | an error |
//! | a secret | an error | an error | an error |
//!
//! Values and defaults are never looked at again: a tag's value `${aws:InstanceId}` stays these letters.

use imds_model::{Error, ErrorKind};

use crate::grammar::Otherwise;
use crate::placeholder::shortened;
use crate::{Lookup, Placeholder, Position, Problem, ProblemKind, Values};

/// What to do about a placeholder that has no value and no default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// It is an error; all of them are listed.
    #[default]
    Error,
    /// The placeholder stays as it is.
    Keep,
    /// Nothing stands in its place.
    Empty,
    /// The entry goes: the member, list item, line or key with its value. Wrong usage for text.
    Drop,
}

/// What stands in the place of a placeholder that had no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Instead {
    /// Its default, or the dialect's own stand-in (`i-UNKNOWN`).
    Default,
    /// The placeholder itself.
    Kept,
    /// Nothing.
    Empty,
    /// Its entry was taken out.
    Dropped,
}

/// A placeholder that had no value, and what came of it. None of this is an error; a caller may want to say it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StandIn {
    /// Where the placeholder stands in the source.
    pub position: Position,
    /// The placeholder, as it was written.
    pub written: String,
    /// What stands in its place.
    pub instead: Instead,
    /// Why there is no value.
    pub reason: String,
    /// The error, where the value couldn't be asked for.
    pub cause: Option<Error>,
}

/// A template, resolved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Resolved {
    /// The result.
    pub text: String,
    /// The placeholders that had no value, in order.
    pub stand_ins: Vec<StandIn>,
}

/// What becomes of one placeholder.
#[derive(Debug)]
pub(crate) enum Decision {
    /// This text stands in its place.
    Text(String),
    /// It stays.
    Keep,
    /// Its entry goes.
    Drop,
}

/// Decides; stand-ins are added to the list.
pub(crate) fn decide(
    placeholder: &Placeholder,
    values: &dyn Values,
    missing: Missing,
    stand_ins: &mut Vec<StandIn>,
) -> Result<Decision, Problem> {
    let (reason, cause) = match values.lookup(placeholder.key()) {
        Lookup::Value(value) => return Ok(Decision::Text(value)),
        Lookup::Missing(reason) => (reason, None),
        Lookup::Failed(error) if error.is_absent() => (error.to_string(), None),
        Lookup::Failed(error) => (error.to_string(), Some(error)),
    };
    let kind = cause.as_ref().map(Error::kind);
    let never = matches!(kind, Some(ErrorKind::Secret | ErrorKind::Usage | ErrorKind::Internal));
    let certain = matches!(kind, None | Some(ErrorKind::NoCloud));
    let (decision, instead) = match (placeholder.otherwise(), missing) {
        (Some(Otherwise::Default(text)), _) if !never => (Decision::Text(text.clone()), Instead::Default),
        (None, Missing::Keep) if certain => (Decision::Keep, Instead::Kept),
        (None, Missing::Empty) if certain => (Decision::Text(String::new()), Instead::Empty),
        (None, Missing::Drop) if certain => (Decision::Drop, Instead::Dropped),
        (otherwise, _) => {
            let message = match otherwise {
                Some(Otherwise::Error(message)) if !message.is_empty() => {
                    format!("{}: {message} ({reason})", shortened(placeholder.as_written()))
                }
                _ => format!("{} has no value: {reason}", shortened(placeholder.as_written())),
            };
            let kind = if cause.is_some() { ProblemKind::Unavailable } else { ProblemKind::Unresolved };
            let remedy = cause.as_ref().and_then(Error::remedy).map(str::to_owned);
            let problem = Problem::new(kind, placeholder.position(), message);
            return Err(problem.with_remedy(remedy).with_cause(cause));
        }
    };
    let written = placeholder.as_written().to_owned();
    stand_ins.push(StandIn { position: placeholder.position(), written, instead, reason, cause });
    Ok(decision)
}
