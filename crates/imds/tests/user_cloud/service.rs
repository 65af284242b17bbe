//! Cumulus's service, as its page would have it: sessions, a required header, JSON, plain values and a listing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use imds::Client;

use crate::conformance::{Heard, Machine};
use crate::scripted::{Answer, Asked, serve_requests};

/// What nobody may see who doesn't ask for it by name.
pub(crate) const SECRET: &str = "not-for-you-4711";

const MACHINE: &str = r#"{"uuid":"7b0d2e4c-31f5-4c8a-9f60-0c1d2e3f4a5b","name":"web 1","flavour":"cu2.large",
    "image":"images/debian-13","place":"cumulus/nord-b","owner":{"number":"0042"},"fqdn":"web-1.example.net",
    "cpu":"arm64","billing":"spare","console_password":"not-for-you-4711"}"#;
const NICS: &str = r#"[
    {"kind":"console","number":0,"mac":"0c:c4:7a:00:00:09","addresses":["10.255.0.1"]},
    {"kind":"machine","number":2,"mac":"0C-C4-7A-00-00-02","addresses":["10.9.0.3"]},
    {"kind":"machine","number":1,"mac":"0C:C4:7A:00:00:01","addresses":["10.1.2.3","198.51.100.7","2001:DB8::7"],"subnet":"sub-1"}]"#;
const VOLUMES: &str = r#"{"attached":{"data":{"id":"vol-2","gigabytes":500,"role":"data"},
    "root":{"id":"vol-1","gigabytes":40,"role":"system"}}}"#;

#[derive(Debug, Default)]
struct State {
    documents: BTreeMap<String, Answer>,
    /// The number of the only session that is accepted.
    session: usize,
    asked: Vec<String>,
    heard: Vec<Request>,
}

/// A request, with the headers that a vendor may want.
#[derive(Clone, Debug)]
struct Request {
    method: String,
    path: String,
    source: Option<String>,
    session: Option<String>,
}

/// A running service.
#[derive(Clone, Debug)]
pub(crate) struct Cumulus {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Cumulus {
    /// A machine on which everything is switched on.
    pub(crate) async fn start() -> Self {
        let documents = [
            ("/v2/machine", MACHINE),
            ("/v2/nics", NICS),
            ("/v2/volumes", VOLUMES),
            ("/v2/labels/", "Name\nteam\nsecret\n"),
            ("/v2/labels/Name", "web"),
            ("/v2/labels/team", "R&D: \"4711\""),
            ("/v2/labels/secret", SECRET),
            ("/v2/cluster", "shop\n"),
            ("/v2/network", "net-7"),
            ("/v2/keys/ssh", SECRET),
            ("/latest/user-data", SECRET),
        ];
        let documents =
            documents.into_iter().map(|(path, body)| (path.to_owned(), (200, "", body.as_bytes().to_vec())));
        let state = Arc::new(Mutex::new(State { documents: documents.collect(), ..State::default() }));
        let answering = Arc::clone(&state);
        let url = serve_requests(move |asked| answering.lock().unwrap().answer(asked)).await;
        Self { url, state }
    }

    /// Answers a path in this way from now on.
    pub(crate) fn set(&self, path: &str, answer: Answer) {
        self.state.lock().unwrap().documents.insert(path.to_owned(), answer);
    }

    /// Has no such path from now on.
    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().documents.remove(path);
    }

    /// Gives another text in the place of this one in a document.
    pub(crate) fn change(&self, path: &str, old: &str, new: &str) {
        let mut state = self.state.lock().unwrap();
        let (_, _, body) = state.documents.get_mut(path).unwrap();
        let text = String::from_utf8(body.clone()).unwrap();
        assert!(text.contains(old), "{text}");
        *body = text.replacen(old, new, 1).into_bytes();
    }

    /// Accepts no session that was given so far.
    pub(crate) fn end_sessions(&self) {
        self.state.lock().unwrap().session += 1000;
    }

    /// Every request so far, as `METHOD path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// How many requests were made so far in this way.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.asked().iter().filter(|asked| asked.starts_with(method)).count()
    }
}

impl Machine for Cumulus {
    fn client(&self) -> Client {
        crate::reader(self)
    }

    fn heard(&self, header: &str) -> Vec<Heard> {
        let state = self.state.lock().unwrap();
        let heard = state.heard.iter().cloned().map(|request| Heard {
            method: request.method,
            path: request.path,
            header: if header == "X-Cumulus-Source" { request.source } else { request.session },
        });
        heard.collect()
    }

    fn end_sessions(&self) {
        Self::end_sessions(self);
    }

    fn remove(&self, path: &str, pointer: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        let mut state = self.state.lock().unwrap();
        let before = state.documents.len();
        if pointer.is_empty() {
            state.documents.retain(|known, _| known != path && !known.starts_with(&below));
        }
        state.documents.len() < before
    }

    async fn cut(&self, path: &str, pointer: &str) -> bool {
        let mut state = self.state.lock().unwrap();
        let Some((_, _, body)) = state.documents.get_mut(path) else { return false };
        let mut document: serde_json::Value = serde_json::from_slice(body).unwrap();
        let (above, member) = pointer.rsplit_once('/').unwrap();
        let members = document.pointer_mut(above).and_then(serde_json::Value::as_object_mut);
        let removed = members.and_then(|members| members.remove(member)).is_some();
        *body = document.to_string().into_bytes();
        removed
    }
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Answer {
        self.asked.push(format!("{} {}", asked.method, asked.path));
        let header = |name: &str| asked.header(name).map(str::to_owned);
        self.heard.push(Request {
            method: asked.method.to_owned(),
            path: asked.path.to_owned(),
            source: header("X-Cumulus-Source"),
            session: header("X-Cumulus-Session"),
        });
        if asked.header("X-Cumulus-Source") != Some("machine") {
            return (400, "", b"where is X-Cumulus-Source?".to_vec());
        }
        if (asked.method, asked.path) == ("PUT", "/v2/session") {
            if asked.body() != "{\"seconds\":3600}" {
                return (400, "", Vec::new());
            }
            self.session += 1;
            let body = format!("{{\"session\":{{\"key\":\"k{}\",\"seconds\":3600}}}}", self.session);
            return (200, "Content-Type: application/json\r\n", body.into_bytes());
        }
        if asked.method != "GET" {
            return (405, "", Vec::new());
        }
        if asked.header("X-Cumulus-Session") != Some(&format!("Key k{}", self.session)) {
            return (401, "", b"no session".to_vec());
        }
        self.documents.get(asked.path).cloned().unwrap_or((404, "", b"nothing here".to_vec()))
    }
}
