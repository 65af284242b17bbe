//! The packed form of descriptions: what the build script writes, and this crate reads when the first cloud is wanted.
//!
//! Statics would be longer, and each of their texts and lists an address that has to be relocated whenever any
//! program starts. Fields follow each other in their order. A number is told from its low end, six bits a byte, with 0x40 where
//! more follow: so that all of it is text, which the compiler has checked. A text or a list stands behind its length, what may
//! be absent behind 0 or 1, what is for later behind its length in bytes. Nothing else ever reads it, so there is no version.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::description::{
    Description, DiskRule, Document, EnvironmentRow, Event, EventKind, FirmwareRow, Format, InterfaceRule,
    Later, List, Map, Node, NotClouds, OfflineRule, Otel, Pattern, Probe, Proof, Rule, Secrets, Service,
    Syntax, Text, Token, Transform, Version, Weight,
};

/// What can be packed.
pub(super) trait Packed: Sized {
    /// Takes it from the front; none where something else lies there.
    fn unpack(from: &mut &'static str) -> Option<Self>;
}

impl Packed for u64 {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = *from.as_bytes().first()?;
            *from = from.get(1..)?;
            number |= Self::from(byte & 0x3f).checked_shl(shift)?;
            if byte < 0x40 {
                return Some(number);
            }
            shift += 6;
        }
    }
}

/// Numbers that are packed as the widest one is.
macro_rules! number {
    ($($name:ident),*) => {$(
        impl Packed for $name {
            fn unpack(from: &mut &'static str) -> Option<Self> {
                u64::unpack(from)?.try_into().ok()
            }
        }
    )*};
}

number!(u16, u32);

impl Packed for bool {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        Some(unpack_length(from)? != 0)
    }
}

/// The length of what follows.
fn unpack_length(from: &mut &'static str) -> Option<usize> {
    // Nearly all are short, and this is most of what unpacking does.
    let (first, rest) = from.split_at_checked(1)?;
    match first.as_bytes() {
        [byte @ ..0x40] => {
            *from = rest;
            Some(usize::from(*byte))
        }
        _ => u64::unpack(from)?.try_into().ok(),
    }
}

impl Packed for Text {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        let length = unpack_length(from)?;
        let (text, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(Self(Cow::Borrowed(text)))
    }
}

impl<T: Packed> Packed for Option<T> {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        Some(if bool::unpack(from)? { Some(T::unpack(from)?) } else { None })
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        let length = unpack_length(from)?;
        let mut items = Self::with_capacity(length);
        for _ in 0..length {
            items.push(T::unpack(from)?);
        }
        Some(items)
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        Some((A::unpack(from)?, B::unpack(from)?))
    }
}

impl<T: Packed> Packed for List<T> {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        Vec::unpack(from).map(Self)
    }
}

impl<V: Packed> Packed for Map<V> {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        Vec::unpack(from).map(Self)
    }
}

impl<T: Packed> Packed for Later<T> {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        let length = unpack_length(from)?;
        let (packed, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(Self::Packed(OnceLock::new(), packed, unpacked))
    }
}

/// What the build script packed.
#[expect(clippy::expect_used, reason = "the build script packed it with these very types")]
pub(super) fn unpacked<T: Packed>(mut packed: &'static str) -> T {
    T::unpack(&mut packed).filter(|_| packed.is_empty()).expect("what was packed can be unpacked")
}

/// Structures, by all of their fields.
macro_rules! structure {
    ($name:ident { $($field:ident $(or $otherwise:expr)?,)* }) => {
        impl Packed for $name {
            fn unpack(from: &mut &'static str) -> Option<Self> {
                Some(Self { $($field: Packed::unpack(from)?),* })
            }
        }
    };
}

/// Choices, by all of their names.
macro_rules! choice {
    ($name:ident { $($choice:ident = $word:literal,)* }) => {
        impl Packed for $name {
            fn unpack(from: &mut &'static str) -> Option<Self> {
                [$(Self::$choice),*].get(unpack_length(from)?).copied()
            }
        }
    };
}

shapes!(structure, choice);

impl Packed for Pattern {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        Some(match u64::unpack(from)? {
            0 => Self::Exact(Text::unpack(from)?),
            1 => Self::Glob { glob: Text::unpack(from)? },
            2 => Self::Iglob { iglob: Text::unpack(from)? },
            _ => return None,
        })
    }
}

/// Those that hold nothing, in the order of their numbers; what is like a pattern has the number behind theirs.
const SYNTAXES: [Syntax; 7] = [
    Syntax::Decimal,
    Syntax::Guid,
    Syntax::Ec2InstanceId,
    Syntax::Word,
    Syntax::GoogleProject,
    Syntax::YandexId,
    Syntax::Present,
];

impl Packed for Syntax {
    fn unpack(from: &mut &'static str) -> Option<Self> {
        match unpack_length(from)? {
            number if number == SYNTAXES.len() => Pattern::unpack(from).map(Self::Like),
            number => SYNTAXES.get(number).cloned(),
        }
    }
}
