//! What faults make of answers.

use std::collections::btree_map::Entry;
use std::convert::Infallible;

use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::exchange::{Answer, Asked, Outcome};
use crate::fault::{FaultKind, Strike};
use crate::payload::Payload;
use crate::server::{Host, Site, lock, ordinary};
use crate::socket::ResetFlag;
use crate::{Cloud, Scenario};

const PORTAL: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Sign in to use this network.</p></body></html>\n";

/// The connection ends without an answer.
#[derive(Debug)]
pub(crate) struct Abandoned;

impl std::fmt::Display for Abandoned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection given up on purpose")
    }
}

impl std::error::Error for Abandoned {}

/// The answer to a request, or what a fault makes of it.
pub(crate) async fn respond(
    site: &Site,
    asked: Asked,
    reset: &ResetFlag,
) -> Result<Response<Payload>, Abandoned> {
    let Strike { delay, tokens_expire, kind } = lock(&site.faults).strike(&asked);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if let (true, Host::Service(service)) = (tokens_expire, &site.host) {
        lock(service).revoke_tokens();
    }
    let fault = match (&site.host, kind) {
        (Host::Stranger(kind), None) => Some(kind.clone()),
        (_, fault) => fault,
    };
    let Some(fault) = fault else { return Ok(whole(ordinary(site, asked).await)) };
    match fault {
        FaultKind::Hang | FaultKind::DropReplies => match std::future::pending::<Infallible>().await {},
        FaultKind::Close => Err(Abandoned),
        FaultKind::Reset => {
            reset.raise();
            Err(Abandoned)
        }
        FaultKind::Huge(bytes) => {
            let answer = imitation(site, Bytes::new());
            Ok(response(answer, |_| Payload::filler(bytes)))
        }
        FaultKind::Truncate => Ok(response(ordinary(site, asked).await, |body| Payload::cut_short(&body))),
        FaultKind::Slow { bytes, every } => {
            Ok(response(ordinary(site, asked).await, |body| Payload::dripping(body, bytes, every)))
        }
        FaultKind::Stall => Ok(response(ordinary(site, asked).await, |body| Payload::stalled(&body))),
        FaultKind::ConnectionClose => Ok(whole(ordinary(site, asked).await.with("connection", "close"))),
        // Both are over by now.
        FaultKind::Delay(_) | FaultKind::ExpiredToken => Ok(whole(ordinary(site, asked).await)),
        FaultKind::Portal => Ok(whole(Answer::new(200, "text/html; charset=utf-8", PORTAL))),
        FaultKind::Foreign(cloud) => foreign(site, cloud, asked).await.map(whole),
        FaultKind::ContentType(media) => {
            let mut answer = ordinary(site, asked).await;
            answer.headers.retain(|(name, _)| *name != "content-type");
            Ok(whole(answer.with("content-type", media)))
        }
        FaultKind::ExtraHeader { name, value } => Ok(whole(ordinary(site, asked).await.with(name, value))),
        FaultKind::WithoutHeader(which) => {
            let mut answer = ordinary(site, asked).await;
            answer.headers.retain(|(name, _)| which.as_ref().is_some_and(|which| name != which));
            Ok(whole(answer))
        }
        FaultKind::DuplicateHeaders => {
            let mut answer = ordinary(site, asked).await;
            let again = answer.headers.clone();
            answer.headers.extend(again);
            Ok(whole(answer))
        }
        FaultKind::Status { code, retry_after, body } => Ok(whole(status(site, code, retry_after, body))),
        FaultKind::Redirect(location) => {
            Ok(whole(Answer::new(302, "text/html", "<html>Found</html>\n").with("location", location)))
        }
        FaultKind::BadJson => {
            Ok(whole(imitation(site, Bytes::from_static(b"{\"instanceId\": \"i-0fed\", \"compute\": {\"vm"))))
        }
        FaultKind::DeepJson(depth) => {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            Ok(whole(imitation(site, text.into())))
        }
        FaultKind::Binary => {
            let bytes: Vec<u8> = (0_u8..=255).rev().cycle().take(1024).collect();
            Ok(whole(imitation(site, bytes.into())))
        }
        FaultKind::Empty => Ok(whole(imitation(site, Bytes::new()))),
    }
}

/// What another cloud's machine answers to this; a long poll ends at once.
async fn foreign(site: &Site, cloud: Cloud, mut asked: Asked) -> Result<Answer, Abandoned> {
    asked.wait_over = true;
    let outcome = {
        let mut foreigners = lock(&site.foreigners);
        let service = match foreigners.entry(cloud) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Scenario::parse(cloud.name()).map_err(|_| Abandoned)?.into_parts().2)
            }
        };
        service.answer(&asked)
    };
    match outcome {
        Outcome::Answer(answer) => Ok(answer),
        Outcome::Silence => match std::future::pending::<Infallible>().await {},
        Outcome::Wait { .. } => Err(Abandoned),
    }
}

/// Status 200 with the headers of this host's good answers, but another body.
fn imitation(site: &Site, body: Bytes) -> Answer {
    match &site.host {
        Host::Service(service) => lock(service).imitation(body),
        Host::Stranger(_) => Answer::new(200, "text/html", body),
    }
}

fn status(site: &Site, code: u16, retry_after: Option<u64>, body: Option<String>) -> Answer {
    let mut answer = match &site.host {
        Host::Service(service) => lock(service).error(code),
        Host::Stranger(_) => Answer::new(code, "text/html", format!("<html>{code}</html>\n")),
    };
    if let Some(body) = body {
        answer.body = body.into();
    }
    match retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

fn whole(answer: Answer) -> Response<Payload> {
    response(answer, Payload::whole)
}

fn response(answer: Answer, payload: impl FnOnce(Bytes) -> Payload) -> Response<Payload> {
    let mut response = Response::new(payload(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        {
            response.headers_mut().append(name, value);
        }
    }
    response
}
