//! What the machine says of itself, weighed against the signature table. Sends nothing and needs no privileges.

use std::cell::RefCell;
use std::sync::Arc;

use imds_model::{Evidence, EvidenceSource, Outcome, Strength};

use super::note;
use crate::clouds::description::{Description, EnvironmentRow, FirmwareRow, Pattern, Weight};
use crate::clouds::{Clouds, NOT_CLOUDS, cloud_name};
use crate::machine::{Environment, Files, Machine};

const DMI: &str = "/sys/class/dmi/id/";
/// What makers leave in firmware when they have nothing to say (systemd hwdb 20-dmi-id, cloud-init dmi.py).
const JUNK: [&str; 14] = [
    "default string",
    "n/a",
    "none",
    "not specified",
    "not applicable",
    "not available",
    "o.e.m.",
    "oem",
    "to be filled by o.e.m.",
    "system manufacturer",
    "system product name",
    "system version",
    "system serial number",
    "unknown",
];

/// The machine's firmware, each file read at most once.
#[derive(Debug)]
pub(crate) struct Firmware<'a> {
    files: &'a dyn Files,
    /// By key; there are about twenty.
    read: RefCell<Vec<(String, Option<Arc<str>>)>>,
}

impl<'a> Firmware<'a> {
    pub(crate) fn of(files: &'a dyn Files) -> Self {
        Self { files, read: RefCell::default() }
    }

    /// The path behind a key of the signature table.
    pub(crate) fn path(key: &str) -> String {
        match key {
            "hypervisor_uuid" => "/sys/hypervisor/uuid".to_owned(),
            "osrelease" => "/proc/sys/kernel/osrelease".to_owned(),
            "cmdline" => "/proc/cmdline".to_owned(),
            dmi => format!("{DMI}{dmi}"),
        }
    }

    /// The value of a key; nothing where it is unreadable, junk or empty of meaning.
    pub(crate) fn value(&self, key: &str) -> Option<Arc<str>> {
        if let Some((_, value)) = self.read.borrow().iter().find(|(known, _)| known == key) {
            return value.clone();
        }
        let path = Self::path(key);
        let value = match self.files.read(&path) {
            Ok(content) => meaningful(&content).map(Arc::from),
            Err(error) => {
                tracing::trace!(path, %error, "unreadable");
                None
            }
        };
        self.read.borrow_mut().push((key.to_owned(), value.clone()));
        value
    }

    fn holds(&self, key: &str, pattern: &Pattern) -> bool {
        match key {
            "exists" => matches!(pattern, Pattern::Exact(path) if self.files.exists(path)),
            "cmdline" => self
                .value(key)
                .is_some_and(|line| line.split_ascii_whitespace().any(|word| pattern.matches(word))),
            _ => self.value(key).is_some_and(|value| pattern.matches(&value)),
        }
    }

    /// Whether all of a row's conditions hold.
    pub(crate) fn fires(&self, row: &FirmwareRow) -> bool {
        row.when.iter().all(|(key, pattern)| self.holds(key, pattern))
    }

    /// Whether firmware alone names this cloud.
    pub(crate) fn names(&self, cloud: &Description) -> bool {
        cloud.firmware.iter().any(|row| row.strength == Weight::Certain && self.fires(row))
    }

    fn seen(&self, row: &FirmwareRow) -> String {
        let conditions = row.when.iter().map(|(key, pattern)| match (key, pattern) {
            ("exists", Pattern::Exact(path)) => format!("{path} exists"),
            ("cmdline", Pattern::Exact(word)) => {
                format!("the kernel command line has {word:?}", word = &**word)
            }
            _ => format!("{key} is {:?}", self.value(key).unwrap_or_default()),
        });
        conditions.collect::<Vec<_>>().join(" and ")
    }
}

/// The text of a firmware file, unless it says nothing: not UTF-8, a single character over and over (`0`, `F`, `.`), or
/// one of the phrases that makers leave in.
fn meaningful(content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let mut letters = text.chars().filter(|c| !matches!(c, '-' | ' ' | ':'));
    let first = letters.next()?;
    let filler = matches!(first, '0' | 'F' | 'f' | '.' | '\u{ff}' | 'x' | 'X');
    if filler && letters.all(|c| c == first) {
        return None;
    }
    let junk = JUNK.iter().any(|phrase| phrase.eq_ignore_ascii_case(text));
    (!junk).then(|| text.to_owned())
}

/// Everything that the machine itself says: firmware, kernel, environment.
pub(crate) fn survey(machine: &Machine, clouds: &Clouds, evidence: &mut Vec<Evidence>) {
    let firmware = Firmware::of(machine.files());
    for cloud in clouds.iter() {
        let supports = || Some(Outcome::Cloud(cloud_name(cloud)));
        for row in cloud.firmware.iter().filter(|row| firmware.fires(row)) {
            let detail = format!("{}: that is {}", firmware.seen(row), &*cloud.title);
            tell_origin(row);
            note(evidence, origin(row), detail, supports(), row.strength.into());
        }
        for row in cloud.environment.iter() {
            if row.holds(machine.environment()) {
                let detail = format!("{} is set: {}", &*row.variable, &*cloud.title);
                tracing::trace!(source = &**row.source, "the variable's meaning");
                note(evidence, EvidenceSource::Environment, detail, supports(), row.strength.into());
            }
        }
    }
    for (node, how) in clouds.nodes() {
        let supports = || imds_model::CloudName::new(how.of.to_string()).ok().map(Outcome::Cloud);
        for row in node.firmware.iter().filter(|row| firmware.fires(row)) {
            tell_origin(row);
            let detail = format!("{}: {}", firmware.seen(row), &*how.met);
            note(evidence, origin(row), detail, supports(), row.strength.into());
        }
        for row in node.environment.iter().filter(|row| row.holds(machine.environment())) {
            let detail = format!("{} is set: {}", &*row.variable, &*how.met);
            note(evidence, EvidenceSource::Environment, detail, supports(), row.strength.into());
        }
    }
    for row in NOT_CLOUDS.firmware.iter().filter(|row| firmware.fires(row)) {
        let what = row.title.as_deref().unwrap_or("no cloud");
        tell_origin(row);
        let seen = firmware.seen(row);
        let (detail, supports) = match row.strength {
            Weight::Weak => (format!("{seen}: {what}, which says nothing of the cloud"), None),
            Weight::Strong | Weight::Certain => (format!("{seen}: that is {what}"), Some(Outcome::None)),
        };
        note(evidence, origin(row), detail, supports, row.strength.into());
    }
    if evidence.is_empty() {
        let seen: Vec<String> = ["sys_vendor", "product_name"]
            .iter()
            .filter_map(|key| Some(format!("{key} is {:?}", firmware.value(key)?)))
            .collect();
        let detail = match seen.is_empty() {
            true if !cfg!(target_os = "linux") => "firmware isn't read on this system".to_owned(),
            true => "this machine shows no firmware (a container, or no DMI)".to_owned(),
            false => format!("{}: not in the table of signatures", seen.join(" and ")),
        };
        note(evidence, EvidenceSource::Firmware, detail, None, Strength::Weak);
    }
}

impl EnvironmentRow {
    /// Whether the variables are set as the row wants them.
    pub(crate) fn holds(&self, environment: &Environment) -> bool {
        let is_set = |value: &str| self.value.as_ref().is_none_or(|expected| **expected == *value);
        environment.get(&self.variable).is_some_and(is_set)
            && self.with.as_ref().is_none_or(|other| environment.get(other).is_some())
    }
}

/// Where the table has a row from, for whoever doubts it.
fn tell_origin(row: &FirmwareRow) {
    tracing::trace!(
        source = &**row.source,
        fixture = &**row.fixture,
        note = row.note.as_deref(),
        "a signature matches"
    );
}

fn origin(row: &FirmwareRow) -> EvidenceSource {
    match row.when.iter().next() {
        Some(("osrelease" | "cmdline", _)) => EvidenceSource::Kernel,
        Some(("exists", _)) => EvidenceSource::File,
        _ => EvidenceSource::Firmware,
    }
}

impl From<Weight> for Strength {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Weak => Self::Weak,
            Weight::Strong => Self::Strong,
            Weight::Certain => Self::Certain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_say_nothing_are_absent() {
        for content in [
            &b""[..],
            b"\n",
            b"   \n",
            b"To Be Filled By O.E.M.\n",
            b"Default string\n",
            b"00000000-0000-0000-0000-000000000000\n",
            b"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n",
            b"........\n",
            b"\xff\xff\xff\xff",
        ] {
            assert_eq!(meaningful(content), None, "{content:?}");
        }
        for (content, value) in
            [("Amazon EC2\n", "Amazon EC2"), ("F\u{e4}\n", "Fä"), ("0001\n", "0001"), ("Xen\0", "Xen")]
        {
            assert_eq!(meaningful(content.as_bytes()).as_deref(), Some(value));
        }
    }
}
