//! What the inputs hold.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use imds::Error;

use super::inputs::{Input, unreadable};

/// So much of stdin is read before anything is done about it. Of more text than that, results go out before all is known.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;

/// The content of an input.
pub(super) enum Content {
    /// All of it.
    Memory(Vec<u8>),
    /// A file that can be read more than once.
    File(PathBuf),
    /// The start of stdin, and there is more.
    Start(Vec<u8>),
}

impl Content {
    /// Reads an input; in pieces later, if that may be.
    ///
    /// # Errors
    /// `ErrorKind::Usage` and `ErrorKind::Internal`, naming the input.
    pub(super) fn load(input: &Input, in_pieces: bool) -> Result<Self, Error> {
        let failed = |error: io::Error| unreadable(&input.path(), &error);
        let Some(path) = &input.file else {
            let mut bytes = Vec::new();
            if in_pieces {
                let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
                io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(failed)?;
                if bytes.len() == LONGEST {
                    return Ok(Self::Start(bytes));
                }
            } else {
                io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
            }
            return Ok(Self::Memory(bytes));
        };
        // A pipe has a name, too, but can be read only once.
        if in_pieces && fs::metadata(path).map_err(failed)?.is_file() {
            return Ok(Self::File(path.clone()));
        }
        fs::read(path).map(Self::Memory).map_err(failed)
    }

    /// The bytes that are in memory.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) | Self::Start(bytes) => bytes,
            Self::File(_) => &[],
        }
    }

    /// Reads it from its start.
    ///
    /// # Errors
    /// What opening a file fails with.
    pub(super) fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::File(path) => Ok(Box::new(File::open(path)?)),
            Self::Memory(bytes) | Self::Start(bytes) => Ok(Box::new(&**bytes)),
        }
    }
}
