//! Reads descriptions from TOML.
//!
//! By what the parser of the crate `toml` made of the text, and without serde, whose code for this many types would be larger
//! than all of the detection. What is wrong is told with its place.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::description::{
    Description, DiskRule, Document, EnvironmentRow, Event, EventKind, FirmwareRow, Format, InterfaceRule,
    Later, List, Map, Node, NotClouds, OfflineRule, Otel, Pattern, Probe, Proof, Rule, Secrets, Service,
    Syntax, Text, Token, Transform, Version, Weight,
};

/// What the text says at one place.
pub type Said<'i> = Spanned<DeValue<'i>>;

/// What can't be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The byte at which it starts.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
    /// For a word that isn't known: the word, and those that are.
    pub unknown: Option<(String, &'static [&'static str])>,
}

impl Unreadable {
    fn new(offset: usize, what: String) -> Self {
        Self { offset, what, unknown: None }
    }

    fn unknown(offset: usize, word: &str, known: &'static [&'static str]) -> Self {
        let what = format!("{word:?} isn't known here");
        Self { offset, what, unknown: Some((word.to_owned(), known)) }
    }

    /// What is said is of another kind.
    fn kind(said: &Said<'_>, expected: &str) -> Self {
        let found = match said.get_ref() {
            DeValue::String(text) => format!("string {text:?}"),
            DeValue::Integer(number) => format!("integer `{}`", number.as_str()),
            DeValue::Boolean(flag) => format!("boolean `{flag}`"),
            other => other.type_str().to_owned(),
        };
        Self::new(said.span().start, format!("invalid type: {found}, expected {expected}"))
    }
}

/// What can be read.
pub trait Read: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What of it can't be meant.
    fn read(said: &Said<'_>) -> Result<Self, Unreadable>;

    /// What it is where nothing is said; none where something has to be.
    fn unsaid() -> Option<Self> {
        None
    }
}

/// Reads a whole text.
///
/// # Errors
/// What of it can't be meant.
pub fn read<T: Read>(document: Spanned<DeTable<'_>>) -> Result<T, Unreadable> {
    let span = document.span();
    T::read(&Spanned::new(span, DeValue::Table(document.into_inner())))
}

impl Read for Text {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        match said.get_ref() {
            DeValue::String(text) => Ok(Self(Cow::Owned(text.clone().into_owned()))),
            _ => Err(Unreadable::kind(said, "a string")),
        }
    }
}

impl Read for bool {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        said.get_ref().as_bool().ok_or_else(|| Unreadable::kind(said, "a boolean"))
    }

    fn unsaid() -> Option<Self> {
        Some(false)
    }
}

/// A number of at most as many bits.
fn number<T: TryFrom<u64>>(said: &Said<'_>, expected: &str) -> Result<T, Unreadable> {
    let value = |number: &DeInteger<'_>| u64::from_str_radix(number.as_str(), number.radix()).ok();
    let number = said.get_ref().as_integer().and_then(value).and_then(|number| number.try_into().ok());
    number.ok_or_else(|| Unreadable::kind(said, expected))
}

impl Read for u16 {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        number(said, "a number of 16 bits")
    }
}

impl Read for u32 {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        number(said, "a number of 32 bits")
    }
}

impl Read for u64 {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        number(said, "a number of 64 bits")
    }
}

impl<T: Read> Read for Option<T> {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        T::read(said).map(Some)
    }

    fn unsaid() -> Option<Self> {
        Some(None)
    }
}

/// One item may be written without brackets.
impl<T: Read> Read for List<T> {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        match said.get_ref() {
            DeValue::Array(items) => items.iter().map(T::read).collect::<Result<_, _>>().map(Self),
            _ => Ok(Self(vec![T::read(said)?])),
        }
    }

    fn unsaid() -> Option<Self> {
        Some(Self::default())
    }
}

impl<V: Read> Read for Map<V> {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        let table = table(said)?;
        let entry = |(name, value): (&Spanned<Cow<'_, str>>, &Said<'_>)| {
            Ok((Text(Cow::Owned(name.get_ref().clone().into_owned())), V::read(value)?))
        };
        table.iter().map(entry).collect::<Result<_, _>>().map(Self)
    }

    fn unsaid() -> Option<Self> {
        Some(Self::default())
    }
}

impl<T: Read> Read for Later<T> {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        T::read(said).map(Self::known)
    }

    fn unsaid() -> Option<Self> {
        T::unsaid().map(Self::known)
    }
}

fn table<'s, 'i>(said: &'s Said<'i>) -> Result<&'s DeTable<'i>, Unreadable> {
    said.get_ref().as_table().ok_or_else(|| Unreadable::kind(said, "a table"))
}

/// A table with no other keys than these.
fn table_of<'s, 'i>(
    said: &'s Said<'i>,
    known: &'static [&'static str],
) -> Result<&'s DeTable<'i>, Unreadable> {
    let table = table(said)?;
    match table.keys().find(|key| !known.contains(&&**key.get_ref())) {
        Some(key) => Err(Unreadable::unknown(key.span().start, key.get_ref(), known)),
        None => Ok(table),
    }
}

/// A field of a table, and what it is where nothing is said.
fn field<T: Read>(
    said: &Said<'_>,
    table: &DeTable<'_>,
    name: &str,
    otherwise: fn() -> Option<T>,
) -> Result<T, Unreadable> {
    match table.get(name) {
        Some(value) => T::read(value),
        None => otherwise().ok_or_else(|| missing(said, name)),
    }
}

fn missing(said: &Said<'_>, name: &str) -> Unreadable {
    Unreadable::new(said.span().start, format!("`{name}` is missing"))
}

/// The one key of a table, which has to be among these, and its text.
fn form(said: &Said<'_>, known: &'static [&'static str]) -> Result<(&'static str, Text), Unreadable> {
    let table = table_of(said, known)?;
    let mut given = known.iter().filter_map(|name| Some((*name, table.get(*name)?)));
    match (given.next(), given.next()) {
        (Some((name, value)), None) => Ok((name, Text::read(value)?)),
        _ => Err(Unreadable::new(said.span().start, format!("it needs one of {}", known.join(", ")))),
    }
}

/// Structures: tables with their fields as keys.
macro_rules! structure {
    // It may be shorter.
    (Rule { $($fields:tt)* }) => {
        impl Rule {
            structure!(@fields read_table $($fields)*);
        }
    };
    (@fields $read:ident $($field:ident $(or $otherwise:expr)?,)*) => {
        fn $read(said: &Said<'_>) -> Result<Self, Unreadable> {
            let table = table_of(said, &[$(stringify!($field)),*])?;
            Ok(Self {
                $($field: field(said, table, stringify!($field), structure!(@otherwise $($otherwise)?))?),*
            })
        }
    };
    (@otherwise) => { Read::unsaid };
    (@otherwise $otherwise:expr) => { || $otherwise };
    (@unsaid Otel) => { structure!(@unsaid default); };
    (@unsaid Secrets) => { structure!(@unsaid default); };
    (@unsaid default) => {
        fn unsaid() -> Option<Self> {
            Some(Self::default())
        }
    };
    (@unsaid $name:ident) => {};
    ($name:ident { $($fields:tt)* }) => {
        impl Read for $name {
            structure!(@fields read $($fields)*);
            structure!(@unsaid $name);
        }
    };
}

/// Choices: their words.
macro_rules! choice {
    ($name:ident { $($choice:ident = $word:literal,)* }) => {
        impl Read for $name {
            fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
                let word = said.get_ref().as_str().ok_or_else(|| Unreadable::kind(said, "a string"))?;
                match word {
                    $($word => Ok(Self::$choice),)*
                    _ => Err(Unreadable::unknown(said.span().start, word, &[$($word),*])),
                }
            }

            choice!(@unsaid $name);
        }
    };
    (@unsaid Format) => {
        fn unsaid() -> Option<Self> {
            Some(Self::default())
        }
    };
    (@unsaid $name:ident) => {};
}

shapes!(structure, choice);

/// A place, a list of places, or a table with `from`.
impl Read for Rule {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        match said.get_ref() {
            DeValue::String(_) | DeValue::Array(_) => Ok(Self { from: List::read(said)?, ..Self::default() }),
            DeValue::Table(_) => Self::read_table(said),
            _ => Err(Unreadable::kind(said, "a place, a list of places, or a table with `from`")),
        }
    }

    fn unsaid() -> Option<Self> {
        Some(Self::default())
    }
}

/// A text, `{ glob = … }` or `{ iglob = … }`.
impl Read for Pattern {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        if let DeValue::String(_) = said.get_ref() {
            return Text::read(said).map(Self::Exact);
        }
        Ok(match form(said, &["glob", "iglob"])? {
            ("iglob", iglob) => Self::Iglob { iglob },
            (_, glob) => Self::Glob { glob },
        })
    }
}

/// A word, `{ exact = … }` or `{ glob = … }`.
impl Read for Syntax {
    fn read(said: &Said<'_>) -> Result<Self, Unreadable> {
        const WORDS: &[&str] =
            &["decimal", "guid", "ec2-instance-id", "google-project", "yandex-id", "word", "present"];
        let Some(word) = said.get_ref().as_str() else {
            return Ok(Self::Like(match form(said, &["exact", "glob"])? {
                ("exact", text) => Pattern::Exact(text),
                (_, glob) => Pattern::Glob { glob },
            }));
        };
        Ok(match word {
            "decimal" => Self::Decimal,
            "guid" => Self::Guid,
            "ec2-instance-id" => Self::Ec2InstanceId,
            "google-project" => Self::GoogleProject,
            "yandex-id" => Self::YandexId,
            "word" => Self::Word,
            "present" => Self::Present,
            _ => return Err(Unreadable::unknown(said.span().start, word, WORDS)),
        })
    }
}
