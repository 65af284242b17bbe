//! When files are brought up to date, on the worker's side.
//!
//! At once when metadata is first known; then whenever it changes, once that has been quiet for a while. After trouble with
//! a file, again, after pauses that grow.

use std::sync::Arc;
use std::time::Duration;

use imds::{Client, Field, Metadata, Outcome, Reading};
use tokio::time::Instant;

use super::values::gather;
use super::{Pace, Record};
use crate::executor::Link;
use crate::executor::protocol::{FileChange, FileOutcome, Summary, Values};
use crate::store::Store;

/// What following takes.
#[derive(Debug)]
pub struct Follow {
    /// Says what is known.
    pub store: Arc<Store>,
    /// Asks the service for the paths that templates name.
    pub client: Client,
    /// Writes.
    pub link: Link,
    /// What there is to write.
    pub plan: Summary,
    /// For which machine it was written before.
    pub record: Record,
    /// When.
    pub pace: Pace,
}

/// Keeps files up to date until it is dropped, or the executor is gone.
pub async fn follow(mut follow: Follow) {
    if follow.plan.files == 0 {
        return std::future::pending().await;
    }
    let mut revisions = follow.store.revisions();
    let mut written: Option<Said> = None;
    let mut troubles: u32 = 0;
    let mut told: Vec<FileOutcome> = Vec::new();
    // When to go on although nothing changes.
    let mut again: Option<Instant> = None;
    let mut sent: Option<Values> = None;
    loop {
        revisions.mark_unchanged();
        let view = follow.store.view();
        let metadata = view.metadata.clone();
        if metadata.is_none() && view.verdict.as_ref().is_some_and(|verdict| verdict.outcome == Outcome::None)
        {
            follow.take_away_foreign().await;
        }
        drop(view);
        let said = metadata.as_deref().map(said_by);
        let due = again.is_some_and(|at| at <= Instant::now());
        if let (Some(metadata), true) = (&metadata, said.is_some() && (said != written || due)) {
            if written.is_some() && said != written && !due {
                follow.wait_until_quiet(&mut revisions).await;
                if follow.store.view().metadata.as_deref().map(said_by) != said {
                    continue;
                }
            }
            let values = gather(&follow.client, metadata, &follow.plan.paths).await;
            follow.record.is_for(instance(metadata).as_deref());
            let debts = follow.record.debts();
            if sent.as_ref() != Some(&values) || troubles > 0 {
                follow.change(Box::new(Record::begin)).await;
            }
            sent = Some(values.clone());
            let outcomes = match follow.link.files(follow.plan.plan, values, debts).await {
                Ok(outcomes) => {
                    let became = outcomes.clone();
                    follow.change(Box::new(move |record| record.end(&became))).await;
                    outcomes
                }
                Err(error) => {
                    tracing::error!("files can't be written: {error}");
                    vec![FileOutcome { path: String::new(), what: FileChange::Failed(error.to_string()) }]
                }
            };
            tell(&outcomes, &told);
            troubles =
                if outcomes.iter().any(|it| it.what.is_trouble()) { troubles.saturating_add(1) } else { 0 };
            again = follow.next(troubles);
            told = outcomes;
            written = said;
            continue;
        }
        let wait = async {
            match again.filter(|_| said.is_some()) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() { return },
            () = wait => {}
        }
    }
}

/// What is to be changed in what is remembered.
type Change = Box<dyn FnOnce(&mut Record) + Send>;

impl Follow {
    /// Changes what is remembered. Elsewhere: a disk that is slow keeps no caller waiting.
    async fn change(&mut self, change: Change) {
        let mut record = std::mem::replace(&mut self.record, Record::forgetful());
        let changed = tokio::task::spawn_blocking(move || {
            change(&mut record);
            record
        });
        match changed.await {
            Ok(record) => self.record = record,
            Err(error) => tracing::error!("what is remembered of files is lost: {error}"),
        }
    }

    /// Without a cloud nothing will ever be written over what another machine left.
    async fn take_away_foreign(&mut self) {
        self.record.is_for(None);
        let foreign = self.record.foreign();
        if foreign.is_empty() {
            return;
        }
        match self.link.take_away(self.plan.plan, foreign).await {
            Ok(outcomes) => {
                tell(&outcomes, &[]);
                self.change(Box::new(move |record| record.end(&outcomes))).await;
            }
            Err(error) => tracing::error!("another machine's files can't be taken away: {error}"),
        }
    }

    async fn wait_until_quiet(&self, revisions: &mut tokio::sync::watch::Receiver<u64>) {
        let splay = self.pace.splay.mul_f64(fastrand::f64());
        let mut last = self.store.view().metadata.as_deref().map(said_by);
        loop {
            revisions.mark_unchanged();
            tokio::time::sleep(self.pace.debounce).await;
            let now = self.store.view().metadata.as_deref().map(said_by);
            if now == last {
                break;
            }
            last = now;
        }
        tokio::time::sleep(splay).await;
    }

    fn next(&self, troubles: u32) -> Option<Instant> {
        let retry = (troubles > 0).then(|| {
            let doubled = self.pace.first_retry.saturating_mul(1 << (troubles - 1).min(16));
            doubled.min(self.pace.longest_retry)
        });
        let paths = (!self.plan.paths.is_empty()).then_some(self.pace.paths);
        let pause: Duration = match (retry, paths) {
            (Some(retry), Some(paths)) => retry.min(paths),
            (one, other) => one.or(other)?,
        };
        Instant::now().checked_add(pause)
    }
}

/// The instance, as far as it is known without doubt.
fn instance(metadata: &Metadata) -> Option<String> {
    match metadata.reading(Field::InstanceId)? {
        Reading::Known { value, trouble: None, .. } => {
            Some(format!("{} {}", metadata.cloud(), value.as_text()?))
        }
        _ => None,
    }
}

/// What a snapshot says, without when it was read.
type Said = Vec<(Field, Result<imds::Value, bool>)>;

fn said_by(metadata: &Metadata) -> Said {
    let said = |reading: &Reading| match reading {
        Reading::Known { value, .. } => Ok(value.clone()),
        Reading::Failed(_) => Err(true),
        _ => Err(false),
    };
    metadata.readings().map(|(field, reading)| (field, said(reading))).collect()
}

/// Says what became of files, where that is news.
fn tell(outcomes: &[FileOutcome], before: &[FileOutcome]) {
    for outcome in outcomes {
        let path = &outcome.path;
        match &outcome.what {
            FileChange::Changed => tracing::info!(path, "written"),
            _ if before.contains(outcome) => {}
            FileChange::Unchanged => tracing::debug!(path, "up to date"),
            FileChange::TakenAway(why) => {
                tracing::warn!(path, "taken away, since it was written for another machine: {why}");
            }
            FileChange::Kept(why) => tracing::warn!(path, "not written, because values are missing: {why}"),
            FileChange::Failed(why) => tracing::error!(path, "not written: {why}"),
            FileChange::NotReloaded(why) => tracing::error!(path, "written, but: {why}"),
        }
    }
}
