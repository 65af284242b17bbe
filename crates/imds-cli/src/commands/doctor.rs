//! `imds doctor`: what is wrong, and what to type.

use imds::doctor;
use imds::machine::Sysroot;

use crate::args::{Doctor, ReportAs};
use crate::exit::Ending;
use crate::output::Output;
use crate::render;
use crate::settings::Session;

pub(super) async fn run(arguments: &Doctor, steps: bool, session: &Session, output: &mut Output) -> Ending {
    let client = &session.client;
    // A made-up machine has no kernel of its own, and this one's is none of its business.
    let report = match session.is_made_up() {
        true => doctor::examine(client, client.configuration().machine().files()).await,
        false => doctor::examine(client, &Sysroot::new("/")).await,
    };
    match arguments.format.chosen() {
        ReportAs::Json => output.json(&report)?,
        ReportAs::Text => output.text(&render::diagnosis(&report, steps))?,
    }
    Ok(report.exit_code)
}
