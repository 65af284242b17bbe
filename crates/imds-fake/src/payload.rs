//! Response bodies: whole, streamed without end in sight, dripping, or cut short.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::task::task;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) enum Payload {
    Whole(Option<Bytes>),
    /// Chunks as they come; `declared` is the promised length, if one is promised.
    Stream {
        chunks: mpsc::Receiver<io::Result<Bytes>>,
        declared: Option<u64>,
    },
}

impl Payload {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Payload::Whole(Some(bytes))
    }

    /// `total` bytes of filler, sent as fast as they are read, without saying how many there will be.
    pub(crate) fn filler(total: u64) -> Self {
        Self::fed_by(None, move |sender| async move {
            let block = Bytes::from(vec![b'x'; CHUNK]);
            let mut left = total;
            while left > 0 {
                let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                if sender.send(Ok(block.slice(..size))).await.is_err() {
                    return;
                }
                left -= size as u64;
            }
        })
    }

    /// The first half of `body`, then an aborted connection, though the whole was promised.
    pub(crate) fn cut_short(body: &Bytes) -> Self {
        let declared = (body.len() as u64).max(2);
        let half = body.slice(..body.len() / 2);
        Self::fed_by(Some(declared), move |sender| async move {
            let _ = sender.send(Ok(half)).await;
            // The abort must not overtake what was written before it.
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = sender.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
        })
    }

    /// The first half of `body`, then nothing more, though the whole was promised.
    pub(crate) fn stalled(body: &Bytes) -> Self {
        let declared = (body.len() as u64).max(2);
        let half = body.slice(..body.len() / 2);
        Self::fed_by(Some(declared), move |sender| async move {
            let _ = sender.send(Ok(half)).await;
            sender.closed().await;
        })
    }

    /// `body` in pieces of `bytes`, one every `every`.
    pub(crate) fn dripping(body: Bytes, bytes: usize, every: Duration) -> Self {
        let declared = body.len() as u64;
        Self::fed_by(Some(declared), move |sender| async move {
            let mut rest = body;
            while !rest.is_empty() {
                let piece = rest.split_to(bytes.clamp(1, rest.len()));
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
                tokio::time::sleep(every).await;
            }
        })
    }

    fn fed_by<F, R>(declared: Option<u64>, feed: F) -> Self
    where
        F: FnOnce(mpsc::Sender<io::Result<Bytes>>) -> R,
        R: Future<Output = ()> + Send + 'static,
    {
        let (sender, chunks) = mpsc::channel(1);
        // Ends when the connection goes: the receiver is dropped with it and sending fails.
        tokio::spawn(task(feed(sender)));
        Payload::Stream { chunks, declared }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Payload::Whole(bytes) => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Payload::Stream { chunks, .. } => {
                chunks.poll_recv(cx).map(|chunk| chunk.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Payload::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Payload::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Payload::Stream { declared: Some(length), .. } => SizeHint::with_exact(*length),
            Payload::Stream { declared: None, .. } => SizeHint::default(),
        }
    }
}
