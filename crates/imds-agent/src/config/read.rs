//! Reads values out of the file, and collects what is wrong with them instead of stopping at the first.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imds::Error;
use imds::config::duration;
use imds::model::field::nearest;
use toml::de::{DeTable, DeValue};

use super::names::{header, kind};
use super::places::Places;
use super::principal::Principal;
use super::problem::{Invalid, Problem, position};
use super::settings::{Section, section};

/// A value and the byte at which it stands.
pub(super) type At<T> = (T, usize);
/// Names with texts, each where it stands.
pub(super) type Words = Vec<At<(String, String)>>;

/// The file, and what is wrong with it so far.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    text: &'t str,
    file: &'t str,
    problems: Vec<Problem>,
    /// Where the settings stand that were looked for.
    places: BTreeMap<String, usize>,
}

/// One table of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'d> {
    section: &'static Section,
    table: &'d DeTable<'d>,
    /// Where it begins.
    at: usize,
    /// Which of several of the same name it is, from 0.
    number: Option<usize>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, file: &'t str) -> Self {
        Self { text, file, problems: Vec::new(), places: BTreeMap::new() }
    }

    /// Notes a problem at a byte.
    pub(super) fn problem(&mut self, at: usize, message: impl Into<String>, remedy: Option<String>) {
        let (line, column) = position(self.text, at);
        self.problems.push(Problem { line, column, message: message.into(), remedy });
    }

    /// Notes what the library says about a value.
    pub(super) fn error(&mut self, at: usize, error: &Error) {
        self.problem(at, error.message(), error.remedy().map(str::to_owned));
    }

    /// The value, or everything that was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Invalid> {
        if self.problems.is_empty() { Ok(value) } else { Err(Invalid::new(self.file, self.problems)) }
    }

    /// Where everything stands that was looked for so far.
    pub(super) fn places(&self) -> Places {
        Places::new(self.file, self.text, self.places.clone())
    }

    /// What isn't TOML.
    pub(super) fn syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            self.problem(at, error.message().replace('\n', ", "), None);
        }
    }

    fn value<'d>(&mut self, table: Option<Table<'d>>, key: &str) -> Option<At<&'d DeValue<'d>>> {
        let table = table?;
        debug_assert!(
            table.section.settings.iter().any(|setting| setting.key == key),
            "{key} isn't in the table of settings"
        );
        let value = table.table.get(key)?;
        self.places.insert(table.setting(key), value.span().start);
        Some((value.get_ref(), value.span().start))
    }

    fn wrong_shape(&mut self, at: usize, key: &str, wanted: &str, found: &DeValue<'_>) {
        self.problem(at, format!("{key} is {wanted}, and this is {}", kind(found)), None);
    }

    /// Text.
    pub(super) fn text(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<String>> {
        match self.value(table, key)? {
            (DeValue::String(text), at) => Some((text.to_string(), at)),
            (other, at) => {
                self.wrong_shape(at, key, "text", other);
                None
            }
        }
    }

    /// Text that isn't empty.
    pub(super) fn said(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<String>> {
        let (text, at) = self.text(table, key)?;
        if text.trim().is_empty() {
            self.problem(at, format!("{key} is empty"), Some("leave the key out".to_owned()));
            return None;
        }
        Some((text, at))
    }

    /// Text that has to be there.
    pub(super) fn needed(&mut self, table: Table<'_>, key: &str) -> Option<At<String>> {
        if self.value(Some(table), key).is_none() {
            self.problem(
                table.at,
                format!("{} without {key}", header(table.section)),
                Some(format!("add {key} = …")),
            );
        }
        self.said(Some(table), key)
    }

    /// A path, from where the file is unless it is absolute.
    pub(super) fn path(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<PathBuf>> {
        let (text, at) = self.said(table, key)?;
        Some((self.beside(&text), at))
    }

    /// A path that is meant from where the file is.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        let path = Path::new(self.file).parent().unwrap_or(Path::new("")).join(path);
        // Programs run in another directory, and what may be read and written is allowed by whole paths.
        std::path::absolute(&path).unwrap_or(path)
    }

    /// Text that means something.
    pub(super) fn parsed<T>(
        &mut self,
        table: Option<Table<'_>>,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, Error>,
    ) -> Option<At<T>> {
        let (text, at) = self.text(table, key)?;
        match parse(&text) {
            Ok(value) => Some((value, at)),
            Err(error) => {
                self.error(at, &error);
                None
            }
        }
    }

    /// A time.
    pub(super) fn duration(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<Duration>> {
        self.parsed(table, key, |text| duration(text, key))
    }

    /// Permission bits.
    pub(super) fn mode(&mut self, table: Option<Table<'_>>, key: &str) -> Option<u32> {
        let parse = |text: &str| {
            let octal = text.strip_prefix("0o").unwrap_or(text);
            let digits = (3..=4).contains(&octal.len()) && octal.chars().all(|c| ('0'..='7').contains(&c));
            let mode = u32::from_str_radix(octal, 8).ok().filter(|_| digits);
            // Set-user-id and the like have no business on what the agent writes.
            mode.filter(|mode| *mode <= 0o777).ok_or_else(|| {
                usage(format!("{text:?} isn't permission bits"))
                    .with_remedy("write three octal digits: \"0640\"")
            })
        };
        self.parsed(table, key, parse).map(|(mode, _)| mode)
    }

    /// An address of loopback.
    pub(super) fn loopback(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<SocketAddr>> {
        self.parsed(table, key, |text| {
            let remedy = "write an address and a port of loopback, such as 127.0.0.1:1780";
            let address: SocketAddr = text
                .parse()
                .map_err(|_| usage(format!("{text:?} is no address and port")).with_remedy(remedy))?;
            match address.ip().to_canonical().is_loopback() {
                true => Ok(address),
                false => Err(usage(format!("{text} can be reached from elsewhere")).with_remedy(remedy)),
            }
        })
    }

    /// One of several words, by its place among them.
    pub(super) fn choice(
        &mut self,
        table: Option<Table<'_>>,
        key: &str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        self.parsed(table, key, |text| chosen(text, words)).map(|(word, _)| word)
    }

    /// Several of several words.
    pub(super) fn choices(
        &mut self,
        table: Option<Table<'_>>,
        key: &str,
        words: &[&'static str],
    ) -> Option<Vec<&'static str>> {
        self.each(table, key, |text| chosen(text, words))
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<bool>> {
        match self.value(table, key)? {
            (DeValue::Boolean(flag), at) => Some((*flag, at)),
            (other, at) => {
                self.wrong_shape(at, key, "true or false", other);
                None
            }
        }
    }

    /// A number.
    pub(super) fn count(
        &mut self,
        table: Option<Table<'_>>,
        key: &str,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        let (value, at) = self.value(table, key)?;
        let DeValue::Integer(integer) = value else {
            self.wrong_shape(at, key, "a number", value);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| u32::try_from(number).ok());
        let fits = number.filter(|number| (least..=most).contains(number));
        if fits.is_none() {
            self.problem(at, format!("{key} is a number from {least} to {most}"), None);
        }
        fits
    }

    /// A list of texts, each of which means something.
    pub(super) fn each<T>(
        &mut self,
        table: Option<Table<'_>>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Error>,
    ) -> Option<Vec<T>> {
        let texts = self.texts(table, key)?;
        let mut values = Vec::new();
        for (text, at) in texts {
            match parse(&text) {
                Ok(value) => values.push(value),
                Err(error) => self.error(at, &error),
            }
        }
        Some(values)
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, table: Option<Table<'_>>, key: &str) -> Option<Vec<At<String>>> {
        let (value, at) = self.value(table, key)?;
        let DeValue::Array(array) = value else {
            self.wrong_shape(at, key, "a list of texts", value);
            return None;
        };
        let mut texts = Vec::new();
        for (number, item) in array.iter().enumerate() {
            if let Some(table) = table {
                self.places.insert(format!("{}[{number}]", table.setting(key)), item.span().start);
            }
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.to_string(), item.span().start)),
                other => self.wrong_shape(item.span().start, key, "a list of texts", other),
            }
        }
        Some(texts)
    }

    /// A program and its arguments.
    pub(super) fn command(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<Vec<String>>> {
        let (_, at) = self.value(table, key)?;
        let words: Vec<String> = self.texts(table, key)?.into_iter().map(|(word, _)| word).collect();
        if words.first().is_none_or(String::is_empty) {
            self.problem(
                at,
                format!("{key} names no program"),
                Some("write [\"PROGRAM\", \"ARGUMENT\", …]".to_owned()),
            );
        }
        if words.iter().any(|word| word.contains('\0')) {
            self.problem(at, format!("{key} holds a NUL, which no argument can"), None);
        }
        Some((words, at))
    }

    /// Who may.
    pub(super) fn principals(&mut self, table: Option<Table<'_>>, key: &str) -> Option<Vec<Principal>> {
        self.each(table, key, str::parse)
    }

    /// Names with texts.
    pub(super) fn words(&mut self, table: Option<Table<'_>>, key: &str) -> Option<At<Words>> {
        let (value, at) = self.value(table, key)?;
        let DeValue::Table(words) = value else {
            self.wrong_shape(at, key, "names with texts", value);
            return None;
        };
        let mut read = Vec::new();
        for (name, value) in words {
            match value.get_ref() {
                DeValue::String(text) => {
                    read.push(((name.get_ref().to_string(), text.to_string()), name.span().start));
                }
                other => self.wrong_shape(value.span().start, key, "names with texts", other),
            }
        }
        Some((read, at))
    }
}

impl<'d> Table<'d> {
    /// The one table of a name.
    pub(super) fn one(document: &'d DeTable<'d>, name: &str) -> Option<Self> {
        let section = section(name)?;
        let (key, value) = document.get_key_value(name)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Self { section, table, at: key.span().start, number: None }),
            _ => None,
        }
    }

    /// All tables of a name.
    pub(super) fn all(document: &'d DeTable<'d>, name: &str) -> Vec<Self> {
        let (Some(section), Some(value)) = (section(name), document.get(name)) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else { return Vec::new() };
        let tables = array.iter().enumerate().filter_map(|(number, item)| match item.get_ref() {
            DeValue::Table(table) => {
                Some(Self { section, table, at: item.span().start, number: Some(number) })
            }
            _ => None,
        });
        tables.collect()
    }

    /// What a setting in it is called in the whole file.
    fn setting(&self, key: &str) -> String {
        let name = self.section.name;
        match self.number {
            Some(number) => format!("{name}[{number}].{key}"),
            None => format!("{name}.{key}"),
        }
    }

    /// Where it begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }
}

fn chosen(text: &str, words: &[&'static str]) -> Result<&'static str, Error> {
    let word = words.iter().copied().find(|word| *word == text);
    word.ok_or_else(|| {
        let error = usage(format!("{text:?} isn't known here"));
        match nearest(text, words.iter().copied()) {
            Some(near) => error.with_remedy(format!("did you mean {near}?")),
            None => error.with_remedy(format!("write {}", words.join(", "))),
        }
    })
}

/// A value that can't be used.
pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::new(imds::ErrorKind::Usage, message)
}
