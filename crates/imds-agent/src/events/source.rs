//! Asking one path again and again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imds::{Client, CloudName, Error, ErrorKind, EventPath, Field, Waiting};
use tokio::time::Instant;

use super::read::{Place, Reader};
use super::{Board, Options};
use crate::store::Store;

/// One path that is asked.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) client: Client,
    pub(super) cloud: CloudName,
    pub(super) path: EventPath,
    pub(super) reader: Reader,
    pub(super) store: Arc<Store>,
    pub(super) board: Arc<Board>,
    pub(super) options: Options,
}

/// What an answer was.
enum Answer {
    /// The same as before, or for the first time.
    Said { tag: Option<String> },
    /// That there is nothing.
    Absent,
}

impl Source {
    /// Asks until it is dropped.
    pub(super) async fn follow(self) {
        let pace = self.options.pace;
        let usual = pace.every.or(self.path.every);
        let mut tag = None;
        let mut failures: u32 = 0;
        let mut answered = false;
        loop {
            let name = self.own_name().await;
            let started = Instant::now();
            let pause = match self.ask(name.as_deref(), tag.take(), answered).await {
                Ok(answer) => {
                    if failures > 0 {
                        tracing::info!(path = self.path.path, failures, "events can be asked for again");
                    }
                    (failures, answered) = (0, true);
                    match answer {
                        Answer::Said { tag: said } => {
                            tag = said;
                            let least = usual.unwrap_or(pace.least);
                            if self.path.waits { pace.least.saturating_sub(started.elapsed()) } else { least }
                        }
                        Answer::Absent if self.path.waits => usual.unwrap_or(pace.absent),
                        Answer::Absent => usual.unwrap_or(pace.least),
                    }
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::warn!(path = self.path.path, %error, "events can't be asked for; trying again");
                    } else {
                        tracing::debug!(path = self.path.path, %error, failures, "still no events");
                    }
                    self.board.fail(&self.path.path, error);
                    pace.pause(failures, usual.unwrap_or(Duration::ZERO), fastrand::f64())
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// This machine's name, once it is known, where it matters.
    async fn own_name(&self) -> Option<String> {
        if !self.reader.needs_name {
            return None;
        }
        let mut revisions = self.store.revisions();
        loop {
            revisions.mark_unchanged();
            let view = self.store.view();
            let name = view
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.text(Field::InstanceName).map(str::to_owned));
            if name.is_some() {
                return name;
            }
            if revisions.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn ask(
        &self,
        own_name: Option<&str>,
        known: Option<String>,
        answered: bool,
    ) -> Result<Answer, Error> {
        let pace = &self.options.pace;
        let time = if self.reader.is_switched_on && !answered { pace.first_answer } else { pace.answer };
        let waiting = self.path.waits.then_some(Waiting { known, time: pace.wait });
        let answer = self.client.event_document(&self.cloud, &self.path.path, waiting.as_ref(), time).await;
        let (events, answer) = match answer {
            Ok(answer) => {
                let place = Place { cloud: &self.cloud, path: &self.path.path, own_name };
                let events = self.reader.read(&place, &answer.body).map_err(|why| {
                    Error::new(ErrorKind::Malformed, why).with_cloud(&self.cloud).with_path(&self.path.path)
                })?;
                (events, Answer::Said { tag: answer.tag })
            }
            Err(error) if error.kind() == ErrorKind::Absent => (Vec::new(), Answer::Absent),
            Err(error) => return Err(error),
        };
        let wanted = events.into_iter().filter(|event| self.options.wants(event.kind)).collect();
        self.board.observe(&self.path.path, wanted, SystemTime::now());
        Ok(answer)
    }
}
