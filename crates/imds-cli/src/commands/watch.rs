//! `imds watch`: changes and events as JSON lines.

use std::time::Duration;

use imds::agent::{Notice, Watching};
use imds::model::metadata::Document;
use imds::model::{Field, Metadata};
use imds::{Change, LiveProvider, Provider, RefreshPolicy};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use tokio::time::sleep;

use super::wait::can_change;
use crate::exit::{DONE, Ending, Failure};
use crate::messages::Messages;
use crate::output::Output;
use crate::settings::Session;

/// The longest pause before an agent that went away is looked for again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One line of output.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Metadata { changed: &'a [Field], metadata: Option<Document<'a>> },
    Event { event: &'a Map<String, Json> },
}

pub(super) async fn run(
    interval: Duration,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    match session.client.watch_agent(None).await? {
        Some(watching) => hear(watching, session, messages, output).await,
        None => ask_again_and_again(interval, session, messages, output).await,
    }
}

/// Prints what an agent tells. An agent that goes away is waited for: it may only be starting anew.
async fn hear(watching: Watching, session: &Session, messages: &Messages, output: &mut Output) -> Ending {
    let mut watching = watching;
    loop {
        loop {
            match watching.next().await {
                Ok(Some(notice)) => tell(&notice, output)?,
                Ok(None) => break,
                Err(error) => {
                    messages.warning(&error.to_string(), error.remedy());
                    break;
                }
            }
        }
        messages.warning("the agent ended the conversation; waiting for it to come back", None);
        let policy = RefreshPolicy::every(LONGEST_PAUSE);
        for failures in 1.. {
            sleep(policy.pause(failures, fastrand::f64())).await;
            match session.client.watch_agent(watching.last_id()).await {
                Ok(Some(again)) => {
                    watching = again;
                    break;
                }
                Ok(None) => tracing::debug!("the agent isn't back yet"),
                Err(error) => tracing::debug!(%error, "the agent isn't back yet"),
            }
        }
    }
}

fn tell(notice: &Notice, output: &mut Output) -> Result<(), Failure> {
    match notice {
        Notice::Metadata { changed, metadata, .. } => print(changed, metadata.as_deref(), output),
        Notice::Event(event) => line(&Line::Event { event }, output),
        // What a later version of the library hears.
        _ => Ok(()),
    }
}

/// Prints what changes between one reading and the next.
async fn ask_again_and_again(
    interval: Duration,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let policy = RefreshPolicy::every(interval);
    let mut failures = 0;
    let provider = loop {
        match LiveProvider::start(session.client.clone()).await {
            Ok(provider) => break provider,
            Err(error) if !can_change(error.kind()) => return Err(error.into()),
            Err(error) => {
                messages.warning(&error.to_string(), error.remedy());
                failures += 1;
                sleep(policy.pause(failures, fastrand::f64())).await;
            }
        }
    };
    let mut changes = provider.subscribe();
    let now = provider.snapshot();
    for warning in now.warnings() {
        messages.warning(warning, None);
    }
    let known: Vec<Field> = Field::ALL.iter().copied().filter(|field| now.value(*field).is_ok()).collect();
    print(&known, Some(&now), output)?;
    let _refreshing = provider.keep_fresh(policy);
    while let Some(Change { metadata, fields, .. }) = changes.next().await {
        print(&fields, Some(&metadata), output)?;
    }
    Ok(DONE)
}

fn print(changed: &[Field], metadata: Option<&Metadata>, output: &mut Output) -> Result<(), Failure> {
    line(&Line::Metadata { changed, metadata: metadata.map(|metadata| metadata.document(true)) }, output)
}

fn line(line: &Line<'_>, output: &mut Output) -> Result<(), Failure> {
    let text = serde_json::to_string(line).map_err(std::io::Error::from)?;
    Ok(output.text(&(text + "\n"))?)
}
