//! JSON: the result says what the source says, with the values in the placeholders' places, and nothing else changes.
#![no_main]

use imds_fuzz::{Machine, POLICIES, json, offsets, source_and_machine, tree};
use imds_template::{Format, Lookup, Missing, Template, Values};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((source, machine)) = source_and_machine(data) else { return };
    let template = Template::parse(source, Format::Json);
    let strict = serde_json::from_str::<serde_json::Value>(source).is_ok();
    let before = json::read(source);
    let template = match template {
        Ok(template) => template,
        Err(errors) => {
            // Whatever is JSON and has readable placeholders is accepted.
            let readable = before.is_some_and(|nodes| tree::is_readable(&nodes, &machine));
            assert!(!(strict && readable), "{source:?}\n{errors}");
            return;
        }
    };
    assert_eq!(template.placeholders().len(), offsets(&template).len());
    for missing in POLICIES {
        spliced(&template, &machine, missing);
        match &before {
            Some(before) => tree::judge(&template, &machine, missing, before, json::read, false),
            None => drop(template.resolve(&machine, missing)),
        }
    }
});

/// Where no placeholder is spelled in escapes, the result is the source with escaped values spliced in.
fn spliced(template: &Template<'_>, machine: &Machine<'_>, missing: Missing) {
    let source = template.source();
    if missing == Missing::Drop || source.contains("$${") || source.contains("\\u") {
        return;
    }
    let Ok(result) = template.resolve(machine, missing) else { return };
    let mut rest = result.as_str();
    let mut done = 0;
    for (placeholder, start) in template.placeholders().iter().zip(offsets(template)) {
        if !source[start..].starts_with(placeholder.as_written()) {
            return;
        }
        let value = match (machine.lookup(placeholder.key()), placeholder.default(), missing) {
            (Lookup::Value(value), ..) => value,
            (_, Some(default), _) => default.to_owned(),
            (_, None, Missing::Keep) => placeholder.as_written().to_owned(),
            _ => String::new(),
        };
        let kept = rest.strip_prefix(&source[done..start]);
        rest = kept.unwrap_or_else(|| panic!("changed before {start}\n{source:?}\n{result:?}"));
        // How a value is escaped is left open: it ends where what follows it begins, which `judge` has looked at.
        let Some(end) = ends(rest, &value) else {
            panic!("{value:?} isn't spelled at {start}\n{source:?}\n{result:?}")
        };
        rest = &rest[end..];
        done = start + placeholder.as_written().len();
    }
    assert_eq!(rest, &source[done..], "changed at the end\n{source:?}\n{result:?}");
}

/// Where the spelling of the value ends that starts here.
fn ends(text: &str, value: &str) -> Option<usize> {
    let mut at = 0;
    let mut wanted = value.encode_utf16().peekable();
    while let Some(unit) = wanted.next() {
        let rest = &text[at..];
        let (char, length) = match rest.as_bytes() {
            [b'\\', b'u', ..] => (u32::from_str_radix(rest.get(2..6)?, 16).ok()?, 6),
            [b'\\', byte, ..] => {
                let place = b"bfnrt".iter().position(|known| known == byte);
                (place.map_or(u32::from(*byte), |place| [8, 12, 10, 13, 9][place]), 2)
            }
            _ => {
                let char = rest.chars().next()?;
                let mut units = [0; 2];
                let units = char.encode_utf16(&mut units);
                if units.len() == 2 && wanted.next() != Some(units[1]) {
                    return None;
                }
                (u32::from(units[0]), char.len_utf8())
            }
        };
        if char != u32::from(unit) {
            return None;
        }
        at += length;
    }
    Some(at)
}
