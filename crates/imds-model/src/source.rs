//! Where a value was read.

use std::fmt;

use crate::Field;

/// Where a value comes from. Shown as `imds:PATH#POINTER`, `firmware:FILE`, `derived:FIELDS`, `agent:SOCKET`, …
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
