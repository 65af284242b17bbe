//! `imds raw`: a path of the service itself.

use crate::args::Raw;
use crate::exit::{DONE, Ending};
use crate::output::Output;
use crate::settings::Session;

pub(super) async fn run(arguments: &Raw, session: &Session, output: &mut Output) -> Ending {
    let mut body = session.client.raw(&arguments.path, arguments.allow_secret).await?;
    // Files get what the service said, byte for byte; a prompt shouldn't stand behind it.
    if output.is_terminal() && body.last().is_some_and(|last| *last != b'\n') {
        body.push(b'\n');
    }
    output.bytes(&body)?;
    Ok(DONE)
}
