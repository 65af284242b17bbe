//! What was asked of a fake.

use crate::exchange::Asked;
use crate::token;

/// One request that reached a fake, in order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    connection: usize,
}

impl Recorded {
    pub(crate) fn new(asked: &Asked, connection: usize) -> Self {
        let target = match asked.query.as_str() {
            "" => asked.path.clone(),
            query => format!("{}?{query}", asked.path),
        };
        let (method, headers, body) = (asked.method.clone(), asked.headers.clone(), asked.body.clone());
        Self { method, target, headers, body, connection }
    }

    /// The method, e.g. `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path as sent (percent-encoded), with its query if there was one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.target
    }

    /// The path as sent, without the query.
    #[must_use]
    pub fn path_only(&self) -> &str {
        self.target.split('?').next().unwrap_or("")
    }

    /// All headers, names in lower case, in the order sent.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The request's body; empty for most.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether a session token of any cloud came along (valid, expired or invented).
    #[must_use]
    pub fn sent_token(&self) -> bool {
        self.headers.iter().any(|(name, value)| token::is_carrier(name, value))
    }

    /// Number of the connection it came on, counted from 1: equal numbers mean the connection was used again.
    #[must_use]
    pub fn connection(&self) -> usize {
        self.connection
    }
}
