//! Documents of every cloud: whatever a service says, a snapshot holds no secret, nothing empty and nothing made up, says
//! where each value was read, and comes back from each of its written forms.
//!
//! An input is a line `CLOUD:SCENARIO` (whose machine is asked) and answers, each behind a byte `0xff`: a line with the path,
//! maybe a line `!STATUS`, and the body.
#![no_main]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use imds::machine::MemoryFiles;
use imds::model::metadata::Kept;
use imds::{Client, Config, Field, Metadata, Reading, Selector, Source, Value, otel};
use imds_fake::{SECRET_MARKER, Scenario};
use imds_fuzz::json;
use imds_fuzz::service::{Asked, Sent, Stage};
use imds_fuzz::tree::{Node, What};
use libfuzzer_sys::fuzz_target;

/// Members that are secret in some vendor's documents, by the vendors' pages; a slash in front: only at the top. With them,
/// the clouds whose documents have them.
const SECRET_MEMBERS: [(&str, &[&str]); 8] = [
    ("azure", &["customData", "userData", "publicKeys"]),
    ("digitalocean", &["user_data", "vendor_data", "auth_key", "public_keys"]),
    ("openstack", &["admin_pass", "/random_seed", "/public_keys", "/keys", "/files"]),
    ("ovh", &["admin_pass", "/random_seed", "/public_keys", "/keys", "/files"]),
    ("oracle", &["/metadata", "/extendedMetadata"]),
    ("scaleway", &["ssh_public_keys"]),
    ("upcloud", &["user_data", "vendor_data", "public_keys"]),
    ("vultr", &["user-data", "vendor-data", "startup-script", "public-keys"]),
];

/// What is in no path that is asked for, other than as the key of a tag.
const SECRET_PATHS: [&str; 14] = [
    "user-data",
    "user_data",
    "userdata",
    "vendor-data",
    "vendor_data",
    "public-keys",
    "/iam/",
    "credentials",
    "pkcs7",
    "signature",
    "rsa2048",
    "service-accounts",
    "ssh-keys",
    "startup-script",
];

/// Folders whose entries are keys of tags, addresses or devices.
const LISTINGS: [&str; 5] = ["/tags/", "/labels/", "/macs/", "/disks/", "/block-device-mapping/"];

thread_local! {
    static STAGE: Stage = Stage::default();
    /// Clients' configurations and their clouds, by the names of the scenarios.
    static MACHINES: BTreeMap<String, (String, Config)> = STAGE.with(|stage| {
        let machines = Scenario::all().into_iter().map(|scenario| {
            let cloud = scenario.cloud().name().to_owned();
            let here = |(name, value): (&String, &String)| (name.clone(), value.replace("{url}", stage.url()));
            let environment: Vec<_> = scenario.environment().iter().map(here).collect();
            let config = stage.config(MemoryFiles::new(), &environment).cloud(&cloud, "the fuzzer").build().unwrap();
            (format!("{cloud}:{}", scenario.name()), (cloud, config))
        });
        machines.collect()
    });
}

/// What the service answers at a path.
struct Answer<'a> {
    path: &'a str,
    status: u16,
    body: &'a [u8],
}

fn answer(part: &[u8]) -> Option<Answer<'_>> {
    let line = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte == b'\n');
    let end = line(part)?;
    let path = std::str::from_utf8(&part[..end]).ok()?;
    let mut body = &part[end + 1..];
    let mut status = 200;
    if body.first() == Some(&b'!')
        && let Some(end) = line(body)
        // Those after which nothing is tried again.
        && let Some(said @ (203 | 204 | 302 | 400 | 401 | 403 | 404)) =
            std::str::from_utf8(&body[1..end]).ok().and_then(|status| status.parse().ok())
    {
        (status, body) = (said, &body[end + 1..]);
    }
    Some(Answer { path, status, body })
}

impl Answer<'_> {
    fn sent(&self) -> Sent {
        let kind =
            if matches!(self.body.first(), Some(b'{' | b'[')) { "application/json" } else { "text/plain" };
        let headers = format!(
            "content-type: {kind}\r\nmetadata-flavor: Google\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"
        );
        let mut sent = Sent::whole(&headers, if self.status == 204 { b"" } else { self.body });
        if self.status != 200 {
            sent.bytes.splice(9..15, format!("{} Said", self.status).into_bytes());
        }
        sent
    }
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|byte| *byte == 0xff);
    let name = parts.next().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default().trim();
    let answers: Vec<Answer<'_>> = parts.filter_map(answer).collect();
    MACHINES.with(|machines| {
        let Some((cloud, config)) = machines.get(name).or_else(|| machines.get("aws:plain")) else { return };
        STAGE.with(|stage| {
            let (metadata, asked) = ask(stage, config, &answers);
            let judge = Judge { cloud, answers: &answers, asked: &asked, metadata: &metadata };
            judge.values();
            judge.forms();
            judge.paths();
            judge.secrets();
        });
    });
});

fn ask(stage: &Stage, config: &Config, answers: &[Answer<'_>]) -> (Metadata, Vec<Asked>) {
    let said: BTreeMap<String, Sent> =
        answers.iter().map(|answer| (answer.path.to_owned(), answer.sent())).collect();
    let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
    let heard = Arc::clone(&asked);
    let respond = move |request: &Asked| {
        heard.lock().unwrap().push(request.clone());
        match said.get(request.path()) {
            Some(sent) => sent.clone(),
            None if request.method == "PUT" => {
                Sent::whole("x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n", b"a-token")
            }
            None => Sent::absent(),
        }
    };
    let client = Client::new(config.clone());
    let metadata = stage.play(respond, client.read(Field::ALL)).expect("the cloud is told");
    drop(client);
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    (metadata, asked)
}

struct Judge<'a> {
    cloud: &'a str,
    answers: &'a [Answer<'a>],
    asked: &'a [Asked],
    metadata: &'a Metadata,
}

impl Judge<'_> {
    /// Each known value is of its field's form, and says where it is from.
    fn values(&self) {
        assert_eq!(
            self.metadata.readings().count(),
            Field::ALL.len(),
            "what is asked for is known, absent or failed"
        );
        for (field, reading) in self.metadata.readings() {
            let Reading::Known { value, source, .. } = reading else { continue };
            match value {
                Value::Text(text) => text_of(field, text),
                Value::Tags(tags) => assert!(tags.keys().all(|key| !key.is_empty())),
                Value::Interfaces(interfaces) => {
                    for interface in interfaces {
                        interface.mac.iter().for_each(|text| mac(text));
                        let v4 = interface.private_ipv4s.iter().chain(&interface.public_ipv4s);
                        v4.for_each(|text| ipv4(text));
                        interface.ipv6s.iter().for_each(|text| ipv6(text));
                        let words = interface.network_id.iter().chain(&interface.subnet_id);
                        assert!(words.chain(&interface.security_groups).all(|word| !word.trim().is_empty()));
                    }
                }
                Value::Disks(disks) => {
                    for disk in disks {
                        let texts = [&disk.id, &disk.name, &disk.device];
                        assert!(texts.into_iter().flatten().all(|text| !text.trim().is_empty()), "{disk:?}");
                    }
                }
                _ => {}
            }
            if let Source::Imds { path, .. } = source {
                let path = path.split('?').next().unwrap_or_default();
                // Some nodes are told a place of their own, below which their paths are.
                let was_asked = self.asked.iter().any(|asked| {
                    asked.path().ends_with(path.trim_end_matches('/')) || asked.path().ends_with(path)
                });
                assert!(was_asked, "{field} is from {source}, which nobody asked for: {:?}", self.asked);
            }
            assert!(!matches!(source, Source::Mock | Source::Agent(_)), "{field} is from {source}");
        }
        // The four addresses are those of one interface, where interfaces are known.
        if let (Some(first), Some(Reading::Known { source: Source::Derived(of), .. })) =
            (self.metadata.interfaces().first(), self.metadata.reading(Field::PrivateIpv4))
            && of[..] == [Field::Interfaces]
        {
            assert_eq!(
                self.metadata.text(Field::PrivateIpv4),
                first.private_ipv4s.first().map(String::as_str)
            );
        }
        if self.cloud == "aws"
            && let Some(arn) = self.metadata.text(Field::ResourceId)
            && matches!(
                self.metadata.reading(Field::ResourceId),
                Some(Reading::Known { source: Source::Derived(_), .. })
            )
        {
            let part = |field| self.metadata.text(field).expect("what an ARN is made of is known");
            let [partition, region] = [Field::Partition, Field::Region].map(part);
            let [account, id] = [Field::AccountId, Field::InstanceId].map(part);
            assert_eq!(arn, format!("arn:{partition}:ec2:{region}:{account}:instance/{id}"));
        }
    }

    /// Every written form says the same, and can be read back.
    fn forms(&self) {
        let now = self.metadata.taken_at();
        let text =
            serde_json::to_string(&self.metadata.document(true).at(now)).expect("a snapshot has a JSON form");
        let json: serde_json::Value = serde_json::from_str(&text).expect("the JSON form is JSON");
        for (field, reading) in self.metadata.readings() {
            let known = reading.value().is_some();
            assert_eq!(json.get(field.name()).is_some(), known, "{field}: {text}");
            assert_eq!(json.pointer(&format!("/sources/{field}")).is_some(), known, "{field}: {text}");
            if matches!(reading, Reading::Failed(_)) {
                assert!(json.pointer(&format!("/errors/{field}/kind")).is_some(), "{field}: {text}");
            }
            let selector: Selector = field.name().parse().expect("a field's name selects it");
            assert_eq!(self.metadata.select(&selector).is_ok(), known, "{field}");
        }
        if !self.says("UNKNOWN") {
            assert!(!text.contains("UNKNOWN"), "{text}");
        }
        let again = |metadata: &Metadata| {
            let text = serde_json::to_string(&metadata.document(true).at(now)).unwrap();
            let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
            // What can't be seen from outside: when the snapshot was taken.
            for key in ["age_seconds", "stale"] {
                json.as_object_mut().unwrap().remove(key);
            }
            json
        };
        let kept = serde_json::to_string(&Kept::of(self.metadata)).unwrap();
        let restored =
            serde_json::from_str::<Kept>(&kept).unwrap().restore().expect("what is kept can be restored");
        for (field, reading) in self.metadata.readings() {
            if let Reading::Known { value, source, .. } = reading {
                let Some(Reading::Known { value: kept, source: from, .. }) = restored.reading(field) else {
                    panic!("{field} is lost: {kept}");
                };
                assert_eq!((value, source), (kept, from), "{field}");
            }
        }
        let read = Metadata::from_document(text.as_bytes(), now, &Source::Mock)
            .expect("a document can be read back");
        assert_eq!(again(&read), again(self.metadata));
        for (name, value) in otel::resource_attributes(self.metadata) {
            assert!(!value.is_empty(), "{name}");
        }
    }

    /// Nobody asks for secrets, nor for what a service's own words lead to.
    fn paths(&self) {
        for asked in self.asked {
            assert!(matches!(&*asked.method, "GET" | "PUT"), "{asked:?}");
            let path = asked.path().to_ascii_lowercase();
            // Behind these stands what the service itself listed, in its own words.
            let listed = LISTINGS.iter().filter_map(|listing| path.find(listing)).min();
            let own = &path[..listed.unwrap_or(path.len())];
            assert!(!SECRET_PATHS.iter().any(|secret| own.contains(secret)), "{asked:?}");
            assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{asked:?}");
        }
        assert!(self.asked.len() < 20_000);
    }

    /// A text that stands in secret places alone is told nowhere.
    fn secrets(&self) {
        let only_secret = self.answers.iter().all(|answer| {
            let body = String::from_utf8_lossy(answer.body);
            !answer.path.contains(SECRET_MARKER)
                && (!body.contains(SECRET_MARKER) || self.is_secret(answer, &body))
        });
        if !only_secret {
            return;
        }
        let warnings = self.metadata.warnings().join("\n");
        let told = format!("{:?} {warnings} {:?}", self.metadata, self.metadata.failure());
        assert!(!told.contains(SECRET_MARKER), "{told}");
        let text = serde_json::to_string(&self.metadata.document(true)).unwrap();
        assert!(!text.contains(SECRET_MARKER), "{text}");
    }

    /// Whether every place of the marker in it is secret: tokens, and members that are called so.
    fn is_secret(&self, answer: &Answer<'_>, body: &str) -> bool {
        if self.asked.iter().all(|asked| asked.method == "PUT" || asked.path() != answer.path) {
            return true;
        }
        let Some(members) = SECRET_MEMBERS.iter().find(|(cloud, _)| *cloud == self.cloud) else {
            return false;
        };
        // Escapes may spell it as well.
        let Some(nodes) = json::read(body) else { return false };
        nodes.iter().all(|node| !shows(node, members.1, true))
    }

    fn says(&self, text: &str) -> bool {
        self.answers.iter().any(|answer| {
            let body = String::from_utf8_lossy(answer.body);
            // Escapes may spell anything.
            body.contains(text) || body.contains("\\u") || answer.path.contains(text)
        })
    }
}

/// Whether the marker stands somewhere else than in a member of these names.
fn shows(node: &Node, secret: &[&str], at_top: bool) -> bool {
    match &node.what {
        What::Text(text) => text.text.contains(SECRET_MARKER),
        What::Other(text) => text.contains(SECRET_MARKER),
        What::List(items) => items.iter().any(|item| shows(item, secret, false)),
        What::Map { entries, .. } => entries.iter().any(|(key, value)| {
            let What::Text(name) = &key.what else { return true };
            let is_secret = secret.iter().any(|secret| match secret.strip_prefix('/') {
                Some(secret) => at_top && *secret == name.text,
                None => *secret == name.text,
            });
            name.text.contains(SECRET_MARKER) || (!is_secret && shows(value, secret, false))
        }),
        What::Alias(_) => true,
    }
}

fn text_of(field: Field, text: &str) {
    assert!(!text.trim().is_empty(), "{field} is empty");
    assert!(!text.contains(['\n', '\r']), "{field} is of several lines: {text:?}");
    match field {
        Field::PrivateIpv4 | Field::PublicIpv4 => ipv4(text),
        Field::Ipv6 => ipv6(text),
        Field::Mac => mac(text),
        _ => {}
    }
}

fn ipv4(text: &str) {
    let address: Ipv4Addr = text.parse().expect(text);
    assert_eq!(address.to_string(), text);
}

fn ipv6(text: &str) {
    let address: Ipv6Addr = text.parse().expect(text);
    assert_eq!(address.to_string(), text);
}

fn mac(text: &str) {
    let hex =
        |part: &str| part.len() == 2 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(text.split(':').count() == 6 && text.split(':').all(hex), "{text}");
}
