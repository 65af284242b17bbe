//! The one shape in which every cloud is said.
//!
//! The built-in clouds are TOML files in `clouds/`; `build.rs` reads them with these very types and packs them, as `packed`
//! says; `reading` reads TOML, for it and for users. A text borrows from what was packed, and is owned when read at run time.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// Text that is constant or owned.
#[derive(Clone, Default, PartialEq, Eq)]
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
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A list.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A table whose order is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Map<V>(pub Vec<(Text, V)>);

impl<V> Map<V> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: fmt::Debug> fmt::Debug for Map<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What is unpacked when it is first looked at: to recognise one cloud, nobody has to know how all others are asked.
pub enum Later<T> {
    /// It is there.
    Known(Box<T>),
    /// What was packed, and how to unpack it.
    Packed(OnceLock<Box<T>>, &'static str, fn(&'static str) -> T),
}

impl<T> Later<T> {
    /// What is known already.
    pub fn known(value: T) -> Self {
        Self::Known(Box::new(value))
    }
}

impl<T: Clone> Later<T> {
    /// Puts another in its place.
    fn change(&mut self, change: impl FnOnce(&mut T)) {
        let mut value = T::clone(self);
        change(&mut value);
        *self = Self::known(value);
    }
}

impl<T> Deref for Later<T> {
    type Target = T;
    fn deref(&self) -> &T {
        match self {
            Self::Known(value) => value,
            Self::Packed(value, packed, unpack) => value.get_or_init(|| Box::new(unpack(packed))),
        }
    }
}

impl<T: Clone> Clone for Later<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Known(value) => Self::Known(value.clone()),
            Self::Packed(_, packed, unpack) => Self::Packed(OnceLock::new(), packed, *unpack),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

/// A cloud: how to recognise it, how to ask it, how to read its answers.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its name: `aws`.
    pub name: Text,
    /// Its name for people.
    pub title: Text,
    /// The vendor's page about the service.
    pub docs: Option<Text>,
    /// In a user's own file: that it takes the place of the built-in cloud of the same name.
    pub overrides: bool,
    /// The cloud whose service this one's is built on: what isn't said here is as it is there.
    pub based_on: Option<Text>,
    /// For nodes that aren't plain machines (containers, registered servers): whose, and how they are met.
    pub node: Option<Node>,
    /// What a reader has to know who expects the usual.
    pub quirks: Later<List<Text>>,
    /// Facts used here for which no vendor's page was found: they are used so that nothing breaks where they are wrong.
    pub unconfirmed: Later<List<Text>>,
    /// Where the facts come from: pages and programs.
    pub sources: Later<List<Text>>,
    /// Values of `ignition.platform.id=` that mean it.
    pub ignition: List<Text>,
    /// What cloud-init calls it, in `v1.cloud_name` of its instance data.
    pub cloud_init: List<Text>,
    /// Its names in OpenTelemetry's conventions.
    pub otel: Otel,
    /// Firmware that speaks for it.
    pub firmware: List<FirmwareRow>,
    /// Variables of the environment that speak for it.
    pub environment: List<EnvironmentRow>,
    /// What the field `platform` says where the machine is a node of the cloud's own Kubernetes.
    pub cluster_platform: Option<Text>,
    /// How its service is asked; a cloud without it can be named but not read.
    pub service: Later<Option<Service>>,
    /// What can be asked for.
    pub documents: Later<Map<Document>>,
    /// Where each field lies.
    pub fields: Later<Map<Rule>>,
    /// Where the network interfaces lie.
    pub interfaces: Later<List<InterfaceRule>>,
    /// Where the disks lie.
    pub disks: Later<List<DiskRule>>,
    /// What can happen to the machine, and where the service says so.
    pub events: Later<List<Event>>,
    /// What firmware knows without the service.
    pub offline: Later<Map<OfflineRule>>,
    /// How it is told from others by asking.
    pub probe: Later<Option<Probe>>,
    /// Paths that give secrets, and documents that hold some.
    pub secrets: Later<Secrets>,
}

impl Description {
    /// This cloud, with what it doesn't say taken from the one that it is built on.
    pub fn on(mut self, base: &Self) -> Self {
        fn union<V: Clone>(own: &mut Map<V>, base: &Map<V>) {
            let missing: Vec<(Text, V)> =
                base.0.iter().filter(|(key, _)| own.get(key).is_none()).cloned().collect();
            own.0.extend(missing);
        }
        if self.service.is_none() {
            self.service = base.service.clone();
        }
        self.documents.change(|own| union(own, &base.documents));
        self.fields.change(|own| {
            union(own, &base.fields);
            // A rule that says nothing takes the base's away.
            own.0.retain(|(_, rule)| !rule.is_empty());
        });
        self.secrets.change(|own| {
            union(&mut own.members, &base.secrets.members);
            own.paths.0.extend(base.secrets.paths.iter().cloned());
        });
        if self.interfaces.is_empty() {
            self.interfaces = base.interfaces.clone();
        }
        if self.disks.is_empty() {
            self.disks = base.disks.clone();
        }
        self
    }

    /// Whatever that cloud keeps secret is secret here as well.
    pub fn keep_secrets_of(&mut self, other: &Self) {
        self.secrets.change(|own| own.add(&other.secrets));
    }

    /// What can't be meant: references that lead nowhere, forms that exclude each other.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut named: Vec<(Mistake, &str)> = Vec::new();
        for (index, rule) in self.interfaces.iter().enumerate() {
            let at = ["interfaces", &index.to_string()];
            match rule.each.is_some() == rule.at.is_some() {
                true => mistakes.push(Mistake::new(&at, "an interface needs either `each` or `at`")),
                false => named.push((Mistake::new(&at, ""), rule.place())),
            }
            named.extend(rule.primary.iter().map(|place| (Mistake::new(&at, ""), &**place)));
        }
        for (index, rule) in self.disks.iter().enumerate() {
            named.push((Mistake::new(&["disks", &index.to_string()], ""), &*rule.each));
        }
        for (field, rule) in self.fields.iter() {
            let places = rule.from.iter().chain(rule.otherwise.iter()).chain(rule.primary.iter());
            named.extend(places.map(|place| (Mistake::new(&["fields", field], ""), &**place)));
        }
        let probed = self.probe.iter().map(|probe| &*probe.document);
        named.extend(probed.map(|document| (Mistake::new(&["probe", "document"], ""), document)));
        let otherwise = self.probe.iter().filter_map(|probe| probe.otherwise.as_ref());
        named.extend(
            otherwise.map(|proof| (Mistake::new(&["probe", "otherwise", "document"], ""), &*proof.document)),
        );
        for (mistake, place) in named {
            let document = place.split('#').next().unwrap_or(place);
            if self.documents.get(document).is_none() {
                let what = format!("there is no document {document:?}");
                mistakes.push(Mistake { what, ..mistake }.about(place));
            }
        }
        for (name, document) in self.documents.iter().filter(|(_, document)| !document.path.starts_with('/'))
        {
            let what = format!("the path {:?} doesn't start with a slash", &*document.path);
            mistakes.push(Mistake::new(&["documents", name, "path"], what));
        }
        for field in self.node.iter().flat_map(|node| node.adds.iter()) {
            if self.fields.get(field).is_none() {
                let what = format!("the node doesn't say the field {:?}", &**field);
                mistakes.push(Mistake::new(&["node", "adds"], what).about(field));
            }
        }
        if let Some(service) = &*self.service {
            let addressed = service.ipv4.is_some() || service.ipv6.is_some() || service.host.is_some();
            if !addressed && !service.dhcp_server && self.node.is_none() {
                mistakes.push(Mistake::new(&["service"], "it needs `ipv4`, `ipv6`, `host` or `dhcp_server`"));
            }
            if let Some(token) = &service.token
                && token.ttl_header.is_none() == token.body.is_none()
            {
                mistakes.push(Mistake::new(&["service", "token"], "it needs either `ttl_header` or `body`"));
            }
        }
        mistakes
    }
}

/// Something in a description that can't be meant.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The keys that lead to it; numbers from 0 in lists.
    pub at: Vec<String>,
    /// The text below these keys that it is about, where it is one of several.
    pub about: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl Mistake {
    /// What is wrong at these keys.
    pub fn new(at: &[&str], what: impl Into<String>) -> Self {
        Self { at: at.iter().map(|key| (*key).to_owned()).collect(), about: None, what: what.into() }
    }

    /// With the text that it is about.
    pub fn about(self, text: &str) -> Self {
        Self { about: Some(text.to_owned()), ..self }
    }
}

/// Firmware that speaks for a cloud, or against any.
#[derive(Clone, Debug)]
pub struct FirmwareRow {
    /// What it is, for the report; a cloud's rows use the cloud's title.
    pub title: Option<Text>,
    /// All of these have to match. Keys are DMI files, `hypervisor_uuid`, `osrelease`, `cmdline` or `exists`.
    pub when: Map<Pattern>,
    /// How much it weighs.
    pub strength: Weight,
    /// Where the fact comes from.
    pub source: Later<Text>,
    /// The fixture that shows it, in `tests/firmware/`; every built-in row has one.
    pub fixture: Later<Text>,
    /// A limit or an oddity.
    pub note: Later<Option<Text>>,
}

/// How much a row weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Names nothing alone.
    Weak,
    /// Enough for `likely`.
    Strong,
    /// Enough alone.
    Certain,
}

/// What a value has to look like.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug)]
pub struct EnvironmentRow {
    /// Its name; it has to be set.
    pub variable: Text,
    /// Its value, where only one speaks for the cloud.
    pub value: Option<Text>,
    /// A second variable that has to be set as well.
    pub with: Option<Text>,
    /// What of the cloud this is: the field `platform`.
    pub platform: Option<Text>,
    /// How much it weighs.
    pub strength: Weight,
    /// Where the fact comes from.
    pub source: Later<Text>,
}

/// How a node that isn't a plain machine of its cloud is met.
#[derive(Clone, Debug)]
pub struct Node {
    /// The cloud that it belongs to.
    pub of: Text,
    /// Values of the field `platform` for which the cloud's own service isn't there: all is read from the node's.
    pub alone: List<Text>,
    /// Fields that it says where the cloud's own service is there as well; all others come from that.
    pub adds: List<Text>,
    /// Whether it stands outside of the cloud (a registered server): it can't be where firmware names the cloud itself, and
    /// that it answers doesn't say where the machine is.
    pub elsewhere: bool,
    /// What the evidence says when it is met.
    pub met: Text,
}

/// A cloud's names in OpenTelemetry's conventions.
#[derive(Clone, Debug, Default)]
pub struct Otel {
    /// `cloud.provider`, where it isn't the cloud's own name.
    pub provider: Option<Text>,
    /// `cloud.platform` for each value of the field `platform`, where the conventions have one.
    pub platform: Map<Text>,
}

/// Something that can happen to the machine, and where the service says so.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it is.
    pub kind: EventKind,
    /// The path that says it.
    pub path: Text,
    /// How often to look, in seconds; none where the request itself waits.
    pub every: Option<u32>,
    /// Whether the request waits until something changes.
    pub waits: bool,
    /// How long before it is told.
    pub notice: Option<Text>,
}

/// What can happen to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A spot or preemptible machine is taken back.
    Interruption,
    /// It may soon be taken back.
    Rebalance,
    /// The provider works on it: reboot, redeployment, live migration.
    Maintenance,
    /// Its scaling group changes its state.
    Scaling,
}

/// How a cloud's service is asked.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its IPv4 address.
    pub ipv4: Option<Text>,
    /// Its IPv6 address.
    pub ipv6: Option<Text>,
    /// Its name, for a service that is found by name; its addresses stand in where the name can't be looked up.
    pub host: Option<Text>,
    /// Whether its address is the one that leased this machine its own (the virtual router).
    pub dhcp_server: bool,
    /// The name (`name` or `name:port`) by which it is asked over TLS where its plain port refuses connections (cargo
    /// feature `tls`).
    pub tls_host: Option<Text>,
    /// Its port.
    pub port: u16,
    /// Patterns of paths that are answered only to a source port below 1024, so to root alone.
    pub privileged: List<Text>,
    /// Patterns of the paths of its parts that can be switched off one by one: a refusal there means that the part has
    /// nothing to say, and another may.
    pub faces: List<Text>,
    /// The `Server` header of a proxy under which 403 and 404 mean that a value is concealed: absent.
    pub concealed_by: Option<Text>,
    /// Headers that every request carries.
    pub headers: Map<Text>,
    /// Headers that every answer carries; one without them isn't this cloud's.
    pub reply_headers: Map<Text>,
    /// The `Server` header by which even a refusal can be recognised.
    pub server: Option<Text>,
    /// Session tokens.
    pub token: Option<Token>,
    /// Versions in the query.
    pub version: Option<Version>,
    /// Variables that hold another base URL (`http://host:port`).
    pub url_variables: List<Text>,
    /// Variables that hold another host (`host` or `host:port`).
    pub host_variables: List<Text>,
    /// A variable that says `IPv4` or `IPv6` where only one of both shall be used.
    pub mode_variable: Option<Text>,
    /// A variable that says how many tries a request has in all.
    pub tries_variable: Option<Text>,
    /// A variable that says how many seconds one try may take.
    pub time_variable: Option<Text>,
    /// A variable that forbids asking, when it is `true`.
    pub disabled_variable: Option<Text>,
    /// Whether 410 is temporary here (Azure: while the host's agent is updated).
    pub gone_is_temporary: bool,
    /// What helps when the service is disabled (403).
    pub when_disabled: Option<Text>,
    /// What helps when nothing answers.
    pub when_unreachable: Option<Text>,
}

impl Service {
    /// The variables that hold a number.
    pub fn number_variables(&self) -> impl Iterator<Item = &Text> {
        [&self.tries_variable, &self.time_variable].into_iter().flatten()
    }
}

/// Session tokens: got with `PUT`, sent with every request.
#[derive(Clone, Debug)]
pub struct Token {
    /// Where it is got, with the query.
    pub path: Text,
    /// The request header that says how long it shall live, in seconds.
    pub ttl_header: Option<Text>,
    /// The request's body, in which `{ttl}` is how long it shall live.
    pub body: Option<Text>,
    /// How long it shall live, in seconds.
    pub ttl: u32,
    /// Whether every reply says in the same header how long the token lives: one that doesn't isn't this service's.
    pub echoes_ttl: bool,
    /// For a reply in JSON: the pointer of the token.
    pub at: Option<Text>,
    /// For a reply in JSON: the pointer of its life in seconds.
    pub life_at: Option<Text>,
    /// The header in which it is sent.
    pub header: Text,
    /// What precedes it there.
    pub scheme: Text,
    /// What requests with a token are called.
    pub name: Text,
    /// What requests without one are called, where the service may answer those too.
    pub without: Option<Text>,
    /// Whether many machines have no tokens, so that nobody needs to hear of it.
    pub optional: bool,
    /// What helps when the reply never comes although the connection stands.
    pub when_unanswered: Option<Text>,
    /// What helps when requests without a token are refused and a token can't be had.
    pub forbid_variable: Option<Text>,
}

/// Versions in the query, negotiated.
#[derive(Clone, Debug)]
pub struct Version {
    /// The parameter's name.
    pub parameter: Text,
    /// Versions whose documents this crate can read, best first.
    pub preferred: List<Text>,
    /// The member of a 400's body that lists the versions that would do, where the service says so.
    pub offered: Option<Text>,
}

/// One thing that can be asked for.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its path; the query without the version.
    pub path: Text,
    /// How to read it.
    pub format: Format,
    /// For a tree: the keys below each entry of the listing; none when the entries are values themselves.
    pub leaves: List<Text>,
    /// For a tree with leaves: whether an entry with a slash at its end lists those that it has. Where there are several
    /// entries, that is asked first, and then only for what is there.
    pub listed: bool,
    /// For a tree: entries that aren't asked for where another, which says the same, is listed as well.
    pub covered: Map<Text>,
    /// Members that are dropped while the document is parsed, whatever their case: secrets. `name` is meant at any depth, and
    /// in lists also as the text `name=…`; `/name` at the top of the document alone.
    pub omit: List<Text>,
    /// The first version that serves it.
    pub since: Option<Text>,
    /// Whether it may be missing shortly after the machine started.
    pub late: bool,
    /// How it could be had where it is absent.
    pub when_absent: Option<Text>,
}

/// How a document is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One value, as text.
    #[default]
    Plain,
    /// JSON.
    Json,
    /// A listing, and below it each entry's value or leaves; read as one object.
    Tree,
    /// Lines `name: value`, a `-` before the first of each record; read as a list of objects.
    Records,
}

/// Where a field lies.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Places, `DOCUMENT` or `DOCUMENT#/JSON/POINTER` (a `*` stands for every member); the first that has a value wins.
    pub from: List<Text>,
    /// Places that are asked for only where none of those has a value.
    pub otherwise: List<Text>,
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

impl Rule {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
            && self.otherwise.is_empty()
            && self.primary.is_empty()
            && self.derive.is_none()
            && self.function.is_none()
    }
}

/// The closed set of things that can be done to a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// What follows the last `/`.
    LastSegment,
    /// The last segment without its last `-x`: a zone's region.
    ZoneToRegion,
    /// The region of a location of Google's, which is a zone (`europe-west4-b`) or a region (`europe-west4`).
    LocationToRegion,
    /// The same location, where it is a zone.
    LocationToZone,
    /// What precedes the first white space.
    FirstWord,
    /// The name after `/instanceGroupManagers/`; nothing in any other text.
    GroupManager,
    /// A zone without the letter at its end, or without its number: `eu-west-101a` is in `eu-west-101`, `eu-de-01` in `eu-de`;
    /// a region is in itself.
    ZoneWithoutLetter,
    /// The account in a Cloud Resource Name of IBM: what follows `a/` in its scope.
    CrnAccount,
    /// The account in an Amazon Resource Name: its fifth part.
    ArnAccount,
    /// The region in an Amazon Resource Name: its fourth part.
    ArnRegion,
    /// An IPv4 address of a private range (RFC 1918, shared, link-local); nothing in any other text.
    PrivateAddress,
    /// An IPv4 address outside the private ranges; nothing in any other text.
    PublicAddress,
}

/// Where network interfaces lie, and what is said of each.
#[derive(Clone, Debug)]
pub struct InterfaceRule {
    /// `DOCUMENT` or `DOCUMENT#/POINTER` of a list or an object, each member of which is an interface.
    pub each: Option<Text>,
    /// `DOCUMENT` or `DOCUMENT#/POINTER` of something that is one interface by itself.
    pub at: Option<Text>,
    /// Pointers and what has to be there: only members in which it is are meant.
    pub when: Map<Pattern>,
    /// The pointer of a number; the interface with the lowest one is the primary.
    pub order: Option<Text>,
    /// Where interfaces bear no number: the place of the primary one's MAC, `DOCUMENT` or `DOCUMENT#/POINTER`.
    pub primary: Option<Text>,
    /// Its MAC; `@key` is the member's own name.
    pub mac: Rule,
    /// Its private IPv4 addresses.
    pub private_ipv4s: Rule,
    /// Its public IPv4 addresses.
    pub public_ipv4s: Rule,
    /// Its IPv6 addresses.
    pub ipv6s: Rule,
    /// Its network.
    pub network_id: Rule,
    /// Its subnet.
    pub subnet_id: Rule,
    /// Its security groups.
    pub security_groups: Rule,
}

impl InterfaceRule {
    /// The place that it looks at.
    pub fn place(&self) -> &str {
        self.each.as_deref().or(self.at.as_deref()).unwrap_or_default()
    }
}

/// Where disks lie, and what is said of each.
#[derive(Clone, Debug)]
pub struct DiskRule {
    /// `DOCUMENT` or `DOCUMENT#/POINTER` of a list or an object, each member of which is a disk.
    pub each: Text,
    /// Pointers and what has to be there: only members in which it is are meant.
    pub when: Map<Pattern>,
    /// Its id.
    pub id: Rule,
    /// Its name.
    pub name: Rule,
    /// Its device.
    pub device: Rule,
    /// Its size, a whole number of units.
    pub size: Rule,
    /// How many bytes such a unit has.
    pub size_unit: u64,
    /// What `boot_at` holds for the disk that the machine starts from.
    pub boot: Option<Pattern>,
    /// The pointer that tells the disk that the machine starts from; `@key` is the member's own name.
    pub boot_at: Option<Text>,
}

/// A value that firmware knows.
#[derive(Clone, Debug)]
pub struct OfflineRule {
    /// The DMI file.
    pub file: Text,
    /// What it has to look like to be the value.
    pub like: Option<Pattern>,
}

/// How a cloud is told from others by asking.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The document that identifies it.
    pub document: Text,
    /// What has to be in it: pointer and syntax.
    pub require: Map<Syntax>,
    /// What identifies it where that document is absent.
    pub otherwise: Option<Proof>,
    /// Whether other clouds imitate this one's paths: it is believed only when none of them answered, and where its
    /// service has marks of its own (a token, a header) only with them.
    pub imitated: bool,
    /// Whether it is asked only where something else speaks for this cloud: its address is nobody else's business.
    pub needs_evidence: bool,
}

/// A document that identifies a cloud.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The document.
    pub document: Text,
    /// What has to be in it: pointer and syntax.
    pub require: Map<Syntax>,
}

/// What an identifying value looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Digits.
    Decimal,
    /// Eight, four, four, four and twelve hex digits.
    Guid,
    /// `i-` and 8 to 17 hex digits.
    Ec2InstanceId,
    /// Letters, digits and `-`, not empty.
    Word,
    /// A project id of Google's: 6 to 30 lower-case letters, digits and `-`, a letter first; in front of it perhaps the
    /// domain that it belongs to, and `:`.
    GoogleProject,
    /// An id of Yandex: twenty lower-case letters and digits, a letter first.
    YandexId,
    /// Something, be it empty text.
    Present,
    /// A pattern.
    Like(Pattern),
}

/// What `raw` refuses.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Patterns of paths: `*` is one segment, `**` any number of them, letters of any case.
    pub paths: List<Text>,
    /// Patterns of paths whose JSON holds secret members, and those members; they are dropped from what is shown.
    pub members: Map<List<Text>>,
}

impl Secrets {
    /// Whatever the other keeps secret is secret here as well.
    fn add(&mut self, other: &Self) {
        for path in other.paths.iter() {
            if !self.paths.contains(path) {
                self.paths.0.push(path.clone());
            }
        }
        for (pattern, kept) in other.members.0.iter() {
            match self.members.0.iter_mut().find(|(own, _)| own == pattern) {
                Some((_, own)) => {
                    let missing: Vec<Text> = kept.iter().filter(|it| !own.contains(it)).cloned().collect();
                    own.0.extend(missing);
                }
                None => self.members.0.push((pattern.clone(), kept.clone())),
            }
        }
    }
}

/// Signs of machines that are in no cloud.
#[derive(Clone, Debug)]
pub struct NotClouds {
    /// The rows.
    pub firmware: List<FirmwareRow>,
}
