//! The provider that reads from the machine's own service.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use imds_model::{
    CloudName, Error, ErrorKind, Field, Metadata, Reading, RefreshClass, Source, Value, Verdict,
};
use tokio::sync::Mutex;

use super::last::Last;
use super::{Changes, Provider, Publisher, Reader, Refreshing};
use crate::client::{Client, volume_id_of};
use crate::task::task;

/// When a provider asks again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// The time between refreshes while all goes well. A tenth of it is drawn by chance, so that machines that started
    /// together don't ask together. Default: five minutes.
    pub interval: Duration,
    /// The first pause after a failure; each further one doubles it, up to the interval. Default: one second.
    pub first_retry: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self { interval: Duration::from_secs(300), first_retry: Duration::from_secs(1) }
    }
}

impl RefreshPolicy {
    /// A policy with this interval between refreshes.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { interval, ..Self::default() }
    }

    /// The pause after so many failures in a row: the interval after none, else the first retry's, doubled by each further
    /// failure up to the interval; less a tenth at most, by `chance`, which lies in 0..1.
    #[must_use]
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        let pause = match failures {
            0 => self.interval,
            _ => self.first_retry.saturating_mul(1 << (failures - 1).min(16)).min(self.interval),
        };
        pause.mul_f64(1.0 - 0.1 * chance.clamp(0.0, 1.0))
    }
}

/// Metadata of this machine, read once and kept fresh.
///
/// Reads never wait: a [`Reader`]'s are the load of an atomic pointer, [`snapshot`](Provider::snapshot) also counts an owner. A
/// refresh builds a new snapshot and swaps it; it asks only for what has grown old: slow fields and those that failed before.
#[derive(Debug)]
pub struct LiveProvider {
    client: Client,
    cloud: CloudName,
    verdict: Verdict,
    snapshot: Last<Metadata>,
    available: AtomicBool,
    publisher: Publisher,
    /// Held while a refresh runs, with the result of the last one.
    running: Mutex<Option<Error>>,
    finished: AtomicU64,
}

impl LiveProvider {
    /// Detects the cloud and reads everything once.
    ///
    /// # Errors
    /// As [`Client::read`]; and why the service couldn't be asked, unless firmware knows at least something that it would
    /// have said.
    pub async fn start(client: Client) -> Result<Arc<Self>, Error> {
        let (cloud, verdict) = client.cloud().await?;
        let metadata = client.read_from(&cloud, &verdict, Field::ALL).await?;
        if let Some(failure) = metadata.failure() {
            let own = |field: &Field| !matches!(field, Field::Cloud | Field::Platform);
            if !metadata.readings().any(|(field, reading)| own(&field) && reading.value().is_some()) {
                return Err(failure.clone());
            }
        }
        for warning in metadata.warnings() {
            tracing::warn!("{warning}");
        }
        let available = metadata.failure().is_none();
        Ok(Self::with(client, cloud, verdict, metadata, available))
    }

    /// A provider of a cloud that was found before, with what was known of this machine then, if anything. Nothing is sent:
    /// the first [refresh](Provider::refresh) asks for whatever `last_good` doesn't have, or has with some trouble.
    #[must_use]
    pub fn resume(
        client: Client,
        cloud: CloudName,
        verdict: Verdict,
        last_good: Option<Metadata>,
    ) -> Arc<Self> {
        let metadata = last_good.filter(|metadata| *metadata.cloud() == cloud);
        let metadata = metadata.unwrap_or_else(|| Metadata::new(cloud.clone()));
        Self::with(client, cloud, verdict, metadata, false)
    }

    fn with(
        client: Client,
        cloud: CloudName,
        verdict: Verdict,
        metadata: Metadata,
        available: bool,
    ) -> Arc<Self> {
        let metadata = Arc::new(metadata);
        Arc::new(Self {
            client,
            cloud,
            verdict,
            available: AtomicBool::new(available),
            publisher: Publisher::new(Arc::clone(&metadata)),
            snapshot: Last::new(metadata),
            running: Mutex::new(None),
            finished: AtomicU64::new(0),
        })
    }

    /// Refreshes in the background until the provider is dropped. Needs the runtime that it is called in to keep running.
    pub fn keep_fresh(self: &Arc<Self>, policy: RefreshPolicy) -> tokio::task::JoinHandle<()> {
        let provider = Arc::downgrade(self);
        tokio::spawn(task(async move {
            let mut failures: u32 = 0;
            loop {
                tokio::time::sleep(policy.pause(failures, fastrand::f64())).await;
                // Only for the time of a refresh, so that dropping the last owner ends this task.
                let Some(provider) = provider.upgrade() else { return };
                failures = match provider.refresh().await {
                    Ok(metadata) if metadata.readings().all(|(_, reading)| reading.error().is_none()) => 0,
                    Ok(_) => failures.saturating_add(1),
                    Err(error) => {
                        tracing::debug!(%error, "metadata couldn't be refreshed; the last good values stay");
                        failures.saturating_add(1)
                    }
                };
            }
        }))
    }

    /// Changes the times of what is known, because the clock that they were read from was set.
    pub fn map_times(&self, map: impl Fn(SystemTime) -> SystemTime) {
        let moved = |metadata: &Metadata| {
            let mut metadata = metadata.clone();
            metadata.map_times(&map);
            metadata
        };
        // No value is another, so that subscribers have nothing to hear.
        self.snapshot.change(moved, |_| ());
    }

    /// A view of the snapshots for one reader that reads often.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.snapshot.view())
    }

    /// How the cloud was found.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Fields that may be another than they were: slow ones, and those that aren't known.
    fn grown_old(&self) -> Vec<Field> {
        let snapshot = self.snapshot.load();
        let fixed_and_good = |field: Field| {
            field.refresh_class() == RefreshClass::Fixed
                && match snapshot.reading(field) {
                    Some(Reading::Known { trouble, .. }) => trouble.is_none(),
                    Some(Reading::Absent { .. }) => true,
                    _ => false,
                }
        };
        Field::ALL.iter().copied().filter(|field| !fixed_and_good(*field)).collect()
    }

    async fn refresh_now(&self) -> Result<Arc<Metadata>, Error> {
        let before = self.finished.load(Ordering::Acquire);
        let mut last = self.running.lock().await;
        // Someone else's refresh began before this call and ended after it: it is this call's refresh, too.
        if self.finished.load(Ordering::Acquire) == before {
            let outcome = self.read_again().await;
            *last = outcome.err();
            self.finished.fetch_add(1, Ordering::Release);
        }
        match &*last {
            Some(error) => Err(error.clone()),
            None => Ok(self.snapshot.load()),
        }
    }

    async fn read_again(&self) -> Result<(), Error> {
        let fields = self.grown_old();
        let mut metadata = self.client.read_from(&self.cloud, &self.verdict, &fields).await?;
        let before = self.snapshot.load();
        let is_another =
            are_two_machines(&metadata, &before) || self.judge_what_vanished(&mut metadata, &before).await;
        if is_another {
            tracing::info!(
                "the service tells of another instance than before; nothing of the old one is kept"
            );
            if fields.len() < Field::COUNT {
                metadata = self.client.read_from(&self.cloud, &self.verdict, Field::ALL).await?;
            }
        }
        let failure = metadata.failure().cloned();
        self.available.store(failure.is_none(), Ordering::Relaxed);
        let refreshed = |last_good: &Metadata| {
            if !is_another {
                metadata.keep_last_good(last_good);
            }
            metadata
        };
        self.snapshot.change(refreshed, |metadata| self.publisher.publish(Arc::clone(metadata)));
        failure.map_or(Ok(()), Err)
    }

    /// Values that are gone without an error are believed to be gone only of a service that still says which instance this
    /// is: one that answers everything with "no such thing", or with nothing, isn't it any more, and nothing that it says
    /// counts. Says whether it is another instance's.
    async fn judge_what_vanished(&self, metadata: &mut Metadata, before: &Metadata) -> bool {
        let vanished = vanished(metadata, before);
        let Some((mark, path)) = mark_of(before).filter(|_| !vanished.is_empty()) else { return false };
        let is_as_before = |now: &Metadata| match now.reading(mark) {
            Some(Reading::Known { value, trouble: None, .. }) => Some(Some(value) == value_of(before, mark)),
            _ => None,
        };
        if is_as_before(metadata) == Some(true) {
            return false;
        }
        let asked = self.client.read_from(&self.cloud, &self.verdict, &[mark]).await;
        match asked.as_ref().ok().and_then(is_as_before) {
            Some(true) => return false,
            Some(false) if mark == Field::InstanceId => return true,
            _ => {}
        }
        let error = match &asked {
            Ok(now) => now.reading(mark).and_then(Reading::error).cloned(),
            Err(error) => Some(error.clone()),
        };
        let error = error.unwrap_or_else(|| {
            let message =
                format!("this isn't the service any more that was asked before: its {mark} is gone");
            Error::new(ErrorKind::Malformed, message)
                .with_cloud(&self.cloud)
                .with_path(path)
                .with_remedy("`imds doctor` says who answers there")
        });
        // What else it says is as little this instance's.
        let doubted: Vec<Field> = metadata.readings().map(|(field, _)| field).collect();
        let known: Vec<Field> =
            doubted.into_iter().filter(|field| value_of(before, *field).is_some()).collect();
        *metadata = std::mem::replace(metadata, Metadata::new(self.cloud.clone())).only(&known);
        for field in known {
            metadata.set(field, Reading::Failed(error.clone()));
        }
        metadata.set_failure(Some(error));
        false
    }
}

fn value_of(metadata: &Metadata, field: Field) -> Option<&Value> {
    metadata.reading(field).and_then(Reading::value)
}

/// What a service is known by, with the path that says it: the instance's id, or else something that never changes.
fn mark_of(metadata: &Metadata) -> Option<(Field, String)> {
    let path = |field: &Field| match metadata.reading(*field)? {
        Reading::Known { source: Source::Imds { path, .. } | Source::Imdsd { path, .. }, .. } => {
            Some((*field, path.clone()))
        }
        _ => None,
    };
    let fixed = Field::ALL.iter().filter(|field| field.refresh_class() == RefreshClass::Fixed);
    path(&Field::InstanceId).or_else(|| fixed.filter_map(path).next())
}

/// Fields that had a value and have none now, without anything having gone wrong.
fn vanished(now: &Metadata, before: &Metadata) -> Vec<Field> {
    let had = |field: &Field| value_of(before, *field).is_some_and(|value| !value.is_empty());
    let has_none = |reading: &Reading| match reading {
        Reading::Known { value, .. } => value.is_empty(),
        Reading::Absent { .. } => true,
        _ => false,
    };
    now.readings()
        .filter(|(field, reading)| had(field) && has_none(reading))
        .map(|(field, _)| field)
        .collect()
}

/// Whether two snapshots tell of different instances: values of one mustn't stand in for those of the other.
fn are_two_machines(now: &Metadata, before: &Metadata) -> bool {
    match (now.text(Field::InstanceId), before.text(Field::InstanceId)) {
        (Some(now), Some(before)) => now != before,
        _ => false,
    }
}

impl Provider for LiveProvider {
    fn snapshot(&self) -> Arc<Metadata> {
        self.snapshot.load()
    }

    fn is_available(&self) -> bool {
        self.available.load(Ordering::Relaxed)
    }

    fn volume_id(&self, device: &str) -> Result<String, Error> {
        volume_id_of(self.client.configuration(), &self.snapshot.load(), device)
    }

    fn refresh(&self) -> Refreshing<'_> {
        Box::pin(self.refresh_now())
    }

    fn subscribe(&self) -> Changes {
        self.publisher.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_after_failures_up_to_the_interval() {
        let policy = RefreshPolicy::every(Duration::from_secs(10));
        let seconds: Vec<u64> = (0..7).map(|failures| policy.pause(failures, 0.0).as_secs()).collect();
        assert_eq!(seconds, [10, 1, 2, 4, 8, 10, 10]);
        assert_eq!(policy.pause(0, 1.0), Duration::from_secs(9));
    }
}
