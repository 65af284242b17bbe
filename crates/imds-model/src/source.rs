//! Where a value was read.

use std::fmt;
use std::str::FromStr;

use crate::Field;

/// Where a value comes from. Shown as `imds:PATH#POINTER`, `systemd-imdsd:PATH#POINTER`, `firmware:FILE`, `derived:FIELDS`, `agent:SOCKET`, …
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The metadata service.
    Imds {
        /// The path that was asked, without a host.
        path: String,
        /// The place in the answer (JSON pointer; empty for a plain value).
        pointer: String,
    },
    /// The metadata service, through systemd-imdsd.
    Imdsd {
        /// The path that was asked, without a host.
        path: String,
        /// The place in the answer (JSON pointer; empty for a plain value).
        pointer: String,
    },
    /// A file of the firmware tables, by its path.
    Firmware(String),
    /// Another file of this machine, by its path.
    File(String),
    /// Computed from other fields.
    Derived(Vec<Field>),
    /// A variable of the environment, by its name.
    Environment(String),
    /// The user said so, by this option or variable.
    Told(String),
    /// A running `imds agent`, by its socket.
    Agent(String),
    /// Set by a test.
    Mock,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imds { path, pointer } if pointer.is_empty() => write!(f, "imds:{path}"),
            Self::Imds { path, pointer } => write!(f, "imds:{path}#{pointer}"),
            Self::Imdsd { path, pointer } if pointer.is_empty() => write!(f, "systemd-imdsd:{path}"),
            Self::Imdsd { path, pointer } => write!(f, "systemd-imdsd:{path}#{pointer}"),
            Self::Firmware(file) => write!(f, "firmware:{file}"),
            Self::File(file) => write!(f, "file:{file}"),
            Self::Derived(fields) => {
                write!(f, "derived:")?;
                for (i, field) in fields.iter().enumerate() {
                    write!(f, "{}{field}", if i == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Environment(variable) => write!(f, "environment:{variable}"),
            Self::Told(option) => write!(f, "told:{option}"),
            Self::Agent(socket) => write!(f, "agent:{socket}"),
            Self::Mock => write!(f, "mock"),
        }
    }
}

/// Reads back what `Display` prints. A path holds no `#`: it would be no part of a request.
impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        let unknown = || UnknownSource(text.to_owned());
        if text == "mock" {
            return Ok(Self::Mock);
        }
        let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
        let rest_owned = rest.to_owned();
        Ok(match kind {
            "imds" => {
                let (path, pointer) = rest.split_once('#').unwrap_or((rest, ""));
                Self::Imds { path: path.to_owned(), pointer: pointer.to_owned() }
            }
            "systemd-imdsd" => {
                let (path, pointer) = rest.split_once('#').unwrap_or((rest, ""));
                Self::Imdsd { path: path.to_owned(), pointer: pointer.to_owned() }
            }
            "firmware" => Self::Firmware(rest_owned),
            "file" => Self::File(rest_owned),
            "derived" if rest.is_empty() => Self::Derived(Vec::new()),
            "derived" => {
                let fields = rest.split(',').map(|name| name.parse().map_err(|_| unknown()));
                Self::Derived(fields.collect::<Result<_, _>>()?)
            }
            "environment" => Self::Environment(rest_owned),
            "told" => Self::Told(rest_owned),
            "agent" => Self::Agent(rest_owned),
            _ => return Err(unknown()),
        })
    }
}

/// The text names no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSource(String);

impl fmt::Display for UnknownSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} names no source", self.0)
    }
}

impl std::error::Error for UnknownSource {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read_back_what_they_print() {
        for (source, text) in [
            (Source::Imds { path: "/a/b?x=y:z".into(), pointer: String::new() }, "imds:/a/b?x=y:z"),
            (Source::Imds { path: "/a".into(), pointer: "/c#d".into() }, "imds:/a#/c#d"),
            (Source::Imdsd { path: "/a".into(), pointer: "/b".into() }, "systemd-imdsd:/a#/b"),
            (Source::Imdsd { path: "/a".into(), pointer: String::new() }, "systemd-imdsd:/a"),
            (Source::Firmware("/sys/class/dmi/id/uuid".into()), "firmware:/sys/class/dmi/id/uuid"),
            (Source::File("/run/a:b".into()), "file:/run/a:b"),
            (Source::Derived(vec![Field::Cloud, Field::Zone]), "derived:cloud,zone"),
            (Source::Derived(Vec::new()), "derived:"),
            (Source::Environment("A".into()), "environment:A"),
            (Source::Told("--cloud".into()), "told:--cloud"),
            (Source::Agent("/run/imds/imds.sock".into()), "agent:/run/imds/imds.sock"),
            (Source::Mock, "mock"),
        ] {
            assert_eq!((&*source.to_string(), text.parse()), (text, Ok(source)));
        }
        for text in ["", "imds", "dream:x", "derived:cloud,nothing"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
