//! What the configuration lets the executor do.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use imds::Network;
use imds_template::Grammar;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::protocol::Summary;
use crate::files::write::Files;
use crate::files::{EnvFile, Rendered, ValueFiles, render};
use crate::hooks::body::Template;
use crate::hooks::{Action, Hook};

/// No template is longer.
const LONGEST_TEMPLATE: u64 = 4 * 1024 * 1024;

/// Everything that may be done. The worker says when, and with which values.
#[derive(Debug)]
pub struct Plan {
    files: Vec<Rendered>,
    env_file: Option<EnvFile>,
    values: Option<ValueFiles>,
    hooks: Vec<Hook>,
    /// What webhooks post, by the place of their hook.
    bodies: Vec<Option<Template>>,
    grammar: Grammar,
    network: Network,
    fingerprint: Fingerprint,
}

/// Which plan it is: both processes have read the configuration, and have to have read the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint([u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Plan {
    /// A plan of these files and hooks.
    ///
    /// # Errors
    /// Everything that can't be done, whatever the values are: a hook's URL, its template, its key. What is wrong with the
    /// template of a file is told when that is to be written; [`Plan::of`] refuses it.
    pub fn new(
        files: Vec<Rendered>,
        env_file: Option<EnvFile>,
        values: Option<ValueFiles>,
        hooks: Vec<Hook>,
        grammar: Grammar,
        network: Network,
    ) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut bodies = Vec::new();
        for hook in &hooks {
            wrong.extend(hook.mistakes().into_iter().map(|(_, why)| format!("{}: {why}", hook.name)));
            let template = match &hook.action {
                Action::Webhook(webhook) => webhook.template.as_deref(),
                Action::Command(_) => None,
            };
            // What is wrong with it was told by the check.
            bodies.push(template.and_then(|path| Template::read(path).ok()));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let fingerprint = fingerprint(&(&files, &env_file, &values, &hooks, &bodies));
        Ok(Self { files, env_file, values, hooks, bodies, grammar, network, fingerprint })
    }

    /// Which plan it is.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the worker has to know of it.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut paths: Vec<String> =
            self.files.iter().flat_map(|file| render::paths(file, &self.grammar)).collect();
        paths.sort();
        paths.dedup();
        Summary {
            plan: self.fingerprint,
            files: self.files.len()
                + usize::from(self.env_file.is_some())
                + usize::from(self.values.is_some()),
            paths,
            hooks: self.hooks.len(),
        }
    }

    pub(super) fn hook(&self, number: usize) -> Option<(&Hook, Option<&Template>)> {
        Some((self.hooks.get(number)?, self.bodies.get(number)?.as_ref()))
    }

    pub(super) fn network(&self) -> Network {
        self.network
    }

    pub(super) fn files(&self) -> Files<'_> {
        Files {
            rendered: &self.files,
            env_file: self.env_file.as_ref(),
            values: self.values.as_ref(),
            grammar: &self.grammar,
        }
    }
}

/// Both processes are the same program, so that what they print is the same, too.
fn fingerprint(what: &impl fmt::Debug) -> Fingerprint {
    let digest = Sha256::digest(format!("{what:?}").as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Fingerprint(bytes)
}

/// The text of a template, or why it can't be read.
///
/// # Errors
/// As a lower-case fragment.
pub fn read_template(path: &Path) -> Result<String, String> {
    let wrong = |why: String| format!("the template {} can't be read: {why}", path.display());
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut text = String::new();
    file.take(LONGEST_TEMPLATE + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > LONGEST_TEMPLATE {
        return Err(wrong(format!("it is longer than {} MiB", LONGEST_TEMPLATE >> 20)));
    }
    Ok(text)
}
