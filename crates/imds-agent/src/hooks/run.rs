//! One try of a hook.

use imds::Network;

use super::body::{self, Template};
use super::{Action, Hook, Notice, webhook};
use crate::executor::command::{self, Given};
use crate::executor::protocol::Tried;

/// Tries a hook once. `template` is the text that its webhook posts, where it has one.
///
/// A command finds the notice on its standard input, and the event's most important members in its environment:
/// `IMDS_EVENT_ID`, `IMDS_EVENT_KIND`, `IMDS_EVENT_STATE`, `IMDS_EVENT_ACTION` (empty where that isn't said).
pub async fn try_once(hook: &Hook, template: Option<&Template>, notice: &Notice, network: Network) -> Tried {
    match &hook.action {
        Action::Command(words) => {
            let event = &notice.event;
            let environment = [
                ("IMDS_EVENT_ID", event.id.as_str()),
                ("IMDS_EVENT_KIND", event.kind.name()),
                ("IMDS_EVENT_STATE", event.state.name()),
                ("IMDS_EVENT_ACTION", event.action.map_or("", |action| action.name())),
            ];
            let input = body::plain(notice);
            let given = Given { input: &input, environment: &environment, path: None };
            match command::run(words, &given, hook.timeout).await {
                Ok(()) => Tried::Done,
                Err(failure) => {
                    let program = words.first().map(String::as_str).unwrap_or_default();
                    Tried::Again { why: format!("{program} {failure}"), after: None }
                }
            }
        }
        Action::Webhook(webhook) => {
            let body = template.map_or_else(|| body::plain(notice), |template| template.text(notice));
            webhook::post(webhook, body, hook.timeout, network).await
        }
    }
}
