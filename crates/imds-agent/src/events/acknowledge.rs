//! Telling Azure that this machine is ready for what is scheduled, so that it needn't wait.
//!
//! An acknowledgement counts for *all* machines that an event names (Azure: "Approve or start an event"). So it is given
//! only for an event that names this machine and no other, only when that is configured, and only after every hook for it
//! has succeeded.

use std::time::Duration;

use imds::{Client, Error};

use super::read::approval;
use super::{Board, Event, Options, State};

/// How long the service may take.
const TIME: Duration = Duration::from_secs(10);

/// Acknowledges an event, if that is wanted and right; says whether it was.
///
/// What counts is the event as the service last told it: by now it may concern others, too, or have begun.
///
/// # Errors
/// What the service or the network says. The event then begins at its time.
pub async fn acknowledge(
    client: &Client,
    board: &Board,
    options: &Options,
    event: &Event,
) -> Result<bool, Error> {
    if !options.acknowledge {
        return Ok(false);
    }
    let Some(current) = board.current(event) else { return Ok(false) };
    if !current.acknowledgeable || current.state != State::Scheduled || event.state != State::Scheduled {
        return Ok(false);
    }
    client.tell_event(&current.cloud, &current.source, approval(&current), TIME).await?;
    tracing::info!(id = current.id, "acknowledged: it may begin");
    Ok(true)
}
