//! The plan that a configuration makes.

use std::time::Duration;

use imds_files::Attributes;
use imds_template::Grammar;

use super::Plan;
use super::plan::read_template;
use crate::config::{self, HookAction};
use crate::events::{Kind, State};
use crate::files::{EnvFile, Rendered, ValueFiles};
use crate::hooks::{Action, Hook, Webhook};
use crate::sandbox::Accounts;
use crate::worker::Settings;

/// How long a check or a reload may take: as long as systemd gives a service to reload, at most.
const TIME: Duration = Duration::from_secs(90);

impl Plan {
    /// The plan that the settings make on this machine.
    ///
    /// # Errors
    /// Everything that can't be done: owners that there aren't, hooks that can't work.
    pub fn of(settings: &Settings, accounts: &Accounts) -> Result<Self, Vec<String>> {
        let config = &settings.config;
        let mut wrong = Vec::new();
        let mut files = Vec::new();
        for file in &config.files {
            match rendered(file, accounts) {
                Ok(file) => files.push(file),
                Err(why) => wrong.push(format!("{}: {why}", file.target.display())),
            }
        }
        let env_file = config.env_file.as_ref().map(|file| EnvFile {
            path: file.path.clone(),
            prefix: file.prefix.clone(),
            mode: file.mode,
        });
        let values = config
            .values
            .as_ref()
            .map(|values| ValueFiles { directory: values.directory.clone(), mode: values.mode });
        let grammar =
            Grammar::default().with_clouds(settings.client.clouds().into_iter().map(|cloud| cloud.name));
        let network = settings.client.network();
        match Self::new(files, env_file, values, hooks(&config.hooks), grammar, network) {
            Ok(plan) if wrong.is_empty() => Ok(plan),
            Ok(_) => Err(wrong),
            Err(more) => {
                wrong.extend(more);
                Err(wrong)
            }
        }
    }
}

/// The hooks of a configuration, in its order: their places are what the worker and the executor call them by.
#[must_use]
pub fn hooks(hooks: &[config::Hook]) -> Vec<Hook> {
    hooks.iter().enumerate().map(|(place, hook)| hook_of(place, hook)).collect()
}

fn hook_of(place: usize, hook: &config::Hook) -> Hook {
    let kinds = hook.kinds.iter().flatten();
    let states = hook.states.iter().flatten();
    let action = match &hook.action {
        HookAction::Command(words) => Action::Command(words.clone()),
        HookAction::Webhook { url, headers, template, secret_file } => Action::Webhook(Webhook {
            url: url.clone(),
            headers: headers.0.clone(),
            template: template.clone(),
            secret_file: secret_file.clone(),
            root_certificates: None,
        }),
    };
    Hook {
        name: format!("hooks[{place}]"),
        kinds: kinds.filter_map(|name| Kind::ALL.iter().copied().find(|kind| kind.name() == *name)).collect(),
        states: states
            .filter_map(|name| State::ALL.iter().copied().find(|state| state.name() == *name))
            .collect(),
        action,
        timeout: hook.timeout,
        retry_for: hook.retry_for,
    }
}

fn rendered(file: &config::RenderedFile, accounts: &Accounts) -> Result<Rendered, String> {
    let owner = file.owner.as_deref().map(|owner| accounts.user(owner)).transpose()?;
    let group = file.group.as_deref().map(|group| accounts.group(group)).transpose()?;
    Ok(Rendered {
        template: file.template.clone(),
        source: read_template(&file.template),
        target: file.target.clone(),
        format: file.format,
        missing: file.missing,
        attributes: Attributes { mode: file.mode, uid: owner.map(|owner| owner.uid), gid: group },
        check: file.check.clone(),
        reload: file.reload.clone(),
        time: TIME,
    })
}
