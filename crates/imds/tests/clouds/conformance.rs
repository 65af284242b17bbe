//! What every cloud has to do alike, each shown on its own ready-made machines: what the vendor wants of a request is
//! sent, an expired token is renewed, and a value that is taken away becomes absent while all others stay.

use std::collections::BTreeSet;

use crate::harness::{fake, read_all, scenario, start, told};
use imds::{Field, Metadata, Reading, Source, Value};
use imds_fake::Fake;

/// What each vendor wants of every request for a value, by its own page.
const HEADERS: [(&str, &str, &str); 5] = [
    ("azure:plain", "metadata", "true"),
    ("gcp:plain", "metadata-flavor", "Google"),
    ("oracle:plain", "authorization", "Bearer Oracle"),
    ("yandex:plain", "metadata-flavor", "Google"),
    ("ibm:plain", "metadata-flavor", "ibm"),
];

/// Machines whose service wants session tokens, and the header that carries one.
const TOKENS: [(&str, &str); 5] = [
    ("aws:imdsv2-required", "x-aws-ec2-metadata-token"),
    ("alibaba:hardened", "x-aliyun-ecs-metadata-token"),
    ("akamai:plain", "metadata-token"),
    ("huawei:token-required", "x-metadata-token"),
    ("ibm:plain", "authorization"),
];

#[tokio::test]
async fn what_the_vendor_wants_of_a_request_is_sent() {
    for (spec, name, value) in HEADERS {
        let fake = fake(spec).await;
        let metadata = read_all(&fake).await;
        assert!(metadata.text(Field::InstanceId).is_some(), "{spec}: {metadata:?}");
        for request in fake.requests() {
            assert_eq!(request.header(name), Some(value), "{spec}: {} {}", request.method(), request.path());
        }
    }
}

#[tokio::test]
async fn a_token_is_sent_and_an_expired_one_is_renewed_once() {
    for (spec, header) in TOKENS {
        let fake = fake(spec).await;
        let client = told(&fake);
        let first = client.read(Field::ALL).await.unwrap();
        assert!(first.text(Field::InstanceId).is_some(), "{spec}: {first:?}");
        let puts = |fake: &Fake| fake.requests().iter().filter(|request| request.method() == "PUT").count();
        assert_eq!(puts(&fake), 1, "{spec}");
        let gets = fake.requests().into_iter().filter(|request| request.method() == "GET");
        for request in gets {
            assert!(
                request.header(header).is_some_and(|token| !token.is_empty()),
                "{spec}: {}",
                request.path()
            );
        }
        fake.revoke_tokens();
        let second = client.read(Field::ALL).await.unwrap();
        for field in Field::ALL {
            assert_eq!(
                second.value(*field).ok(),
                first.value(*field).ok(),
                "{spec}: {field} after the expiry"
            );
        }
        assert_eq!(puts(&fake), 2, "{spec}");
    }
}

/// Paths under which a fake may know the value of a source: its own path, a member of its document.
fn spellings(path: &str, pointer: &str) -> Vec<String> {
    let below = pointer.trim_start_matches('/');
    let path = path.trim_end_matches('/');
    if below.is_empty() {
        return vec![path.to_owned()];
    }
    vec![
        format!("{path}/{below}"),
        format!("{}/{below}", path.trim_end_matches(".json")),
        below.to_owned(),
        below.replace('/', "."),
    ]
}

/// Takes a member out of a document that the fake holds as a whole.
async fn cut(fake: &Fake, path: &str, pointer: &str) -> bool {
    let Some((above, member)) = pointer.rsplit_once('/') else { return false };
    // With the query with which it is usually asked for.
    let usual = fake.requests().into_iter().find(|request| request.path_only() == path);
    let asked = usual.map_or_else(|| path.to_owned(), |request| request.path().to_owned());
    let document = told(fake).raw(&asked, true).await.unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let members = document.pointer_mut(above).and_then(serde_json::Value::as_object_mut);
    members.is_some_and(|members| members.remove(member).is_some())
        && fake.set(path, &document.to_string()).is_ok()
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

/// Takes away one value after the other.
async fn absences(spec: &str) {
    let whole = read_all(&fake(spec).await).await;
    let known = sources(&whole);
    let mut tried = BTreeSet::new();
    for (field, value, source) in &known {
        let Source::Imds { path, pointer } = source else { continue };
        let fake = start(scenario(spec)).await;
        let mut removed = spellings(path, pointer).iter().any(|spelling| fake.remove(spelling).is_ok());
        // Beside a member there may be a document of its name, which went in its place.
        if removed
            && matches!(read_all(&fake).await.reading(*field), Some(Reading::Known { source: still, value: left, .. }) if still == source && left == value)
        {
            removed = false;
        }
        if !removed && pointer.is_empty() {
            // Made of a whole document, which no service is without.
            continue;
        }
        assert!(
            removed || cut(&fake, path, pointer).await,
            "{spec}: {field} is said to come from {source}, but the service has no such value"
        );
        tried.insert(*field);
        let without = read_all(&fake).await;
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

macro_rules! absences {
    ($($cloud:ident)+) => {
        mod a_value_that_is_taken_away_is_absent {
            $(
                #[tokio::test]
                async fn $cloud() {
                    super::absences(concat!(stringify!($cloud), ":plain")).await;
                }
            )+

            #[test]
            fn in_every_cloud() {
                let tested: std::collections::BTreeSet<String> = [$(stringify!($cloud).to_owned()),+].into();
                let readable = imds::clouds().into_iter().filter(|cloud| !cloud.fields.is_empty());
                assert_eq!(tested, readable.map(|cloud| cloud.name.to_string()).collect());
            }
        }
    };
}

absences! {
    akamai alibaba aws azure cloudstack digitalocean exoscale gcp hetzner huawei ibm openstack oracle outscale ovh scaleway
    tencent upcloud vultr yandex
}
