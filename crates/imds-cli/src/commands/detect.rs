//! `imds detect`: the verdict.

use imds::Verdict;

use crate::args::{Detect, DetectAs};
use crate::exit::{self, Ending};
use crate::messages::Messages;
use crate::output::Output;
use crate::render;
use crate::settings::Session;

pub(super) async fn run(
    arguments: &Detect,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let (verdict, confirmed) = match arguments.verify {
        true => session.client.verify().await,
        false => (session.client.detect().await, Ok(())),
    };
    let code = tell(arguments, &verdict, output)?;
    match confirmed {
        Ok(()) => Ok(code),
        Err(error) => {
            messages.error(&error);
            Ok(error.kind().exit_code())
        }
    }
}

/// Prints a verdict.
pub(super) fn tell(arguments: &Detect, verdict: &Verdict, output: &mut Output) -> Ending {
    match arguments.format.chosen() {
        DetectAs::Json => output.json(verdict)?,
        DetectAs::Text if arguments.explain => output.text(&render::explanation(verdict))?,
        DetectAs::Text => output.text(&format!("{}\n", verdict.outcome))?,
    }
    Ok(exit::of_outcome(&verdict.outcome))
}
