//! Tables and keys that there are none of, and how what there is is called.

use imds::model::field::nearest;
use toml::de::{DeTable, DeValue};

use super::read::Reader;
use super::settings::{SECTIONS, Section, section};

impl Reader<'_> {
    /// Notes tables and keys that there are none of.
    pub(super) fn check_names(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let at = name.span().start;
            let Some(section) = section(name.get_ref()) else {
                let known = SECTIONS.iter().map(|section| section.name);
                self.unknown(at, "table", name.get_ref(), known);
                continue;
            };
            let tables: Vec<&DeTable<'_>> = match value.get_ref() {
                DeValue::Table(table) if !section.several => vec![table],
                DeValue::Array(array) if section.several => {
                    let tables = array.iter().filter_map(|item| match item.get_ref() {
                        DeValue::Table(table) => Some(table),
                        other => {
                            let what =
                                format!("{} is a list of tables, and this is {}", section.name, kind(other));
                            self.problem(
                                item.span().start,
                                what,
                                Some(format!("write [[{}]]", section.name)),
                            );
                            None
                        }
                    });
                    tables.collect()
                }
                other => {
                    let header = header(section);
                    self.problem(
                        at,
                        format!("{name} is {}", kind(other), name = section.name),
                        Some(format!("write {header}")),
                    );
                    continue;
                }
            };
            for key in tables.into_iter().flat_map(DeTable::keys) {
                if !section.settings.iter().any(|setting| setting.key == &**key.get_ref()) {
                    let known = section.settings.iter().map(|setting| setting.key);
                    self.unknown(key.span().start, "setting", key.get_ref(), known);
                }
            }
        }
    }

    fn unknown(
        &mut self,
        at: usize,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'static str> + Clone,
    ) {
        let remedy = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.problem(at, format!("no {what} is called {name:?}"), Some(remedy));
    }
}

/// How a table begins in the file.
pub(super) fn header(section: &Section) -> String {
    if section.several { format!("[[{}]]", section.name) } else { format!("[{}]", section.name) }
}

/// What a value is, in words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
