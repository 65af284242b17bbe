//! What an answer is made of: bytes that are at hand, or events as they come.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Bytes, Frame, SizeHint};
use tokio::sync::watch;

use super::pace::Pace;
use crate::api::watch::HEARTBEAT;
use crate::api::{Announced, Announcements, Watch};
use crate::metrics::Present;
use crate::store::{Store, View};

/// The body of an answer. Says when it is complete.
#[derive(Debug)]
pub struct Body {
    content: Content,
    pace: Arc<Pace>,
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

impl Body {
    /// Bytes that are at hand.
    #[must_use]
    pub fn whole(bytes: Bytes, pace: Arc<Pace>) -> Self {
        Self { content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), pace }
    }

    /// Events as they come.
    #[must_use]
    pub fn events(events: Events, pace: Arc<Pace>) -> Self {
        Self { content: Content::Events(Box::new(events)), pace }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.pace.answered();
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(bytes.take()),
            Content::Events(events) => events.poll_next(context),
        };
        bytes.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Events(_) => SizeHint::default(),
        }
    }
}

/// Where a watcher's news come from.
#[derive(Debug)]
pub struct Sources {
    /// The metadata.
    pub store: Arc<Store>,
    /// The events.
    pub announcements: Arc<Announcements>,
}

/// What wakes a watcher.
#[derive(Debug)]
struct Ears {
    revisions: watch::Receiver<u64>,
    turns: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    pace: Arc<Pace>,
    heartbeat: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    News,
    Silence,
    TheEnd,
}

type Listening = Pin<Box<dyn Future<Output = (Ears, Woken)> + Send>>;

/// Server-sent events for one watcher. They are made when there is room to send them and not before, so that a watcher who
/// is slow holds back nothing but itself.
pub struct Events {
    watch: Watch,
    sources: Arc<Sources>,
    listening: Option<Listening>,
    ears: Option<Ears>,
    /// Counted while it lives.
    _present: Present,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl Events {
    /// Events for this watcher, until the server stops or the other end is gone.
    #[must_use]
    pub fn new(
        watch: Watch,
        sources: Arc<Sources>,
        stopping: watch::Receiver<bool>,
        pace: Arc<Pace>,
        heartbeat: Duration,
        present: Present,
    ) -> Self {
        let ears = Ears {
            revisions: sources.store.revisions(),
            turns: sources.announcements.turns(),
            stopping,
            pace,
            heartbeat,
        };
        Self { watch, sources, listening: None, ears: Some(ears), _present: present }
    }

    fn now(&self) -> (Arc<View>, Arc<Announced>) {
        (self.sources.store.view(), self.sources.announcements.now())
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(mut ears) = self.ears.take() {
                // Marked as heard first: what comes while the view is looked at wakes again.
                ears.revisions.mark_unchanged();
                ears.turns.mark_unchanged();
                let (view, events) = self.now();
                let news = self.watch.next(&view, &events);
                self.listening = Some(Box::pin(ears.listen()));
                if let Some(news) = news {
                    return Poll::Ready(Some(news.into()));
                }
            }
            let Some(listening) = &mut self.listening else { return Poll::Ready(None) };
            let Poll::Ready((ears, woken)) = listening.as_mut().poll(context) else { return Poll::Pending };
            self.listening = None;
            if woken == Woken::TheEnd {
                return Poll::Ready(None);
            }
            self.ears = Some(ears);
            if woken == Woken::Silence {
                return Poll::Ready(Some(Bytes::from_static(HEARTBEAT.as_bytes())));
            }
        }
    }
}

impl Ears {
    async fn listen(mut self) -> (Self, Woken) {
        let woken = tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => Woken::TheEnd,
            () = self.pace.gone() => Woken::TheEnd,
            Ok(()) = self.revisions.changed() => Woken::News,
            Ok(()) = self.turns.changed() => Woken::News,
            () = tokio::time::sleep(self.heartbeat) => Woken::Silence,
        };
        (self, woken)
    }
}
