//! What a placeholder looks like, and where one ends.
//!
//! ```text
//! ${NS:KEY}    ${NS:KEY:-DEFAULT}    ${NS:KEY:?MESSAGE}    $${NS:KEY} is the literal ${NS:KEY}
//! ```
//!
//! Finding is one pass over bytes and looks at syntax only; reading what was found judges the key. A place at which no
//! known namespace follows `${` is nobody's business here.

use std::ops::Range;

use imds_model::CloudName;
use memchr::memmem::Finder;

use crate::key::{CLOUDS, Key, Namespace, NoKey};

/// The longest placeholder, in bytes. Past it a `}` is taken to be missing; it bounds the memory of a stream.
pub const MAX_PLACEHOLDER: usize = 64 * 1024;

/// What every placeholder begins with.
pub(crate) const SIGN: &str = "${";

/// The longest name of a namespace: that of [`CloudName`].
const MAX_NAMESPACE: usize = 32;

/// Which namespaces are ours: `cloud`, `tag`, `imds`, and the names of clouds.
///
/// The default knows the built-in clouds; a caller with declared clouds adds theirs.
///
/// ```
/// use imds_model::CloudName;
/// use imds_template::{Format, Grammar, Template};
/// let grammar = Grammar::default().with_clouds([CloudName::new("lab").unwrap()]);
/// let template = Template::parse_with("${lab:Region} ${elsewhere:Region}", Format::Text, &grammar).unwrap();
/// assert_eq!(template.placeholders().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Grammar {
    clouds: Vec<CloudName>,
    /// Finds `${`. Kept, since what it works out before it searches costs as much as a short search.
    sign: Finder<'static>,
}

impl Default for Grammar {
    fn default() -> Self {
        Self { clouds: Vec::new(), sign: Finder::new(SIGN) }
            .with_clouds(CLOUDS.iter().map(|name| CloudName::builtin(name)))
    }
}

impl Grammar {
    /// Adds names of clouds.
    #[must_use]
    pub fn with_clouds(mut self, clouds: impl IntoIterator<Item = CloudName>) -> Self {
        self.clouds.extend(clouds);
        self.clouds.sort();
        self.clouds.dedup();
        self
    }

    fn namespace(&self, name: &[u8]) -> Option<Namespace> {
        match name {
            b"cloud" => Some(Namespace::Any),
            b"tag" => Some(Namespace::Tag),
            b"imds" => Some(Namespace::Imds),
            _ => {
                let index = self.clouds.binary_search_by(|cloud| cloud.as_str().as_bytes().cmp(name)).ok()?;
                self.clouds.get(index).cloned().map(Namespace::Cloud)
            }
        }
    }

    /// The next thing in the text, at `from` or after it, that isn't to be copied as it is.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<Found> {
        let mut at = from;
        loop {
            let dollar = self.sign(text, at)?;
            if let Some(found) = self.found_at(text, from, dollar) {
                return Some(found);
            }
            at = dollar + 2;
        }
    }

    /// The next `${`, at `from` or after it.
    pub(crate) fn sign(&self, text: &[u8], from: usize) -> Option<usize> {
        Some(from + self.sign.find(text.get(from..)?)?)
    }

    /// What the `${` at `dollar` begins, if it is ours; everything before `from` is done with.
    pub(crate) fn found_at(&self, text: &[u8], from: usize, dollar: usize) -> Option<Found> {
        let name_start = dollar + 2;
        let rest = text.get(name_start..)?;
        let length = rest.iter().take(MAX_NAMESPACE + 1).take_while(|byte| is_name(**byte)).count();
        let escaped = dollar > from && text.get(dollar - 1) == Some(&b'$');
        let start = if escaped { dollar - 1 } else { dollar };
        let namespace = match rest.get(length) {
            Some(b':') => self.namespace(rest.get(..length)?)?,
            None if length <= MAX_NAMESPACE => return Some(Found::Cut { start, known: false }),
            Some(_) | None => return None,
        };
        let key_start = name_start + length + 1;
        let limit = text.len().min(dollar + MAX_PLACEHOLDER);
        let body = text.get(key_start..limit).unwrap_or_default();
        Some(match Extent::of(body) {
            Ok(extent) => {
                let end = key_start + extent.end;
                if escaped {
                    Found::Escape { range: start..end }
                } else {
                    Found::Placeholder { range: start..end, namespace, key_start, extent }
                }
            }
            Err(Unfinished::End) if limit == text.len() => Found::Cut { start, known: true },
            Err(Unfinished::End) => Found::Broken { range: start..limit, problem: Broken::TooLong },
            Err(Unfinished::Line(at)) => {
                Found::Broken { range: start..key_start + at, problem: Broken::Unterminated }
            }
            Err(Unfinished::AfterQuote(at)) => {
                Found::Broken { range: start..key_start + at, problem: Broken::AfterQuote }
            }
        })
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
}

/// Something in a text that isn't to be copied as it is.
#[derive(Debug)]
pub(crate) enum Found {
    /// `$${…}`.
    Escape {
        /// From the first `$` to behind the `}`.
        range: Range<usize>,
    },
    /// `${…}`.
    Placeholder {
        /// From the `$` to behind the `}`.
        range: Range<usize>,
        /// What stands before the colon.
        namespace: Namespace,
        /// Where the key starts, in the text.
        key_start: usize,
        /// Where its parts end.
        extent: Extent,
    },
    /// A placeholder of ours that isn't one.
    Broken {
        /// What was looked at; the search goes on behind it.
        range: Range<usize>,
        /// What is wrong.
        problem: Broken,
    },
    /// The text ends inside what is (`known`) or may become a placeholder.
    Cut {
        /// Where it starts, its escape included.
        start: usize,
        /// Whether its namespace is one of ours.
        known: bool,
    },
}

/// What is wrong with a placeholder's syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Unterminated,
    TooLong,
    AfterQuote,
}

impl Broken {
    /// What is wrong, and what can be done.
    pub(crate) fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Unterminated => {
                ("the placeholder has no end", "close it with }, or write $${ for a literal ${")
            }
            Self::TooLong => {
                ("the placeholder has no end within 64 KiB", "close it with }, or write $${ for a literal ${")
            }
            Self::AfterQuote => {
                ("something follows the quoted key", "only }, :- or :? may follow the closing quote")
            }
        }
    }
}

/// Where the parts of a placeholder end, counted from the start of its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Behind the key, quotes included.
    key: usize,
    /// Behind the `}`.
    end: usize,
    /// `-` or `?` where something follows the key.
    then: Option<u8>,
}

enum Unfinished {
    /// The text ends first.
    End,
    /// The line ends inside the key, here.
    Line(usize),
    /// The closing quote is followed by something else, here.
    AfterQuote(usize),
}

impl Extent {
    /// Of a body that starts with the key.
    fn of(body: &[u8]) -> Result<Self, Unfinished> {
        let key = if body.first() == Some(&b'"') { quoted_key(body)? } else { bare_key(body)? };
        match (body.get(key), body.get(key + 1)) {
            (Some(b'}'), _) => Ok(Self { key, end: key + 1, then: None }),
            (Some(b':'), Some(then @ (b'-' | b'?'))) => {
                let rest = body.get(key + 2..).unwrap_or_default();
                let close = memchr::memchr_iter(b'}', rest)
                    .find(|at| at.checked_sub(1).and_then(|before| rest.get(before)) != Some(&b'\\'));
                let close = close.ok_or(Unfinished::End)?;
                Ok(Self { key, end: key + 2 + close + 1, then: Some(*then) })
            }
            (None, _) | (Some(b':'), None) => Err(Unfinished::End),
            (Some(_), _) => Err(Unfinished::AfterQuote(key)),
        }
    }
}

/// Behind the closing quote.
fn quoted_key(body: &[u8]) -> Result<usize, Unfinished> {
    let mut bytes = body.iter().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok(at + 1),
            b'\n' => return Err(Unfinished::Line(at)),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    Err(Unfinished::End)
}

/// At the `}` or the first `:-` or `:?`.
fn bare_key(body: &[u8]) -> Result<usize, Unfinished> {
    for (at, byte) in body.iter().enumerate() {
        match byte {
            b'}' => return Ok(at),
            b'\n' => return Err(Unfinished::Line(at)),
            b':' if matches!(body.get(at + 1), Some(b'-' | b'?')) => return Ok(at),
            _ => {}
        }
    }
    Err(Unfinished::End)
}

/// What a placeholder says is to be done without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Otherwise {
    /// `:-DEFAULT`: this text, maybe empty, stands in.
    Default(String),
    /// `:?MESSAGE`: it is an error, with this message.
    Error(String),
}

/// A placeholder's parts, read.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) otherwise: Option<Otherwise>,
}

/// Reads what was found. `body` starts at the key.
pub(crate) fn read(namespace: &Namespace, body: &str, extent: &Extent) -> Result<Parts, NoKey> {
    let written = body.get(..extent.key).unwrap_or_default();
    let name = match written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unquote(quoted),
        None => written.to_owned(),
    };
    let rest = || {
        let rest = body.get(extent.key + 2..extent.end.saturating_sub(1)).unwrap_or_default();
        rest.replace("\\}", "}")
    };
    let otherwise = match extent.then {
        Some(b'-') => Some(Otherwise::Default(rest())),
        Some(_) => Some(Otherwise::Error(rest())),
        None => None,
    };
    Ok(Parts { key: Key::new(namespace, &name)?, name, otherwise })
}

/// A backslash stands for what follows it, inside quotes.
fn unquote(quoted: &str) -> String {
    let mut result = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => result.extend(chars.next()),
            other => result.push(other),
        }
    }
    result
}
