//! Hooks: what is done about an event. A command finds it as JSON on its standard input; a webhook has it posted.
//!
//! ```text
//!  board.owed ──► dispatch: which hooks, when again ──► executor: one try of hook N ──► command | webhook
//!       ▲ settle      until the event's deadline
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`notice`] | [`Notice`]: what a hook is told |
//! | [`dispatch`](mod@dispatch) | which hooks hear of which event, and how often they are tried |
//! | [`under_way`] | what was started, so that a change of the configuration starts nothing twice |
//! | [`run`](mod@run) | one try |
//! | [`body`] | what is posted: the notice, or a text of the user's with parts of it |
//! | [`signature`] | who posted it |
//! | [`webhook`] | posting |
//! | `tls` | posting to `https://` |

pub mod body;
pub mod dispatch;
pub mod notice;
pub mod run;
pub mod signature;
mod tls;
pub mod under_way;
pub mod webhook;

use std::path::PathBuf;
use std::time::Duration;

use crate::events::{Event, Kind, State};

pub use dispatch::{Dispatch, Pace, Results, dispatch};
pub use notice::Notice;

/// What is done about events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What it is called in messages.
    pub name: String,
    /// About which kinds; all where none is named.
    pub kinds: Vec<Kind>,
    /// In which states; all where none is named.
    pub states: Vec<State>,
    /// What.
    pub action: Action,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long it is tried again where the event names no deadline.
    pub retry_for: Duration,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Runs a program with these arguments.
    Command(Vec<String>),
    /// Posts to a URL.
    Webhook(Webhook),
}

/// What is posted where.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Webhook {
    /// The URL.
    pub url: String,
    /// Headers of the request, beside `Host`, `User-Agent`, `Content-Type` and the signature.
    pub headers: Vec<(String, String)>,
    /// A text in JSON that is posted instead of the notice.
    pub template: Option<PathBuf>,
    /// The file with the key that the body is signed with.
    pub secret_file: Option<PathBuf>,
    /// Certificates in PEM of roots that are trusted beside the system's.
    pub root_certificates: Option<PathBuf>,
}

/// Only the names of headers: a value may be somebody's secret.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .field("headers", &names)
            .field("template", &self.template)
            .field("secret_file", &self.secret_file)
            .field("root_certificates", &self.root_certificates)
            .finish()
    }
}

impl Hook {
    /// Whether it has to do with this.
    #[must_use]
    pub fn hears(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.states.is_empty() || self.states.contains(&event.state))
    }

    /// What can be said of it before anything happens: why it can never work as it is, as lower-case fragments, each with the
    /// setting that it is about.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut judge =
            |setting, tried: Result<(), String>| wrong.extend(tried.err().map(|why| (setting, why)));
        match &self.action {
            Action::Command(words) if words.is_empty() => {
                judge("command", Err("there is no command".to_owned()));
            }
            Action::Command(_) => {}
            Action::Webhook(webhook) => {
                judge("webhook", webhook::Place::of(&webhook.url).map(drop));
                judge("headers", webhook::headers(&webhook.headers).map(drop));
                if let Some(path) = &webhook.template {
                    judge("template", body::Template::read(path).map(drop));
                }
                if let Some(path) = &webhook.secret_file {
                    judge("secret_file", signature::key(path).map(drop));
                }
                if let Some(path) = &webhook.root_certificates {
                    judge("ca_file", tls::check(path));
                }
            }
        }
        wrong
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::events::event::tests::event;

    /// A hook about everything.
    pub(crate) fn hook(action: Action) -> Hook {
        Hook {
            name: "hooks[0]".to_owned(),
            kinds: Vec::new(),
            states: Vec::new(),
            action,
            timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_hook_hears_what_it_is_for() {
        let one = event("a", State::Scheduled);
        let all = hook(Action::Command(vec!["x".to_owned()]));
        assert!(all.hears(&one));
        let narrow = Hook { kinds: vec![Kind::Maintenance], states: vec![State::Scheduled], ..all.clone() };
        assert!(narrow.hears(&one) && !narrow.hears(&event("a", State::Started)));
        assert!(!Hook { kinds: vec![Kind::Scaling], ..all }.hears(&one));
    }
}
