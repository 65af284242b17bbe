//! Where in the file each setting stands, for what only turns out to be wrong on the machine: an account that there isn't, a
//! file that can't be read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use imds::{Error, ErrorKind};

use super::problem::position;

/// Where each setting stands that the file names, as `agent.user`, `files[0].owner`, `access.private[1]`.
#[derive(Clone, Default)]
pub struct Places {
    file: Arc<str>,
    text: Arc<str>,
    /// Bytes of the text: few are ever asked for, and finding a line takes the whole text before it.
    of: BTreeMap<String, usize>,
}

impl Places {
    pub(super) fn new(file: &str, text: &str, of: BTreeMap<String, usize>) -> Self {
        Self { file: file.into(), text: text.into(), of }
    }

    /// What is wrong with a setting, with `FILE:LINE:COLUMN` as its path; with the setting's name where no file names it.
    #[must_use]
    pub fn mistake(&self, setting: &str, message: impl Into<String>) -> Error {
        let place = match self.of.get(setting) {
            Some(at) => {
                let (line, column) = position(&self.text, *at);
                format!("{}:{line}:{column}", self.file)
            }
            None => setting.to_owned(),
        };
        Error::new(ErrorKind::Usage, message.into()).with_path(place)
    }
}

/// Two files that say the same are equal, wherever in them it stands.
impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Only names: a value could be somebody's secret.
impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.of.keys()).finish()
    }
}
