//! What the fuzz targets share.
//!
//! | module | holds |
//! |---|---|
//! | here | the input of the targets `template_…`, and the machine that answers with its values |
//! | [`tree`] | what a structured source says, and what it has to say once its placeholders are resolved |
//! | [`json`], [`yaml`], [`toml`](mod@toml) | sources read by parsers that the implementation doesn't use |
//! | [`files`] | files of a machine |
//! | [`http`] | answers read by the letter of the protocol |
//! | [`service`] | a service on loopback that says what it is told to |
//!
//! A template's input is a source and, each behind a byte `0xff` (which no UTF-8 has), the values that go into it; without
//! any, values that are meant to break out of their quotes.

use imds_template::{Errors, Format, Key, Lookup, Missing, Template, Values};

pub mod files;
pub mod http;
pub mod json;
pub mod service;
pub mod toml;
pub mod tree;
pub mod yaml;

/// What becomes of placeholders without a value: every policy.
pub const POLICIES: [Missing; 4] = [Missing::Error, Missing::Keep, Missing::Empty, Missing::Drop];

const HOSTILE: [&str; 5] = [
    "\"\\\n# ' ]},: ${tag:a} $${tag:a}\n",
    " - a: b\r\n\t'''\"\"\"\u{0}\u{85}\u{feff}\u{2028}\u{1f600}",
    "",
    "012345678901",
    "  \n\n  trailing \n\n",
];

/// A machine: the tag `none` and paths have no value, everything else has.
#[derive(Debug)]
pub struct Machine<'a>(Vec<&'a str>);

impl Machine<'_> {
    fn value(&self, index: usize) -> Lookup {
        let values = if self.0.is_empty() { &HOSTILE[..] } else { &self.0 };
        Lookup::Value(values[index % values.len()].to_owned())
    }
}

impl Values for Machine<'_> {
    fn lookup(&self, key: &Key) -> Lookup {
        match key {
            Key::Tag(tag) if tag != "none" => self.value(tag.bytes().map(usize::from).sum()),
            Key::Field { field, .. } => self.value(field.name().len()),
            _ => Lookup::Missing("no such thing".to_owned()),
        }
    }
}

/// The source's bytes and the machine.
pub fn bytes_and_machine(data: &[u8]) -> (&[u8], Machine<'_>) {
    let mut parts = data.split(|byte| *byte == 0xff);
    let source = parts.next().unwrap_or_default();
    (source, Machine(parts.filter_map(|part| std::str::from_utf8(part).ok()).collect()))
}

/// The same of a source that is UTF-8.
pub fn source_and_machine(data: &[u8]) -> Option<(&str, Machine<'_>)> {
    let (source, machine) = bytes_and_machine(data);
    Some((std::str::from_utf8(source).ok()?, machine))
}

/// What a string value has to say: its placeholders resolved as those of plain text are. Nothing where its entry goes.
pub fn substituted(text: &str, machine: &Machine<'_>, missing: Missing) -> Result<Option<String>, Errors> {
    let template = Template::parse(text, Format::Text)?;
    if missing != Missing::Drop {
        return template.resolve(machine, missing).map(Some);
    }
    // Where it can't even be kept, `:?` says that it is an error.
    template.resolve(machine, Missing::Keep)?;
    Ok(template.resolve(machine, Missing::Error).ok())
}

/// The offset of each placeholder in the source, counted anew from its line and column.
pub fn offsets(template: &Template<'_>) -> Vec<usize> {
    let source = template.source();
    let mut starts = vec![if source.starts_with('\u{feff}') { 3 } else { 0 }];
    starts.extend(source.match_indices('\n').map(|(at, _)| at + 1));
    template
        .placeholders()
        .iter()
        .map(|placeholder| {
            let position = placeholder.position();
            let start = starts[position.line as usize - 1];
            let column = position.column as usize - 1;
            start + source[start..].chars().take(column).map(char::len_utf8).sum::<usize>()
        })
        .collect()
}
