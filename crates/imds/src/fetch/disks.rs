//! Disks, by the rules of a description.

use imds_model::{Disk, Error, Value};

use super::Documents;
use super::documents::{lookup, scalar};
use super::extract::{Extracted, Outcome, respell};
use crate::clouds::description::{DiskRule, Rule};

/// The disks in the cloud's own order, the one that the machine starts from first.
pub(super) fn read(documents: &Documents) -> Outcome {
    let mut disks = Vec::new();
    let (mut source, mut absent) = (None, None);
    for rule in documents.description().disks.iter() {
        let (name, pointer) = Documents::split(&rule.each);
        let content = match documents.content(name) {
            Ok(content) => content,
            Err(error) if error.is_absent() => {
                absent = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        source.get_or_insert_with(|| documents.source(name, pointer));
        for (item, at) in lookup(content, &format!("{pointer}/*")) {
            if !super::interfaces::is_meant(&rule.when, item) {
                continue;
            }
            if !item.is_object() {
                return Err(documents.malformed(&documents.source(name, &at), "this isn't a disk"));
            }
            disks.push(disk(documents, rule, name, &at, item)?);
        }
    }
    let Some(source) = source else { return absent.map_or(Ok(None), Err) };
    Ok((!disks.is_empty()).then(|| Extracted::new(Value::Disks(boot_first(disks)), source)))
}

/// The disks that the machine starts from before the others; else in their order.
pub(crate) fn boot_first(disks: Vec<Disk>) -> Vec<Disk> {
    let (mut first, others): (Vec<_>, Vec<_>) = disks.into_iter().partition(|disk| disk.boot == Some(true));
    first.extend(others);
    first
}

/// The disks by their numbers; those with the same number in their order.
pub(crate) fn by_number(mut disks: Vec<(Option<u64>, Disk)>) -> Vec<Disk> {
    disks.sort_by_key(|(number, _)| *number);
    disks.into_iter().map(|(_, disk)| disk).collect()
}

fn disk(
    documents: &Documents,
    rule: &DiskRule,
    document: &str,
    at: &str,
    item: &serde_json::Value,
) -> Result<Disk, Error> {
    let key = at.rsplit('/').next().unwrap_or_default();
    let text = |rule: &Rule| -> Result<Option<String>, Error> {
        for pointer in rule.from.iter() {
            if &**pointer == "@key" {
                return Ok(respell(rule, key));
            }
            let Some((value, place)) = lookup(item, pointer).into_iter().next() else { continue };
            if value.is_object() || value.is_array() {
                let source = documents.source(document, &format!("{at}{place}"));
                return Err(documents.malformed(&source, "the value isn't a text or a number"));
            }
            if let Some(text) = scalar(value).and_then(|text| respell(rule, &text)) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    };
    let mut disk = Disk::default();
    disk.id = text(&rule.id)?;
    disk.name = text(&rule.name)?;
    disk.device = text(&rule.device)?;
    let size = text(&rule.size)?.and_then(|size| size.parse::<u64>().ok());
    disk.size_bytes = size.and_then(|size| size.checked_mul(rule.size_unit));
    if let (Some(boot), Some(pointer)) = (&rule.boot, &rule.boot_at) {
        let found = match &**pointer {
            "@key" => Some(key.to_owned()),
            pointer => lookup(item, pointer).first().and_then(|(value, _)| scalar(value)),
        };
        disk.boot = Some(found.is_some_and(|text| boot.matches(&text)));
    }
    Ok(disk)
}
