//! Files with metadata in them: rendered templates, a file of variables, one file per value.
//!
//! ```text
//!  store ──► follow: waits until it is quiet, ──► executor: render ──► write: check, replace, reload
//!            asks paths, sends values
//! ```
//!
//! A file is replaced as a whole, only when its content changes, and only by content that is complete: where a value can't
//! be had, the file stays what it was, unless it was another machine's.
//!
//! | module | holds |
//! |---|---|
//! | [`values`] | what is known, as templates ask for it |
//! | [`render`] | from a template and values to content; pure |
//! | [`write`](mod@write) | from content to files, on the executor's side |
//! | [`follow`](mod@follow) | when, on the worker's side |
//! | [`record`] | for which machine files were written, and whose readers weren't told |

pub mod follow;
pub mod record;
pub mod render;
pub mod values;
pub mod write;

use std::path::PathBuf;
use std::time::Duration;

use imds_files::Attributes;
use imds_template::{Format, Missing};

pub use follow::{Follow, follow};
pub use record::Record;

/// A file that is rendered from a template.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The template's file, for messages.
    pub template: PathBuf,
    /// The template, or why it can't be read.
    pub source: Result<String, String>,
    /// The file that is written.
    pub target: PathBuf,
    /// The format of both.
    pub format: Format,
    /// What to do about a placeholder without a value.
    pub missing: Missing,
    /// Mode and owner; what nothing is said about is the old file's, else 0600 and the executor's.
    pub attributes: Attributes,
    /// What has to accept the new file: a program and arguments, to which its path is added.
    pub check: Option<Vec<String>>,
    /// What is run after the file was replaced.
    pub reload: Option<Vec<String>>,
    /// How long each of these may take.
    pub time: Duration,
}

/// All fields that are text, and the tags, as variables in one file, for `EnvironmentFile=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFile {
    /// The file.
    pub path: PathBuf,
    /// What the names of the variables start with.
    pub prefix: String,
    /// Permission bits.
    pub mode: u32,
}

/// One file per value: `DIRECTORY/FIELD`, `DIRECTORY/tags/KEY`. The directory is the agent's own; what it finds there under
/// such a name is its own, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFiles {
    /// Where the files are. Made if it isn't there.
    pub directory: PathBuf,
    /// Permission bits; by the value's class where nothing is said: public 0644, private 0640.
    pub mode: Option<u32>,
}

/// When files are brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long nothing may have changed: several changes at once are one.
    pub debounce: Duration,
    /// Up to this much more is waited, by chance, so that machines that changed together don't reload together. Not the
    /// first time.
    pub splay: Duration,
    /// The first pause after trouble with a file (a check that fails, a reload); each further one doubles it.
    pub first_retry: Duration,
    /// The longest pause.
    pub longest_retry: Duration,
    /// How often the paths that templates ask for are asked again.
    pub paths: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            debounce: Duration::from_secs(1),
            splay: Duration::ZERO,
            first_retry: Duration::from_secs(10),
            longest_retry: Duration::from_secs(600),
            paths: Duration::from_secs(300),
        }
    }
}
