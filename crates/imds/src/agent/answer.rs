//! What an agent's answers mean.

use std::time::SystemTime;

use imds_model::{Error, ErrorKind, Field, Metadata, Reading, Source};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// The snapshot in an answer of `/v1/metadata`.
pub(super) fn metadata(body: &[u8], now: SystemTime, agent: &Source) -> Result<Metadata, Error> {
    let object: Map<String, Json> =
        serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
    from_object(&object, now, agent)
}

/// The same, of an object that was parsed already.
pub(super) fn from_object(
    object: &Map<String, Json>,
    now: SystemTime,
    agent: &Source,
) -> Result<Metadata, Error> {
    let names = object.get("denied").and_then(Json::as_array).into_iter().flatten();
    // A newer agent may know fields that this version doesn't.
    let denied: Vec<Field> = names.filter_map(|name| name.as_str()?.parse().ok()).collect();
    let refusal = Error::new(ErrorKind::Disabled, "the agent doesn't tell this to this user")
        .with_remedy("the section [access] of the agent's configuration says who may see what");
    if denied.contains(&Field::Cloud) {
        return Err(refusal);
    }
    let mut metadata =
        Metadata::from_object(object, now, agent).map_err(|error| malformed(&error.to_string()))?;
    for field in denied {
        metadata.set(field, Reading::Failed(refusal.clone()));
    }
    for (name, remedy) in object.get("remedies").and_then(Json::as_object).into_iter().flatten() {
        if let (Ok(field), Some(remedy)) = (name.parse(), remedy.as_str())
            && metadata.value(field).is_err_and(|error| error.is_absent())
        {
            metadata.set(field, Reading::Absent { remedy: Some(remedy.to_owned()) });
        }
    }
    metadata.set_failure(failure_of(&metadata));
    metadata.set_source(agent);
    Ok(metadata)
}

/// Why the agent couldn't ask the service at all, if that is how things stand: something failed, and nothing that is known
/// came from the service, now or earlier.
fn failure_of(metadata: &Metadata) -> Option<Error> {
    let from_service = |reading: &Reading| match reading {
        Reading::Known { source, .. } => !matches!(
            source,
            Source::Firmware(_)
                | Source::File(_)
                | Source::Derived(_)
                | Source::Environment(_)
                | Source::Told(_)
        ),
        _ => false,
    };
    // The cloud may have been found by asking its service, in a probe.
    let mut rest = metadata.readings().filter(|(field, _)| !matches!(field, Field::Cloud | Field::Platform));
    if rest.any(|(_, reading)| from_service(reading)) {
        return None;
    }
    let failed = metadata.readings().find_map(|(_, reading)| reading.error());
    failed.filter(|error| error.kind() != ErrorKind::Disabled).cloned()
}

/// Why an agent refused to answer.
pub(super) fn refusal(status: u16, body: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Written {
        error: Problem,
    }
    #[derive(Deserialize)]
    struct Problem {
        kind: String,
        message: String,
        remedy: Option<String>,
    }
    let Ok(Written { error }) = serde_json::from_slice(body) else {
        return malformed(&format!("status {status}"));
    };
    let known = ErrorKind::ALL.iter().copied().find(|kind| kind.name() == error.kind);
    let kind = match (status, error.kind.as_str()) {
        (503, "not_ready") => ErrorKind::Unknown,
        (503, "busy") => ErrorKind::Throttled,
        (403, _) => ErrorKind::Disabled,
        // An agent of another version, whose paths are others.
        (404, "unknown") | (400 | 405 | 413, _) => ErrorKind::Malformed,
        _ => known.unwrap_or(ErrorKind::Malformed),
    };
    let told = Error::new(kind, format!("the agent says: {}", error.message));
    match error.remedy {
        Some(remedy) => told.with_remedy(remedy),
        None => told,
    }
}

/// That isn't what an agent says.
pub(super) fn malformed(why: &str) -> Error {
    Error::new(ErrorKind::Malformed, format!("whoever answers speaks no agent's language: {why}"))
        .with_remedy("is the agent of the same version? `--agent never` asks the service itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Metadata, Error> {
        metadata(text.as_bytes(), SystemTime::now(), &Source::Agent("/s".to_owned()))
    }

    #[test]
    fn what_may_not_be_seen_has_failed_and_nothing_else() {
        let told = r#"{"cloud":"aws","region":"r","schema":1,"sources":{"cloud":"firmware:/x","region":"imds:/r"},
            "denied":["instance_id","a_field_of_tomorrow"]}"#;
        let metadata = read(told).unwrap();
        assert_eq!(metadata.value(Field::InstanceId).unwrap_err().kind(), ErrorKind::Disabled);
        assert_eq!(metadata.value(Field::Zone).unwrap_err().kind(), ErrorKind::Absent);
        assert_eq!(metadata.failure(), None);
        let Some(Reading::Known { source, .. }) = metadata.reading(Field::Region) else { panic!() };
        assert_eq!(source.to_string(), "agent:/s");
        let none = r#"{"schema":1,"sources":{},"denied":["cloud","region"]}"#;
        assert_eq!(read(none).unwrap_err().kind(), ErrorKind::Disabled);
    }

    #[test]
    fn what_can_be_done_about_an_absent_value_is_told_and_makes_none_absent() {
        let told = r#"{"cloud":"aws","region":"r","schema":1,"sources":{},
            "remedies":{"tags":"switch them on","region":"no","a_field_of_tomorrow":"x","zone":7}}"#;
        let metadata = read(told).unwrap();
        let absent = metadata.value(Field::Tags).unwrap_err();
        assert_eq!((absent.is_absent(), absent.remedy()), (true, Some("switch them on")));
        assert_eq!(metadata.text(Field::Region), Some("r"));
        assert_eq!(metadata.value(Field::Zone).unwrap_err().remedy(), None);
    }

    #[test]
    fn an_agent_that_could_not_ask_says_so() {
        let told = |source: &str, region: &str| {
            format!(
                r#"{{"cloud":"aws","instance_id":"i-1",{region}"schema":1,"errors":{{"instance_id":{{"kind":"disabled",
                "message":"m"}},"region":{{"kind":"timed_out","message":"late"}}}},"sources":{{"instance_id":"{source}"}}}}"#
            )
        };
        let unasked = read(&told("firmware:/x", "").replace("disabled", "timed_out")).unwrap();
        assert_eq!(unasked.failure().map(Error::kind), Some(ErrorKind::TimedOut));
        assert_eq!(read(&told("imds:/x", "")).unwrap().failure(), None, "it was asked, once");
    }

    #[test]
    fn refusals_are_typed() {
        let body = |kind: &str| format!(r#"{{"error":{{"kind":"{kind}","message":"m","remedy":"r"}}}}"#);
        for (status, kind, expected) in [
            (503, "not_ready", ErrorKind::Unknown),
            (503, "busy", ErrorKind::Throttled),
            (404, "no_cloud", ErrorKind::NoCloud),
            (404, "absent", ErrorKind::Absent),
            (404, "unknown", ErrorKind::Malformed),
            (403, "denied", ErrorKind::Disabled),
            (502, "timed_out", ErrorKind::TimedOut),
            (502, "of_tomorrow", ErrorKind::Malformed),
            (400, "bad_request", ErrorKind::Malformed),
        ] {
            let error = refusal(status, body(kind).as_bytes());
            assert_eq!((error.kind(), error.remedy()), (expected, Some("r")), "{kind}");
        }
        assert_eq!(refusal(500, b"<html>").kind(), ErrorKind::Malformed);
    }
}
