//! Everything that a description says, in a form for people and programs.

use std::collections::BTreeMap;

use imds_model::{CloudName, Field};
use serde::Serialize;

use super::serves;
use super::signs::{Sign, likeness, signs};
use crate::clouds::cloud_name;
use crate::clouds::description::{Description, DiskRule, InterfaceRule, Map, Pattern, Rule, Text};

/// Everything that is known of a cloud.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CloudDetails {
    /// The cloud whose node this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_of: Option<CloudName>,
    /// The cloud whose service this one's is built on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub based_on: Option<&'static str>,
    /// What speaks for it, in the order in which it is looked at.
    pub signs: Vec<Sign>,
    /// Where its service is: addresses, a name, the DHCP server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Headers that every request carries.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<&'static str, &'static str>,
    /// Headers that every answer carries.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reply_headers: BTreeMap<&'static str, &'static str>,
    /// Its session tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenDetails>,
    /// The query parameter that carries the version, and the versions that can be read, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<(&'static str, Vec<&'static str>)>,
    /// Variables of the environment by which the cloud's own tools move, limit or forbid its service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<&'static str>,
    /// Patterns of paths that are answered to root only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub privileged: Vec<&'static str>,
    /// What is asked for.
    pub documents: Vec<DocumentDetails>,
    /// Where each field lies.
    pub places: Vec<PlaceDetails>,
    /// Where the network interfaces lie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<ItemDetails>,
    /// Where the disks lie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<ItemDetails>,
    /// What its service announces.
    pub events: Vec<EventDetails>,
    /// Fields that firmware knows without the service, and the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub offline: BTreeMap<&'static str, &'static str>,
    /// Patterns of paths that give secrets: `*` is one segment, `**` any number.
    pub secret_paths: Vec<&'static str>,
    /// Patterns of paths whose JSON holds secrets, and the members that are left out of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_members: BTreeMap<&'static str, Vec<&'static str>>,
    /// `cloud.provider` in OpenTelemetry's conventions.
    pub otel_provider: &'static str,
    /// `cloud.platform` there, for each value of the field `platform` that has one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub otel_platforms: BTreeMap<&'static str, &'static str>,
    /// What a reader has to know who expects the usual.
    pub quirks: Vec<&'static str>,
    /// Facts for which no vendor's page was found.
    pub unconfirmed: Vec<&'static str>,
    /// Where the facts come from.
    pub sources: Vec<&'static str>,
}

/// Session tokens.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TokenDetails {
    /// Where it is got with `PUT`.
    pub path: &'static str,
    /// The request header that says how long it shall live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_header: Option<&'static str>,
    /// The request's body that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<&'static str>,
    /// How long it shall live, in seconds.
    pub ttl: u32,
    /// The header in which it is sent, and what precedes it there.
    pub header: String,
    /// What requests with a token are called.
    pub name: &'static str,
    /// What requests without one are called, where they may be answered too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<&'static str>,
}

/// A document.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DocumentDetails {
    /// How places call it.
    pub name: &'static str,
    /// Its path, with the query.
    pub path: &'static str,
    /// `plain`, `json`, `tree` (a listing, and below it each entry's value) or `records`.
    pub format: &'static str,
    /// In a tree, what is asked for below each entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<&'static str>,
    /// In a tree, whether several entries are asked first which of these they have.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
    /// In a tree, entries that aren't asked for where another one is there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub covered: BTreeMap<&'static str, &'static str>,
    /// Secret members that are dropped while it is parsed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub omits: Vec<&'static str>,
    /// The first version that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<&'static str>,
    /// How it could be had where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_absent: Option<&'static str>,
}

/// Where a value lies, and what is done to it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PlaceDetails {
    /// The field, or the part of an interface or a disk.
    pub name: &'static str,
    /// Places, `PATH#/JSON/POINTER`; the first that has a value wins. In an interface or a disk, pointers within it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Places that are asked for only where none of those has a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<String>,
    /// What is done to the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<String>,
    /// Values that are spelled in another way.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<&'static str, &'static str>,
    /// The text that it is made of other fields by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_of: Option<&'static str>,
    /// The function of this crate that reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<&'static str>,
    /// Whether it is that of the first interface.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub of_primary_interface: bool,
}

/// Where interfaces or disks lie.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ItemDetails {
    /// The list, object or item: `PATH#/JSON/POINTER`.
    pub at: String,
    /// Whether each member of it is one.
    pub each: bool,
    /// What has to be in those that are meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// Where its parts lie.
    pub parts: Vec<PlaceDetails>,
}

/// Something that the service announces.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EventDetails {
    /// `interruption`, `rebalance`, `maintenance` or `scaling`.
    pub kind: &'static str,
    /// The path that says it.
    pub path: &'static str,
    /// How often to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u32>,
    /// Whether the request waits until something changes.
    pub waits: bool,
    /// How long before it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<&'static str>,
}

impl CloudDetails {
    pub(super) fn of(cloud: &'static Description) -> Self {
        let service = cloud.service.as_ref();
        let fields = Field::ALL.iter().filter(|field| serves(cloud, **field));
        let variables = service.into_iter().flat_map(|service| {
            let one = [
                &service.mode_variable,
                &service.tries_variable,
                &service.time_variable,
                &service.disabled_variable,
            ];
            let token = service.token.as_ref().and_then(|token| token.forbid_variable.as_deref());
            let many = service.url_variables.iter().chain(service.host_variables.iter()).map(|it| &**it);
            many.chain(one.into_iter().flatten().map(|it| &**it)).chain(token)
        });
        Self {
            node_of: cloud.node.as_ref().map(|_| cloud_name(cloud)),
            based_on: cloud.based_on.as_deref(),
            signs: signs(cloud),
            addresses: service.map(addresses).unwrap_or_default(),
            port: service.map(|service| service.port),
            headers: service.map(|service| texts(&service.headers)).unwrap_or_default(),
            reply_headers: service.map(|service| texts(&service.reply_headers)).unwrap_or_default(),
            token: service.and_then(|service| service.token.as_ref()).map(|token| TokenDetails {
                path: &token.path,
                ttl_header: token.ttl_header.as_deref(),
                body: token.body.as_deref(),
                ttl: token.ttl,
                header: format!("{}: {}…", &*token.header, &*token.scheme),
                name: &token.name,
                without: token.without.as_deref(),
            }),
            version: service
                .and_then(|service| service.version.as_ref())
                .map(|version| (&*version.parameter, list(&version.preferred))),
            variables: variables.collect(),
            privileged: service.map(|service| list(&service.privileged)).unwrap_or_default(),
            documents: cloud.documents.iter().map(|(name, it)| document(name, it)).collect(),
            places: fields.map(|field| field_place(cloud, *field)).collect(),
            interfaces: cloud.interfaces.iter().map(|rule| interface(cloud, rule)).collect(),
            disks: cloud.disks.iter().map(|rule| disk(cloud, rule)).collect(),
            events: events(cloud),
            offline: by_name(cloud.offline.iter().map(|(field, rule)| (field, &*rule.file))),
            secret_paths: list(&cloud.secrets.paths),
            secret_members: by_name(cloud.secrets.members.iter().map(|(path, it)| (path, list(it)))),
            otel_provider: cloud.otel.provider.as_deref().unwrap_or(&cloud.name),
            otel_platforms: texts(&cloud.otel.platform),
            quirks: list(&cloud.quirks),
            unconfirmed: list(&cloud.unconfirmed),
            sources: list(&cloud.sources),
        }
    }
}

fn list(texts: &'static [Text]) -> Vec<&'static str> {
    texts.iter().map(|text| &**text).collect()
}

fn texts(map: &'static Map<Text>) -> BTreeMap<&'static str, &'static str> {
    by_name(map.iter().map(|(name, value)| (name, &**value)))
}

/// Inserted one by one: a map that is collected is sorted first, by code of its own for each type.
fn by_name<V>(entries: impl Iterator<Item = (&'static str, V)>) -> BTreeMap<&'static str, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

fn events(cloud: &'static Description) -> Vec<EventDetails> {
    use crate::clouds::description::EventKind;
    let kind = |kind| match kind {
        EventKind::Interruption => "interruption",
        EventKind::Rebalance => "rebalance",
        EventKind::Maintenance => "maintenance",
        EventKind::Scaling => "scaling",
    };
    let details = cloud.events.iter().map(|event| EventDetails {
        kind: kind(event.kind),
        path: &event.path,
        every_seconds: event.every,
        waits: event.waits,
        notice: event.notice.as_deref(),
    });
    details.collect()
}

fn addresses(service: &'static crate::clouds::description::Service) -> Vec<String> {
    let literal =
        service.ipv4.iter().map(ToString::to_string).chain(service.ipv6.iter().map(|it| format!("[{it}]")));
    let mut addresses: Vec<String> = literal.collect();
    addresses.extend(service.host.iter().map(ToString::to_string));
    if service.dhcp_server {
        addresses.push("the DHCP server that leased the machine's own address".to_owned());
    }
    addresses
}

fn document(name: &'static str, document: &'static crate::clouds::description::Document) -> DocumentDetails {
    use crate::clouds::description::Format;
    DocumentDetails {
        name,
        path: &document.path,
        format: match document.format {
            Format::Plain => "plain",
            Format::Json => "json",
            Format::Tree => "tree",
            Format::Records => "records",
        },
        leaves: list(&document.leaves),
        listed: document.listed,
        covered: texts(&document.covered),
        omits: list(&document.omit),
        since: document.since.as_deref(),
        when_absent: document.when_absent.as_deref(),
    }
}

/// A place as `PATH#/POINTER`; what is below a tree has a path of its own.
fn path_of(cloud: &Description, place: &str) -> String {
    let (name, pointer) = place.split_once('#').unwrap_or((place, ""));
    let Some(document) = cloud.documents.get(name) else { return place.to_owned() };
    if document.format == crate::clouds::description::Format::Tree {
        return format!("{}{}", &*document.path, pointer.trim_start_matches('/'));
    }
    if pointer.is_empty() { document.path.to_string() } else { format!("{}#{pointer}", &*document.path) }
}

fn rule(name: &'static str, rule: &'static Rule, path_of: impl Fn(&str) -> String) -> PlaceDetails {
    PlaceDetails {
        name,
        from: rule.from.iter().map(|place| path_of(place)).collect(),
        otherwise: rule.otherwise.iter().map(|place| path_of(place)).collect(),
        transform: rule.transform.map(|transform| kebab(&format!("{transform:?}"))),
        values: texts(&rule.values),
        made_of: rule.derive.as_deref(),
        function: rule.function.as_deref(),
        of_primary_interface: false,
    }
}

/// A variant as descriptions spell it: `ZoneToRegion` is `zone-to-region`.
fn kebab(variant: &str) -> String {
    let mut text = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

pub(super) fn field_place(cloud: &'static Description, field: Field) -> PlaceDetails {
    let own = cloud.fields.get(field.name());
    let mut place = match own {
        Some(own) => rule(field.name(), own, |place| path_of(cloud, place)),
        None => PlaceDetails {
            name: field.name(),
            from: Vec::new(),
            otherwise: Vec::new(),
            transform: None,
            values: BTreeMap::new(),
            made_of: None,
            function: None,
            of_primary_interface: false,
        },
    };
    place.of_primary_interface =
        !matches!(field, Field::Interfaces | Field::Disks | Field::Cloud | Field::Platform)
            && place.from.is_empty()
            && place.made_of.is_none()
            && super::interfaces_say(cloud, field);
    place
}

fn conditions(when: &'static Map<Pattern>) -> Vec<String> {
    let named = |pointer: &str| match pointer {
        "" => "the value itself".to_owned(),
        pointer => format!("`{pointer}`"),
    };
    when.iter().map(|(pointer, pattern)| format!("{} {}", named(pointer), likeness(pattern))).collect()
}

fn parts(parts: Vec<(&'static str, &'static Rule)>) -> Vec<PlaceDetails> {
    let said = parts.into_iter().filter(|(_, rule)| !rule.from.is_empty());
    said.map(|(name, it)| rule(name, it, str::to_owned)).collect()
}

fn interface(cloud: &'static Description, rule: &'static InterfaceRule) -> ItemDetails {
    ItemDetails {
        at: path_of(cloud, rule.place()),
        each: rule.each.is_some(),
        when: conditions(&rule.when),
        parts: parts(vec![
            ("mac", &rule.mac),
            ("private_ipv4s", &rule.private_ipv4s),
            ("public_ipv4s", &rule.public_ipv4s),
            ("ipv6s", &rule.ipv6s),
            ("network_id", &rule.network_id),
            ("subnet_id", &rule.subnet_id),
            ("security_groups", &rule.security_groups),
        ]),
    }
}

fn disk(cloud: &'static Description, rule: &'static DiskRule) -> ItemDetails {
    ItemDetails {
        at: path_of(cloud, &rule.each),
        each: true,
        when: conditions(&rule.when),
        parts: parts(vec![
            ("id", &rule.id),
            ("name", &rule.name),
            ("device", &rule.device),
            ("size_bytes", &rule.size),
        ]),
    }
}
