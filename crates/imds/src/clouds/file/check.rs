//! What a user's description has to keep, beyond what the shape itself says: names that exist, texts that can be sent, and
//! nothing that would take every machine for the cloud.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HeaderName, HeaderValue};
use imds_model::field::nearest;
use imds_model::{CloudName, Field, Shape};

use crate::clouds::description::{Description, Map, Mistake, Pattern, Rule, Service, Syntax};
use crate::clouds::{CLOUDS, Clouds, NODES};
use crate::fetch::plan::parts_of;

/// Namespaces of placeholders that aren't clouds; a cloud of such a name would take theirs.
const RESERVED: [&str; 5] = ["cloud", "tag", "imds", "env", "file"];

/// What the kernel shows of a machine's firmware, below `/sys/class/dmi/id/` (Linux, `dmi-id.c`).
const DMI: [&str; 22] = [
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_type",
    "chassis_vendor",
    "chassis_version",
    "ec_firmware_release",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "sys_vendor",
];
/// What else a row may look at.
const ELSEWHERE: [&str; 4] = ["cmdline", "exists", "hypervisor_uuid", "osrelease"];

/// A mistake, and what would be right.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) mistake: Mistake,
    pub(super) remedy: Option<String>,
}

impl From<Mistake> for Finding {
    fn from(mistake: Mistake) -> Self {
        Self { mistake, remedy: None }
    }
}

impl Finding {
    pub(super) fn new(at: &[&str], what: impl Into<String>) -> Self {
        Mistake::new(at, what).into()
    }

    pub(super) fn about(self, text: &str) -> Self {
        Self { mistake: self.mistake.about(text), ..self }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// With the nearest name, where one is near.
    pub(super) fn hint(self, near: Option<&str>) -> Self {
        match near {
            Some(near) => self.remedy(format!("did you mean {near}?")),
            None => self,
        }
    }
}

/// What is wrong with a description as it was written, without what it is built on.
pub(super) fn own(cloud: &Description, known: &Clouds) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(name(cloud, known));
    findings.extend(node(cloud, known));
    for (index, row) in cloud.firmware.iter().enumerate() {
        let at = ["firmware", &index.to_string(), "when"];
        findings.extend(firmware(&at, &row.when));
    }
    for (field, rule) in cloud.fields.iter() {
        findings.extend(self::field(field, rule, cloud.based_on.is_some()));
    }
    findings.extend(cycles(&cloud.fields));
    for (index, rule) in cloud.interfaces.iter().enumerate() {
        let parts: [(&str, &Rule); 7] = [
            ("mac", &rule.mac),
            ("private_ipv4s", &rule.private_ipv4s),
            ("public_ipv4s", &rule.public_ipv4s),
            ("ipv6s", &rule.ipv6s),
            ("network_id", &rule.network_id),
            ("subnet_id", &rule.subnet_id),
            ("security_groups", &rule.security_groups),
        ];
        let index = index.to_string();
        findings
            .extend(parts.into_iter().flat_map(|(part, rule)| member(&["interfaces", &index, part], rule)));
    }
    for (index, rule) in cloud.disks.iter().enumerate() {
        let parts: [(&str, &Rule); 4] =
            [("id", &rule.id), ("name", &rule.name), ("device", &rule.device), ("size", &rule.size)];
        let index = index.to_string();
        findings.extend(parts.into_iter().flat_map(|(part, rule)| member(&["disks", &index, part], rule)));
    }
    for (field, rule) in cloud.offline.iter() {
        findings.extend(unknown_field(&["offline", field], field));
        if !DMI.contains(&&*rule.file) {
            let what = format!("the firmware has no file {:?}", &*rule.file);
            let near = nearest(&rule.file, DMI.iter().copied());
            findings.push(Finding::new(&["offline", field, "file"], what).hint(near));
        }
    }
    if let Some(service) = &*cloud.service {
        findings.extend(self::service(service));
    }
    if let Some(probe) = &*cloud.probe {
        findings.extend(proof(&["probe", "require"], &probe.require));
        let otherwise = probe.otherwise.iter();
        findings
            .extend(otherwise.flat_map(|other| proof(&["probe", "otherwise", "require"], &other.require)));
    }
    let patterns = cloud.secrets.paths.iter().map(|pattern| ("paths", &**pattern));
    let members = cloud.secrets.members.iter().map(|(pattern, _)| ("members", pattern));
    for (key, pattern) in patterns.chain(members).filter(|(_, pattern)| !pattern.starts_with('/')) {
        let what = format!("the path {pattern:?} doesn't start with a slash");
        findings.push(Finding::new(&["secrets", key], what).about(pattern));
    }
    findings
}

fn name(cloud: &Description, known: &Clouds) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = &*cloud.name;
    if let Err(invalid) = CloudName::new(name) {
        let what = if name == "none" || name == "unknown" {
            format!("{name:?} is no cloud's name: it is what detection says where there is none")
        } else {
            invalid.to_string()
        };
        findings.push(Finding::new(&["name"], what));
    } else if RESERVED.contains(&name) {
        let what = format!("{name:?} can't be a cloud's name: placeholders use it for something else");
        findings.push(Finding::new(&["name"], what));
    }
    let built_in = CLOUDS.iter().chain(NODES.iter()).find(|cloud| *cloud.name == *name);
    match built_in {
        Some(_) if !cloud.overrides => {
            let what = format!("{name:?} is a built-in cloud");
            let remedy = "choose another name, or say `overrides = true` to take its place";
            findings.push(Finding::new(&["name"], what).remedy(remedy));
        }
        Some(built_in) if built_in.node.is_some() != cloud.node.is_some() => {
            let what = match &built_in.node {
                Some(node) => format!("the built-in {name} is a node of {}: say so in [node]", &*node.of),
                None => format!("the built-in {name} is a cloud, not a node"),
            };
            findings.push(Finding::new(&["name"], what));
        }
        None if cloud.overrides => {
            let near = nearest(name, known.iter().map(|cloud| &*cloud.name));
            let what = format!("no built-in cloud is called {name:?}, so there is nothing to override");
            findings.push(Finding::new(&["overrides"], what).hint(near));
        }
        _ => {}
    }
    findings
}

fn node(cloud: &Description, known: &Clouds) -> Option<Finding> {
    let node = cloud.node.as_ref()?;
    if known.find(&node.of).is_some() {
        return None;
    }
    let near = nearest(&node.of, known.iter().map(|cloud| &*cloud.name));
    Some(Finding::new(&["node", "of"], format!("no cloud is called {:?}", &*node.of)).hint(near))
}

fn firmware(at: &[&str], when: &Map<Pattern>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if when.iter().next().is_none() {
        findings.push(Finding::new(at, "without a condition, every machine would be taken for this cloud"));
    }
    for (key, pattern) in when.iter() {
        let at: Vec<&str> = at.iter().copied().chain([key]).collect();
        let keys = || DMI.into_iter().chain(ELSEWHERE);
        match pattern {
            _ if !keys().any(|known| known == key) => {
                let what = format!("the firmware has no file {key:?}");
                findings.push(Finding::new(&at, what).hint(nearest(key, keys())));
            }
            Pattern::Exact(path) if key == "exists" && path.starts_with('/') => {}
            _ if key == "exists" => {
                findings.push(Finding::new(&at, "it takes the path of a file, without pattern"));
            }
            Pattern::Exact(_) | Pattern::Glob { .. } | Pattern::Iglob { .. } => {}
        }
    }
    findings
}

fn unknown_field(at: &[&str], name: &str) -> Option<Finding> {
    let unknown = name.parse::<Field>().err()?;
    let what = format!("no field is called {name:?}");
    Some(Finding::new(at, what).hint(unknown.nearest()))
}

fn field(name: &str, rule: &Rule, is_based: bool) -> Vec<Finding> {
    let at = ["fields", name];
    let mut findings: Vec<Finding> = unknown_field(&at, name).into_iter().collect();
    findings.extend(function(&at, rule));
    match name.parse::<Field>() {
        Ok(Field::Cloud | Field::Platform) => {
            let what = format!("{name} isn't read from the service: detection says it");
            findings.push(Finding::new(&at, what));
        }
        Ok(Field::Interfaces | Field::Disks) if rule.function.is_none() => {
            findings.push(Finding::new(&at, format!("{name} are said in [[{name}]]")));
        }
        _ => {}
    }
    if [&rule.from, &rule.otherwise, &rule.primary].iter().all(|list| list.is_empty())
        && rule.derive.is_none()
        // There it takes the other cloud's rule away.
        && !is_based
    {
        findings.push(Finding::new(&at, format!("{name} has no place: say `from` or `derive`")));
    }
    for place in rule.from.iter().chain(rule.otherwise.iter()) {
        let pointer = place.split_once('#').map_or("", |(_, pointer)| pointer);
        if !is_pointer(pointer) {
            findings.push(no_pointer(&at, pointer).about(place));
        }
    }
    let template = rule.derive.as_deref().unwrap_or_default();
    for part in template.split('{').skip(1).filter_map(|part| part.split('}').next()) {
        match part.parse::<Field>() {
            Ok(field) if field.shape() == Shape::Text && !matches!(field, Field::Cloud | Field::Platform) => {
            }
            Ok(_) => findings.push(Finding::new(&at, format!("{part:?} can't be a part of another value"))),
            Err(unknown) => {
                let what = format!("no field is called {part:?}");
                findings.push(Finding::new(&at, what).about(template).hint(unknown.nearest()));
            }
        }
    }
    findings
}

/// Fields that are made of themselves.
fn cycles(fields: &Map<Rule>) -> Vec<Finding> {
    let parts = |field: &str| {
        let template = fields.get(field).and_then(|rule| rule.derive.as_deref()).unwrap_or_default();
        parts_of(template)
    };
    let is_made_of_itself = |field: &str| {
        let mut made_of = parts(field);
        let mut seen = 0;
        while let Some(part) = made_of.get(seen).copied() {
            seen += 1;
            let more = parts(part.name());
            made_of.extend(more.into_iter().filter(|more| !made_of.contains(more)).collect::<Vec<_>>());
        }
        made_of.iter().any(|part| part.name() == field)
    };
    let made = fields.iter().filter(|(field, _)| is_made_of_itself(field));
    made.map(|(field, _)| Finding::new(&["fields", field], format!("{field} is made of itself"))).collect()
}

fn function(at: &[&str], rule: &Rule) -> Option<Finding> {
    let name = rule.function.as_deref()?;
    let what = format!("{name:?} can't be used: functions are built-in clouds' own");
    Some(Finding::new(at, what).remedy("say the places with `from`; transforms cover most forms").about(name))
}

/// A part of an interface or a disk: pointers within the item.
fn member(at: &[&str], rule: &Rule) -> Vec<Finding> {
    let mut findings: Vec<Finding> = function(at, rule).into_iter().collect();
    let wrong = rule.from.iter().filter(|pointer| &***pointer != "@key" && !is_pointer(pointer));
    findings.extend(wrong.map(|pointer| no_pointer(at, pointer).about(pointer)));
    if rule.derive.is_some() || !rule.otherwise.is_empty() || !rule.primary.is_empty() {
        findings.push(Finding::new(at, "only `from`, `transform` and `values` can be said here"));
    }
    findings
}

/// What has to be in an identifying document.
fn proof(at: &[&str], require: &Map<Syntax>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if require.iter().next().is_none() {
        let what = "whatever answers would be taken for this cloud: say what has to be in the document";
        findings.push(Finding::new(at, what));
    }
    for (pointer, _) in require.iter().filter(|(pointer, _)| !is_pointer(pointer)) {
        let at: Vec<&str> = at.iter().copied().chain([pointer]).collect();
        findings.push(no_pointer(&at, pointer));
    }
    findings
}

fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

fn no_pointer(at: &[&str], text: &str) -> Finding {
    let what = format!("{text:?} is no pointer: it has to start with a slash");
    Finding::new(at, what).remedy(format!("write /{text}"))
}

fn service(service: &Service) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(address) = service.ipv4.as_deref().filter(|text| text.parse::<Ipv4Addr>().is_err()) {
        findings.push(Finding::new(&["service", "ipv4"], format!("{address:?} is no IPv4 address")));
    }
    if let Some(address) = service.ipv6.as_deref().filter(|text| text.parse::<Ipv6Addr>().is_err()) {
        findings.push(Finding::new(&["service", "ipv6"], format!("{address:?} is no IPv6 address")));
    }
    if let Some(host) =
        service.host.as_deref().filter(|host| host.is_empty() || host.contains(['/', ':', ' ']))
    {
        findings.push(
            Finding::new(&["service", "host"], format!("{host:?} is no host name"))
                .remedy("write the bare name; the port is `port`"),
        );
    }
    if service.port == 0 {
        findings.push(Finding::new(&["service", "port"], "0 is no port"));
    }
    for (key, headers) in [("headers", &service.headers), ("reply_headers", &service.reply_headers)] {
        for (name, value) in headers.iter() {
            findings.extend(header_name(&["service", key, name], name));
            if HeaderValue::from_str(value).is_err() {
                findings.push(Finding::new(&["service", key, name], "the value can't be sent in a header"));
            }
        }
    }
    if let Some(token) = &service.token {
        if !token.path.starts_with('/') {
            let what = format!("the path {:?} doesn't start with a slash", &*token.path);
            findings.push(Finding::new(&["service", "token", "path"], what));
        }
        findings.extend(header_name(&["service", "token", "header"], &token.header));
        if let Some(name) = &token.ttl_header {
            findings.extend(header_name(&["service", "token", "ttl_header"], name));
        }
        if token.ttl == 0 {
            findings.push(Finding::new(&["service", "token", "ttl"], "it would never be valid"));
        }
    }
    findings
}

fn header_name(at: &[&str], name: &str) -> Option<Finding> {
    let valid = HeaderName::from_bytes(name.as_bytes()).is_ok();
    (!valid).then(|| Finding::new(at, format!("{name:?} is no header name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What holds for a user's description holds for the built-in ones, but for their functions.
    #[test]
    fn the_built_in_clouds_keep_the_same_rules() {
        let known = Clouds::default();
        for cloud in CLOUDS.iter().chain(NODES.iter()) {
            let is_own = |finding: &Finding| {
                let what = &finding.mistake.what;
                !what.contains("functions are built-in") && !what.contains("is a built-in cloud")
            };
            let mut findings = own(cloud, &known);
            findings.extend(super::super::secrecy::secrets(&mut cloud.clone()));
            findings.retain(is_own);
            assert!(findings.is_empty(), "{}: {findings:#?}", &*cloud.name);
        }
    }
}
