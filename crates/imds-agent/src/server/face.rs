//! Who answers on a listener.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::Response;
use hyper::body::Bytes;
use hyper::http::request::Parts;

use super::Guard;
use super::census::Client;
use crate::api::answer::refused;
use crate::api::{Access, Api, Caller, Refusal, Reply, Request, Who};
use crate::metrics::{Metrics, page};
use crate::server::stream::Sources;

/// Answers requests.
pub trait Face: Send + Sync + fmt::Debug {
    /// Answers a request, of which only the head is there: there should be no body.
    fn answer(&self, head: &Parts, caller: &Caller) -> Reply;

    /// The answer to what can't be answered for the way in which it came.
    fn refuse(&self, head: &Parts, refusal: &Refusal) -> Response<Bytes>;

    /// Whether the groups of callers matter.
    fn asks_for_groups(&self) -> bool {
        false
    }

    /// With whom a caller counts of whom nothing is known.
    fn unknown_client(&self) -> Client {
        Client::Loopback
    }

    /// What feeds streams.
    fn sources(&self) -> Option<Arc<Sources>> {
        None
    }

    /// What counts.
    fn metrics(&self) -> &Arc<Metrics>;
}

/// The rules that hold now: replaced when the configuration is read again.
#[derive(Debug)]
pub struct Rules {
    api: ArcSwap<(Api, bool)>,
}

impl Rules {
    /// Rules with this access.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self { api: ArcSwap::from_pointee(Self::with(access)) }
    }

    /// Puts other rules in force. Watchers that are there keep what they may see until they come back.
    pub fn replace(&self, access: Access) {
        self.api.store(Arc::new(Self::with(access)));
    }

    fn with(access: Access) -> (Api, bool) {
        let groups = access.public.iter().chain(&access.private).any(|who| matches!(who, Who::Group(_)));
        (Api::new(access), groups)
    }
}

/// The local API.
#[derive(Debug)]
pub struct ApiFace {
    rules: Arc<Rules>,
    sources: Arc<Sources>,
    guard: Option<Guard>,
    metrics: Arc<Metrics>,
}

impl ApiFace {
    /// The API as local processes see it, or with a guard, as TCP does.
    #[must_use]
    pub fn new(
        rules: Arc<Rules>,
        sources: Arc<Sources>,
        guard: Option<Guard>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { rules, sources, guard, metrics }
    }
}

impl Face for ApiFace {
    fn answer(&self, head: &Parts, caller: &Caller) -> Reply {
        if let Some(guard) = &self.guard
            && let Err(refusal) = guard.check(&head.method, &head.uri, &head.headers)
        {
            return Reply::Whole(self.refuse(head, &refusal));
        }
        let request = Request { method: &head.method, uri: &head.uri, headers: &head.headers };
        let (view, events) = (self.sources.store.view(), self.sources.announcements.now());
        let (route, reply) = self.rules.api.load().0.answer(&request, caller, &view, &events);
        self.metrics.answered(route, reply.status().as_u16());
        reply
    }

    fn refuse(&self, head: &Parts, refusal: &Refusal) -> Response<Bytes> {
        self.metrics.answered("other", refusal.status().as_u16());
        refused(&head.method, refusal, true)
    }

    fn asks_for_groups(&self) -> bool {
        self.rules.api.load().1
    }

    fn sources(&self) -> Option<Arc<Sources>> {
        Some(Arc::clone(&self.sources))
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

/// The numbers for Prometheus.
#[derive(Debug)]
pub struct MetricsFace {
    sources: Arc<Sources>,
    guard: Guard,
    metrics: Arc<Metrics>,
}

impl MetricsFace {
    /// Numbers about these.
    #[must_use]
    pub fn new(sources: Arc<Sources>, guard: Guard, metrics: Arc<Metrics>) -> Self {
        Self { sources, guard, metrics }
    }
}

impl Face for MetricsFace {
    fn answer(&self, head: &Parts, _caller: &Caller) -> Reply {
        Reply::Whole(match self.guard.check(&head.method, &head.uri, &head.headers) {
            Ok(()) => {
                let (view, events) = (self.sources.store.view(), self.sources.announcements.now());
                page::answer(head, &self.metrics, &view, &events)
            }
            Err(refusal) => self.refuse(head, &refusal),
        })
    }

    fn refuse(&self, head: &Parts, refusal: &Refusal) -> Response<Bytes> {
        refused(&head.method, refusal, true)
    }

    fn unknown_client(&self) -> Client {
        Client::Scraper
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}
