//! A connection whose other end has to keep moving.
//!
//! A request has to be there whole soon after its first byte, however its bytes are spread; between requests, and while an
//! answer isn't taken, there is more time, but not for ever. Whoever doesn't keep to it loses the connection. And whoever
//! doesn't wait for its answers before it asks on has to let others go first.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for a request.
    Idle,
    /// In the middle of one.
    Reading,
    /// Being answered.
    Answering,
}

/// What a connection is doing, shared between its reader and whoever answers.
#[derive(Debug)]
pub struct Pace {
    phase: Mutex<(Phase, Instant)>,
    gone: Notify,
    /// Whether the last request was answered without the other end having been waited for since.
    pressing: AtomicBool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            phase: Mutex::new((Phase::Idle, Instant::now())),
            gone: Notify::new(),
            pressing: AtomicBool::new(false),
        }
    }
}

impl Pace {
    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }

    fn phase(&self) -> (Phase, Instant) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is there. Whether it came before the one ahead of it was answered, so that others should have their turn
    /// first.
    pub fn answering(&self) -> bool {
        self.enter(Phase::Answering);
        self.pressing.swap(true, Ordering::Relaxed)
    }

    /// Its answer is complete.
    pub fn answered(&self) {
        self.enter(Phase::Idle);
    }

    /// Waits until the other end will send nothing any more.
    pub async fn gone(&self) {
        self.gone.notified().await;
    }

    fn bytes_came(&self) {
        if self.phase().0 == Phase::Idle {
            self.enter(Phase::Reading);
        }
    }
}

/// A stream that is held to a pace.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    read_time: Duration,
    idle: Duration,
    waking: Pin<Box<Sleep>>,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// Holds a stream to these times.
    #[must_use]
    pub fn new(stream: S, pace: Arc<Pace>, read_time: Duration, idle: Duration) -> Self {
        let waking = Box::pin(sleep_until(Instant::now() + idle));
        Self { stream, pace, read_time, idle, waking, stuck: None }
    }

    /// When the other end has to have sent something.
    fn deadline(&self) -> Option<Instant> {
        match self.pace.phase() {
            (Phase::Idle, since) => Some(since + self.idle),
            (Phase::Reading, since) => Some(since + self.read_time),
            (Phase::Answering, _) => None,
        }
    }

    /// Whether an answer was taken too slowly, asked when nothing more can be written now.
    fn poll_stuck<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let until = Instant::now() + self.idle;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => self.pace.gone.notify_one(),
            Poll::Ready(Ok(())) => {
                self.pace.bytes_came();
                // Bytes that drip in don't buy time.
                if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(Err(_)) => self.pace.gone.notify_one(),
            Poll::Pending => {
                self.pace.pressing.store(false, Ordering::Relaxed);
                if let Some(deadline) = self.deadline() {
                    if self.waking.deadline() != deadline {
                        self.waking.as_mut().reset(deadline);
                    }
                    ready!(self.waking.as_mut().poll(context));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.poll_stuck(context),
            written => {
                self.stuck = None;
                written
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, bytes) {
            Poll::Pending => self.poll_stuck(context),
            written => {
                self.stuck = None;
                written
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const READ: Duration = Duration::from_secs(5);
    const IDLE: Duration = Duration::from_secs(30);

    /// How long it takes until a connection whose other end does this is given up.
    async fn given_up<F: Future<Output = ()> + Send + 'static>(
        other: impl FnOnce(tokio::io::DuplexStream) -> F,
        answering: bool,
    ) -> Duration {
        let (near, far) = duplex(8);
        let pace = Arc::new(Pace::default());
        if answering {
            pace.answering();
        }
        let mut paced = Paced::new(near, pace, READ, IDLE);
        let other = tokio::spawn(other(far));
        let started = Instant::now();
        let ended = match answering {
            true => paced.write_all(&[0; 64]).await,
            false => paced.read_to_end(&mut Vec::new()).await.map(drop),
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        other.abort();
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_keep_moving_is_given_up() {
        let silent = given_up(
            |far| async move {
                std::future::pending::<()>().await;
                drop(far);
            },
            false,
        )
        .await;
        assert_eq!(silent.as_secs(), 30);
        let dripping = async |mut far: tokio::io::DuplexStream| {
            for _ in 0.. {
                if far.write_all(b"x").await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let dripping = given_up(move |far| async move { dripping(far).await }, false).await;
        assert_eq!(dripping.as_secs(), 5, "bytes that drip in buy no time");
        let unread = given_up(
            |far| async move {
                std::future::pending::<()>().await;
                drop(far);
            },
            true,
        )
        .await;
        assert_eq!(unread.as_secs(), 30);
    }
}
