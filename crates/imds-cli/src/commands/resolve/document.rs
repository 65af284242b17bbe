//! An input with its placeholders found.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};

use imds_template::dialect::cloudwatch::{Configuration, Host};
use imds_template::{
    Errors, Format, Grammar, Key, Lookup, Missing, StandIn, StreamError, Template, Values, resolve_stream,
};

use super::answers::Needs;
use super::content::Content;
use super::{Order, host};
use crate::args::Dialect;

/// An input, understood.
pub(super) enum Document<'s> {
    /// Text of any size, read as often as need be.
    Text {
        text: Text<'s>,
        /// What it asks for, each once.
        keys: Vec<Key>,
    },
    /// A structured format.
    Structured(Template<'s>),
    /// The CloudWatch agent's configuration.
    CloudWatch(Configuration<'s>, Host),
}

/// Text.
pub(super) struct Text<'s> {
    content: &'s Content,
    grammar: &'s Grammar,
}

/// Why an input can't be resolved.
pub(super) enum Trouble {
    /// Its placeholders or its syntax.
    Errors(Errors),
    /// It isn't text.
    NotText {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// It can't be read any more.
    Read(io::Error),
    /// The result can't be written.
    Write(io::Error),
}

impl From<StreamError> for Trouble {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Unresolved(errors) => Self::Errors(errors),
            StreamError::Write(error) => Self::Write(error),
            StreamError::Read(error) => Self::Read(error),
            _ => Self::Read(io::Error::other(error.to_string())),
        }
    }
}

impl From<Errors> for Trouble {
    fn from(errors: Errors) -> Self {
        Self::Errors(errors)
    }
}

impl<'s> Document<'s> {
    /// Finds the placeholders.
    pub(super) fn parse(content: &'s Content, format: Format, order: &'s Order<'_>) -> Result<Self, Trouble> {
        if let Some(Dialect::CloudwatchAgent) = order.dialect() {
            return Ok(Self::CloudWatch(Configuration::parse(text_of(content.bytes())?)?, host::ask()));
        }
        if format != Format::Text {
            let source = text_of(content.bytes())?;
            return Ok(Self::Structured(Template::parse_with(source, format, &order.grammar)?));
        }
        let (asked, text) = (Asked::default(), Text { content, grammar: &order.grammar });
        text.resolve(&mut io::sink(), &asked, order.missing())?;
        Ok(Self::Text { text, keys: asked.keys() })
    }

    /// What has to be asked for.
    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Text { keys, .. } => Needs::of(keys),
            Self::Structured(template) => {
                let paths = template.paths_needed().into_iter().map(str::to_owned).collect();
                Needs { fields: template.fields_needed(), paths }
            }
            Self::CloudWatch(configuration, _) => {
                Needs { fields: configuration.fields_needed(), paths: Vec::new() }
            }
        }
    }

    /// The result as a whole, and what stands in for values in it.
    pub(super) fn resolve(
        &self,
        values: &dyn Values,
        missing: Missing,
    ) -> Result<(Vec<u8>, Vec<StandIn>), Trouble> {
        let resolved = match self {
            Self::Text { text, .. } => {
                let mut result = Vec::new();
                let stand_ins = text.resolve(&mut result, values, missing)?;
                return Ok((result, stand_ins));
            }
            Self::Structured(template) => template.resolve_reported(values, missing)?,
            Self::CloudWatch(configuration, host) => configuration.resolve(values, host),
        };
        Ok((resolved.text.into_bytes(), resolved.stand_ins))
    }
}

impl Text<'_> {
    /// Resolves it into a writer.
    pub(super) fn resolve(
        &self,
        writer: &mut dyn Write,
        values: &dyn Values,
        missing: Missing,
    ) -> Result<Vec<StandIn>, StreamError> {
        let mut reader = self.content.reader().map_err(StreamError::Read)?;
        resolve_stream(&mut reader, writer, values, missing, self.grammar)
    }
}

/// Knows everything, and remembers what it was asked for.
#[derive(Default)]
pub(super) struct Asked {
    keys: RefCell<Vec<Key>>,
    identities: RefCell<HashSet<String>>,
}

impl Asked {
    /// What it was asked for, each once.
    pub(super) fn keys(self) -> Vec<Key> {
        self.keys.into_inner()
    }
}

impl Values for Asked {
    fn lookup(&self, key: &Key) -> Lookup {
        if self.identities.borrow_mut().insert(identity(key)) {
            self.keys.borrow_mut().push(key.clone());
        }
        Lookup::Value(String::new())
    }
}

/// A text that no other key has.
pub(super) fn identity(key: &Key) -> String {
    match key {
        Key::Field { cloud: Some(cloud), field } => format!("{cloud}:{field}"),
        Key::Field { cloud: None, field } => format!(":{field}"),
        Key::Tag(tag) => format!("t {tag}"),
        Key::Path(path) => format!("p {path}"),
        // Kinds of keys to come.
        other => format!("{other:?}"),
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, Trouble> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        let line = before.rsplit('\n').next().unwrap_or_default();
        Trouble::NotText {
            line: before.matches('\n').count() + 1,
            column: line.trim_start_matches('\u{feff}').chars().count() + 1,
        }
    })
}
