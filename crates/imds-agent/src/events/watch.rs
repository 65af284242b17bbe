//! Which paths are asked, and when that changes.

use std::sync::Arc;

use imds::{Client, CloudName};
use tokio::task::JoinSet;

use super::read::Reader;
use super::source::Source;
use super::{Board, Kind, Options};
use crate::store::Store;
use crate::task::task;

/// What watching takes.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Asks the service.
    pub client: Client,
    /// Says which cloud this is, and what the machine is called there.
    pub store: Arc<Store>,
    /// Hears what happens.
    pub board: Arc<Board>,
    /// What is watched, and how.
    pub options: Options,
}

/// Watches until it is dropped. Begins once the cloud is known, and begins anew when it is another.
pub async fn watch(watch: Watch) {
    let mut revisions = watch.store.revisions();
    let mut sources = JoinSet::new();
    let mut watched: Option<CloudName> = None;
    loop {
        revisions.mark_unchanged();
        let cloud = cloud(&watch.store);
        if cloud.is_some() && cloud != watched {
            // Dropping the old set ends what is asked of the cloud before.
            sources = JoinSet::new();
            begin(&watch, cloud.as_ref(), &mut sources);
            watched = cloud;
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { std::future::pending::<()>().await },
            Some(ended) = sources.join_next() => {
                // A source never ends by itself: it broke down. The others go on, and this one begins anew with them.
                tracing::error!("a source of events broke down: {:?}", ended.err().map(|error| error.to_string()));
                watched = None;
            }
        }
    }
}

fn cloud(store: &Store) -> Option<CloudName> {
    let view = store.view();
    let told = view.verdict.as_ref().and_then(|verdict| verdict.cloud().cloned());
    told.or_else(|| view.metadata.as_ref().map(|metadata| metadata.cloud().clone()))
}

fn begin(watch: &Watch, cloud: Option<&CloudName>, sources: &mut JoinSet<()>) {
    let Some(cloud) = cloud else { return };
    let mut paths = Vec::new();
    for path in watch.client.event_paths(cloud) {
        if !path.kinds.iter().any(|kind| watch.options.wants(Kind::from(*kind))) {
            continue;
        }
        let Some(reader) = Reader::of(cloud, &path.path) else {
            tracing::warn!(
                path = path.path,
                "nobody here understands what this path says, so it isn't asked"
            );
            continue;
        };
        paths.push(path.path.clone());
        let source = Source {
            client: watch.client.clone(),
            cloud: cloud.clone(),
            path,
            reader,
            store: Arc::clone(&watch.store),
            board: Arc::clone(&watch.board),
            options: watch.options.clone(),
        };
        sources.spawn(task(source.follow()));
    }
    tracing::info!(%cloud, paths = paths.len(), "watching for events");
    watch.board.watching(&paths);
}
