//! What has to come of a fault at a cloud: one rule, from what the fault does and what the vendor says of the service. It
//! knows nothing of this library's code.

use imds::ErrorKind;

use super::cells::{Cell, Class, Operation};
use super::clouds::{Headers, Struck, Texts, Token};
use super::faults::Effect;

/// Whether a cell is as it has to be.
pub(crate) fn is_expected(cell: &Cell) -> bool {
    permitted(cell.fault.effect, cell.cloud, cell.operation).contains(&cell.class)
}

/// What may come of it; more than one where the vendor's pages leave it open.
fn permitted(effect: Effect, cloud: &Struck, operation: Operation) -> Vec<Class> {
    match effect {
        Effect::Harmless => vec![Class::Value],
        Effect::Fails(kind) => fails(kind, cloud, operation),
        Effect::Nothing => match operation {
            Operation::Detect => unrecognised(cloud),
            // Who knows nothing any more, the instance's own id included, isn't believed.
            Operation::Refresh => vec![Class::Kept(ErrorKind::Malformed.name())],
            Operation::Show | Operation::Get if cloud.token == Token::Required => {
                vec![failed(ErrorKind::Unauthorized)]
            }
            Operation::Show | Operation::Get => vec![Class::Absent],
        },
        Effect::Nonsense => fails(ErrorKind::Malformed, cloud, operation),
        Effect::Emptied => fails(ErrorKind::Malformed, cloud, operation),
        Effect::TokensWithheld => match (cloud.token, operation) {
            (Token::Required, Operation::Detect) => unrecognised(cloud),
            (Token::Required, Operation::Show | Operation::Get) => vec![failed(ErrorKind::HopLimit)],
            // A running provider has its token.
            _ => vec![Class::Value],
        },
        Effect::TokensRefused if cloud.token == Token::None => vec![Class::Value],
        Effect::TokensRefused => fails(ErrorKind::Unauthorized, cloud, operation),
        Effect::Mistyped => match (cloud.texts, operation) {
            (Texts::None, _) | (Texts::Some, Operation::Get) | (_, Operation::Detect) => vec![Class::Value],
            (_, Operation::Refresh) => vec![Class::Kept(ErrorKind::Malformed.name())],
            (Texts::Some, _) => vec![Class::Partly(ErrorKind::Malformed.name())],
            (Texts::All, _) => vec![failed(ErrorKind::Malformed)],
        },
        Effect::Headless => match (cloud.headers, operation) {
            (Headers::Nothing, _) | (Headers::OfTokens, Operation::Refresh) => vec![Class::Value],
            (_, Operation::Detect) => vec![Class::Unknown],
            (_, Operation::Show | Operation::Get) => vec![failed(ErrorKind::Malformed)],
            (Headers::OfAnswers, Operation::Refresh) => vec![Class::Kept(ErrorKind::Malformed.name())],
        },
        Effect::Foreign(name) if name == cloud.name => vec![Class::Value],
        Effect::Foreign(name) => match operation {
            // That is where it is, then.
            Operation::Detect => vec![Class::Named(name.to_owned())],
            // To be told that there is nothing, or something wrong; never a value of the other's.
            Operation::Show | Operation::Get if cloud.token == Token::Required => {
                vec![failed(ErrorKind::Unauthorized)]
            }
            Operation::Show | Operation::Get => vec![Class::Absent, failed(ErrorKind::Malformed)],
            Operation::Refresh => vec![Class::Kept(ErrorKind::Malformed.name())],
        },
    }
}

fn fails(kind: ErrorKind, cloud: &Struck, operation: Operation) -> Vec<Class> {
    match operation {
        Operation::Detect => unrecognised(cloud),
        Operation::Refresh => vec![Class::Kept(kind.name())],
        Operation::Show | Operation::Get => match (cloud.token, kind) {
            (Token::Required, ErrorKind::TimedOut) => vec![failed(ErrorKind::HopLimit)],
            // A status that means nothing for a token's path means that there is no token.
            (Token::Required, ErrorKind::Gone) => vec![failed(ErrorKind::Unauthorized)],
            (Token::Required, ErrorKind::Malformed) => {
                vec![failed(ErrorKind::Unauthorized), failed(ErrorKind::Malformed)]
            }
            _ => vec![failed(kind)],
        },
    }
}

/// A service that answers no question right may still show its marks.
fn unrecognised(cloud: &Struck) -> Vec<Class> {
    match cloud.marks_refusals {
        true => vec![Class::Unknown, Class::Value],
        false => vec![Class::Unknown],
    }
}

fn failed(kind: ErrorKind) -> Class {
    Class::Failed(kind.name())
}
