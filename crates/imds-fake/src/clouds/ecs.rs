//! The task metadata endpoint of Amazon ECS, version 4, as containers of a task see it, and the credentials of the task's
//! role beside it (ECS developer guide, "Task metadata endpoint version 4"). The words of refusal are the agent's.

use hyper::body::Bytes;
use serde_json::json;

use crate::exchange::{Answer, Asked};
use crate::json_files::JsonFiles;
use crate::request_path;

const CREDENTIALS: &str = "v2/credentials";

/// Documents by path: `v4/ID`, `v4/ID/stats`, `v4/ID/task`, `v4/ID/taskWithTags`, `v4/ID/task/stats`,
/// `v2/credentials/ID`.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskEndpoint {
    documents: JsonFiles,
}

/// Whether this is a path of the endpoint.
pub(super) fn is_path(path: &str) -> bool {
    path.starts_with("v4/") || path.starts_with("v2/credentials/")
}

impl TaskEndpoint {
    pub(super) fn load(&mut self, path: &str, text: &str) -> Result<(), String> {
        self.documents.load(path, text)
    }

    /// The answer, if there is an endpoint here and the path is one of its own.
    pub(super) fn answer(&self, asked: &Asked) -> Option<Answer> {
        let (segments, _) = request_path::segments(&asked.path)?;
        let path = segments.join("/");
        if self.documents.is_empty() || !is_path(&path) {
            return None;
        }
        if !asked.is_read() {
            return Some(error(405));
        }
        let id = segments.get(1).map_or("", String::as_str);
        Some(match (self.documents.get(&path), segments.get(2).map(String::as_str)) {
            (Some(document), _) => Answer::json(200, document),
            (None, _) if path.starts_with(CREDENTIALS) => {
                let message = "CredentialsV2Request: Credentials ID not found";
                let body = json!({ "code": "InvalidIdInRequest", "message": message, "HTTPErrorCode": 400 });
                Answer::json(400, &body)
            }
            (None, None | Some("stats")) => unknown(format!(
                "V4 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 \
                 endpoint ID: {id}"
            )),
            (None, Some("task" | "taskWithTags")) => unknown(format!(
                "V4 task metadata handler: unable to get task arn from request: unable to get task Arn from v3 endpoint \
                 ID: {id}"
            )),
            (None, Some(_)) => error(404),
        })
    }

    pub(super) fn set(&mut self, path: &str, value: &str) -> Result<(), &'static str> {
        self.documents.set(path, value).map(drop)
    }

    pub(super) fn remove(&mut self, path: &str) -> bool {
        self.documents.remove(path)
    }
}

/// Refusals are JSON too: a single string.
fn unknown(reason: String) -> Answer {
    Answer::json(404, &reason.into())
}

pub(super) fn imitation(body: Bytes) -> Answer {
    Answer::new(200, "application/json", body)
}

pub(super) fn error(status: u16) -> Answer {
    let words = match status {
        404 => "404 page not found",
        status => crate::exchange::phrase(status),
    };
    Answer::text(status, format!("{words}\n"))
}
