//! Writes what `src/clouds/packed.rs` reads, where the form is explained.

use crate::description::{
    Description, DiskRule, Document, EnvironmentRow, Event, EventKind, FirmwareRow, Format, InterfaceRule,
    Later, List, Map, Node, NotClouds, OfflineRule, Otel, Pattern, Probe, Proof, Rule, Secrets, Service,
    Syntax, Text, Token, Transform, Version, Weight,
};

/// What can be packed.
pub(crate) trait Pack {
    /// Appends it.
    fn pack(&self, to: &mut Vec<u8>);
}

impl Pack for u64 {
    fn pack(&self, to: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x40 {
            to.push((rest & 0x3f) as u8 | 0x40);
            rest >>= 6;
        }
        to.push(rest as u8);
    }
}

/// Numbers that are packed as the widest one is.
macro_rules! number {
    ($($name:ident),*) => {$(
        impl Pack for $name {
            fn pack(&self, to: &mut Vec<u8>) {
                u64::from(*self).pack(to);
            }

        }
    )*};
}

number!(u16, u32);

impl Pack for bool {
    fn pack(&self, to: &mut Vec<u8>) {
        u64::from(*self).pack(to);
    }
}

/// The length of what follows.
fn pack_length(length: usize, to: &mut Vec<u8>) {
    (length as u64).pack(to);
}

impl Pack for Text {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_length(self.len(), to);
        to.extend(self.as_bytes());
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        self.is_some().pack(to);
        if let Some(value) = self {
            value.pack(to);
        }
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_length(self.len(), to);
        for item in self {
            item.pack(to);
        }
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, to: &mut Vec<u8>) {
        self.0.pack(to);
        self.1.pack(to);
    }
}

impl<T: Pack> Pack for List<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        self.0.pack(to);
    }
}

impl<V: Pack> Pack for Map<V> {
    fn pack(&self, to: &mut Vec<u8>) {
        self.0.pack(to);
    }
}

impl<T: Pack> Pack for Later<T> {
    fn pack(&self, to: &mut Vec<u8>) {
        let mut packed = Vec::new();
        T::pack(self, &mut packed);
        pack_length(packed.len(), to);
        to.extend(packed);
    }
}

/// Structures, by all of their fields.
macro_rules! structure {
    ($name:ident { $($field:ident $(or $otherwise:expr)?,)* }) => {
        impl Pack for $name {
            fn pack(&self, to: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.pack(to);)*
            }

        }
    };
}

/// Choices, by all of their names.
macro_rules! choice {
    ($name:ident { $($choice:ident = $word:literal,)* }) => {
        impl Pack for $name {
            fn pack(&self, to: &mut Vec<u8>) {
                (*self as u64).pack(to);
            }
        }
    };
}

shapes!(structure, choice);

impl Pack for Pattern {
    fn pack(&self, to: &mut Vec<u8>) {
        let (form, text) = match self {
            Self::Exact(text) => (0_u64, text),
            Self::Glob { glob } => (1, glob),
            Self::Iglob { iglob } => (2, iglob),
        };
        form.pack(to);
        text.pack(to);
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

impl Pack for Syntax {
    fn pack(&self, to: &mut Vec<u8>) {
        pack_length(SYNTAXES.iter().position(|known| known == self).unwrap_or(SYNTAXES.len()), to);
        if let Self::Like(pattern) = self {
            pattern.pack(to);
        }
    }
}
