//! Session tokens: kept, renewed before they expire, one renewal for all who wait.
//!
//! | how the `PUT` ends | what follows |
//! |---|---|
//! | 200 with a token and its life | it is used |
//! | 200 with anything else | malformed: whoever answers isn't this service |
//! | 403 | the service is disabled: the end |
//! | the connection stands, no answer within a second | requests without a token, where permitted; else "hop limit suspected" |
//! | another definite refusal (400, 404, 405, …) | requests without a token, where permitted |
//! | 429, 5xx, no connection, reset | tried again by the retry table, then the error |

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use imds_model::{Error, ErrorKind};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Service, ending_of};
use crate::clouds::description::Token as Protocol;
use crate::fetch::documents::{lookup, scalar};
use crate::transport::retry::{self, Again, Circumstances, Ending};
use crate::transport::secret::Secret;
use crate::transport::{Answer, Deadline, Failure, Request};

const TOKEN_LIMIT: usize = 4 * 1024;
/// A token is renewed this long before it expires, or in the last tenth of a short life.
const EARLY: Duration = Duration::from_secs(120);
/// How long it is remembered that a token can't be had.
const WITHOUT: Duration = Duration::from_secs(300);
/// How long a failure serves those who waited for the same attempt.
const SHARED: Duration = Duration::from_millis(500);
/// Whoever holds the lock keeps to a deadline of its own; waiting a little beyond the own one gets its better error.
const GRACE: Duration = Duration::from_millis(200);

/// What a request shows to be let in.
#[derive(Debug)]
pub(super) enum Pass {
    /// This service wants none.
    None,
    /// A session token.
    Token { token: Secret, generation: u64 },
    /// None, because none can be had; `why` is the error if the service then refuses the request.
    Without { why: Error },
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Empty,
    Held {
        token: Secret,
        renew_at: Instant,
    },
    /// None can be had. Those who waited for the same attempt share its result.
    NotToBeHad {
        why: Error,
        until: Instant,
    },
    /// It couldn't be asked for.
    Failed {
        why: Error,
        until: Instant,
    },
}

/// The token of one service.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// Held while a token is got, so that all who wait share one renewal.
    state: Mutex<(u64, State)>,
    spoken: AtomicU8,
}

const WITH_TOKEN: u8 = 1;
const WITHOUT_TOKEN: u8 = 2;

impl Tokens {
    /// Forgets the token of this generation; a newer one stays. Whoever holds the lock is getting a newer one, and may
    /// take longer over it than this deadline has left.
    pub(super) async fn drop_token(&self, generation: u64, deadline: Deadline) {
        let Ok(mut state) = tokio::time::timeout(deadline.left(), self.state.lock()).await else { return };
        if state.0 == generation {
            state.1 = State::Empty;
        }
    }

    /// Whether the last request that needed it had a token.
    pub(super) fn is_spoken_with_token(&self) -> bool {
        self.spoken.load(Ordering::Relaxed) == WITH_TOKEN
    }

    /// Which protocol was spoken last.
    pub(super) fn spoken<'a>(&self, protocol: &'a Protocol) -> Option<&'a str> {
        match self.spoken.load(Ordering::Relaxed) {
            WITH_TOKEN => Some(&protocol.name),
            WITHOUT_TOKEN => protocol.without.as_deref(),
            _ => None,
        }
    }
}

impl Service {
    /// What the next request shows to be let in.
    pub(super) async fn pass(&self, deadline: Deadline) -> Result<Pass, Error> {
        let Some(protocol) = &self.protocol.token else { return Ok(Pass::None) };
        let mut state = tokio::time::timeout(deadline.left() + GRACE, self.tokens.state.lock())
            .await
            .map_err(|_| self.error_of(&protocol.path, Failure::NoAnswer(Duration::ZERO)))?;
        let now = Instant::now();
        match &state.1 {
            State::Held { token, renew_at } if now < *renew_at => {
                return Ok(Pass::Token { token: token.clone(), generation: state.0 });
            }
            State::NotToBeHad { why, until } if now < *until => return self.without(protocol, why.clone()),
            State::Failed { why, until } if now < *until => return Err(why.clone()),
            _ => {}
        }
        match self.request_token(protocol, deadline).await {
            Ok(Reply::Token(token, life)) => {
                let generation = state.0 + 1;
                let early = EARLY.min(life / 10);
                *state = (
                    generation,
                    State::Held { token: token.clone(), renew_at: now + life.saturating_sub(early) },
                );
                self.tokens.spoken.store(WITH_TOKEN, Ordering::Relaxed);
                Ok(Pass::Token { token, generation })
            }
            Ok(Reply::NotToBeHad(why)) => {
                // Only where requests are answered without it, nothing is lost by not asking again soon.
                let again_after = if self.does_without(protocol) { WITHOUT } else { SHARED };
                state.1 = State::NotToBeHad { why: why.clone(), until: Instant::now() + again_after };
                self.without(protocol, why)
            }
            Err(why) => {
                state.1 = State::Failed { why: why.clone(), until: Instant::now() + SHARED };
                Err(why)
            }
        }
    }

    /// No token can be had: the request is made without, where that is permitted.
    fn without(&self, protocol: &Protocol, why: Error) -> Result<Pass, Error> {
        if !self.does_without(protocol) {
            return Err(why);
        }
        self.tokens.spoken.store(WITHOUT_TOKEN, Ordering::Relaxed);
        Ok(Pass::Without { why })
    }

    fn does_without(&self, protocol: &Protocol) -> bool {
        self.permissions.tokenless && protocol.without.is_some()
    }

    async fn request_token(&self, protocol: &Protocol, deadline: Deadline) -> Result<Reply, Error> {
        let path = &*protocol.path;
        let mut tries = 0;
        loop {
            let mut request = Request::get(path);
            request.method = Method::PUT;
            request.limit = TOKEN_LIMIT;
            request.read_time = self.permissions.token_time;
            request.headers = self.headers(&Pass::None)?;
            if let Some(name) = &protocol.ttl_header {
                request.headers.push((self.header_name(name)?, protocol.ttl.into()));
            }
            if let Some(body) = &protocol.body {
                request.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
                request.body = body.replace("{ttl}", &protocol.ttl.to_string()).into();
            }
            let outcome = self.sent(&request, deadline).await;
            if let Ok(answer) = &outcome {
                self.look_at_server(answer);
            }
            tries += 1;
            let ending = match &outcome {
                Ok(answer) if answer.status.is_success() => {
                    return self.token_of(protocol, answer).map(|(token, life)| Reply::Token(token, life));
                }
                Ok(answer) => Ending::Status(answer.status.as_u16()),
                Err(failure) => ending_of(failure),
            };
            let pause = self
                .pause_asked_for(outcome.as_ref().ok())
                .unwrap_or_else(|| retry::pause(tries, fastrand::f64()));
            let again = retry::again(ending, Circumstances::default()) == Again::Yes;
            if again && tries < self.permissions.tries && pause < deadline.left() {
                tracing::debug!(path, ?ending, ?pause, "trying again");
                tokio::time::sleep(pause).await;
                continue;
            }
            return match outcome {
                Ok(answer) if again || answer.status.as_u16() == 403 => Err(self.refusal(path, &answer)),
                // Whatever else it says, it doesn't give tokens; a GET will tell whether it is the right service.
                Ok(answer) => Ok(Reply::NotToBeHad(self.refused_token(path, &answer))),
                Err(Failure::NoAnswer(time)) => Ok(Reply::NotToBeHad(self.unanswered(protocol, time))),
                Err(failure) => Err(self.error_of(path, failure)),
            };
        }
    }

    fn refused_token(&self, path: &str, answer: &Answer) -> Error {
        Error::new(
            ErrorKind::Unauthorized,
            format!("the service gives no token ({})", answer.status.as_u16()),
        )
        .with_cloud(&self.cloud)
        .with_path(path)
        .with_remedy("is something between this machine and the service that knows no PUT?")
    }

    fn unanswered(&self, protocol: &Protocol, time: Duration) -> Error {
        let message = format!(
            "the connection stands, but no token came within {}s",
            (time.as_millis() as f64) / 1000.0
        );
        let error =
            Error::new(ErrorKind::HopLimit, message).with_cloud(&self.cloud).with_path(&*protocol.path);
        let remedy = protocol.when_unanswered.as_deref();
        error.with_remedy(
            remedy
                .unwrap_or("the reply may be lost on the way into a container; use the host's network")
                .to_owned(),
        )
    }

    /// The token and how long it lives. Where the service says that of every token, a reply without it comes from
    /// somebody else: from a page that answers 200 to everything, say. Nothing of the body is told in an error: it could be
    /// a token all the same.
    fn token_of(&self, protocol: &Protocol, answer: &Answer) -> Result<(Secret, Duration), Error> {
        let no_token = || self.malformed(&protocol.path, "the answer is no token");
        let (text, life) = match &protocol.at {
            Some(at) => {
                let reply: serde_json::Value =
                    serde_json::from_slice(&answer.body).map_err(|_| no_token())?;
                let life = protocol.life_at.as_ref().and_then(|at| scalar_at(&reply, at));
                (scalar_at(&reply, at).unwrap_or_default(), life)
            }
            None => {
                let text = std::str::from_utf8(&answer.body).map_err(|_| no_token())?;
                let header = protocol.ttl_header.as_ref().and_then(|header| answer.header(header));
                (text.trim().to_owned(), header.map(str::to_owned))
            }
        };
        if text.is_empty() || text.starts_with('<') || !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(no_token());
        }
        let life = life.and_then(|life| life.trim().parse::<u32>().ok());
        let life = match (life, &protocol.ttl_header) {
            (None, Some(header)) if protocol.echoes_ttl => {
                return Err(self.malformed(&protocol.path, format!("the answer doesn't say {}", &**header)));
            }
            (life, _) => life.unwrap_or(protocol.ttl).min(protocol.ttl),
        };
        Ok((Secret::new(text), Duration::from_secs(life.into())))
    }
}

fn scalar_at(reply: &serde_json::Value, pointer: &str) -> Option<String> {
    lookup(reply, pointer).first().and_then(|(value, _)| scalar(value))
}

enum Reply {
    Token(Secret, Duration),
    NotToBeHad(Error),
}
