//! The one shape in which every cloud is said.
//!
//! The built-in clouds are TOML files in `clouds/`; `build.rs` reads them with these very types and prints them as
//! statics, for which their `Debug` form **is** Rust source. That is why [`Text`], [`List`] and [`Map`] stand in for `Cow`
//! here: they can be built in a static, are owned when read at run time, and print as their own constructors.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Text that is constant or owned.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub Cow<'static, str>);

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text(Cow::Borrowed({:?}))", &*self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Cow::Owned(String::deserialize(deserializer)?)))
    }
}

/// A list that is constant or owned.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T: Clone + 'static>(pub Cow<'static, [T]>);

impl<T: Clone> Default for List<T> {
    fn default() -> Self {
        Self(Cow::Borrowed(&[]))
    }
}

impl<T: Clone> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Clone + fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List(Cow::Borrowed(&{:?}))", &*self.0)
    }
}

/// One item may be written without brackets.
impl<'de, T: Clone + Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum OneOrMany<T> {
            Many(Vec<T>),
            One(T),
        }
        Ok(Self(Cow::Owned(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::Many(items) => items,
            OneOrMany::One(item) => vec![item],
        })))
    }
}

/// A table whose order is kept, constant or owned.
#[derive(Clone, PartialEq, Eq)]
pub struct Map<V: Clone + 'static>(pub Cow<'static, [(Text, V)]>);

impl<V: Clone> Map<V> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

impl<V: Clone> Default for Map<V> {
    fn default() -> Self {
        Self(Cow::Borrowed(&[]))
    }
}

impl<V: Clone + fmt::Debug> fmt::Debug for Map<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map(Cow::Borrowed(&{:?}))", &*self.0)
    }
}

impl<'de, V: Clone + Deserialize<'de>> Deserialize<'de> for Map<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Clone + Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Vec<(Text, V)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        Ok(Self(Cow::Owned(deserializer.deserialize_map(Entries(PhantomData))?)))
    }
}

/// A cloud: how to recognise it, how to ask it, how to read its answers.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its name: `aws`.
    pub name: Text,
    /// Its name for people.
    pub title: Text,
    /// The vendor's page about the service.
    #[serde(default)]
    pub docs: Option<Text>,
    /// Values of `ignition.platform.id=` that mean it.
    #[serde(default)]
    pub ignition: List<Text>,
    /// Firmware that speaks for it.
    #[serde(default)]
    pub firmware: List<FirmwareRow>,
    /// Variables of the environment that speak for it.
    #[serde(default)]
    pub environment: List<EnvironmentRow>,
    /// What the field `platform` says where the machine is a node of the cloud's own Kubernetes.
    #[serde(default)]
    pub cluster_platform: Option<Text>,
    /// How its service is asked; a cloud without it can be named but not read.
    #[serde(default)]
    pub service: Option<Service>,
    /// What can be asked for.
    #[serde(default)]
    pub documents: Map<Document>,
    /// Where each field lies.
    #[serde(default)]
    pub fields: Map<Rule>,
    /// Where the network interfaces lie.
    #[serde(default)]
    pub interfaces: List<InterfaceRule>,
    /// What firmware knows without the service.
    #[serde(default)]
    pub offline: Map<OfflineRule>,
    /// How it is told from others by asking.
    #[serde(default)]
    pub probe: Option<Probe>,
    /// Paths that give secrets, and documents that hold some.
    #[serde(default)]
    pub secrets: Secrets,
}

/// Firmware that speaks for a cloud, or against any.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareRow {
    /// What it is, for the report; a cloud's rows use the cloud's title.
    #[serde(default)]
    pub title: Option<Text>,
    /// All of these have to match. Keys are DMI files, `hypervisor_uuid`, `osrelease`, `cmdline` or `exists`.
    pub when: Map<Pattern>,
    /// How much it weighs.
    pub strength: Weight,
    /// Where the fact comes from.
    pub source: Text,
    /// The fixture that shows it, in `tests/firmware/`.
    pub fixture: Text,
    /// A limit or an oddity.
    #[serde(default)]
    pub note: Option<Text>,
}

/// How much a row weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Names nothing alone.
    Weak,
    /// Enough for `likely`.
    Strong,
    /// Enough alone.
    Certain,
}

/// What a value has to look like.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(untagged)]
pub enum Pattern {
    /// Exactly this.
    Exact(Text),
    /// `*` and `?`, case-sensitive.
    Glob {
        /// The pattern.
        glob: Text,
    },
    /// `*` and `?`, whatever the case of ASCII letters.
    Iglob {
        /// The pattern.
        iglob: Text,
    },
}

/// A variable of the environment that speaks for a cloud.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRow {
    /// Its name; it has to be set.
    pub variable: Text,
    /// Its value, where only one speaks for the cloud.
    #[serde(default)]
    pub value: Option<Text>,
    /// What of the cloud this is: the field `platform`.
    #[serde(default)]
    pub platform: Option<Text>,
    /// How much it weighs.
    pub strength: Weight,
    /// Where the fact comes from.
    pub source: Text,
}

/// How a cloud's service is asked.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its IPv4 address.
    #[serde(default)]
    pub ipv4: Option<Text>,
    /// Its IPv6 address.
    #[serde(default)]
    pub ipv6: Option<Text>,
    /// Its port.
    #[serde(default = "http")]
    pub port: u16,
    /// Headers that every request carries.
    #[serde(default)]
    pub headers: Map<Text>,
    /// Headers that every answer carries; one without them isn't this cloud's.
    #[serde(default)]
    pub reply_headers: Map<Text>,
    /// The `Server` header by which even a refusal can be recognised.
    #[serde(default)]
    pub server: Option<Text>,
    /// Session tokens.
    #[serde(default)]
    pub token: Option<Token>,
    /// Versions in the query.
    #[serde(default)]
    pub version: Option<Version>,
    /// Variables that hold another base URL (`http://host:port`).
    #[serde(default)]
    pub url_variables: List<Text>,
    /// Variables that hold another host (`host` or `host:port`).
    #[serde(default)]
    pub host_variables: List<Text>,
    /// A variable that says `IPv4` or `IPv6` where only one of both shall be used.
    #[serde(default)]
    pub mode_variable: Option<Text>,
    /// A variable that says how many tries a request has in all.
    #[serde(default)]
    pub tries_variable: Option<Text>,
    /// A variable that says how many seconds one try may take.
    #[serde(default)]
    pub time_variable: Option<Text>,
    /// A variable that forbids asking, when it is `true`.
    #[serde(default)]
    pub disabled_variable: Option<Text>,
    /// Whether 410 is temporary here (Azure: while the host's agent is updated).
    #[serde(default)]
    pub gone_is_temporary: bool,
    /// What helps when the service is disabled (403).
    #[serde(default)]
    pub when_disabled: Option<Text>,
    /// What helps when nothing answers.
    #[serde(default)]
    pub when_unreachable: Option<Text>,
}

const fn http() -> u16 {
    80
}

/// Session tokens: got with `PUT`, sent with every request.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Where it is got.
    pub path: Text,
    /// The request header that says how long it shall live, in seconds.
    pub ttl_header: Text,
    /// How long it shall live, in seconds.
    pub ttl: u32,
    /// The header in which it is sent.
    pub header: Text,
    /// What requests with a token are called.
    pub name: Text,
    /// What requests without one are called, where the service may answer those too.
    #[serde(default)]
    pub without: Option<Text>,
    /// What helps when the reply never comes although the connection stands.
    #[serde(default)]
    pub when_unanswered: Option<Text>,
    /// What helps when requests without a token are refused and a token can't be had.
    #[serde(default)]
    pub forbid_variable: Option<Text>,
}

/// Versions in the query, negotiated.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The parameter's name.
    pub parameter: Text,
    /// Versions whose documents this crate can read, best first.
    pub preferred: List<Text>,
    /// The member of a 400's body that lists the versions that would do.
    pub offered: Text,
}

/// One thing that can be asked for.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its path; the query without the version.
    pub path: Text,
    /// How to read it.
    #[serde(default)]
    pub format: Format,
    /// For a tree: the keys below each entry of the listing; none when the entries are values themselves.
    #[serde(default)]
    pub leaves: List<Text>,
    /// Members that are dropped while the document is parsed, at any depth, whatever their case: secrets.
    #[serde(default)]
    pub omit: List<Text>,
    /// The first version that serves it.
    #[serde(default)]
    pub since: Option<Text>,
    /// Whether it may be missing shortly after the machine started.
    #[serde(default)]
    pub late: bool,
    /// How it could be had where it is absent.
    #[serde(default)]
    pub when_absent: Option<Text>,
}

/// How a document is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One value, as text.
    #[default]
    Plain,
    /// JSON.
    Json,
    /// A listing, and below it each entry's value or leaves; read as one object.
    Tree,
}

/// Where a field lies.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Places, `DOCUMENT` or `DOCUMENT#/JSON/POINTER` (a `*` stands for every member); the first that has a value wins.
    pub from: List<Text>,
    /// What is done to the text.
    pub transform: Option<Transform>,
    /// Other spellings, compared without case; a value that isn't listed stays as it is.
    pub values: Map<Text>,
    /// A text with `{field}` in it, for values made of others.
    pub derive: Option<Text>,
    /// The function that reads it, where the cloud is irregular. `from` names the documents that it looks at.
    pub function: Option<Text>,
    /// For a field of the primary interface: the documents that are enough to read it, and none where all are needed.
    pub primary: List<Text>,
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            #[serde(default)]
            from: List<Text>,
            #[serde(default)]
            transform: Option<Transform>,
            #[serde(default)]
            values: Map<Text>,
            #[serde(default)]
            derive: Option<Text>,
            #[serde(default)]
            function: Option<Text>,
            #[serde(default)]
            primary: List<Text>,
        }
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Form {
            Places(List<Text>),
            Whole(Whole),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Places(from) => Self { from, ..Self::default() },
            Form::Whole(Whole { from, transform, values, derive, function, primary }) => {
                Self { from, transform, values, derive, function, primary }
            }
        })
    }
}

/// The closed set of things that can be done to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transform {
    /// What follows the last `/`.
    LastSegment,
    /// The last segment without its last `-x`: a zone's region.
    ZoneToRegion,
    /// What precedes the first white space.
    FirstWord,
    /// The name after `/instanceGroupManagers/`; nothing in any other text.
    GroupManager,
}

/// Where network interfaces lie, and what is said of each.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceRule {
    /// `DOCUMENT` or `DOCUMENT#/POINTER` of a list or an object, each member of which is an interface.
    pub each: Text,
    /// The pointer of a number; the interface with the lowest one is the primary.
    #[serde(default)]
    pub order: Option<Text>,
    /// Its MAC; `@key` is the member's own name.
    #[serde(default)]
    pub mac: Rule,
    /// Its private IPv4 addresses.
    #[serde(default)]
    pub private_ipv4s: Rule,
    /// Its public IPv4 addresses.
    #[serde(default)]
    pub public_ipv4s: Rule,
    /// Its IPv6 addresses.
    #[serde(default)]
    pub ipv6s: Rule,
    /// Its network.
    #[serde(default)]
    pub network_id: Rule,
    /// Its subnet.
    #[serde(default)]
    pub subnet_id: Rule,
    /// Its security groups.
    #[serde(default)]
    pub security_groups: Rule,
}

/// A value that firmware knows.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineRule {
    /// The DMI file.
    pub file: Text,
    /// What it has to look like to be the value.
    #[serde(default)]
    pub like: Option<Pattern>,
}

/// How a cloud is told from others by asking.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The document that identifies it.
    pub document: Text,
    /// What has to be in it: pointer and syntax.
    pub require: Map<Syntax>,
    /// Whether other clouds imitate this one's paths: it is believed only when none of them answered.
    #[serde(default)]
    pub imitated: bool,
}

/// What an identifying value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Syntax {
    /// Digits.
    Decimal,
    /// Eight, four, four, four and twelve hex digits.
    Guid,
    /// `i-` and 8 to 17 hex digits.
    Ec2InstanceId,
    /// Letters, digits and `-`, not empty.
    Word,
}

/// What `raw` refuses.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Patterns of paths: `*` is one segment, `**` any number of them, letters of any case.
    #[serde(default)]
    pub paths: List<Text>,
    /// Patterns of paths whose JSON holds secret members, and those members; they are dropped from what is shown.
    #[serde(default)]
    pub members: Map<List<Text>>,
}

/// Signs of machines that are in no cloud.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotClouds {
    /// The rows.
    pub firmware: List<FirmwareRow>,
}
