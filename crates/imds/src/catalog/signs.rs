//! What speaks for a cloud, in words.

use serde::Serialize;

use crate::clouds::description::{Description, FirmwareRow, Map, Pattern, Syntax, Weight};

/// Something that speaks for a cloud.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Sign {
    /// `boot loader`, `firmware`, `environment`, `cloud-init` or `service`.
    pub kind: &'static str,
    /// What is seen.
    pub what: String,
    /// `certain` decides alone, `strong` makes likely, `weak` names nothing alone.
    pub strength: &'static str,
    /// Where the fact comes from.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub source: &'static str,
    /// A limit or an oddity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// What is seen where a pattern holds.
pub(super) fn likeness(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Exact(text) => format!("is `{text}`"),
        Pattern::Glob { glob } => format!("is like `{glob}`"),
        Pattern::Iglob { iglob } => format!("is like `{iglob}`, in any case"),
    }
}

fn firmware(row: &'static FirmwareRow) -> Sign {
    let condition = |(key, pattern): (&str, &Pattern)| match (key, pattern) {
        ("exists", Pattern::Exact(path)) => format!("`{path}` exists"),
        ("cmdline", pattern) => format!("a word of the kernel command line {}", likeness(pattern)),
        (key, pattern) => format!("`{key}` {}", likeness(pattern)),
    };
    let what: Vec<String> = row.when.iter().map(condition).collect();
    Sign {
        kind: "firmware",
        what: what.join(" and "),
        strength: weight(row.strength),
        source: &row.source,
        note: row.note.as_deref(),
    }
}

const fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Weak => "weak",
        Weight::Strong => "strong",
        Weight::Certain => "certain",
    }
}

pub(super) fn signs(cloud: &'static Description) -> Vec<Sign> {
    let sign = |kind, what, strength| Sign { kind, what, strength, source: "", note: None };
    let mut signs = Vec::new();
    for id in cloud.ignition.iter() {
        signs.push(sign("boot loader", format!("`ignition.platform.id={id}`"), "certain"));
    }
    signs.extend(cloud.firmware.iter().map(firmware));
    for row in cloud.environment.iter() {
        let mut what = match &row.value {
            Some(value) => format!("`{}={value}`", &*row.variable),
            None => format!("`{}` is set", &*row.variable),
        };
        if let Some(with) = &row.with {
            what.push_str(&format!(", and so is `{with}`"));
        }
        if let Some(platform) = &row.platform {
            what.push_str(&format!(" (platform `{platform}`)"));
        }
        let strength = weight(row.strength);
        signs.push(Sign { kind: "environment", what, strength, source: &row.source, note: None });
    }
    for name in cloud.cloud_init.iter() {
        signs.push(sign("cloud-init", format!("`v1.cloud_name` is `{name}`"), "strong"));
    }
    if let Some(probe) = cloud.probe.as_ref().filter(|_| cloud.service.is_some()) {
        let proof = |document: &str, require: &Map<Syntax>| {
            let path = cloud.documents.get(document).map_or("", |document| &document.path);
            let required = require.iter().map(|(pointer, syntax)| match pointer {
                "" => syntax_of(syntax),
                pointer => format!("`{pointer}` {}", syntax_of(syntax)),
            });
            format!("`{path}`: {}", required.collect::<Vec<_>>().join(", "))
        };
        let mut what = proof(&probe.document, &probe.require);
        if let Some(otherwise) = &probe.otherwise {
            what.push_str(&format!(
                "; where that is absent, {}",
                proof(&otherwise.document, &otherwise.require)
            ));
        }
        if probe.needs_evidence {
            what.push_str("; asked only where something else speaks for this cloud");
        }
        if probe.imitated {
            what.push_str("; others imitate it, so that it counts only where none of those answers");
        }
        signs.push(sign("service", what, "certain"));
    }
    signs
}

fn syntax_of(syntax: &Syntax) -> String {
    match syntax {
        Syntax::Decimal => "is a number".to_owned(),
        Syntax::Guid => "is a GUID".to_owned(),
        Syntax::Ec2InstanceId => "is an id as EC2 has them (`i-…`)".to_owned(),
        Syntax::GoogleProject => "is a project id of Google's".to_owned(),
        Syntax::YandexId => "is an id of Yandex".to_owned(),
        Syntax::Word => "is a word".to_owned(),
        Syntax::Present => "is there".to_owned(),
        Syntax::Like(pattern) => likeness(pattern),
    }
}
