//! One form for what every cloud says.

use std::fmt;
use std::time::{Duration, SystemTime};

use imds::CloudName;
use serde::{Deserialize, Serialize};

use super::time;

/// Something that happens to this machine.
///
/// In JSON, times are RFC 3339 in UTC, and what isn't known is left out:
///
/// ```
/// # use imds_agent::events::{Action, Event};
/// let text = r#"{"id":"spot-terminate-2031-05-06T07:08:09Z","cloud":"aws","kind":"interruption","action":"terminate",
///     "state":"scheduled","not_before":"2031-05-06T07:08:09Z","deadline":"2031-05-06T07:08:09Z","resources":[],
///     "source":"/latest/meta-data/spot/instance-action","acknowledgeable":false}"#;
/// let event: Event = serde_json::from_str(text).unwrap();
/// assert_eq!(event.action, Some(Action::Terminate));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What it is known by: the vendor's id, or one made of what the vendor says. The same each time it is told.
    pub id: String,
    /// The cloud.
    pub cloud: CloudName,
    /// What sort of thing it is.
    pub kind: Kind,
    /// What is done to the machine, where that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// How far it has come.
    pub state: State,
    /// When it starts at the earliest.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<SystemTime>,
    /// Until when there is time to prepare: the latest moment at which it starts. Where the vendor names one time only, it
    /// is that.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<SystemTime>,
    /// How long the machine will be interrupted; zero for not at all.
    #[serde(
        default,
        rename = "duration_seconds",
        with = "time::optional_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub duration: Option<Duration>,
    /// The machines that it happens to, by the names that the vendor gives them; this one is among them. Empty where the
    /// service tells of this machine only.
    #[serde(default)]
    pub resources: Vec<String>,
    /// The path of the service that says it.
    pub source: String,
    /// What the vendor says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the service takes an acknowledgement that concerns nobody but this machine.
    #[serde(default)]
    pub acknowledgeable: bool,
}

impl Event {
    /// Whether it says something new about what another told of before: further, at another time, or another action.
    #[must_use]
    pub fn says_more_than(&self, before: &Self) -> bool {
        let said = |event: &Self| (event.state, event.action, event.not_before, event.deadline);
        said(self) != said(before)
    }

    /// The same, over: cancelled if it hadn't begun and its time hasn't come, else cleared.
    #[must_use]
    pub fn ended(&self, now: SystemTime) -> Self {
        let early = self.state == State::Scheduled && self.not_before.is_some_and(|time| now < time);
        let state = if early { State::Cancelled } else { State::Cleared };
        Self { state, acknowledgeable: false, ..self.clone() }
    }
}

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $( $(#[doc = $of:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $name { $( $(#[doc = $of])+ $variant, )+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The word for it, as in JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// What sort of thing happens.
    Kind {
        /// A spot or preemptible machine is taken back.
        Interruption = "interruption",
        /// It may soon be taken back.
        Rebalance = "rebalance",
        /// The provider works on it: reboot, redeployment, live migration, termination with notice.
        Maintenance = "maintenance",
        /// Its scaling group changes its state.
        Scaling = "scaling",
    }
}

words! {
    /// What is done to the machine.
    Action {
        /// It ends for good.
        Terminate = "terminate",
        /// It is stopped, and can be started again.
        Stop = "stop",
        /// Its memory is written to disk, and it stops.
        Hibernate = "hibernate",
        /// It is restarted where it is.
        Reboot = "reboot",
        /// It is moved to another host, and loses what is on local disks.
        Redeploy = "redeploy",
        /// It pauses for a short time.
        Freeze = "freeze",
        /// It is moved to another host while it runs.
        Migrate = "migrate",
    }
}

words! {
    /// How far it has come.
    State {
        /// It will happen.
        Scheduled = "scheduled",
        /// It happens.
        Started = "started",
        /// It is over, or nobody speaks of it any more.
        Cleared = "cleared",
        /// It was taken back before its time.
        Cancelled = "cancelled",
    }
}

impl State {
    /// Whether nothing more will come.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Cleared | Self::Cancelled)
    }
}

impl From<imds::EventKind> for Kind {
    fn from(kind: imds::EventKind) -> Self {
        match kind {
            imds::EventKind::Interruption => Self::Interruption,
            imds::EventKind::Rebalance => Self::Rebalance,
            imds::EventKind::Scaling => Self::Scaling,
            // A kind that this program doesn't know yet is the provider's work, too.
            _ => Self::Maintenance,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An event with nothing special about it.
    pub(crate) fn event(id: &str, state: State) -> Event {
        Event {
            id: id.to_owned(),
            cloud: CloudName::AWS,
            kind: Kind::Maintenance,
            action: None,
            state,
            not_before: None,
            deadline: None,
            duration: None,
            resources: Vec::new(),
            source: "/events".to_owned(),
            description: None,
            acknowledgeable: false,
        }
    }

    #[test]
    fn json_has_times_as_text_and_leaves_out_what_isnt_known() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_936_681_689);
        let full = Event {
            action: Some(Action::Reboot),
            not_before: Some(time),
            duration: Some(Duration::from_secs(9)),
            description: Some("x".to_owned()),
            ..event("a", State::Started)
        };
        let text = serde_json::to_string(&full).unwrap();
        assert_eq!(
            text,
            r#"{"id":"a","cloud":"aws","kind":"maintenance","action":"reboot","state":"started","not_before":"2031-05-16T07:08:09Z","duration_seconds":9,"resources":[],"source":"/events","description":"x","acknowledgeable":false}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), full);
        let bare = event("a", State::Cleared);
        let text = serde_json::to_string(&bare).unwrap();
        assert!(!text.contains("null") && !text.contains("not_before"), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), bare);
    }

    #[test]
    fn every_word_is_the_one_in_json() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{kind}\""));
        }
        for action in Action::ALL {
            assert_eq!(serde_json::to_string(action).unwrap(), format!("\"{action}\""));
        }
        for state in State::ALL {
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{state}\""));
        }
    }

    #[test]
    fn what_ends_before_its_time_was_cancelled() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (state, not_before, expected) in [
            (State::Scheduled, at(1001), State::Cancelled),
            (State::Scheduled, at(1000), State::Cleared),
            (State::Scheduled, None, State::Cleared),
            (State::Started, at(2000), State::Cleared),
        ] {
            let one = Event { not_before, acknowledgeable: true, ..event("a", state) };
            let ended = one.ended(now);
            assert_eq!((ended.state, ended.acknowledgeable), (expected, false), "{one:?}");
        }
    }
}
