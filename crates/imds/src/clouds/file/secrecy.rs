//! That a user's description opens no secret: nothing is read from a path that any built-in cloud or the description itself
//! calls secret, and members that are secret are left out of the documents that hold them.

use imds_model::Class;

use super::check::Finding;
use crate::clouds::description::{Description, Document, Format, Later, List, Text};
use crate::clouds::{CLOUDS, NODES};
use crate::secrets::{Path, Ruling};

/// What would give secrets away. Members that any table calls secret are omitted from the documents that hold them,
/// whether the file says so or not.
pub(super) fn secrets(cloud: &mut Description) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut documents = (*cloud.documents).clone();
    for (name, document) in &mut documents.0 {
        let at = ["documents", name, "path"];
        let path = match Path::parse(&document.path) {
            Ok(path) => path,
            // That it starts without a slash is said elsewhere.
            Err(error) if document.path.starts_with('/') => {
                findings.push(Finding::new(&at, error.message()));
                continue;
            }
            Err(_) => continue,
        };
        let known = built_in(&path);
        let ruling = path.judge(cloud);
        if known.is_empty() && ruling == Ruling::Secret {
            let what = format!("{:?} gives a secret, and secrets are never asked for", &*document.path);
            let remedy = format!("take {name} out; `imds raw --allow-secret` is for people who mean it");
            findings.push(Finding::new(&at, what).remedy(remedy));
            continue;
        }
        let mut omitted: Vec<Text> = document.omit.to_vec();
        let secret = match ruling {
            Ruling::Without(members) => members.into_iter().map(|it| Text(it.to_owned().into())).collect(),
            Ruling::Open | Ruling::Secret => Vec::new(),
        };
        let of_built_in = known.iter().flat_map(|known| known.omit.iter().cloned());
        for member in secret.into_iter().chain(of_built_in) {
            if !omitted.iter().any(|known| known.eq_ignore_ascii_case(&member)) {
                omitted.push(member);
            }
        }
        // A single value below a document with secrets is none, where a built-in cloud reads it so.
        let is_known = known.iter().any(|known| known.format == document.format);
        if !omitted.is_empty() && document.format != Format::Json && !is_known {
            let what = format!("{:?} holds secrets that can be left out of JSON only", &*document.path);
            let remedy = "say `format = \"json\"`, or read a path that holds none";
            findings.push(Finding::new(&["documents", name], what).remedy(remedy));
        }
        document.omit = List(omitted);
    }
    cloud.documents = Later::known(documents);
    for (at, about, place) in places(cloud) {
        let (name, pointer) = place.split_once('#').unwrap_or((&place, ""));
        let Some(document) = cloud.documents.get(name) else { continue };
        let secret = pointer
            .split('/')
            .find(|step| document.omit.iter().any(|it| bare(it).eq_ignore_ascii_case(step)));
        if let Some(member) = secret {
            let at: Vec<&str> = at.iter().map(String::as_str).collect();
            let what = format!(
                "{member:?} of {name} is a {}: it is left out when the document is read",
                Class::Secret
            );
            findings.push(Finding::new(&at, what).about(&about));
        }
    }
    for (index, event) in cloud.events.iter().enumerate() {
        let at = ["events", &index.to_string(), "path"];
        match Path::parse(&event.path) {
            Ok(path) if built_in(&path).is_empty() && path.judge(cloud) == Ruling::Secret => {
                findings.push(Finding::new(&at, format!("{:?} gives a secret", &*event.path)));
            }
            Ok(_) => {}
            Err(error) => findings.push(Finding::new(&at, error.message())),
        }
    }
    findings
}

/// The name of a member that is left out at the top alone, or at any depth.
fn bare(omitted: &str) -> &str {
    omitted.strip_prefix('/').unwrap_or(omitted)
}

/// The documents of built-in clouds at this path. They read nothing that is secret.
fn built_in(path: &Path) -> Vec<&'static Document> {
    let documents = CLOUDS.iter().chain(NODES.iter()).flat_map(|cloud| cloud.documents.iter());
    let same =
        documents.filter(|(_, document)| Path::parse(&document.path).is_ok_and(|other| other.is_same(path)));
    same.map(|(_, document)| document).collect()
}

/// Every place that something is read from, as `DOCUMENT#/POINTER`, with the keys and the text that say it.
fn places(cloud: &Description) -> Vec<(Vec<String>, String, String)> {
    let at = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<String>>();
    let mut places = Vec::new();
    for (field, rule) in cloud.fields.iter() {
        for place in rule.from.iter().chain(rule.otherwise.iter()) {
            places.push((at(&["fields", field]), place.to_string(), place.to_string()));
        }
    }
    for (index, rule) in cloud.interfaces.iter().enumerate() {
        let (whole, index) = (rule.place(), index.to_string());
        for place in rule.primary.iter().map(|place| &**place).chain([whole]) {
            places.push((at(&["interfaces", &index]), place.to_owned(), place.to_owned()));
        }
        let parts = [
            &rule.mac,
            &rule.private_ipv4s,
            &rule.public_ipv4s,
            &rule.ipv6s,
            &rule.network_id,
            &rule.subnet_id,
            &rule.security_groups,
        ];
        for part in parts.into_iter().flat_map(|rule| rule.from.iter()) {
            places.push((at(&["interfaces", &index]), part.to_string(), joined(whole, part)));
        }
    }
    for (index, rule) in cloud.disks.iter().enumerate() {
        let index = index.to_string();
        places.push((at(&["disks", &index]), rule.each.to_string(), rule.each.to_string()));
        for part in
            [&rule.id, &rule.name, &rule.device, &rule.size].into_iter().flat_map(|rule| rule.from.iter())
        {
            places.push((at(&["disks", &index]), part.to_string(), joined(&rule.each, part)));
        }
    }
    if let Some(probe) = &*cloud.probe {
        let otherwise = probe.otherwise.as_ref().map(|other| (&other.document, &other.require));
        for (document, require) in std::iter::once((&probe.document, &probe.require)).chain(otherwise) {
            for (pointer, _) in require.iter() {
                places.push((at(&["probe"]), pointer.to_owned(), joined(document, pointer)));
            }
        }
    }
    places
}

fn joined(place: &str, pointer: &str) -> String {
    let gap = if place.contains('#') { "" } else { "#" };
    format!("{place}{gap}{}", pointer.strip_prefix("@key").unwrap_or(pointer))
}
