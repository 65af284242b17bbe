//! What every cloud has to do alike, be it built in or described by a user: what the vendor wants of a request is sent, an
//! expired session is renewed once, and a value that is taken away becomes absent while all others stay.

use std::collections::BTreeSet;

use imds::{Client, Field, Metadata, Reading, Source, Value};

/// A request that a service heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The header that the suite asks about.
    pub(crate) header: Option<String>,
}

/// A machine whose service can be looked at and changed.
pub(crate) trait Machine {
    /// A client that was told where it is.
    fn client(&self) -> Client;

    /// Every request so far, with this header.
    fn heard(&self, header: &str) -> Vec<Heard>;

    /// Accepts no session that was given so far.
    fn end_sessions(&self);

    /// Takes the value away that is at this path, or at this place of its document. Says whether there was one.
    fn remove(&self, path: &str, pointer: &str) -> bool;

    /// Takes a member out of a document that is held as a whole.
    async fn cut(&self, path: &str, pointer: &str) -> bool;
}

async fn read_all(machine: &impl Machine) -> Metadata {
    machine.client().read(Field::ALL).await.unwrap()
}

/// Every request bears what the vendor wants of it.
pub(crate) async fn sends_what_is_wanted(spec: &str, machine: &impl Machine, name: &str, value: &str) {
    let metadata = read_all(machine).await;
    assert!(metadata.text(Field::InstanceId).is_some(), "{spec}: {metadata:?}");
    for Heard { method, path, header } in machine.heard(name) {
        assert_eq!(header.as_deref(), Some(value), "{spec}: {method} {path}");
    }
}

/// A token is got once and sent with every request; when it is refused, one other is got and nothing is lost.
pub(crate) async fn renews_its_session(spec: &str, machine: &impl Machine, header: &str) {
    let client = machine.client();
    let first = client.read(Field::ALL).await.unwrap();
    assert!(first.text(Field::InstanceId).is_some(), "{spec}: {first:?}");
    let puts = || machine.heard(header).iter().filter(|heard| heard.method == "PUT").count();
    assert_eq!(puts(), 1, "{spec}");
    for Heard { path, header, .. } in machine.heard(header).iter().filter(|heard| heard.method == "GET") {
        assert!(header.as_ref().is_some_and(|token| !token.is_empty()), "{spec}: {path}");
    }
    machine.end_sessions();
    let second = client.read(Field::ALL).await.unwrap();
    for field in Field::ALL {
        assert_eq!(second.value(*field).ok(), first.value(*field).ok(), "{spec}: {field} after the expiry");
    }
    assert_eq!(puts(), 2, "{spec}");
}

/// The fields that aren't made of this one.
fn independent(field: Field) -> impl Fn(&Field, &Source) -> bool {
    move |_, source| match source {
        Source::Derived(parts) => !parts.contains(&field),
        _ => true,
    }
}

fn sources(metadata: &Metadata) -> Vec<(Field, Value, Source)> {
    let known = metadata.readings().filter_map(|(field, reading)| match reading {
        Reading::Known { value, source, .. } => Some((field, value.clone(), source.clone())),
        _ => None,
    });
    known.collect()
}

/// A value that is taken away is absent while all others stay: one after the other, each on a machine of its own.
pub(crate) async fn loses_only_what_is_taken_away<M: Machine>(spec: &str, start: impl AsyncFn() -> M) {
    let whole = read_all(&start().await).await;
    let known = sources(&whole);
    let mut tried = BTreeSet::new();
    for (field, value, source) in &known {
        let Source::Imds { path, pointer } = source else { continue };
        let machine = start().await;
        let mut removed = machine.remove(path, pointer);
        // Beside a member there may be a document of its name, which went in its place.
        if removed
            && matches!(read_all(&machine).await.reading(*field), Some(Reading::Known { source: still, value: left, .. }) if still == source && left == value)
        {
            removed = false;
        }
        if !removed && pointer.is_empty() {
            // Made of a whole document, which no service is without.
            continue;
        }
        assert!(
            removed || machine.cut(path, pointer).await,
            "{spec}: {field} is said to come from {source}, but the service has no such value"
        );
        tried.insert(*field);
        let without = read_all(&machine).await;
        match without.reading(*field) {
            Some(Reading::Absent { .. }) => {}
            // Another place may say it, or a part of it.
            Some(Reading::Known { source: other, value: left, .. }) if other != source || left != value => {}
            other => panic!("{spec}: {field} without {source}: {other:?}"),
        }
        // Lists may hold what was taken away; single values don't.
        for (other, value, from) in known.iter().filter(|(other, value, from)| {
            other != field
                && from != source
                && matches!(value, Value::Text(_))
                && independent(*field)(other, from)
        }) {
            let same_document = matches!(from, Source::Imds { path: other, .. } if other.starts_with(path));
            let from_interfaces = matches!(from, Source::Derived(_));
            let now = without.value(*other);
            assert!(
                now.as_ref().ok() == Some(&value) || ((same_document || from_interfaces) && now.is_err()),
                "{spec}: {other} changed to {now:?} when {field} was taken away"
            );
        }
    }
    assert!(tried.len() > 2, "{spec}: {tried:?}");
}
