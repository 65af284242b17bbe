//! The task that keeps the state's file as good as what is known.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imds::{Error, ErrorKind, Field, Metadata, Outcome, Reading};

use super::file::save;
use super::machine::Binding;
use crate::store::View;
use crate::worker::Context;

/// Times are written anew after this time, though no value changed: what is read back is called that much too old at most.
const REWRITE_AFTER: Duration = Duration::from_secs(15 * 60);

/// What the file holds, and of whom.
#[derive(Debug)]
struct Written {
    path: PathBuf,
    binding: Binding,
    metadata: Arc<Metadata>,
    after: Duration,
}

/// Writes the state whenever a value changed, and takes it away when nothing of it is true any more, until the agent
/// ends.
///
/// # Errors
/// Never; what goes wrong with the file is logged.
pub async fn follow(mut context: Context) -> Result<(), Error> {
    let mut revisions = context.store.revisions();
    let mut written: Option<Written> = None;
    let mut is_gone = false;
    let mut said: Option<String> = None;
    loop {
        let goes_on = tokio::select! {
            changed = revisions.changed() => changed.is_ok(),
            () = context.shutdown.begun() => false,
        };
        let settings = context.settings.borrow().clone();
        let view = context.store.view();
        if let Some(path) = settings.config.agent.state.clone() {
            let binding = context.machine.binding(&settings.client);
            let outcome = match &view.metadata {
                Some(metadata) if is_worth_writing(&view, metadata, written.as_ref(), &path, &binding) => {
                    let now = (context.clock)();
                    let next = Written {
                        path: path.clone(),
                        binding: binding.clone(),
                        metadata: Arc::clone(metadata),
                        after: now.running,
                    };
                    let content = Arc::clone(metadata);
                    let outcome = off_the_runtime(move || save(&path, &binding, &content, now)).await;
                    if outcome.is_ok() {
                        written = Some(next);
                    }
                    outcome
                }
                // Values of a cloud that isn't there would come back with each start, to be dropped again.
                None if is_in_no_cloud(&view) && !is_gone => {
                    written = None;
                    let removed = off_the_runtime(move || remove(&path)).await;
                    is_gone = removed.is_ok();
                    removed
                }
                _ => Ok(()),
            };
            is_gone &= view.metadata.is_none();
            // The same trouble each five minutes is one trouble.
            let trouble = outcome.err().map(|error| error.to_string());
            if trouble != said {
                match &trouble {
                    Some(trouble) => {
                        tracing::error!("the state can't be written, so a restart will know less: {trouble}");
                    }
                    None => tracing::info!("the state can be written again"),
                }
                said = trouble;
            }
        }
        if !goes_on {
            return Ok(());
        }
    }
}

/// A disk may take its time; the runtime's only thread mustn't.
async fn off_the_runtime(work: impl FnOnce() -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Ok(()))
}

fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let why = Error::new(ErrorKind::Internal, format!("it can't be removed: {error}"));
            Err(why.with_path(path.display().to_string()).with_source(error))
        }
        _ => Ok(()),
    }
}

fn is_in_no_cloud(view: &View) -> bool {
    view.verdict.as_ref().is_some_and(|verdict| verdict.outcome == Outcome::None)
}

/// Whether the file knows less than the view. What was only read from the file is no news to it.
fn is_worth_writing(
    view: &View,
    metadata: &Metadata,
    written: Option<&Written>,
    path: &Path,
    binding: &Binding,
) -> bool {
    if view.status.from_state {
        return false;
    }
    let Some(written) = written else { return true };
    let value = |metadata: &Metadata, field| metadata.reading(field).and_then(Reading::value).cloned();
    let is_other = |field: &Field| value(metadata, *field) != value(&written.metadata, *field);
    written.path != path
        || written.binding != *binding
        || Field::ALL.iter().any(is_other)
        || crate::clock::Moment::now().running.saturating_sub(written.after) > REWRITE_AFTER
}
