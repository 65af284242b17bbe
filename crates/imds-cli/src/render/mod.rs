//! Forms of output, as pure functions from values to text.
//!
//! `table` is for people and may change; the others are contracts: `env` for shells and systemd, `otel` for
//! OpenTelemetry, and JSON and YAML, whose shape is that of the serialised value.

mod catalog;
mod diagnosis;
mod document;
mod env;
mod explanation;
mod otel;
mod table;

use std::io;

use serde::Serialize;

pub(crate) use catalog::catalog;
pub(crate) use diagnosis::diagnosis;
use document::Document;
pub(crate) use env::{Env, PREFIX};
pub(crate) use explanation::explanation;
pub(crate) use otel::{merged as merged_otel, otel};
pub(crate) use table::{metadata, tags};

/// Indented JSON with a newline at the end.
pub(crate) fn json(document: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}

/// YAML, one line a value, with quotes where a reader of YAML 1.1 or 1.2 would take text for something else.
pub(crate) fn yaml(document: &impl Serialize) -> io::Result<String> {
    yaml_of(&Document::of_json(&json(document)?)?)
}

fn yaml_of(document: &Document) -> io::Result<String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(document, options).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_keeps_text_that_looks_like_something_else() {
        let odd = [
            "012345678901",
            "no",
            "on",
            "y",
            "null",
            "~",
            "1.0",
            "12e3",
            "2031-01-02",
            "a: b",
            "# x",
            "",
            "*x",
            "0x1f",
            "42:01:10:20:30:40",
            "x ",
        ];
        let tags: imds::model::Tags =
            odd.iter().map(|text| (format!("k{text}"), (*text).to_owned())).collect();
        let text = yaml(&tags).unwrap();
        for odd in odd {
            let bare = text.lines().any(|line| line.ends_with(&format!(": {odd}")));
            assert!(!bare, "{odd} has to be quoted:\n{text}");
        }
    }
}
