//! All that diagnoses are made from: what was seen on the machine, and how asking went. Plain values.

use imds_model::{CloudName, Error, Verdict};

use super::neighbours::Neighbours;
use super::process::Process;
use super::routes::{Fate, Route};
use super::step::StepName;
use crate::transport::Network;

/// What is known before anything is judged.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) verdict: Verdict,
    /// Who said what the verdict is: `--cloud`, `IMDS_FORCE_CLOUD`, a place in a file.
    pub(super) forced_by: Option<String>,
    pub(super) network: Network,
    /// The cloud whose local service can be read although the machine is in none, and what that service is called.
    pub(super) node_elsewhere: Option<(String, String)>,
    /// The service that is asked, where it is known which.
    pub(super) service: Option<Asked>,
    /// The instance's id, from the service or from firmware.
    pub(super) instance_id: Option<String>,
    /// The ways to the service's addresses.
    pub(super) routes: Vec<Route>,
    /// The interface to everywhere else.
    pub(super) default_interface: Option<String>,
    /// What came of connecting.
    pub(super) connection: Option<Connection>,
    /// How many packets left the service's interface while connecting failed.
    pub(super) packets_left: Option<u64>,
    /// Why no token could be had.
    pub(super) token_trouble: Option<Error>,
    /// What keeps the metadata away, and the step that found out; nothing where there is metadata.
    pub(super) failure: Option<(StepName, Error)>,
    /// How tags could be had, where they are switched off.
    pub(super) tags_off: Option<String>,
    /// By how many seconds this machine's clock is ahead of the service's.
    pub(super) seconds_ahead: Option<i64>,
    /// Whether an answer bore the mark of Azure's Guest Proxy Agent.
    pub(super) guarded: bool,
    pub(super) process: Process,
    pub(super) neighbours: Neighbours,
}

/// The service, and where it is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// The name of its cloud or node.
    pub(super) name: String,
    /// What people call it.
    pub(super) title: String,
    /// `169.254.169.254`, or what was given in its place.
    pub(super) authority: String,
    /// The name by which it is looked up.
    pub(super) looked_up: Option<String>,
    /// Whether it is asked elsewhere than at its own address.
    pub(super) elsewhere: bool,
    /// The variable because of which it isn't asked.
    pub(super) disabled_by: Option<String>,
    /// The protocol that was spoken: `IMDSv2`, `IMDSv1`, `api-version 2021-12-13`.
    pub(super) spoken: Option<String>,
}

/// What came of connecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// It stands.
    Stands,
    /// Refused (ECONNREFUSED).
    Refused,
    /// No answer.
    Silent,
    /// Forbidden (EACCES).
    Denied,
    /// Forbidden (EPERM), or there are no sockets of the internet (EAFNOSUPPORT).
    NotPermitted,
    /// No way there (ENETUNREACH, EHOSTUNREACH, …).
    Unreachable,
    /// Nobody knows the service's name.
    NameUnknown,
    /// The network policy forbids it.
    Forbidden,
    /// Something else.
    Failed,
}

impl Facts {
    /// The cloud that was found or told.
    pub(super) fn cloud(&self) -> Option<&CloudName> {
        self.verdict.cloud()
    }

    /// What went wrong while the service was asked, its connection standing.
    pub(super) fn service_failure(&self) -> Option<&Error> {
        let asked = |step: StepName| matches!(step, StepName::Token | StepName::Identity | StepName::Value);
        self.failure.as_ref().filter(|(at, _)| asked(*at)).map(|(_, error)| error)
    }

    /// Whether connecting failed.
    pub(super) fn is_cut_off(&self) -> bool {
        self.connection.is_some_and(|connection| connection != Connection::Stands)
    }

    /// The route that packets take, or the one that stops them.
    pub(super) fn route(&self) -> Option<&Route> {
        let sent = self.routes.iter().find(|route| matches!(route.fate, Fate::Sent { .. }));
        let stopped = || self.routes.iter().find(|route| route.fate != Fate::Missing);
        sent.or_else(stopped).or(self.routes.first())
    }

    /// The route with this fate, where no other leads to the service.
    pub(super) fn stopped_by(&self, fate: &Fate) -> Option<&Route> {
        self.route().filter(|route| route.fate == *fate && self.is_cut_off())
    }

    /// Whether packets to the service are sent at all, elsewhere than to this machine itself.
    pub(super) fn sends(&self) -> Option<&Route> {
        let sent = |route: &&Route| matches!(route.fate, Fate::Sent { .. }) && !route.address.is_loopback();
        self.route().filter(sent)
    }

    /// The id for commands: the instance's own, or the word that stands for it.
    pub(super) fn id(&self) -> &str {
        self.instance_id.as_deref().unwrap_or("ID")
    }

    /// The service's address or name.
    pub(super) fn authority(&self) -> &str {
        self.service.as_ref().map_or("169.254.169.254", |service| &service.authority)
    }

    /// What people call the service.
    pub(super) fn title(&self) -> &str {
        self.service.as_ref().map_or("the cloud", |service| &service.title)
    }

    pub(super) fn is_asked_elsewhere(&self) -> bool {
        self.service.as_ref().is_some_and(|service| service.elsewhere)
    }
}
