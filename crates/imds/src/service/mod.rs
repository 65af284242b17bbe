//! One cloud's service: its headers, tokens, versions and errors on top of the transport.
//!
//! | module | holds |
//! |---|---|
//! | [`token`] | session tokens: kept, renewed before expiry, one renewal for all |
//! | [`version`] | versions in the query, negotiated once |
//! | `impression` | what answers say of the service beside what was asked, for the doctor |
//! | [`failure`] | from statuses and failures to typed errors |
//! | [`host`] | a service that the host keeps to itself, and the way through systemd-imdsd |

mod faces;
mod failure;
mod host;
#[cfg(feature = "doctor")]
mod impression;
mod token;
mod version;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use imds_model::{CloudName, Error, ErrorKind};

use crate::clouds::description::{Description, Document, Service as Protocol, Version as VersionProtocol};
use crate::config::Config;
use crate::imdsd::Imdsd;
use crate::machine::Machine;
use crate::observer::Observed;
use crate::secrets::Path;
use crate::transport::exchange::outcome_of;
use crate::transport::retry::{self, Again, Circumstances, Ending};
use crate::transport::{Answer, Deadline, Exchange, Failure, Request};

use faces::Faces;
pub(crate) use failure::ending_of;
#[cfg(feature = "doctor")]
pub(crate) use impression::TokenFate;
use token::{Pass, Tokens};
use version::Versions;
pub(crate) use version::is_plausible as is_plausible_version;

/// A machine that started less than this ago may not be fully described yet.
const YOUNG: Duration = Duration::from_secs(300);
/// How often a request is made again after the service refused its token.
const RENEWALS: u32 = 2;

/// What a service may do, beyond its description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permissions {
    /// Whether requests without a token may be tried (IMDSv1).
    pub(crate) tokenless: bool,
    /// How many tries a request has in all.
    pub(crate) tries: u32,
    /// How long a token may be waited for.
    pub(crate) token_time: Duration,
}

/// What is special about a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// JSON that is sent, by `POST`.
    pub(crate) body: Option<Bytes>,
    /// How long an answer may take, where that isn't what answers usually take.
    pub(crate) time: Option<Duration>,
}

/// A client of one cloud's metadata service.
#[derive(Debug)]
pub(crate) struct Service {
    description: &'static Description,
    protocol: &'static Protocol,
    cloud: CloudName,
    exchange: Arc<Exchange>,
    tokens: Arc<Tokens>,
    versions: Versions,
    permissions: Permissions,
    machine: Machine,
    imdsd: Arc<Imdsd>,
    through_imdsd: AtomicBool,
    warnings: Mutex<Vec<String>>,
    recognised: AtomicBool,
    rest: Mutex<Option<Duration>>,
    faces: Arc<Faces>,
    #[cfg(feature = "doctor")]
    impression: Mutex<impression::Impression>,
}

impl Service {
    pub(crate) fn new(
        description: &'static Description,
        protocol: &'static Protocol,
        exchange: Arc<Exchange>,
        permissions: Permissions,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            description,
            protocol,
            cloud: crate::clouds::cloud_name(description),
            exchange,
            tokens: Arc::default(),
            versions: Versions::new(config.api_version.clone()),
            permissions,
            machine: config.machine.clone(),
            imdsd: Arc::new(Imdsd::at(&config.imdsd)),
            through_imdsd: AtomicBool::new(false),
            warnings: Mutex::default(),
            recognised: AtomicBool::new(false),
            rest: Mutex::default(),
            faces: Arc::default(),
            #[cfg(feature = "doctor")]
            impression: Mutex::default(),
        })
    }

    /// The same service over the same connections, with other permissions. A token that was got is kept; that none
    /// could be got under the old permissions says nothing.
    pub(crate) fn with_permissions(&self, permissions: Permissions) -> Arc<Self> {
        Arc::new(Self {
            description: self.description,
            protocol: self.protocol,
            cloud: self.cloud.clone(),
            exchange: Arc::clone(&self.exchange),
            tokens: if self.tokens.is_spoken_with_token() {
                Arc::clone(&self.tokens)
            } else {
                Arc::default()
            },
            versions: self.versions.clone(),
            permissions,
            machine: self.machine.clone(),
            imdsd: Arc::clone(&self.imdsd),
            through_imdsd: AtomicBool::new(self.is_asked_through_imdsd()),
            warnings: Mutex::default(),
            recognised: AtomicBool::new(self.is_recognised()),
            rest: Mutex::default(),
            faces: Arc::clone(&self.faces),
            #[cfg(feature = "doctor")]
            impression: Mutex::default(),
        })
    }

    /// How many requests were sent so far.
    pub(crate) fn requests(&self) -> u32 {
        self.exchange.requests()
    }

    /// The cloud.
    pub(crate) fn cloud(&self) -> &CloudName {
        &self.cloud
    }

    /// Its description.
    pub(crate) fn description(&self) -> &'static Description {
        self.description
    }

    /// Whether it is asked at the cloud's own address, and not at an endpoint that was given.
    pub(crate) fn is_at_home(&self) -> bool {
        let own = [&self.protocol.ipv4, &self.protocol.ipv6];
        self.exchange.endpoint().addresses().iter().any(|address| {
            own.iter().any(|text| text.as_ref().and_then(|text| text.parse().ok()) == Some(address.ip()))
        })
    }

    /// Whether an answer, even a refusal, carried the `Server` header of this cloud.
    pub(crate) fn is_recognised(&self) -> bool {
        self.recognised.load(Ordering::Relaxed)
    }

    /// Whether something that only this cloud's service says was seen in its answers: a token, a header. Without it, plain
    /// words may come from anybody.
    pub(crate) fn has_shown_itself(&self) -> bool {
        let token_is_a_mark =
            self.protocol.token.as_ref().is_some_and(|token| token.echoes_ttl || token.at.is_some());
        self.protocol.reply_headers.iter().next().is_some()
            || self.is_recognised()
            || (token_is_a_mark && self.tokens.is_spoken_with_token())
    }

    /// Whether it has marks by which it could show itself.
    pub(crate) fn has_marks(&self) -> bool {
        self.protocol.server.is_some() || self.protocol.reply_headers.iter().next().is_some()
    }

    /// Whether it has parts that can be switched off one by one.
    pub(crate) fn has_faces(&self) -> bool {
        !self.protocol.faces.is_empty()
    }

    fn look_at_server(&self, answer: &Answer) {
        if let Some(server) = &self.protocol.server
            && answer.header("server").is_some_and(|sent| sent.starts_with(&**server))
        {
            self.recognised.store(true, Ordering::Relaxed);
        }
    }

    /// How long the service wanted to be left alone when it last said so.
    pub(crate) fn rest(&self) -> Option<Duration> {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pause that an answer asks for.
    fn pause_asked_for(&self, answer: Option<&Answer>) -> Option<Duration> {
        let pause = failure::retry_after(answer)?;
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(pause);
        Some(pause)
    }

    /// How the service was spoken to: the token protocol or the negotiated version.
    pub(crate) fn spoken(&self) -> Option<String> {
        match (&self.protocol.token, &self.protocol.version) {
            (Some(token), _) => self.tokens.spoken(token).map(str::to_owned),
            (None, Some(version)) => {
                Some(format!("{} {}", &*version.parameter, self.versions.current(version)))
            }
            (None, None) => None,
        }
    }

    /// What the user should hear about the way the service was asked.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn warn(&self, warning: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            tracing::debug!("{warning}");
            warnings.push(warning);
        }
    }

    /// Reads a document: `path` is the document's own or one below it.
    ///
    /// # Errors
    /// As [`failure`] maps statuses and failures; [`ErrorKind::Absent`] also where the service's version is too old for
    /// the document.
    pub(crate) async fn get(
        &self,
        path: &str,
        document: &Document,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let circumstances = Circumstances {
            gone_is_temporary: self.protocol.gone_is_temporary,
            may_come_late: document.late && self.is_young(),
        };
        let mut negotiated = false;
        loop {
            let mut asked = path.to_owned();
            let mut version = None;
            if let Some(versions) = &self.protocol.version {
                let current = self.versions.current(versions);
                if document.since.as_ref().is_some_and(|since| **since > *current) {
                    return Err(self.absent(
                        path,
                        &format!(
                            "this service is older than {}",
                            document.since.as_deref().unwrap_or_default()
                        ),
                    ));
                }
                asked = version::with_version(path, &versions.parameter, &current);
                version = Some((versions, current));
            }
            let answer = self.ask(&asked, path, circumstances, deadline).await?;
            match version {
                Some((versions, current)) if answer.status.as_u16() == 400 && !negotiated => {
                    negotiated = true;
                    if !self.versions.negotiate(versions, &current, &answer.body) {
                        return Err(self.refused_version(versions, path, &answer));
                    }
                }
                _ if answer.status.is_success() => {
                    if let Some(face) = self.face_of(path) {
                        self.faces.answer(face);
                    }
                    return self.checked(path, answer);
                }
                _ => return Err(self.refusal(path, &answer)),
            }
        }
    }

    /// Asks for any path as it is, with everything the cloud wants of a request; for `raw`.
    pub(crate) async fn get_raw(&self, path: &str, deadline: Deadline) -> Result<Answer, Error> {
        self.call(path, &Call::default(), deadline).await
    }

    /// The same, for a request that isn't like all others.
    pub(crate) async fn call(&self, path: &str, call: &Call, deadline: Deadline) -> Result<Answer, Error> {
        let circumstances =
            Circumstances { gone_is_temporary: self.protocol.gone_is_temporary, may_come_late: false };
        let mut asked = path.to_owned();
        if let Some(versions) = &self.protocol.version
            && !version::has_version(path, &versions.parameter)
        {
            let current = self.versions.current(versions);
            asked = version::with_version(path, &versions.parameter, &current);
            let answer = self.send(call, &asked, path, circumstances, deadline).await?;
            if answer.status.as_u16() != 400 {
                return self.successful(path, answer);
            }
            if !self.versions.negotiate(versions, &current, &answer.body) {
                return Err(self.refused_version(versions, path, &answer));
            }
            asked = version::with_version(path, &versions.parameter, &self.versions.current(versions));
        }
        let answer = self.send(call, &asked, path, circumstances, deadline).await?;
        self.successful(path, answer)
    }

    /// An error for a 400 after which no other version is tried.
    fn refused_version(&self, versions: &VersionProtocol, path: &str, answer: &Answer) -> Error {
        let refused = self.versions.refused(versions, &answer.body);
        refused.map_or_else(|| self.refusal(path, answer), |error| error.with_cloud(&self.cloud))
    }

    fn successful(&self, path: &str, answer: Answer) -> Result<Answer, Error> {
        if answer.status.is_success() { self.checked(path, answer) } else { Err(self.refusal(path, &answer)) }
    }

    /// Asks until there is an answer that won't change by asking again. `path` is what messages show.
    async fn ask(
        &self,
        asked: &str,
        path: &str,
        circumstances: Circumstances,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        self.send(&Call::default(), asked, path, circumstances, deadline).await
    }

    /// Sends it to the service itself, however often the retry table has it.
    async fn send_directly(
        &self,
        call: &Call,
        asked: &str,
        path: &str,
        circumstances: Circumstances,
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let mut deadline = deadline;
        let mut tries = 0;
        let mut renewals = 0;
        let mut refused: Option<Answer> = None;
        loop {
            let pass = self.pass(deadline).await?;
            let mut request = Request::get(asked);
            request.headers = self.headers(&pass)?;
            if let Some(body) = &call.body {
                request.method = Method::POST;
                request.body = body.clone();
                request.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
            }
            request.read_time = call.time.unwrap_or(request.read_time);
            request.privileged = !self.protocol.privileged.is_empty()
                && Path::parse(path).is_ok_and(|path| path.is_any_of(&self.protocol.privileged));
            // Who gives a token more time than usual finds the service slow.
            if self.protocol.token.is_some() {
                request.read_time = request.read_time.max(self.permissions.token_time);
            }
            let mut outcome = self.sent(&request, deadline).await;
            // What the service said before says more than that there was no time to ask again.
            if let Err(Failure::NoAnswer(patience)) = outcome
                && patience < request.read_time
                && let Some(before) = refused.take()
            {
                outcome = Ok(before);
            }
            if let Ok(answer) = &outcome {
                self.look_at_server(answer);
            }
            if let Ok(answer) = &outcome
                && answer.status.as_u16() == 401
            {
                match &pass {
                    Pass::Token { generation, .. } if renewals < RENEWALS => {
                        tracing::debug!(path, "the token was refused; getting another");
                        renewals += 1;
                        self.tokens.drop_token(*generation, deadline).await;
                        continue;
                    }
                    Pass::Without { why } => return Err(why.clone()),
                    Pass::Token { .. } | Pass::None => {}
                }
            }
            if let (Ok(answer), Pass::Without { why }) = (&outcome, &pass)
                && answer.status.is_success()
                && let Some(token) = self.protocol.token.as_ref().filter(|token| !token.optional)
                && let Some(name) = token.without.as_deref()
            {
                self.warn(format!("{name} is used, because {why}"));
            }
            tries += 1;
            let ending = match &outcome {
                Ok(answer) => Ending::Status(answer.status.as_u16()),
                Err(failure) => ending_of(failure),
            };
            match retry::again(ending, circumstances) {
                Again::Yes if tries < self.permissions.tries => {}
                Again::UntilDeadline => deadline = deadline.when_gone(),
                Again::Yes | Again::No => return outcome.map_err(|failure| self.error_of(path, failure)),
            }
            let pause = self
                .pause_asked_for(outcome.as_ref().ok())
                .unwrap_or_else(|| retry::pause(tries, fastrand::f64()));
            if pause >= deadline.left() {
                return outcome.map_err(|failure| self.error_of(path, failure));
            }
            tracing::debug!(path, ?ending, ?pause, "trying again");
            if let Some(observer) = self.exchange.observer() {
                observer.retried(&self.cloud);
            }
            refused = outcome.ok();
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends one request, and tells the observer how that ended.
    async fn sent(&self, request: &Request<'_>, deadline: Deadline) -> Result<Answer, Failure> {
        let started = Instant::now();
        let outcome = self.exchange.send(request, deadline).await;
        #[cfg(feature = "doctor")]
        self.take_in(&outcome);
        if let Some(observer) = self.exchange.observer() {
            observer.requested(&Observed::new(&self.cloud, outcome_of(&outcome), started.elapsed()));
        }
        outcome
    }

    fn headers(&self, pass: &Pass) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
        let mut headers = Vec::new();
        for (name, value) in self.protocol.headers.iter() {
            headers.push((self.header_name(name)?, self.header_value(value)?));
        }
        if let (Pass::Token { token, .. }, Some(protocol)) = (pass, &self.protocol.token) {
            let mut value = self.header_value(&format!("{}{}", &*protocol.scheme, token.reveal()))?;
            value.set_sensitive(true);
            headers.push((self.header_name(&protocol.header)?, value));
        }
        Ok(headers)
    }

    fn header_name(&self, name: &str) -> Result<HeaderName, Error> {
        name.parse().map_err(|error: hyper::header::InvalidHeaderName| {
            Error::new(ErrorKind::Usage, format!("{name:?} is no header name"))
                .with_cloud(&self.cloud)
                .with_source(error)
        })
    }

    /// The value itself isn't told: it may be a token.
    fn header_value(&self, value: &str) -> Result<HeaderValue, Error> {
        value.parse().map_err(|_| {
            Error::new(ErrorKind::Malformed, "a header's value can't be sent").with_cloud(&self.cloud)
        })
    }

    fn is_young(&self) -> bool {
        let uptime = self.machine.files().read("/proc/uptime").ok();
        let seconds = uptime
            .and_then(|content| String::from_utf8(content).ok())
            .and_then(|content| content.split_whitespace().next()?.parse::<f64>().ok());
        seconds.is_some_and(|seconds| seconds < YOUNG.as_secs_f64())
    }
}
