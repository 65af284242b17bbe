//! The plan that a configuration makes.

use imds::{Error, ErrorKind};
use imds_files::Attributes;
use imds_template::{Grammar, Problem, Template};

use super::Plan;
use super::plan::read_template;
use crate::config::{self, HookAction};
use crate::events::{Kind, Options, State};
use crate::files::{self, EnvFile, Rendered, ValueFiles};
use crate::hooks::{Action, Hook, Webhook};
use crate::sandbox::Accounts;
use crate::worker::Settings;

impl Plan {
    /// The plan that the settings make on this machine.
    ///
    /// # Errors
    /// Everything that can't be done: owners that there aren't, templates that can't be read or understood, hooks that can't
    /// work. Each with its place in the file.
    pub fn of(settings: &Settings, accounts: &Accounts) -> Result<Self, Vec<Error>> {
        let config = &settings.config;
        let grammar =
            Grammar::default().with_clouds(settings.client.clouds().into_iter().map(|cloud| cloud.name));
        let mut wrong = Vec::new();
        let mut files = Vec::new();
        for (number, file) in config.files.iter().enumerate() {
            let mut mistake = |key: &str, why: String, remedy: Option<String>| {
                let mistake = config.places.mistake(&format!("files[{number}].{key}"), why);
                wrong.push(match remedy {
                    Some(remedy) => mistake.with_remedy(remedy),
                    None => mistake,
                });
            };
            let target = file.target.display();
            let file = rendered(file, accounts, |key, why| mistake(key, format!("{target}: {why}"), None));
            for (why, remedy) in problems_of(&file, &grammar) {
                mistake("template", why, remedy);
            }
            files.push(file);
        }
        let hooks = hooks(&config.hooks);
        for hook in &hooks {
            let name = &hook.name;
            let mistakes = hook.mistakes().into_iter();
            wrong.extend(
                mistakes.map(|(key, why)| {
                    config.places.mistake(&format!("{name}.{key}"), format!("{name}: {why}"))
                }),
            );
        }
        if !wrong.is_empty() {
            return Err(wrong);
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
        // What this finds has come about since all was looked at above.
        Self::new(files, env_file, values, hooks, grammar, settings.client.network())
            .map_err(|wrong| wrong.into_iter().map(|why| Error::new(ErrorKind::Usage, why)).collect())
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
        HookAction::Webhook { url, headers, template, secret_file, ca_file } => Action::Webhook(Webhook {
            url: url.clone(),
            headers: headers.0.clone(),
            template: template.clone(),
            secret_file: secret_file.clone(),
            root_certificates: ca_file.clone(),
        }),
    };
    Hook {
        name: format!("hooks[{place}]"),
        kinds: kinds.filter_map(|name| kind(name)).collect(),
        states: states
            .filter_map(|name| State::ALL.iter().copied().find(|state| state.name() == *name))
            .collect(),
        action,
        timeout: hook.timeout,
        retry_for: hook.retry_for,
    }
}

/// When the configuration wants files to be written.
impl From<config::Writing> for files::Pace {
    fn from(writing: config::Writing) -> Self {
        Self { debounce: writing.debounce, splay: writing.splay, ..Self::default() }
    }
}

/// What the configuration wants to hear of, at the usual pace.
impl From<&config::Events> for Options {
    fn from(events: &config::Events) -> Self {
        let kinds = events.kinds.iter().flatten().filter_map(|name| kind(name)).collect();
        Self { kinds, acknowledge: events.acknowledge, ..Self::default() }
    }
}

fn kind(name: &str) -> Option<Kind> {
    Kind::ALL.iter().copied().find(|kind| kind.name() == name)
}

/// What is written; `wrong` hears of each account that there isn't, with its setting.
fn rendered(
    file: &config::RenderedFile,
    accounts: &Accounts,
    mut wrong: impl FnMut(&str, String),
) -> Rendered {
    let owner = file.owner.as_deref().map(|owner| accounts.user(owner)).transpose();
    let owner = owner.unwrap_or_else(|why| {
        wrong("owner", why);
        None
    });
    let group = file.group.as_deref().map(|group| accounts.group(group)).transpose();
    let group = group.unwrap_or_else(|why| {
        wrong("group", why);
        None
    });
    Rendered {
        template: file.template.clone(),
        source: read_template(&file.template),
        target: file.target.clone(),
        format: file.format,
        missing: file.missing,
        attributes: Attributes { mode: file.mode, uid: owner.map(|owner| owner.uid), gid: group },
        check: file.check.clone(),
        reload: file.reload.clone(),
        time: file.timeout,
    }
}

/// What is wrong with the template of a file, whatever the values are, and what can be done.
fn problems_of(file: &Rendered, grammar: &Grammar) -> Vec<(String, Option<String>)> {
    let source = match &file.source {
        Ok(source) => source,
        Err(why) => return vec![(why.clone(), None)],
    };
    let Err(errors) = Template::parse_with(source, file.format, grammar) else { return Vec::new() };
    let in_words = |problem: &Problem| {
        let place = problem.position().map(|position| format!(":{position}")).unwrap_or_default();
        let why = format!("{}{place}: {}", file.template.display(), problem.message());
        (why, problem.remedy().map(str::to_owned))
    };
    errors.problems().map(in_words).collect()
}

#[cfg(test)]
mod tests {
    use imds::machine::{Environment, MemoryFiles};

    use super::*;
    use crate::config::{Config, Owner};

    fn settings(text: &str) -> Settings {
        let config = Config::parse(text, "agent.toml", &Owner::root()).unwrap();
        let files = std::sync::Arc::new(MemoryFiles::new());
        let client = imds::Config::builder(Environment::default()).files(files).build().unwrap();
        Settings::new(config, client)
    }

    fn accounts() -> Accounts {
        Accounts { passwd: "app:x:980:981::/:/x".to_owned(), group: "adm:x:4:".to_owned() }
    }

    #[test]
    fn everything_that_the_file_says_is_in_the_plan() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t"), "${imds:/latest/meta-data/a}").unwrap();
        let text = r#"
            [events]
            enabled = true
            kinds = ["interruption", "rebalance", "maintenance", "scaling"]
            acknowledge = true
            [env_file]
            path = "FOLDER/env"
            [values]
            directory = "FOLDER/values"
            [[files]]
            template = "FOLDER/t"
            target = "FOLDER/out"
            mode = "0640"
            owner = "app"
            group = "adm"
            [[hooks]]
            command = ["/bin/true"]
            states = ["scheduled", "started", "cleared", "cancelled"]
            [[hooks]]
            webhook = "http://127.0.0.1/"
            kinds = ["scaling"]
        "#;
        let settings = settings(&text.replace("FOLDER", &folder.path().display().to_string()));
        let options = Options::from(&settings.config.events);
        assert_eq!((options.kinds.as_slice(), options.acknowledge), (Kind::ALL, true));
        let all = hooks(&settings.config.hooks);
        assert_eq!((all[0].states.as_slice(), all[0].kinds.as_slice()), (State::ALL, &[][..]));
        assert_eq!(all[1].kinds, [Kind::Scaling]);
        let plan = Plan::of(&settings, &accounts()).unwrap();
        let summary = plan.summary();
        assert_eq!((summary.files, summary.hooks), (3, 2));
        assert_eq!(summary.paths, ["/latest/meta-data/a"]);
        let attributes = plan.files().rendered[0].attributes;
        assert_eq!(attributes, Attributes { mode: Some(0o640), uid: Some(980), gid: Some(4) });
        assert_eq!(Plan::of(&settings, &accounts()).unwrap().fingerprint(), plan.fingerprint());
        let other = Accounts { passwd: "app:x:1:1::/:/x".to_owned(), ..accounts() };
        assert_ne!(Plan::of(&settings, &other).unwrap().fingerprint(), plan.fingerprint());
    }

    #[test]
    fn owners_that_there_arent_are_all_told() {
        let settings = settings(
            "[[files]]\ntemplate = \"/dev/null\"\ntarget = \"/b\"\nowner = \"nobody-here\"\n\
             [[files]]\ntemplate = \"/dev/null\"\ntarget = \"/c\"\ngroup = \"no-group\"\n",
        );
        let wrong = Plan::of(&settings, &accounts()).unwrap_err();
        let said: Vec<(Option<&str>, &str)> = wrong.iter().map(|it| (it.path(), it.message())).collect();
        assert!(said[0].1.starts_with("/b: ") && said[1].1.contains("no-group"), "{said:?}");
        assert_eq!([said[0].0, said[1].0], [Some("agent.toml:4:9"), Some("agent.toml:8:9")]);
    }
}
