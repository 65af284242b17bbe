//! Where results go: stdout, and nothing else goes there.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::render;

/// Stdout, written to in one go as far as possible. Write errors are the caller's, so that a reader who has seen enough
/// (a broken pipe) ends the program quietly.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// The standard output of this process.
    pub(crate) fn stdout() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// Writes text as it is.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Has something written that comes piece by piece.
    pub(crate) fn written<T>(&mut self, write: impl FnOnce(&mut dyn Write) -> T) -> io::Result<T> {
        let result = write(&mut self.0);
        self.0.flush()?;
        Ok(result)
    }

    /// Writes one JSON document and a newline.
    pub(crate) fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        self.text(&render::json(document)?)
    }

    /// Writes one YAML document.
    pub(crate) fn yaml(&mut self, document: &impl Serialize) -> io::Result<()> {
        self.text(&render::yaml(document)?)
    }

    /// Whether a person is looking.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }
}
