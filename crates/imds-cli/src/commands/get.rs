//! `imds get`: bare values, all or nothing.

use imds::Error;
use imds::model::{ErrorKind, Metadata, Reading, Selector};

use super::fields_of;
use crate::args::Get;
use crate::exit::{DONE, Ending};
use crate::messages::{Messages, grouped};
use crate::output::Output;
use crate::settings::Session;

pub(super) async fn run(
    arguments: &Get,
    selectors: &[Selector],
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let metadata = session.client.read(&fields_of(selectors)).await;
    let values: Vec<Result<String, Error>> = match &metadata {
        Ok(metadata) => selectors.iter().map(|selector| metadata.select(selector)).collect(),
        Err(error) if error.kind() == ErrorKind::Usage || arguments.default.is_none() => {
            return Err(error.clone().into());
        }
        Err(error) => selectors.iter().map(|_| Err(error.clone())).collect(),
    };
    let failures = selectors
        .iter()
        .zip(&values)
        .filter_map(|(selector, value)| Some((selector.to_string(), value.as_ref().err()?.clone())));
    let failures = grouped(failures);
    if let Ok(metadata) = &metadata {
        tell_doubts(metadata, selectors, messages);
    }
    let default = match (&arguments.default, failures.first()) {
        (None, Some((_, first))) => {
            for (fields, error) in &failures {
                messages.failed(fields, error);
            }
            return Ok(first.kind().exit_code());
        }
        (default, _) => default.as_deref().unwrap_or_default(),
    };
    for (fields, error) in &failures {
        // That there is no such value is what a default is for; that it couldn't be read is worth a word.
        if !matches!(error.kind(), ErrorKind::Absent | ErrorKind::NoCloud) {
            messages.warning(
                &format!("{}: the default stands in, because {error}", fields.join(", ")),
                error.remedy(),
            );
        }
    }
    let end = if arguments.null { '\0' } else { '\n' };
    let mut lines = String::new();
    for value in &values {
        lines.push_str(value.as_deref().unwrap_or(default));
        lines.push(end);
    }
    output.text(&lines)?;
    Ok(DONE)
}

/// What should be known about values that are printed all the same.
fn tell_doubts(metadata: &Metadata, selectors: &[Selector], messages: &Messages) {
    for warning in metadata.warnings() {
        messages.warning(warning, None);
    }
    for field in fields_of(selectors) {
        if let Some(Reading::Known { source, trouble: Some(trouble), .. }) = metadata.reading(field) {
            messages.doubtful(field.name(), source, trouble);
        }
    }
}
