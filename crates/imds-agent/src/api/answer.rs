//! From a request to its answer.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode, Uri};
use imds::model::metadata::Document;
use imds::model::{Class, Outcome, Reading};
use imds::{Error, Field, Metadata, Selector};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::negotiation::{has_already, wants_json};
use super::rendered::Rendered;
use super::{Access, Announced, Caller, Refusal, Route, Watch};
use crate::store::View;

/// The interface, written down for programs (OpenAPI 3.1).
/// Packed, since few ask for it: unpacked once, when the first does.
pub static OPENAPI: LazyLock<String> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.deflate"));
    let unpacked = miniz_oxide::inflate::decompress_to_vec(packed).unwrap_or_default();
    String::from_utf8(unpacked).unwrap_or_default()
});

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// When to ask again where nothing better is known.
const LATER: Duration = Duration::from_secs(1);

/// What is asked, without its body: a request has none.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// All of it at once.
    Whole(Response<Bytes>),
    /// A stream: its head, and what fills it.
    Stream(Response<()>, Box<Watch>),
}

impl Reply {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Whole(response) => response.status(),
            Self::Stream(response, _) => response.status(),
        }
    }
}

/// The interface, with the rules that hold for its callers.
#[derive(Clone, Debug)]
pub struct Api {
    access: Access,
    /// Another one for each start and each set of rules, so that a tag or an event's id of an earlier one is never taken for
    /// one of this.
    era: String,
    rendered: Arc<Rendered>,
}

impl Api {
    /// An interface with these rules.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self { access, era: format!("{:016x}", fastrand::u64(..)), rendered: Arc::default() }
    }

    /// Answers a request by what is known. The name of its route, one of [`route::NAMES`](super::route::NAMES), is for
    /// metrics.
    #[must_use]
    pub fn answer(
        &self,
        request: &Request<'_>,
        caller: &Caller,
        view: &Arc<View>,
        events: &Arc<Announced>,
    ) -> (&'static str, Reply) {
        let route = Route::parse(request.uri.path());
        let name = route.as_ref().map_or("other", Route::name);
        let reply = self.reply(route, request, caller, view, events);
        (name, reply.unwrap_or_else(|refusal| Reply::Whole(refused(request.method, &refusal, false))))
    }

    fn reply(
        &self,
        route: Result<Route, Refusal>,
        request: &Request<'_>,
        caller: &Caller,
        view: &Arc<View>,
        events: &Arc<Announced>,
    ) -> Result<Reply, Refusal> {
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Refusal::method());
        }
        let route = route?;
        if request.uri.query().is_some() {
            return Err(Refusal::bad_request("no path here takes a query"));
        }
        let must_see = |class: Class, what: &str| match self.access.permits(class, caller) {
            true => Ok(()),
            false => Err(Refusal::denied(what)),
        };
        let page = match &route {
            Route::Metadata => self.metadata(caller, view)?,
            Route::Value(selector) => {
                must_see(selector.field().class(), selector.field().name())?;
                value(selector, request, view)?
            }
            Route::Verdict => {
                must_see(Class::Public, "the verdict")?;
                let evidence = self.access.permits(Class::Private, caller);
                verdict(view, evidence).ok_or_else(|| not_ready(view))?
            }
            Route::Events => {
                must_see(Class::Private, "events")?;
                Page::json(&json!({ "events": events.standing }))?
            }
            Route::Watch => return Ok(self.watch(request, caller)),
            Route::OpenApi => Page::new(JSON, OPENAPI.as_str()),
            Route::Health => Page::new(TEXT, "ok\n"),
            Route::Readiness => {
                let page = Page::json(&readiness(view, self.access.permits(Class::Private, caller)))?;
                match view.metadata {
                    Some(_) => page,
                    None => Page {
                        status: StatusCode::SERVICE_UNAVAILABLE,
                        retry_after: Some(retry(view)),
                        ..page
                    },
                }
            }
        };
        let tag = page.by_revision.map(|form| format!("W/\"{}-{}{form}\"", self.era, view.revision));
        Ok(Reply::Whole(page.response(request, tag.as_deref())))
    }

    fn metadata(&self, caller: &Caller, view: &View) -> Result<Page, Refusal> {
        let permits = |class| self.access.permits(class, caller);
        let classes = (permits(Class::Public), permits(Class::Private));
        if classes == (false, false) {
            return Err(Refusal::denied("the metadata"));
        }
        let metadata = known(view)?;
        let shown = self.rendered.body(classes, metadata, || {
            let (seen, denied) = self.access.split(caller);
            Shown::of(&Metadata::clone(metadata).only(&seen), &denied, view.now())
        })?;
        Ok(Page { by_revision: Some('j'), ..Page::new(JSON, shown) })
    }

    fn watch(&self, request: &Request<'_>, caller: &Caller) -> Reply {
        let (seen, denied) = self.access.split(caller);
        let last = request.headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let events = self.access.permits(Class::Private, caller);
        let mut response = Response::new(());
        common_headers(response.headers_mut(), "text/event-stream");
        if request.method == Method::HEAD {
            return Reply::Whole(response.map(|()| Bytes::new()));
        }
        Reply::Stream(response, Box::new(Watch::new(self.era.clone(), seen, denied, events, last)))
    }
}

/// The snapshot, or why there is none.
fn known(view: &View) -> Result<&Arc<Metadata>, Refusal> {
    view.metadata.as_ref().ok_or_else(|| not_ready(view))
}

fn not_ready(view: &View) -> Refusal {
    match view.verdict.as_deref().map(|verdict| &verdict.outcome) {
        Some(Outcome::None) => Refusal::no_cloud(),
        _ => Refusal::not_ready(retry(view)),
    }
}

/// The time until the service will be asked again.
fn retry(view: &View) -> Duration {
    let next = view.status.next_try.and_then(|next| next.duration_since(view.now()).ok());
    next.unwrap_or(LATER).max(LATER)
}

/// The snapshot's stable JSON form, and what of it the caller may not see.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(flatten)]
    document: Document<'a>,
    #[serde(skip_serializing_if = "<[Field]>::is_empty")]
    denied: &'a [Field],
    /// What can be done about fields that are absent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    remedies: BTreeMap<&'static str, &'a str>,
}

impl<'a> Shown<'a> {
    pub(crate) fn of(
        metadata: &'a Metadata,
        denied: &'a [Field],
        now: SystemTime,
    ) -> Result<String, Refusal> {
        let remedies = metadata.readings().filter_map(|(field, reading)| match reading {
            Reading::Absent { remedy } => Some((field.name(), remedy.as_deref()?)),
            _ => None,
        });
        json_text(&Self { document: metadata.document(true).at(now), denied, remedies: remedies.collect() })
    }
}

/// Nothing that is answered lacks a JSON form; if something ever did, that would be said and not hidden.
fn json_text(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|error| {
        Refusal::of(&Error::new(imds::ErrorKind::Internal, "the answer has no JSON form").with_source(error))
    })
}

fn value(selector: &Selector, request: &Request<'_>, view: &View) -> Result<Page, Refusal> {
    let metadata = known(view)?;
    let text = metadata.select(selector).map_err(|error| Refusal::of(&error))?;
    let Some(Reading::Known { value, source, read_at, trouble }) = metadata.reading(selector.field()) else {
        return Err(Refusal::of(&Error::new(imds::ErrorKind::Internal, "a value without a reading")));
    };
    let age = view.age_of(*read_at).as_secs();
    if !wants_json(request.headers) {
        let stale_age = trouble.as_ref().map(|_| age);
        return Ok(Page { by_revision: Some('t'), stale_age, ..Page::new(TEXT, text) });
    }
    let value = match selector {
        Selector::Field(_) => serde_json::to_value(value).unwrap_or_default(),
        Selector::Tag(_) => Json::String(text),
        // Members of lists are text, numbers or further JSON; `select` gave the text of them.
        _ => part(value, selector).unwrap_or(Json::String(text)),
    };
    let mut body = json!({
        "field": selector.to_string(),
        "value": value,
        "source": source.to_string(),
        "age_seconds": age,
        "stale": trouble.is_some(),
    });
    if let (Some(trouble), Some(members)) = (trouble, body.as_object_mut()) {
        members.insert("error".to_owned(), serde_json::to_value(trouble).unwrap_or_default());
    }
    Ok(Page { by_revision: Some('j'), ..Page::json(&body)? })
}

/// The part of a list that a selector means.
fn part(value: &imds::Value, selector: &Selector) -> Option<Json> {
    let Selector::Item { index, member, entry, .. } = selector else { return None };
    let mut part = serde_json::to_value(value).ok()?.get(*index)?.clone();
    if let Some(member) = member {
        part = part.get(member)?.clone();
    }
    if let Some(entry) = entry {
        part = part.get(*entry)?.clone();
    }
    Some(part)
}

/// The verdict; its evidence may name the machine, and is only for those who may see private fields.
fn verdict(view: &View, evidence: bool) -> Option<Page> {
    let mut body = serde_json::to_value(&**view.verdict.as_ref()?).ok()?;
    if !evidence && let Some(members) = body.as_object_mut() {
        members.insert("evidence".to_owned(), json!([]));
        members.insert("denied".to_owned(), json!(["evidence"]));
    }
    Some(Page { by_revision: Some('j'), ..Page::new(JSON, body.to_string()) })
}

/// How things stand. Why the service couldn't be asked may name the machine (a path with a MAC address in it).
fn readiness(view: &View, details: bool) -> Json {
    let status = &view.status;
    let ago = |time: Option<SystemTime>| time.map(|time| view.age_of(time).as_secs());
    let mut body = json!({
        "ready": view.metadata.is_some(),
        "stale": view.metadata.as_ref().is_some_and(|metadata| metadata.is_stale()),
        "revision": view.revision,
        "failures": status.failures,
        "from_state": status.from_state,
        "last_success_seconds_ago": ago(status.last_success),
        "last_try_seconds_ago": ago(status.last_try),
        "next_try_in_seconds": status.next_try.map(|_| retry(view).as_secs()),
    });
    if let (Some(error), Some(members)) = (&status.last_error, body.as_object_mut()) {
        let told = match details {
            true => serde_json::to_value(error).unwrap_or_default(),
            false => json!({ "kind": error.kind(), "message": "the service couldn't be asked" }),
        };
        members.insert("last_error".to_owned(), told);
    }
    body
}

/// An answer before it is a response.
#[derive(Debug)]
struct Page {
    status: StatusCode,
    kind: &'static str,
    body: Bytes,
    /// Whether it changes with nothing but the revision, and in which of two forms it is.
    by_revision: Option<char>,
    stale_age: Option<u64>,
    retry_after: Option<Duration>,
}

impl Page {
    fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { status: StatusCode::OK, kind, body, by_revision: None, stale_age: None, retry_after: None }
    }

    fn json(body: &Json) -> Result<Self, Refusal> {
        Ok(Self::new(JSON, json_text(body)?))
    }

    fn response(self, request: &Request<'_>, tag: Option<&str>) -> Response<Bytes> {
        let known = tag.is_some_and(|tag| has_already(request.headers, tag));
        let mut response = match known {
            true => with_status(StatusCode::NOT_MODIFIED, Bytes::new()),
            false => whole(request.method, self.status, self.kind, self.body),
        };
        let headers = response.headers_mut();
        if let Some(tag) = tag {
            put(headers, ETAG, tag);
            headers.insert(VARY, HeaderValue::from_static("Accept"));
        }
        if let Some(age) = self.stale_age {
            put(headers, AGE, &age.to_string());
        }
        if let Some(after) = self.retry_after {
            put(headers, hyper::header::RETRY_AFTER, &after.as_secs().to_string());
        }
        response
    }
}

/// The answer that tells of a refusal. `closing` also ends the connection.
pub(crate) fn refused(method: &Method, refusal: &Refusal, closing: bool) -> Response<Bytes> {
    let mut response = whole(method, refusal.status(), JSON, refusal.body_text().into());
    for (name, value) in refusal.headers() {
        put(response.headers_mut(), name, &value);
    }
    if closing {
        put(response.headers_mut(), hyper::header::CONNECTION, "close");
    }
    response
}

/// A response with its length; to HEAD, without its body.
pub(crate) fn whole(method: &Method, status: StatusCode, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let length = body.len();
    let body = if method == Method::HEAD { Bytes::new() } else { body };
    let mut response = with_status(status, body);
    common_headers(response.headers_mut(), kind);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn with_status(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn common_headers(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // Nobody between here and the caller may keep it; the tag makes asking again cheap.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Sets a header; a value that can't be one is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
