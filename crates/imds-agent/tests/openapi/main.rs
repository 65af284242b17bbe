//! Every answer of the API, held to `openapi.json`; and the answers themselves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod schema;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use imds::model::{CloudName, Confidence, EvidenceSource, Outcome, Reading, Source, Strength, Value};
use imds::{Disk, Error, ErrorKind, Evidence, Field, Interface, Metadata, Verdict};
use imds_agent::api::{Access, Announcements, Api, Caller, Reply, Request, Who};
use imds_agent::events::{Action, Event, Kind, State};
use imds_agent::store::View;
use serde_json::{Value as Json, json};

static DOCUMENT: LazyLock<Json> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../openapi.json")).unwrap());

fn everything() -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    for field in Field::ALL {
        let value = match field {
            Field::Cloud => Value::Text("aws".to_owned()),
            Field::Tags => Value::Tags(
                [("Name".to_owned(), "web \"1\"\n".to_owned()), ("a/b c".to_owned(), String::new())].into(),
            ),
            Field::Interfaces => {
                let mut interface = Interface::default();
                interface.mac = Some("06:00:00:00:00:01".to_owned());
                interface.private_ipv4s = vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
                Value::Interfaces(vec![interface])
            }
            Field::Disks => {
                let mut disk = Disk::default();
                disk.id = Some("vol-1".to_owned());
                disk.lun = Some(3);
                disk.boot = Some(true);
                Value::Disks(vec![disk])
            }
            Field::ResourceGroup => continue,
            other => Value::Text(format!("value-of-{other}")),
        };
        let path = format!("/latest/{field}");
        metadata.set(*field, Reading::known(value, Source::Imds { path, pointer: String::new() }));
    }
    metadata.set(Field::ResourceGroup, Reading::Absent { remedy: Some("move to Azure".to_owned()) });
    metadata
}

fn verdict(outcome: Outcome) -> Verdict {
    let evidence = Evidence {
        source: EvidenceSource::Firmware,
        detail: "board_asset_tag is i-0123".to_owned(),
        supports: Some(outcome.clone()),
        strength: Strength::Certain,
    };
    let explains = Evidence { supports: None, ..evidence.clone() };
    Verdict::new(outcome, Confidence::Certain, vec![evidence, explains], 0, Duration::from_micros(420))
}

fn view(change: impl FnOnce(&mut View)) -> View {
    let mut view = View::default();
    view.revision = 7;
    view.verdict = Some(Arc::new(verdict(Outcome::Cloud(CloudName::AWS))));
    view.metadata = Some(Arc::new(everything()));
    view.status.last_success = Some(SystemTime::now());
    view.status.last_try = Some(SystemTime::now());
    view.status.next_try = Some(SystemTime::now() + Duration::from_secs(100));
    change(&mut view);
    view
}

/// Some fields failed, one of them with an older value in its place.
fn failing() -> View {
    view(|view| {
        let path = "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:01";
        let error = Error::new(ErrorKind::TimedOut, "no answer").with_path(path).with_remedy("wait");
        let mut old = everything();
        old.map_times(|time| time - Duration::from_secs(60));
        old.set(Field::Zone, Reading::absent());
        let mut now = Metadata::new(CloudName::AWS);
        now.set(Field::Region, Reading::Failed(error.clone()));
        old.set(Field::Tags, Reading::absent());
        now.keep_last_good(&old);
        now.set(Field::Zone, Reading::Failed(error.clone()));
        now.set(Field::Tags, Reading::Failed(error.clone()));
        view.metadata = Some(Arc::new(now));
        view.status.last_error = Some(error);
        view.status.failures = 2;
    })
}

fn starting() -> View {
    View::default()
}

fn nowhere() -> View {
    view(|view| {
        view.metadata = None;
        view.verdict = Some(Arc::new(verdict(Outcome::None)));
    })
}

const ROOT: Caller = Caller::Loopback;

fn careful() -> Access {
    Access { public: vec![Who::Everybody], private: vec![Who::User(7)] }
}

/// An event in which everything is said.
fn event() -> Event {
    let text = r#"{"id":"e-1","cloud":"aws","kind":"interruption","action":"terminate","state":"scheduled",
        "not_before":"2031-05-06T07:08:09Z","deadline":"2031-05-06T07:10:09Z","duration_seconds":9,
        "resources":["i-1"],"source":"/latest/meta-data/spot/instance-action","description":"d"}"#;
    serde_json::from_str(text).unwrap()
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn kind(&self) -> String {
        self.json()["error"]["kind"].as_str().unwrap().to_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Asks, and holds the answer to the document.
fn ask_as(
    api: &Api,
    caller: &Caller,
    view: &View,
    method: &Method,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Answer {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let uri = path.parse().unwrap();
    let request = Request { method, uri: &uri, headers: &headers };
    let announcements = Announcements::default();
    announcements.replace(vec![serde_json::to_value(event()).unwrap()]);
    let events = announcements.now();
    let view = Arc::new(view.clone());
    let (_, reply) = api.answer(&request, caller, &view, &events);
    let (parts, body) = match reply {
        Reply::Whole(response) => {
            let (parts, body) = response.into_parts();
            (parts, String::from_utf8(body.to_vec()).unwrap())
        }
        Reply::Stream(response, mut watch) => {
            (response.into_parts().0, watch.next(&view, &events).unwrap_or_default())
        }
    };
    let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
    hold_to_document(method, path, &answer);
    answer
}

fn hold_to_document(method: &Method, path: &str, answer: &Answer) {
    let document = &*DOCUMENT;
    let template = template_of(path);
    let Some(template) = template else {
        assert!(
            answer.status == 404 || answer.status == 400 || answer.status == 405,
            "{path}: {}",
            answer.status
        );
        return;
    };
    let responses = &document["paths"][template]["get"]["responses"];
    let told = &responses[answer.status.to_string()];
    assert!(told.is_object(), "{method} {path}: {} isn't in the document", answer.status);
    for (name, header) in told["headers"].as_object().into_iter().flatten() {
        if let Some(value) = answer.header(name) {
            let value = match header["schema"]["type"] == "integer" {
                true => json!(value.parse::<u64>().unwrap()),
                false => json!(value),
            };
            assert_eq!(schema::problems(document, &header["schema"], &value), [""; 0], "{path}: {name}");
        } else {
            assert_eq!(name, "Age", "{path}: the header {name} is missing from {}", answer.status);
        }
    }
    let Some(content) = told["content"].as_object() else {
        assert_eq!(answer.body, "", "{path}");
        return;
    };
    let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
    let schema =
        &content.get(kind).unwrap_or_else(|| panic!("{path}: {kind} isn't in the document"))["schema"];
    if method == Method::HEAD {
        assert_eq!(answer.body, "");
        return;
    }
    match kind {
        "application/json" => {
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length));
            assert_eq!(schema::problems(document, schema, &answer.json()), [""; 0], "{path}");
        }
        "text/event-stream" => {
            let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
            for data in data.map(|data| serde_json::from_str(data).unwrap()) {
                assert_eq!(schema::problems(document, schema, &data), [""; 0], "{path}");
            }
        }
        _ => {}
    }
}

fn template_of(path: &str) -> Option<&str> {
    let path = path.split('?').next().unwrap();
    match path {
        _ if path.strip_prefix("/v1/metadata/").is_some_and(|rest| !rest.is_empty()) => {
            Some("/v1/metadata/{field}")
        }
        _ if path.strip_prefix("/v1/tags/").is_some_and(|rest| !rest.is_empty()) => Some("/v1/tags/{key}"),
        _ => DOCUMENT["paths"].get(path).is_some().then_some(path),
    }
}

fn get(view: &View, path: &str) -> Answer {
    ask_as(&Api::new(Access::default()), &ROOT, view, &Method::GET, path, &[])
}

fn get_json(view: &View, path: &str) -> Json {
    let api = Api::new(Access::default());
    ask_as(&api, &ROOT, view, &Method::GET, path, &[("accept", "application/json")]).json()
}

#[test]
fn every_route_answers_as_written_in_every_state() {
    let document = &*DOCUMENT;
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let mut seen = Vec::new();
    for access in [Access::default(), careful(), Access { public: vec![], private: vec![] }] {
        let api = Api::new(access);
        for view in [view(|_| {}), failing(), starting(), nowhere()] {
            for template in &paths {
                for field in
                    ["region", "zone", "resource_group", "interfaces.0", "instance_id", "moon", "%zz"]
                {
                    let path =
                        template.replace("{field}", field).replace("{key}", &field.replace("region", "Name"));
                    for method in [Method::GET, Method::HEAD, Method::POST] {
                        for accept in ["*/*", "application/json"] {
                            let answer = ask_as(&api, &ROOT, &view, &method, &path, &[("accept", accept)]);
                            seen.push(((*template).clone(), answer.status.to_string()));
                        }
                    }
                    let answer = ask_as(&api, &ROOT, &view, &Method::GET, &format!("{path}?x=y"), &[]);
                    seen.push(((*template).clone(), answer.status.to_string()));
                    let again = ask_as(&api, &ROOT, &view, &Method::GET, &path, &[("if-none-match", "*")]);
                    seen.push(((*template).clone(), again.status.to_string()));
                }
            }
        }
    }
    // Whatever is written down happens; a body with the request is the server's to refuse.
    for (template, path) in document["paths"].as_object().unwrap() {
        for status in path["get"]["responses"].as_object().unwrap().keys().filter(|status| *status != "413") {
            assert!(seen.contains(&(template.clone(), status.clone())), "{template} never answers {status}");
        }
    }
}

#[test]
fn the_document_knows_every_field_and_no_other() {
    let document = &*DOCUMENT;
    let names: Vec<Json> = Field::ALL.iter().map(|field| json!(field.name())).collect();
    assert_eq!(document["components"]["schemas"]["FieldName"]["enum"], json!(names));
    let properties = &document["components"]["schemas"]["Metadata"]["properties"];
    for field in Field::ALL {
        let class = format!("Class: {}.", field.class());
        assert!(properties[field.name()]["description"].as_str().unwrap().contains(&class), "{field}");
    }
    assert_eq!(get(&starting(), "/v1/openapi.json").json(), *document);
}

#[test]
fn the_document_knows_every_word_of_events() {
    let words =
        |member: &str| DOCUMENT["components"]["schemas"]["Event"]["properties"][member]["enum"].clone();
    assert_eq!(words("kind"), json!(Kind::ALL));
    assert_eq!(words("action"), json!(Action::ALL));
    assert_eq!(words("state"), json!(State::ALL));
}

#[test]
fn the_metadata_is_the_object_that_show_prints() {
    let view = view(|_| {});
    let shown = serde_json::to_string(&view.metadata.as_ref().unwrap().document(true)).unwrap();
    let told = get(&view, "/v1/metadata");
    // What can be done about absent values stands behind it.
    let open = shown.strip_suffix('}').unwrap();
    assert!(told.body.starts_with(open), "to the byte, order included: {}", told.body);
    let more = told.body[open.len()..].to_owned();
    assert!(more == "}" || more.starts_with(",\"remedies\":{"), "{more}");
}

#[test]
fn what_may_not_be_seen_is_named_and_left_out() {
    let api = Api::new(careful());
    let view = failing();
    let stranger = ask_as(&api, &ROOT, &view, &Method::GET, "/v1/metadata", &[]);
    let shown = stranger.json();
    let denied: Vec<&str> =
        shown["denied"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(
        denied.contains(&"instance_id") && denied.contains(&"resource_group") && !denied.contains(&"region")
    );
    for field in &denied {
        for place in ["", "/errors", "/sources"] {
            assert_eq!(shown.pointer(&format!("{place}/{field}")), None, "{field}");
        }
        assert!(!stranger.body.contains(&format!("value-of-{field}")));
    }
    let owner = Caller::Process { uid: 7, gids: vec![7] };
    assert!(matches!(owner, Caller::Process { .. }));
    for (path, who, status) in [
        ("/v1/metadata/instance_id", &ROOT, 403),
        ("/v1/metadata/tags.Name", &ROOT, 403),
        ("/v1/tags/Name", &ROOT, 403),
        ("/v1/events", &ROOT, 403),
        ("/v1/metadata/instance_type", &ROOT, 200),
        ("/v1/verdict", &ROOT, 200),
        ("/v1/metadata/instance_id", &owner, 200),
        ("/v1/events", &owner, 200),
    ] {
        let answer = ask_as(&api, who, &view, &Method::GET, path, &[]);
        assert_eq!(answer.status, status, "{path}");
        assert!(status != 403 || answer.kind() == "denied");
    }
    let verdict = ask_as(&api, &ROOT, &view, &Method::GET, "/v1/verdict", &[]);
    assert!(!verdict.body.contains("i-0123"), "{}", verdict.body);
    assert_eq!(verdict.json()["denied"], json!(["evidence"]));
    let ready = ask_as(&api, &ROOT, &view, &Method::GET, "/readyz", &[]);
    assert!(!ready.body.contains("06:00"), "{}", ready.body);
    let watched = ask_as(&api, &ROOT, &view, &Method::GET, "/v1/watch", &[]);
    assert!(!watched.body.contains("value-of-instance_id") && !watched.body.contains("event: event"));
}

#[test]
fn values_are_bare_or_json_as_the_caller_likes() {
    let view = view(|_| {});
    for (path, text) in [
        ("/v1/metadata/region", "value-of-region"),
        ("/v1/metadata/tags.Name", "web \"1\"\n"),
        ("/v1/tags/Name", "web \"1\"\n"),
        ("/v1/tags/a%2Fb%20c", ""),
        ("/v1/tags/a/b%20c", ""),
        ("/v1/metadata/interfaces.0.mac", "06:00:00:00:00:01"),
        ("/v1/metadata/interfaces.0.private_ipv4s", r#"["10.0.0.1","10.0.0.2"]"#),
        ("/v1/metadata/disks.0", r#"{"boot":true,"id":"vol-1","lun":3}"#),
    ] {
        let answer = get(&view, path);
        assert_eq!((answer.status, &*answer.body), (200, text), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    for (path, value) in [
        ("/v1/metadata/region", json!("value-of-region")),
        ("/v1/metadata/tags.Name", json!("web \"1\"\n")),
        ("/v1/metadata/disks.0.lun", json!(3)),
        ("/v1/metadata/disks.0", json!({ "id": "vol-1", "lun": 3, "boot": true })),
        ("/v1/metadata/interfaces.0.private_ipv4s.1", json!("10.0.0.2")),
        ("/v1/metadata/tags", json!({ "Name": "web \"1\"\n", "a/b c": "" })),
    ] {
        let answer = get_json(&view, path);
        assert_eq!((&answer["value"], &answer["stale"]), (&value, &json!(false)), "{path}");
    }
    assert_eq!(get_json(&view, "/v1/metadata/region")["source"], "imds:/latest/region");
}

#[test]
fn what_cannot_be_had_says_why() {
    let (good, failing) = (view(|_| {}), failing());
    for (view, path, status, kind) in [
        (&good, "/v1/metadata/resource_group", 404, "absent"),
        (&good, "/v1/tags/none", 404, "absent"),
        (&good, "/v1/metadata/interfaces.5", 404, "absent"),
        (&good, "/v1/metadata/moon", 404, "unknown"),
        (&good, "/latest/meta-data/iam/security-credentials/role", 404, "unknown"),
        (&failing, "/v1/metadata/zone", 502, "timed_out"),
        (&starting(), "/v1/metadata", 503, "not_ready"),
        (&starting(), "/v1/metadata/region", 503, "not_ready"),
        (&starting(), "/v1/verdict", 503, "not_ready"),
        (&nowhere(), "/v1/metadata", 404, "no_cloud"),
        (&good, "/v1/metadata?all", 400, "bad_request"),
    ] {
        let answer = get(view, path);
        assert_eq!((answer.status, &*answer.kind()), (status, kind), "{path}");
    }
    assert_eq!(get(&good, "/v1/metadata/resource_group").json()["error"]["remedy"], "move to Azure");
    let stale = get(&failing, "/v1/metadata/region");
    assert_eq!((stale.status, &*stale.body), (200, "value-of-region"), "the last good value stands in");
    assert!(stale.header("age").unwrap().parse::<u64>().unwrap() >= 60);
    let stale = get_json(&failing, "/v1/metadata/region");
    assert_eq!((&stale["stale"], &stale["error"]["kind"]), (&json!(true), &json!("timed_out")));
    let posted = ask_as(&Api::new(Access::default()), &ROOT, &good, &Method::POST, "/v1/metadata", &[]);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    let later = view(|view| {
        view.metadata = None;
        view.verdict = None;
    });
    let after = get(&later, "/v1/metadata").header("retry-after").unwrap().parse::<u64>().unwrap();
    assert!((90..=100).contains(&after), "when the service is asked next: {after}");
}

#[test]
fn who_has_it_already_is_told_so_in_a_few_bytes() {
    let api = Api::new(Access::default());
    let view = view(|_| {});
    let ask = |view: &View, path: &str, headers: &[(&'static str, &str)]| {
        ask_as(&api, &ROOT, view, &Method::GET, path, headers)
    };
    for path in ["/v1/metadata", "/v1/metadata/region", "/v1/tags/Name", "/v1/verdict"] {
        let first = ask(&view, path, &[]);
        let tag = first.header("etag").unwrap();
        let again = ask(&view, path, &[("if-none-match", tag)]);
        assert_eq!((again.status, &*again.body, again.header("etag")), (304, "", Some(tag)));
        let mut next = view.clone();
        next.revision += 1;
        assert_eq!(ask(&next, path, &[("if-none-match", tag)]).status, 200);
        let restarted =
            ask_as(&Api::new(Access::default()), &ROOT, &view, &Method::GET, path, &[("if-none-match", tag)]);
        assert_eq!(restarted.status, 200, "a tag of an earlier agent says nothing");
    }
    let text = ask(&view, "/v1/metadata/region", &[]);
    let tag = text.header("etag").unwrap();
    let json = ask(&view, "/v1/metadata/region", &[("accept", "application/json"), ("if-none-match", tag)]);
    assert_eq!(json.status, 200, "text and JSON are told apart");
}

#[test]
fn head_tells_the_length_and_nothing_else() {
    let api = Api::new(Access::default());
    for (view, path) in
        [(view(|_| {}), "/v1/metadata"), (starting(), "/v1/metadata"), (view(|_| {}), "/healthz")]
    {
        let whole = ask_as(&api, &ROOT, &view, &Method::GET, path, &[]);
        let head = ask_as(&api, &ROOT, &view, &Method::HEAD, path, &[]);
        assert_eq!(
            (head.status, head.header("content-length")),
            (whole.status, whole.header("content-length"))
        );
        assert_eq!(head.body, "");
    }
    let watched = ask_as(&api, &ROOT, &view(|_| {}), &Method::HEAD, "/v1/watch", &[]);
    assert_eq!((watched.status, &*watched.body), (200, ""));
}

#[test]
fn health_and_readiness_are_told_apart() {
    let status = |view: &View, path: &str| StatusCode::from_u16(get(view, path).status).unwrap();
    assert_eq!(status(&starting(), "/healthz"), 200);
    assert_eq!(status(&starting(), "/readyz"), 503);
    assert_eq!(status(&failing(), "/readyz"), 200, "stale values are values");
    assert_eq!(get(&starting(), "/readyz").header("retry-after"), Some("1"));
    let told = get(&failing(), "/readyz").json();
    assert_eq!((&told["stale"], &told["failures"]), (&json!(true), &json!(2)));
}
