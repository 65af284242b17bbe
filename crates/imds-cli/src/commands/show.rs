//! `imds show`: everything that is known.

use imds::model::{ErrorKind, Metadata, Reading};
use imds::{Error, Field};

use crate::args::{Show, ShowAs};
use crate::exit::{DONE, Ending};
use crate::messages::{Messages, grouped};
use crate::output::Output;
use crate::render;
use crate::settings::Session;

pub(super) async fn run(
    arguments: &Show,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let offline = session.is_offline();
    let metadata = session.client.read(Field::ALL).await.map_err(|error| match error.kind() {
        // Without the network there is nothing more to find out, so this is an answer and not a failure.
        ErrorKind::Unknown if offline => {
            Error::new(ErrorKind::NoCloud, "nothing on this machine names a cloud, and nobody may be asked")
                .with_remedy("leave out --offline, or name the cloud with --cloud")
        }
        _ => error,
    })?;
    for warning in metadata.warnings() {
        messages.warning(warning, None);
    }
    if offline {
        print(arguments, session, &metadata, messages, output)?;
        return Ok(DONE);
    }
    let Some(failure) = metadata.failure() else {
        tell_failures(&metadata, messages);
        print(arguments, session, &metadata, messages, output)?;
        return Ok(DONE);
    };
    messages.error(failure);
    if knows_more_than_the_cloud(&metadata) {
        print(arguments, session, &metadata, messages, output)?;
    }
    Ok(failure.kind().exit_code())
}

fn print(
    arguments: &Show,
    session: &Session,
    metadata: &Metadata,
    messages: &Messages,
    output: &mut Output,
) -> Result<(), crate::exit::Failure> {
    match arguments.format.chosen() {
        ShowAs::Table => output.text(&render::metadata(metadata, arguments.sources))?,
        ShowAs::Json => output.json(&metadata.document(arguments.sources))?,
        ShowAs::Yaml => output.yaml(&metadata.document(arguments.sources))?,
        ShowAs::Env => output.text(&render::Env::of(metadata, render::PREFIX).told(messages))?,
        ShowAs::Otel => {
            let known = session.client.configuration();
            let attributes = known.resource_attributes(metadata, arguments.otel_names.into());
            output.text(&(render::otel(attributes) + "\n"))?;
        }
    }
    Ok(())
}

fn knows_more_than_the_cloud(metadata: &Metadata) -> bool {
    metadata
        .readings()
        .any(|(field, reading)| !matches!(field, Field::Cloud | Field::Platform) && reading.value().is_some())
}

/// What couldn't be read while the rest could.
pub(super) fn tell_failures(metadata: &Metadata, messages: &Messages) {
    let mut left_out = Vec::new();
    for (field, reading) in metadata.readings() {
        match reading {
            Reading::Failed(error) => left_out.push((field.to_string(), error.clone())),
            Reading::Known { source, trouble: Some(trouble), .. } => {
                messages.doubtful(field.name(), source, trouble);
            }
            _ => {}
        }
    }
    for (fields, error) in grouped(left_out) {
        messages.left_out(&fields, &error);
    }
}
