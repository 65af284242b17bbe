//! Selectors: which value, or which part of one, is meant.

use std::fmt;
use std::str::FromStr;

use crate::field::{Field, Shape, UnknownField};

/// A field or a part of one: `instance_id`, `tags`, `tags.Name`, `interfaces.0.mac`, `disks.0`.
///
/// Everything after `tags.` is the tag's key, dots included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selector {
    /// A whole field.
    Field(Field),
    /// The value of one tag.
    Tag(String),
    /// One item of a list, or a member of it.
    Item {
        /// [`Field::Interfaces`] or [`Field::Disks`].
        field: Field,
        /// Counted from 0.
        index: usize,
        /// The member's name; the whole item without it.
        member: Option<String>,
        /// Counted from 0, where the member is a list and one entry is meant.
        entry: Option<usize>,
    },
}

impl Selector {
    /// The field whose value has to be read.
    #[must_use]
    pub fn field(&self) -> Field {
        match self {
            Self::Field(field) | Self::Item { field, .. } => *field,
            Self::Tag(_) => Field::Tags,
        }
    }
}

impl From<Field> for Selector {
    fn from(field: Field) -> Self {
        Self::Field(field)
    }
}

const INTERFACE_MEMBERS: &[&str] =
    &["mac", "private_ipv4s", "public_ipv4s", "ipv6s", "network_id", "subnet_id", "security_groups"];
const DISK_MEMBERS: &[&str] = &["id", "name", "device", "lun", "size_bytes", "boot"];

impl FromStr for Selector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, InvalidSelector> {
        let Some((name, rest)) = text.split_once('.') else {
            return Ok(Self::Field(text.parse().map_err(InvalidSelector::Field)?));
        };
        let field: Field = name.parse().map_err(InvalidSelector::Field)?;
        let invalid = |why| InvalidSelector::Part { text: text.to_owned(), why };
        let members = match field.shape() {
            Shape::Text => return Err(invalid("this field has no parts".to_owned())),
            Shape::Tags if rest.is_empty() => return Err(invalid("the tag's key is missing".to_owned())),
            Shape::Tags => return Ok(Self::Tag(rest.to_owned())),
            Shape::Interfaces => INTERFACE_MEMBERS,
            Shape::Disks => DISK_MEMBERS,
        };
        let mut parts = rest.split('.');
        let index = parts
            .next()
            .and_then(|part| part.parse().ok())
            .ok_or_else(|| invalid(format!("{name}. wants a number, counted from 0: {name}.0")))?;
        let member = parts.next().map(str::to_owned);
        if let Some(member) = &member
            && !members.contains(&member.as_str())
        {
            return Err(invalid(format!("{member:?} is none of {}", members.join(", "))));
        }
        let entry = match parts.next() {
            Some(part) => Some(part.parse().map_err(|_| invalid(format!("{part:?} is no number")))?),
            None => None,
        };
        if parts.next().is_some() {
            return Err(invalid("too many parts".to_owned()));
        }
        Ok(Self::Item { field, index, member, entry })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => write!(f, "{field}"),
            Self::Tag(key) => write!(f, "tags.{key}"),
            Self::Item { field, index, member, entry } => {
                write!(f, "{field}.{index}")?;
                if let Some(member) = member {
                    write!(f, ".{member}")?;
                }
                if let Some(entry) = entry {
                    write!(f, ".{entry}")?;
                }
                Ok(())
            }
        }
    }
}

/// The text selects nothing that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSelector {
    /// No such field.
    Field(UnknownField),
    /// The field is known, its part isn't.
    Part {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for InvalidSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(unknown) => unknown.fmt(f),
            Self::Part { text, why } => write!(f, "{text:?}: {why}"),
        }
    }
}

impl std::error::Error for InvalidSelector {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_back_what_they_print() {
        for text in [
            "instance_id",
            "tags",
            "tags.Name",
            "tags.a.b:c/d",
            "interfaces.0.mac",
            "interfaces.1",
            "disks.0.id",
            "interfaces.0.ipv6s.1",
        ] {
            assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_selects_nothing_is_refused_with_the_reason() {
        for (text, reason) in [
            ("instance_id.x", "no parts"),
            ("tags.", "key is missing"),
            ("interfaces.first", "counted from 0"),
            ("interfaces.0.address", "private_ipv4s"),
            ("disks.0.id.0.0", "too many"),
            ("disks.0.id.x", "no number"),
            ("intefaces.0", "interfaces"),
        ] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
