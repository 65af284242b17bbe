//! Answers of a service, byte by byte: what the client takes for an answer is what the protocol says it is, nothing of one
//! answer becomes the next one, no redirect is followed, and no token is told.
#![no_main]

use std::sync::{Arc, Mutex};

use imds::machine::MemoryFiles;
use imds::{Client, Config, Error, ErrorKind};
use imds_fuzz::http::{self, Answer};
use imds_fuzz::service::{Asked, Sent, Stage};
use libfuzzer_sys::fuzz_target;

/// The largest body that is taken, and the largest token.
const LIMIT: usize = 1024 * 1024;
const TOKEN_LIMIT: usize = 4096;
const PATH: &str = "/v1/machine";
const AFTER: &str = "/v1/after";
const MARKER: &[u8] = b"the second answer";

/// Tries are counted by a variable, so that a failure is one and not four.
const LAB: &str = r#"
    name = "lab"
    title = "The lab"
    [service]
    ipv4 = "169.254.169.254"
    tries_variable = "LAB_TRIES"
    [documents]
    machine = { path = "/v1/machine", format = "json" }
    [fields]
    instance_id = "machine#/id"
"#;

struct House {
    stage: Stage,
    lab: Config,
    aws: Config,
}

thread_local! {
    static HOUSE: House = {
        let stage = Stage::default();
        let variables = ["LAB_TRIES", "AWS_METADATA_SERVICE_NUM_ATTEMPTS"].map(|name| (name.into(), "1".into()));
        let config = || stage.config(MemoryFiles::new(), &variables);
        let lab = config().describe(LAB, "lab.toml").cloud("lab", "the fuzzer").build().unwrap();
        let aws = config().cloud("aws", "the fuzzer").build().unwrap();
        House { stage, lab, aws }
    };
}

fuzz_target!(|data: &[u8]| {
    let [way, cut, bytes @ ..] = data else { return };
    HOUSE.with(|house| match way % 2 {
        0 => plain(house, usize::from(*cut), bytes),
        _ => token(house, usize::from(*cut), bytes),
    });
});

/// The bytes as an answer; the connection stays where the protocol lets it.
fn sent(bytes: &[u8], cut: usize) -> Sent {
    let stays = http::read(bytes).is_some_and(|answer| answer.rest.is_some());
    Sent { bytes: bytes.to_vec(), cut: cut * 4, ends: !stays }
}

/// Any path, and another one behind it.
fn plain(house: &House, cut: usize, bytes: &[u8]) {
    let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
    let (heard, first) = (Arc::clone(&asked), sent(bytes, cut));
    let answers = move |request: &Asked| {
        heard.lock().unwrap().push(request.clone());
        if request.target == PATH { first.clone() } else { Sent::whole("", MARKER) }
    };
    let client = Client::new(house.lab.clone());
    let (first, second) = house.stage.play(answers, async {
        let first = client.raw(PATH, false).await;
        (first, client.raw(AFTER, false).await)
    });
    judge(bytes, &first, LIMIT);
    match second {
        Ok(body) => assert_eq!(body, MARKER, "an answer stands for another"),
        // A connection on which more came than was asked for may be given up when it is used again.
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unreachable), "{error}")
        }
    }
    for request in &*asked.lock().unwrap() {
        assert_eq!(request.method, "GET");
        assert!([PATH, AFTER].contains(&&*request.target), "{request:?}");
    }
    let times = asked.lock().unwrap().iter().filter(|request| request.target == PATH).count();
    assert_eq!(times, 1, "one try means one");
}

/// Holds an answer to what its bytes say.
fn judge(bytes: &[u8], outcome: &Result<Vec<u8>, Error>, limit: usize) {
    if let Err(error) = outcome {
        assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
        assert_ne!(error.kind(), ErrorKind::TimedOut, "all that there is was sent: {error}");
    }
    let Some(answer) = http::read(bytes) else {
        if let Ok(body) = outcome {
            assert!(body.len() <= bytes.len(), "more came out than went in");
        }
        return;
    };
    match (outcome, expected(&answer, limit)) {
        (Ok(body), None) => assert_eq!(*body, answer.body),
        (Err(error), Some(kind)) => assert_eq!(error.kind(), kind, "{error}"),
        (outcome, expected) => panic!("{outcome:?} instead of {expected:?}: {answer:?}"),
    }
}

/// The error of an answer; the statuses are those of the service module's table.
fn expected(answer: &Answer<'_>, limit: usize) -> Option<ErrorKind> {
    if answer.body.len() > limit {
        return Some(ErrorKind::TooLarge);
    }
    Some(match answer.status {
        200..=299 => return None,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Disabled,
        404 => ErrorKind::Absent,
        410 => ErrorKind::Gone,
        429 => ErrorKind::Throttled,
        408 | 500..=599 => ErrorKind::ServerError,
        _ => ErrorKind::Malformed,
    })
}

/// AWS: a token, and a document that is asked for with it. The document's answer stands behind a byte `0xff`.
fn token(house: &House, cut: usize, bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0xff);
    let given = parts.next().unwrap_or_default();
    let document = parts.next();
    let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
    let heard = Arc::clone(&asked);
    let replies = (sent(given, cut), document.map(|bytes| sent(bytes, cut)));
    let answers = move |request: &Asked| {
        heard.lock().unwrap().push(request.clone());
        match (&*request.method, &replies.1) {
            ("PUT", _) => replies.0.clone(),
            (_, Some(document)) => document.clone(),
            (_, None) => Sent::whole("", MARKER),
        }
    };
    let client = Client::new(house.aws.clone());
    let outcome = house.stage.play(answers, client.raw("/latest/meta-data/hostname", false));
    let asked = asked.lock().unwrap();
    let understood = http::read(given);
    for request in &*asked {
        let place = match &*request.method {
            "PUT" => "/latest/api/token",
            "GET" => "/latest/meta-data/hostname",
            other => panic!("{other}"),
        };
        assert_eq!(request.target, place);
        let Some(token) = request.header("x-aws-ec2-metadata-token") else { continue };
        assert!(request.method == "GET" && !token.is_empty() && token.len() <= TOKEN_LIMIT);
        if let Some(given) = &understood {
            assert_eq!(String::from_utf8_lossy(&given.body).trim(), token);
            let says_life =
                |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("x-aws-ec2-metadata-token-ttl-seconds");
            assert!(given.headers.iter().any(says_life), "EC2 says how long it lives");
        }
        // Others may be words that are in any message.
        if token.contains("AQAEAtoken") {
            let told = format!("{outcome:?} {client:?} {:?}", client.warnings());
            let echoed = document.is_some_and(|document| {
                document.windows(token.len()).any(|window| window == token.as_bytes())
            });
            assert!(echoed || !told.contains(token), "a token is told");
        }
    }
    // A token that is refused is got anew, twice at most.
    assert!(asked.len() <= 8, "{asked:?}");
    if let (Ok(body), None) = (&outcome, document) {
        assert_eq!(body, MARKER);
    }
    if let (Some(Answer { status: 403, .. }), None) = (&understood, document) {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Disabled);
        assert!(asked.iter().all(|request| request.method == "PUT"), "switched off is switched off");
    }
}
