//! What happens to the machine, as its service tells it: where to ask, and asking.
//!
//! Nothing here knows what an answer means; that is the business of whoever watches. Requests go the way of all others:
//! the cloud's headers and tokens, the retry table, the network policy, the limits.

use std::time::Duration;

use hyper::body::Bytes;
use imds_model::{CloudName, Error, ErrorKind};

use crate::client::Client;
use crate::clouds::description::EventKind as Described;
use crate::secrets::{Path, Ruling};
use crate::service::Call;
use crate::transport::Deadline;

/// What can happen to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A spot or preemptible machine is taken back.
    Interruption,
    /// It may soon be taken back.
    Rebalance,
    /// The provider works on it: reboot, redeployment, live migration.
    Maintenance,
    /// Its scaling group changes its state.
    Scaling,
}

/// A path of the service that says what happens to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPath {
    /// What it tells of. One path may tell of several kinds.
    pub kinds: Vec<EventKind>,
    /// The path, with its query.
    pub path: String,
    /// How often the vendor wants it asked; nothing where the request itself waits.
    pub every: Option<Duration>,
    /// Whether the request can wait until something changes.
    pub waits: bool,
}

/// A wait for something else than what is known already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The tag of what is known; nothing to be told at once.
    pub known: Option<String>,
    /// How long the service shall wait before it says that nothing changed. Whole seconds.
    pub time: Duration,
}

/// What the service says of a path of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventAnswer {
    /// The body.
    pub body: Vec<u8>,
    /// Its tag, for [`Waiting::known`].
    pub tag: Option<String>,
}

/// The vendors' clients give a waiting request so much longer than the service was told to wait.
const BEYOND_WAIT: Duration = Duration::from_secs(10);
/// What a vendor's tag can be; everything else isn't sent back.
const LONGEST_TAG: usize = 128;

impl Client {
    /// The paths at which a cloud's service says what happens to the machine; none for a cloud that says nothing. Nothing is
    /// asked.
    #[must_use]
    pub fn event_paths(&self, cloud: &CloudName) -> Vec<EventPath> {
        let mut paths: Vec<EventPath> = Vec::new();
        let described = self.configuration().clouds.find(cloud.as_str());
        for event in described.into_iter().flat_map(|cloud| cloud.events.iter()) {
            let kind = EventKind::of(event.kind);
            match paths.iter_mut().find(|known| known.path == *event.path) {
                Some(known) => known.kinds.push(kind),
                None => paths.push(EventPath {
                    kinds: vec![kind],
                    path: event.path.to_string(),
                    every: event.every.map(|seconds| Duration::from_secs(seconds.into())),
                    waits: event.waits,
                }),
            }
        }
        paths
    }

    /// Asks for a path of events, for `time` at most; with `waiting`, until it says something else than is known, and then
    /// `time` is what goes beyond the wait.
    ///
    /// # Errors
    /// [`ErrorKind::Absent`] where the service has nothing to say there, which is what most services say as long as nothing
    /// happens; [`ErrorKind::Secret`] for a path that gives a secret, and what the service or the network says.
    pub async fn event_document(
        &self,
        cloud: &CloudName,
        path: &str,
        waiting: Option<&Waiting>,
        time: Duration,
    ) -> Result<EventAnswer, Error> {
        let (path, time) = match waiting {
            Some(waiting) => (waiting_path(path, waiting), waiting.time + time.max(BEYOND_WAIT)),
            None => (path.to_owned(), time),
        };
        let call = Call { body: None, time: Some(time) };
        self.call(cloud, &path, &call, time).await
    }

    /// Tells the service something about an event: a `POST` of JSON to its path.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a path that isn't one of the cloud's [`event_paths`](Self::event_paths): nothing else is
    /// ever written to; and what the service or the network says.
    pub async fn tell_event(
        &self,
        cloud: &CloudName,
        path: &str,
        body: impl Into<Vec<u8>> + Send,
        time: Duration,
    ) -> Result<(), Error> {
        if !self.event_paths(cloud).iter().any(|known| known.path == path) {
            return Err(Error::new(ErrorKind::Usage, "nothing is told to this path")
                .with_cloud(cloud)
                .with_path(path));
        }
        let call = Call { body: Some(Bytes::from(body.into())), time: Some(time) };
        self.call(cloud, path, &call, time).await.map(|_| ())
    }

    async fn call(
        &self,
        cloud: &CloudName,
        path: &str,
        call: &Call,
        time: Duration,
    ) -> Result<EventAnswer, Error> {
        let path = Path::parse(path)?;
        let service = self.service_here(cloud)?;
        // As for every path that isn't this crate's own: a user's description may name any.
        let ruling = path.judge(service.description());
        if ruling == Ruling::Secret {
            return Err(Error::new(ErrorKind::Secret, "this path gives a secret")
                .with_cloud(cloud)
                .with_path(path.to_request()));
        }
        let answer = service.call(&path.to_request(), call, Deadline::after(time)).await?;
        let tag = answer.header("etag").filter(|tag| is_tag(tag)).map(str::to_owned);
        let body = match ruling {
            Ruling::Without(members) => {
                path.redact(&answer.body, &members).map_err(|error| error.with_cloud(cloud))?
            }
            Ruling::Open | Ruling::Secret => answer.body.to_vec(),
        };
        Ok(EventAnswer { body, tag })
    }
}

impl EventKind {
    fn of(described: Described) -> Self {
        match described {
            Described::Interruption => Self::Interruption,
            Described::Rebalance => Self::Rebalance,
            Described::Maintenance => Self::Maintenance,
            Described::Scaling => Self::Scaling,
        }
    }
}

/// The path with a wait in its query (Google Cloud: "Querying metadata", waiting for updates). A tag that no value ever had
/// is answered at once.
fn waiting_path(path: &str, waiting: &Waiting) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    let known = waiting.known.as_deref().filter(|tag| is_tag(tag)).unwrap_or("NONE");
    format!("{path}{joint}wait_for_change=true&last_etag={known}&timeout_sec={}", waiting.time.as_secs())
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && tag.len() <= LONGEST_TAG && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_the_query() {
        let mut waiting = Waiting { known: None, time: Duration::from_secs(60) };
        assert_eq!(
            waiting_path("/computeMetadata/v1/instance/preempted", &waiting),
            "/computeMetadata/v1/instance/preempted?wait_for_change=true&last_etag=NONE&timeout_sec=60"
        );
        waiting.known = Some("0123456789abcdef".to_owned());
        assert_eq!(
            waiting_path("/a?alt=json", &waiting),
            "/a?alt=json&wait_for_change=true&last_etag=0123456789abcdef&timeout_sec=60"
        );
        waiting.known = Some("x&alt=text".to_owned());
        assert!(waiting_path("/a", &waiting).contains("last_etag=NONE&"));
    }
}
