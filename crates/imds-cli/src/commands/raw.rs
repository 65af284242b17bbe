//! `imds raw`: a path of the service itself.

use crate::args::Raw;
use crate::exit::{DONE, Ending};
use crate::messages::Messages;
use crate::output::Output;
use crate::settings::Session;

pub(super) async fn run(
    arguments: &Raw,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let mut body = session.client.raw(&arguments.path, arguments.allow_secret).await?;
    for warning in session.client.warnings() {
        messages.warning(&warning, None);
    }
    // Files get what the service said, byte for byte; a prompt shouldn't stand behind it.
    if output.is_terminal() && body.last().is_some_and(|last| *last != b'\n') {
        body.push(b'\n');
    }
    output.bytes(&body)?;
    Ok(DONE)
}
