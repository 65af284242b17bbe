//! The suite of every cloud, on the ready-made machines of the built-in ones.

use imds::Client;
use imds_fake::Fake;

use crate::conformance::{
    Heard, Machine, loses_only_what_is_taken_away, renews_its_session, sends_what_is_wanted,
};
use crate::harness::{fake, told};

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

impl Machine for Fake {
    fn client(&self) -> Client {
        told(self)
    }

    fn heard(&self, header: &str) -> Vec<Heard> {
        let heard = self.requests().into_iter().map(|request| Heard {
            method: request.method().to_owned(),
            path: request.path().to_owned(),
            header: request.header(header).map(str::to_owned),
        });
        heard.collect()
    }

    fn end_sessions(&self) {
        self.revoke_tokens();
    }

    fn remove(&self, path: &str, pointer: &str) -> bool {
        spellings(path, pointer).iter().any(|spelling| Fake::remove(self, spelling).is_ok())
    }

    async fn cut(&self, path: &str, pointer: &str) -> bool {
        let Some((above, member)) = pointer.rsplit_once('/') else { return false };
        // With the query with which it is usually asked for.
        let usual = self.requests().into_iter().find(|request| request.path_only() == path);
        let asked = usual.map_or_else(|| path.to_owned(), |request| request.path().to_owned());
        let document = told(self).raw(&asked, true).await.unwrap();
        let mut document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        let members = document.pointer_mut(above).and_then(serde_json::Value::as_object_mut);
        members.is_some_and(|members| members.remove(member).is_some())
            && self.set(path, &document.to_string()).is_ok()
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

#[tokio::test]
async fn what_the_vendor_wants_of_a_request_is_sent() {
    for (spec, name, value) in HEADERS {
        sends_what_is_wanted(spec, &fake(spec).await, name, value).await;
    }
}

#[tokio::test]
async fn a_token_is_sent_and_an_expired_one_is_renewed_once() {
    for (spec, header) in TOKENS {
        renews_its_session(spec, &fake(spec).await, header).await;
    }
}

macro_rules! absences {
    ($($cloud:ident)+) => {
        mod a_value_that_is_taken_away_is_absent {
            $(
                #[tokio::test]
                async fn $cloud() {
                    let spec = concat!(stringify!($cloud), ":plain");
                    super::loses_only_what_is_taken_away(spec, async || super::fake(spec).await).await;
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
