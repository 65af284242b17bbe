//! IBM Cloud VPC: JSON behind a token that is asked for with a JSON body, a version with every request, and errors that
//! name what is wrong ("VPC Metadata API", "VPC Identity API", "Metadata API error codes").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{Service, quirks, relative};
use crate::exchange::{Answer, Asked, Outcome};
use crate::json_files::JsonFiles;
use crate::token::{self, Lifetime, Presented, Tokens};
use crate::{Error, document, request_path};

/// Tokens have this path from the second version on, and [`OLD_IDENTITY`] before it.
const TOKENS: token::Rules = token::Rules {
    path: "/identity/v1/token",
    lifetime: Lifetime::Body { field: "expires_in", default: 300 },
    seconds: 5..=3600,
    header: "authorization",
    scheme: "Bearer ",
};
const FIRST_VERSION: &str = "2022-03-01";
const NEW_IDENTITY_VERSION: &str = "2025-08-26";
const IDENTITY: &str = "identity";
const OLD_IDENTITY: &str = "instance_identity";
const METADATA: &str = "metadata/v1";
/// Kinds of credentials: the name in new versions, and in old ones.
const CREDENTIALS: &[(&str, &str)] = &[("iam_tokens", "iam_token"), ("certificates", "certificates")];

const MORE_INFO: &str = "https://cloud.ibm.com/docs/vpc?topic=vpc-imd-configure-service";

/// Keys whose values several documents repeat.
const REPEATED: &[&str] = &["primary_ipv4_address", "address"];

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    /// `metadata_service.enabled` of the instance; off is the vendor's default.
    enabled: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Ibm {
    documents: JsonFiles,
    enabled: bool,
    tokens: Tokens,
    errors: u64,
}

impl Default for Ibm {
    fn default() -> Self {
        Self { documents: JsonFiles::default(), enabled: true, tokens: Tokens::new(&TOKENS), errors: 0 }
    }
}

/// What is wrong with a request.
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    target: Option<Value>,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), target: None }
    }

    fn at(mut self, kind: &str, name: &str, value: Option<&str>) -> Self {
        let mut target = json!({ "name": name, "type": kind });
        if let Some(value) = value {
            document::put(&mut target, &["value".to_owned()], value.into());
        }
        self.target = Some(target);
        self
    }
}

impl Service for Ibm {
    fn load(&mut self, name: &str, text: &str) -> Result<(), String> {
        let credentials = name
            .strip_prefix("identity/v1/")
            .is_some_and(|kind| CREDENTIALS.iter().any(|(known, _)| *known == kind));
        if !credentials && !name.starts_with("metadata/v1/") {
            return Err(
                "known documents are metadata/v1/…, identity/v1/iam_tokens and …/certificates".to_owned()
            );
        }
        self.documents.load(name, text)
    }

    fn configure(&mut self, table: toml::Table) -> Result<(), String> {
        let quirks: Quirks = quirks(table)?;
        self.enabled = quirks.enabled;
        Ok(())
    }

    fn answer(&mut self, asked: &Asked) -> Outcome {
        self.reply(asked).unwrap_or_else(|refusal| self.refuse(&refusal)).into()
    }

    fn error(&self, status: u16) -> Answer {
        page(&Refusal::new(status, "service_error", "An internal error occurred."), 0)
    }

    fn imitation(&self, body: Bytes) -> Answer {
        Answer::new(200, "application/json", body)
    }

    fn set(&mut self, path: &str, value: &str) -> Result<(), Error> {
        let inner = document_path(path);
        let old = self.documents.set(&inner, value).map_err(|reason| Error::path(path, reason))?;
        let old = document::scalar(&old).filter(|old| !old.is_empty());
        if inner == "metadata/v1/instance/id" {
            // The CRN ends with it.
            self.replace(old, value, document::replace_everywhere);
        } else if REPEATED.iter().any(|key| inner.rsplit('/').next() == Some(key)) {
            self.replace(old, value, document::replace_whole);
        }
        Ok(())
    }

    fn remove(&mut self, path: &str) -> bool {
        self.documents.remove(&document_path(path))
    }

    fn revoke_tokens(&mut self) {
        self.tokens.revoke();
    }

    fn clone_box(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

impl Ibm {
    fn reply(&mut self, asked: &Asked) -> Result<Answer, Refusal> {
        let not_found = || Refusal::new(404, "not_found", "The requested resource was not found.");
        let (segments, _) = request_path::segments(&asked.path).ok_or_else(not_found)?;
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        if !matches!(names.as_slice(), [IDENTITY | OLD_IDENTITY | "metadata", "v1", ..]) {
            return Err(not_found());
        }
        if !self.enabled {
            let message = "The metadata service is not enabled on the provided instance.";
            return Err(Refusal::new(403, "unauthorized", message));
        }
        let version = version(asked)?;
        let identity = if version.as_str() < NEW_IDENTITY_VERSION { OLD_IDENTITY } else { IDENTITY };
        match (asked.method.as_str(), names.as_slice()) {
            ("PUT", [root, "v1", "token"]) if *root == identity => self.token(asked),
            ("POST", [root, "v1", kind]) if *root == identity => {
                self.authenticate(asked)?;
                let known = CREDENTIALS
                    .iter()
                    .find(|(new, old)| *kind == if identity == IDENTITY { *new } else { *old });
                let (name, _) = known.ok_or_else(not_found)?;
                let reply = self.documents.get(&format!("identity/v1/{name}"));
                reply.map(|reply| Answer::json(200, reply)).ok_or_else(|| {
                    let message =
                        "The virtual server instance is not linked to the specified trusted profile.";
                    Refusal::new(400, "profile_not_linked", message)
                })
            }
            ("GET" | "HEAD", ["metadata", ..]) => {
                self.authenticate(asked)?;
                self.find(&segments.join("/")).map(|found| Answer::json(200, &found)).ok_or_else(not_found)
            }
            _ => Err(not_found()),
        }
    }

    fn token(&mut self, asked: &Asked) -> Result<Answer, Refusal> {
        if asked.header("metadata-flavor") != Some("ibm") {
            let message = "A value such as `ibm` must be provided in the `Metadata-Flavor` header.";
            let found = asked.header("metadata-flavor");
            let code = if found.is_some() { "invalid_value" } else { "missing_value" };
            return Err(Refusal::new(400, code, message).at("header", "Metadata-Flavor", found));
        }
        let body: Option<Value> = serde_json::from_slice(&asked.body).ok();
        let Some(Value::Object(fields)) = body else {
            return Err(Refusal::new(400, "invalid_request", "The request body is not valid JSON."));
        };
        if let Some(unknown) = fields.keys().find(|key| *key != "expires_in") {
            let message = format!("Unknown property `{unknown}` was specified in the request body.");
            return Err(Refusal::new(400, "unknown_field", message).at("field", unknown, None));
        }
        let Some(issued) = self.tokens.issue(asked) else {
            let message = "The value provided for the `expires_in` field must be between `5` and `3600`.";
            let found = fields.get("expires_in").map(Value::to_string);
            return Err(Refusal::new(400, "invalid_value", message).at(
                "field",
                "expires_in",
                found.as_deref(),
            ));
        };
        let now = since_1970();
        let body = json!({
            "access_token": issued.token,
            "created_at": timestamp(now),
            "expires_at": timestamp(now + Duration::from_secs(issued.seconds)),
            "expires_in": issued.seconds,
        });
        Ok(Answer::json(200, &body))
    }

    fn authenticate(&self, asked: &Asked) -> Result<(), Refusal> {
        match self.tokens.presented(asked) {
            Presented::Alive(_) => Ok(()),
            _ => Err(Refusal::new(401, "unauthenticated", "The provided token is invalid or expired.")),
        }
    }

    /// A document, or the item of a collection that has the id at the end of the path.
    fn find(&self, path: &str) -> Option<Value> {
        if let Some(document) = self.documents.get(path) {
            return Some(document.clone());
        }
        let (collection, id) = path.rsplit_once('/')?;
        let lists = self.documents.get(collection)?.as_object()?.values().filter_map(Value::as_array);
        lists.flatten().find(|item| document::text(item, &["id"]) == id).cloned()
    }

    fn replace(&mut self, old: Option<String>, new: &str, replace: fn(&mut Value, &str, &str)) {
        if let Some(old) = old {
            self.documents.for_each(|document| replace(document, &old, new));
        }
    }

    fn refuse(&mut self, refusal: &Refusal) -> Answer {
        self.errors += 1;
        page(refusal, self.errors)
    }
}

/// Paths given to `set` and `remove` begin at `metadata/v1`, or leave it out.
fn document_path(path: &str) -> String {
    match relative(path, &[METADATA]) {
        inner if inner.starts_with("identity/v1/") => inner.to_owned(),
        inner => format!("{METADATA}/{inner}"),
    }
}

/// The version a request names; every request has to.
fn version(asked: &Asked) -> Result<String, Refusal> {
    let given = asked.query_pairs().into_iter().find(|(name, _)| name == "version").map(|(_, value)| value);
    let Some(version) = given.filter(|version| !version.is_empty()) else {
        let message = "The `version` query parameter must be provided in the form `YYYY-MM-DD`.";
        return Err(Refusal::new(400, "missing_value", message).at("parameter", "version", None));
    };
    let shape = |(at, c): (usize, char)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() };
    let today = timestamp(since_1970());
    let known = FIRST_VERSION..=today.get(..10).unwrap_or("");
    if version.len() != 10 || !version.char_indices().all(shape) || !known.contains(&version.as_str()) {
        let message = format!("The `version` query parameter must be a date from {FIRST_VERSION} to today.");
        return Err(Refusal::new(400, "invalid_value", message).at("parameter", "version", Some(&version)));
    }
    Ok(version)
}

fn page(refusal: &Refusal, number: u64) -> Answer {
    let mut error = json!({ "code": refusal.code, "message": refusal.message, "more_info": MORE_INFO });
    if let Some(target) = &refusal.target {
        document::put(&mut error, &["target".to_owned()], target.clone());
    }
    let trace = format!("e37872f6-f9a4-4084-a1a8-{number:012x}");
    Answer::json(refusal.status, &json!({ "errors": [error], "status_code": refusal.status, "trace": trace }))
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// RFC 3339 in UTC.
fn timestamp(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (mut days, clock) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    for length in [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (clock / 3600, clock % 3600 / 60, clock % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        days + 1,
        since_1970.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_know_leap_years() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (1_925_060_642, "2031-01-01T19:04:02.000Z"),
        ];
        for (seconds, text) in rows {
            assert_eq!(timestamp(Duration::from_secs(seconds)), text);
        }
    }
}
