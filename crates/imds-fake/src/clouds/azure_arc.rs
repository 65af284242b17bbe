//! What the agent of Azure Arc does its own way: a token of the machine is had by showing that one may read a file
//! ("Authenticate against Azure resources with Azure Arc-enabled servers").

use serde_json::json;

use crate::exchange::{Answer, Asked};

/// The file whose content has to come along.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Challenge {
    /// Its path.
    realm: String,
    /// Its content.
    key: String,
}

impl Challenge {
    /// The refusal of a request for a token that didn't bring the content of the file.
    pub(super) fn refuse(&self, asked: &Asked) -> Option<Answer> {
        let shown = asked.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        if shown.is_some_and(|key| key.trim() == self.key) {
            return None;
        }
        let description = match shown {
            Some(_) => "Invalid Basic Authorization header",
            None => "Missing Basic Authorization header",
        };
        let body =
            json!({ "error": "unauthorized_client", "error_description": description, "error_codes": [401] });
        Some(Answer::json(401, &body).with("www-authenticate", format!("Basic realm={}", self.realm)))
    }
}
