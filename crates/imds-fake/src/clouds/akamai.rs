//! Akamai's metadata service: a session token for everything, JSON for those who ask for it and `key: value` lines for
//! the others (Linode, "Metadata Service API").

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{Service, relative};
use crate::exchange::{Answer, Asked, Outcome, phrase};
use crate::json_tree::{JsonTree, Spelling};
use crate::token::{self, Lifetime, Presented, Tokens};
use crate::{Error, document, request_path};

/// JSON documents below `/v1/`.
const DOCUMENTS: &[&str] = &["instance", "network", "ssh-keys"];
const USER_DATA: &str = "user-data";

const SPELLING: Spelling = Spelling {
    renamed: &[],
    optional: &["instance/image", "instance/image/id", "instance/image/label", "ssh-keys/users/*"],
};

const TOKENS: token::Rules = token::Rules {
    path: "/v1/token",
    lifetime: Lifetime::Header("metadata-token-expiry-seconds"),
    seconds: 1..=86_400,
    header: "metadata-token",
    scheme: "",
};

#[derive(Clone, Debug)]
pub(super) struct Akamai {
    /// The documents, by their names.
    data: JsonTree,
    user_data: Option<String>,
    tokens: Tokens,
}

impl Default for Akamai {
    fn default() -> Self {
        Self { data: JsonTree::new(&SPELLING), user_data: None, tokens: Tokens::new(&TOKENS) }
    }
}

impl Service for Akamai {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        match relative(name, &["v1"]) {
            USER_DATA => self.user_data = Some(text.to_owned()),
            inner if DOCUMENTS.contains(&inner) => self.data.load_under(inner, text)?,
            _ => return Err(format!("known documents are v1/ with {}, {USER_DATA}", DOCUMENTS.join(", "))),
        }
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        let wants_json = ["accept", "content-type"]
            .iter()
            .any(|name| asked.header(name).is_some_and(|value| value.contains("application/json")));
        if self.tokens.are_meant(asked) {
            return self.token(asked, wants_json).into();
        }
        match self.tokens.presented(asked) {
            Presented::Alive(_) => {}
            Presented::Nothing => return refusal(401, "missing token", Some("Metadata-Token")).into(),
            Presented::Dead => return refusal(401, "invalid token", Some("Metadata-Token")).into(),
        }
        let Some((segments, _)) = request_path::segments(&asked.path) else { return error(404).into() };
        if !asked.is_read() {
            return error(405).with("allow", "GET, HEAD").into();
        }
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["v1", USER_DATA] => match &self.user_data {
                Some(text) => Answer::text(200, text.clone()),
                None => error(404),
            },
            ["v1", name] => match self.data.document().get(name) {
                Some(document) if wants_json => Answer::json(200, document),
                Some(document) => Answer::text(200, lines(document)),
                None => error(404),
            },
            _ => error(404),
        }
        .into()
    }

    fn error(&self, status: u16) -> Answer {
        error(status)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "application/json", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = relative(path, &["v1"]);
        if inner == USER_DATA || DOCUMENTS.contains(&inner) {
            return self.load(inner, value).map_err(|reason| Error::path(path, reason));
        }
        self.data.set(inner, value).map_err(|reason| Error::path(path, reason))
    }

    fn remove(&mut self, path: &str) -> bool {
        match relative(path, &["v1"]) {
            USER_DATA => self.user_data.take().is_some(),
            inner => self.data.remove(inner),
        }
    }

    fn revoke_tokens(&mut self) {
        self.tokens.revoke();
    }

    fn firmware_facts(&self) -> Vec<(&'static str, String)> {
        let id = self.data.document().get("instance").and_then(|instance| instance.get("id"));
        vec![("product_serial", id.and_then(document::scalar).unwrap_or_default())]
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Akamai {
    fn token(&mut self, asked: &Asked, wants_json: bool) -> Answer {
        if asked.method != "PUT" {
            return error(405).with("allow", "PUT");
        }
        match self.tokens.issue(asked) {
            Some(issued) if wants_json => Answer::json(200, &json!([issued.token])),
            Some(issued) => Answer::text(200, issued.token),
            None => refusal(
                400,
                "expiry must be between 1 and 86400 seconds",
                Some("Metadata-Token-Expiry-Seconds"),
            ),
        }
    }
}

/// `key: value` a line, keys below keys with dots, a line for each item of a list.
fn lines(document: &Value) -> String {
    fn add(path: &str, node: &Value, lines: &mut String) {
        match node {
            Value::Object(map) => {
                for (key, child) in map {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    add(&below, child, lines);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| add(path, item, lines)),
            scalar => lines.push_str(&format!("{path}: {}\n", document::scalar(scalar).unwrap_or_default())),
        }
    }
    let mut text = String::new();
    add("", document, &mut text);
    text
}

fn refusal(status: u16, reason: &str, field: Option<&str>) -> Answer {
    let mut problem = json!({ "reason": reason });
    if let Some(field) = field {
        document::put(&mut problem, &["field".to_owned()], field.into());
    }
    Answer::json(status, &json!({ "errors": [problem] }))
}

fn error(status: u16) -> Answer {
    refusal(status, phrase(status), None)
}
