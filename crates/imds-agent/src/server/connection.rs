//! HTTP/1.1 on one connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hyper::Response;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::face::Face;
use super::limits::{LEAST_HEADER_BYTES, Limits};
use super::pace::{Pace, Paced};
use super::stream::{Body, Events};
use crate::api::{Caller, Refusal, Reply};

/// More headers than any caller has reason to send.
const HEADERS: usize = 64;

/// Serves a connection until either end has enough, or the server stops.
pub async fn serve<S>(
    stream: S,
    caller: Caller,
    face: Arc<dyn Face>,
    limits: &Limits,
    stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let pace = Arc::new(Pace::default());
    let io = TokioIo::new(Paced::new(stream, Arc::clone(&pace), limits.read_time, limits.idle));
    let answer = service_fn(|request| {
        let pressing = pace.answering();
        let response = respond(request, &caller, &face, limits, &stopping, &pace);
        async move {
            if pressing {
                tokio::task::yield_now().await;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    // `printf … | nc -U` ends its side right after the request, and wants the answer all the same.
    http.half_close(true);
    http.max_buf_size(limits.header_bytes.max(LEAST_HEADER_BYTES)).max_headers(HEADERS);
    // The pace does this, and tells a pause between requests from one inside.
    http.header_read_timeout(None);
    let mut connection = pin!(http.serve_connection(io, answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop_told(stopping.clone()) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended early");
    }
}

/// Waits until the server stops.
async fn stop_told(mut stopping: watch::Receiver<bool>) {
    // A server that is gone has stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn respond(
    request: hyper::Request<Incoming>,
    caller: &Caller,
    face: &Arc<dyn Face>,
    limits: &Limits,
    stopping: &watch::Receiver<bool>,
    pace: &Arc<Pace>,
) -> Response<Body> {
    let whole = |response: Response<_>| response.map(|bytes| Body::whole(bytes, Arc::clone(pace)));
    let (head, body) = request.into_parts();
    if !body.is_end_stream() {
        return whole(face.refuse(&head, &Refusal::body()));
    }
    match face.answer(&head, caller) {
        Reply::Whole(response) => whole(response),
        Reply::Stream(response, watch) => match face.sources() {
            Some(sources) => {
                let present = face.metrics().watcher();
                let (stopping, heard) = (stopping.clone(), Arc::clone(pace));
                let events = Events::new(*watch, sources, stopping, heard, limits.heartbeat, present);
                response.map(|()| Body::events(events, Arc::clone(pace)))
            }
            None => whole(face.refuse(&head, &Refusal::unknown("there is no stream here", None))),
        },
    }
}
