//! The configuration out of the file's values, and what has to fit together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use imds::machine::Environment;
use imds::{ConfigBuilder, RefreshPolicy};
use imds_template::{Format, Missing};
use toml::de::DeTable;

use super::problem::Invalid;
use super::read::{At, Reader, Table, usage};
use super::settings::{EVENT_KINDS, EVENT_STATES, FORMATS, MISSING, SYSTEM_CALLS};
use super::{
    Access, Agent, Config, EnvFile, Events, Headers, Hook, HookAction, Limits, MetadataSettings, Owner,
    Places, Principal, RenderedFile, Sandbox, Tcp, ValueFiles, Writing,
};
use crate::sandbox::Calls;

/// How long a check or a reload may take: as long as systemd gives a service to start or reload.
const COMMAND_TIME: Duration = Duration::from_secs(90);

/// The configuration without a file.
pub(super) fn defaults(owner: &Owner) -> Config {
    let everybody = || vec![Principal::Everybody];
    Config {
        agent: Agent {
            socket: owner.runtime.clone().unwrap_or_default().join("imds.sock"),
            socket_mode: 0o666,
            state: owner.state.as_ref().map(|directory| directory.join("state.json")),
            user: None,
            grace: Duration::from_secs(10),
        },
        sandbox: Sandbox { enabled: true, calls: Calls::Listed },
        metadata: MetadataSettings::default(),
        refresh: RefreshPolicy::default(),
        tcp: None,
        metrics: None,
        access: Access { public: everybody(), private: everybody() },
        files: Vec::new(),
        env_file: None,
        values: None,
        writing: Writing { debounce: Duration::from_secs(1), splay: Duration::ZERO },
        events: Events::default(),
        hooks: Vec::new(),
        limits: Limits {
            connections: 2048,
            per_client: 1024,
            header_bytes: 16_384,
            read_time: Duration::from_secs(5),
            idle: Duration::from_secs(60),
        },
        places: Places::default(),
    }
}

pub(super) fn build(text: &str, name: &str, owner: &Owner) -> Result<Config, Invalid> {
    let mut reader = Reader::new(text, name);
    let (document, errors) = DeTable::parse_recoverable(text);
    // What can't be parsed would only be called missing or wrong once more.
    reader.syntax(&errors);
    if !errors.is_empty() {
        return reader.finish(defaults(owner));
    }
    let document = document.get_ref();
    reader.check_names(document);
    let default = defaults(owner);
    let mut config = Config {
        agent: agent(&mut reader, Table::one(document, "agent"), owner, default.agent),
        sandbox: sandbox(&mut reader, Table::one(document, "sandbox"), default.sandbox),
        metadata: metadata(&mut reader, Table::one(document, "metadata"), name, text),
        refresh: refresh(&mut reader, Table::one(document, "refresh")),
        tcp: tcp(&mut reader, Table::one(document, "tcp")),
        metrics: reader.loopback(Table::one(document, "metrics"), "listen").map(|(address, _)| address),
        access: access(&mut reader, Table::one(document, "access"), default.access),
        files: files(&mut reader, Table::all(document, "files")),
        env_file: env_file(&mut reader, Table::one(document, "env_file")),
        values: values(&mut reader, Table::one(document, "values")),
        writing: writing(&mut reader, Table::one(document, "writing"), default.writing),
        events: events(&mut reader, Table::one(document, "events")),
        hooks: Table::all(document, "hooks")
            .into_iter()
            .filter_map(|table| hook(&mut reader, table))
            .collect(),
        limits: limits(&mut reader, Table::one(document, "limits"), default.limits),
        places: Places::default(),
    };
    config.places = reader.places();
    fit_together(&mut reader, document, &config);
    reader.finish(config)
}

fn agent(reader: &mut Reader<'_>, table: Option<Table<'_>>, owner: &Owner, default: Agent) -> Agent {
    let socket = reader.path(table, "socket").map(|(path, _)| path);
    if socket.is_none() && owner.runtime.is_none() {
        let at = table.map_or(0, |table| table.at());
        let remedy = "set socket in [agent], or XDG_RUNTIME_DIR";
        reader.problem(at, "there is no directory for the socket", Some(remedy.to_owned()));
    }
    let state = match reader.text(table, "state") {
        None => default.state,
        Some((text, _)) if text.is_empty() => None,
        Some((text, _)) => Some(reader.beside(&text)),
    };
    Agent {
        socket: socket.unwrap_or(default.socket),
        socket_mode: reader.mode(table, "socket_mode").unwrap_or(default.socket_mode),
        state,
        user: reader.said(table, "user").map(|(user, _)| user),
        grace: reader.duration(table, "grace").map_or(default.grace, |(time, _)| time),
    }
}

fn sandbox(reader: &mut Reader<'_>, table: Option<Table<'_>>, default: Sandbox) -> Sandbox {
    let calls = match reader.choice(table, "system_calls", SYSTEM_CALLS) {
        Some("listed") => Calls::Listed,
        Some("but-dangerous") => Calls::ButDangerous,
        Some(_) => Calls::All,
        None => default.calls,
    };
    Sandbox { enabled: reader.flag(table, "enabled").map_or(default.enabled, |(flag, _)| flag), calls }
}

fn writing(reader: &mut Reader<'_>, table: Option<Table<'_>>, default: Writing) -> Writing {
    let mut time = |key, default| reader.duration(table, key).map_or(default, |(time, _)| time);
    Writing { debounce: time("debounce", default.debounce), splay: time("splay", default.splay) }
}

fn metadata(reader: &mut Reader<'_>, table: Option<Table<'_>>, name: &str, text: &str) -> MetadataSettings {
    let place = |at: usize| {
        let (line, column) = super::problem::position(text, at);
        format!("{name}:{line}:{column}")
    };
    let cloud = reader.said(table, "cloud");
    let clouds = reader.texts(table, "clouds");
    let endpoint = reader.said(table, "endpoint");
    let sysroot = reader.path(table, "sysroot");
    let cloud_files: Vec<At<PathBuf>> = reader
        .texts(table, "cloud_files")
        .unwrap_or_default()
        .into_iter()
        .map(|(path, at)| (reader.beside(&path), at))
        .collect();
    // The library knows which clouds and URLs there can be; each is tried alone, so that each mistake is told.
    let known = || {
        let builder = imds::Config::builder(Environment::default());
        cloud_files.iter().fold(builder, |builder, (path, _)| builder.cloud_file(path))
    };
    let mut files_are_good = true;
    for (path, at) in &cloud_files {
        if let Err(error) = imds::Config::builder(Environment::default()).cloud_file(path).build() {
            // A description may be built on another one; then only all of them together can be judged.
            if known().build().is_err() {
                files_are_good = false;
                let said = error.path().map(|place| format!("{place}: ")).unwrap_or_default();
                reader.problem(*at, format!("{said}{}", error.message()), error.remedy().map(str::to_owned));
            }
        }
    }
    let mut judge = |at: usize, builder: ConfigBuilder| {
        if let Err(error) = builder.build() {
            reader.error(at, &error);
        }
    };
    if files_are_good {
        if let Some((cloud, at)) = &cloud {
            judge(*at, known().cloud(cloud, "cloud"));
        }
        for (cloud, at) in clouds.iter().flatten() {
            judge(*at, known().clouds(std::slice::from_ref(cloud), "clouds"));
        }
    }
    if let Some((url, at)) = &endpoint {
        judge(*at, imds::Config::builder(Environment::default()).endpoint(url, "endpoint"));
    }
    // Each is told in the library's words, and judged by it.
    let told = || imds::Config::builder(Environment::default());
    let mut way = |key: &str, apply: fn(ConfigBuilder, &str, &str) -> ConfigBuilder| {
        let (text, at) = reader.said(table, key)?;
        if let Err(error) = apply(told(), &text, key).build() {
            reader.error(at, &error);
        }
        Some((text, place(at)))
    };
    let interface = way("interface", ConfigBuilder::interface);
    let source_address = way("source_address", ConfigBuilder::source_address);
    let fwmark = way("fwmark", ConfigBuilder::fwmark);
    let api_version = way("api_version", ConfigBuilder::api_version);
    if let Some((directory, at)) = sysroot.as_ref().filter(|(directory, _)| !directory.is_dir()) {
        let remedy = "name the directory that holds sys, proc, …, or leave the key out";
        reader.problem(*at, format!("{} is no directory", directory.display()), Some(remedy.to_owned()));
    }
    MetadataSettings {
        cloud: cloud.map(|(cloud, at)| (cloud, place(at))),
        clouds: clouds.map(|clouds| {
            let first = clouds.first().map_or(0, |(_, at)| *at);
            (clouds.into_iter().map(|(cloud, _)| cloud).collect(), place(first))
        }),
        endpoint: endpoint.map(|(url, at)| (url, place(at))),
        sysroot: sysroot.map(|(directory, _)| directory.display().to_string()),
        timeout: reader.duration(table, "timeout").map(|(time, _)| time),
        probe_timeout: reader.duration(table, "probe_timeout").map(|(time, _)| time),
        no_imdsv1: reader.flag(table, "no_imdsv1").is_some_and(|(flag, _)| flag),
        cloud_files: cloud_files.into_iter().map(|(path, _)| path).collect(),
        offline: reader.flag(table, "offline").is_some_and(|(flag, _)| flag),
        interface,
        source_address,
        fwmark,
        api_version,
    }
}

fn refresh(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> RefreshPolicy {
    let mut policy = RefreshPolicy::default();
    if let Some((time, _)) = reader.duration(table, "slow") {
        policy.interval = time;
    }
    match reader.duration(table, "first_retry") {
        Some((time, at)) if time > policy.interval => {
            let remedy = "pauses grow from first_retry to slow";
            reader.problem(at, "first_retry is longer than slow", Some(remedy.to_owned()));
        }
        Some((time, _)) => policy.first_retry = time,
        None => policy.first_retry = policy.first_retry.min(policy.interval),
    }
    policy
}

fn tcp(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> Option<Tcp> {
    let listen = reader.loopback(table, "listen");
    let hosts = reader.each(table, "hosts", |host| {
        let is_host =
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
        if is_host {
            return Ok(host.to_ascii_lowercase());
        }
        Err(usage(format!("{host:?} is no value of a Host header")).with_remedy("write NAME or NAME:PORT"))
    });
    Some(Tcp { listen: listen?.0, hosts: hosts.unwrap_or_default() })
}

fn access(reader: &mut Reader<'_>, table: Option<Table<'_>>, default: Access) -> Access {
    Access {
        public: reader.principals(table, "public").unwrap_or(default.public),
        private: reader.principals(table, "private").unwrap_or(default.private),
    }
}

fn files(reader: &mut Reader<'_>, tables: Vec<Table<'_>>) -> Vec<RenderedFile> {
    let mut files = Vec::new();
    for table in tables {
        let template = reader.needed(table, "template");
        let target = reader.needed(table, "target");
        let table = Some(table);
        let format = reader.choice(table, "format", FORMATS).unwrap_or("auto");
        let missing = match reader.choice(table, "missing", MISSING) {
            Some("keep") => Missing::Keep,
            Some("empty") => Missing::Empty,
            Some("drop") => Missing::Drop,
            _ => Missing::Error,
        };
        let mode = reader.mode(table, "mode");
        let owner = reader.said(table, "owner").map(|(owner, _)| owner);
        let group = reader.said(table, "group").map(|(group, _)| group);
        let check = reader.command(table, "check").map(|(words, _)| words);
        let reload = reader.command(table, "reload").map(|(words, _)| words);
        let timeout = reader.duration(table, "timeout").map_or(COMMAND_TIME, |(time, _)| time);
        let (Some((template, _)), Some((target, at))) = (template, target) else { continue };
        let (template, target) = (reader.beside(&template), reader.beside(&target));
        let format = format.parse().unwrap_or_else(|_| Format::for_path(&target));
        if template == target {
            reader.problem(at, "the template would be overwritten", Some("name another target".to_owned()));
        }
        if format == Format::Text && missing == Missing::Drop {
            let remedy = "text has no entries that could go; write keep or empty, or set format";
            reader.problem(at, "missing = \"drop\" means nothing in text", Some(remedy.to_owned()));
        }
        files.push(RenderedFile {
            template,
            target,
            format,
            missing,
            mode,
            owner,
            group,
            check,
            reload,
            timeout,
        });
    }
    files
}

fn env_file(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> Option<EnvFile> {
    let path = reader.path(table, "path");
    let prefix = reader.parsed(table, "prefix", |prefix| {
        let starts_well = !prefix.starts_with(|c: char| c.is_ascii_digit());
        let is_name = prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        match starts_well && is_name {
            true => Ok(prefix.to_owned()),
            false => Err(usage(format!("no variable's name starts with {prefix:?}"))
                .with_remedy("write letters, digits and _, without a digit first")),
        }
    });
    let mode = reader.mode(table, "mode");
    Some(EnvFile {
        path: path?.0,
        prefix: prefix.map_or_else(|| "IMDS_".to_owned(), |(prefix, _)| prefix),
        mode: mode.unwrap_or(0o600),
    })
}

fn values(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> Option<ValueFiles> {
    let directory = reader.path(table, "directory");
    let mode = reader.mode(table, "mode");
    Some(ValueFiles { directory: directory?.0, mode })
}

fn events(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> Events {
    let enabled = reader.flag(table, "enabled").is_some_and(|(flag, _)| flag);
    let acknowledge = reader.flag(table, "acknowledge");
    if let Some((true, at)) = acknowledge.filter(|_| !enabled) {
        let remedy = "set enabled = true in [events]";
        reader.problem(at, "events that nobody asks for can't be acknowledged", Some(remedy.to_owned()));
    }
    Events {
        enabled,
        kinds: reader.choices(table, "kinds", EVENT_KINDS),
        acknowledge: acknowledge.is_some_and(|(flag, _)| flag),
    }
}

fn hook(reader: &mut Reader<'_>, table: Table<'_>) -> Option<Hook> {
    let at = table.at();
    let table = Some(table);
    let kinds = reader.choices(table, "kinds", EVENT_KINDS);
    let states = reader.choices(table, "states", EVENT_STATES);
    let timeout = reader.duration(table, "timeout").map_or(Duration::from_secs(10), |(time, _)| time);
    let retry_for = reader.duration(table, "retry_for").map_or(Duration::from_secs(120), |(time, _)| time);
    let command = reader.command(table, "command");
    let webhook = reader.parsed(table, "webhook", |url| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        match has_host
            && url.chars().all(|c| c.is_ascii_graphic())
            && !rest.is_some_and(|rest| rest.contains('@'))
        {
            true => Ok(url.to_owned()),
            false => Err(usage(format!("{url:?} is no URL to post to"))
                .with_remedy("write http://HOST/PATH or https://HOST/PATH")),
        }
    });
    let headers = headers(reader, table);
    let template = reader.path(table, "template");
    let secret_file = reader.path(table, "secret_file");
    let ca_file = reader.path(table, "ca_file");
    let of_webhook = [
        ("headers", headers.as_ref().map(|(_, at)| *at)),
        ("template", template.as_ref().map(|(_, at)| *at)),
        ("secret_file", secret_file.as_ref().map(|(_, at)| *at)),
        ("ca_file", ca_file.as_ref().map(|(_, at)| *at)),
    ];
    let action = match (command, webhook) {
        (Some((command, _)), None) => {
            for (key, at) in of_webhook.into_iter().filter_map(|(key, at)| Some((key, at?))) {
                let remedy = "leave it out; a command finds the event on its standard input";
                reader.problem(at, format!("{key} belongs to a webhook"), Some(remedy.to_owned()));
            }
            HookAction::Command(command)
        }
        (None, Some((url, _))) => HookAction::Webhook {
            url,
            headers: headers.map(|(headers, _)| headers).unwrap_or_default(),
            template: template.map(|(path, _)| path),
            secret_file: secret_file.map(|(path, _)| path),
            ca_file: ca_file.map(|(path, _)| path),
        },
        (Some(_), Some((_, at))) => {
            let remedy = "write two [[hooks]], one for each";
            reader.problem(at, "a hook has a command or a webhook, not both", Some(remedy.to_owned()));
            return None;
        }
        (None, None) => {
            let remedy = "add command = [\"PROGRAM\", …] or webhook = \"http://…\"";
            reader.problem(at, "[[hooks]] does nothing", Some(remedy.to_owned()));
            return None;
        }
    };
    Some(Hook { kinds, states, action, timeout, retry_for })
}

fn headers(reader: &mut Reader<'_>, table: Option<Table<'_>>) -> Option<At<Headers>> {
    let (words, at) = reader.words(table, "headers")?;
    let mut headers = Vec::new();
    for ((name, value), at) in words {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            reader.problem(at, format!("{name:?} is no name of a header"), None);
        } else if value.chars().any(char::is_control) {
            reader.problem(at, format!("the header {name} holds characters that none can"), None);
        } else {
            headers.push((name, value));
        }
    }
    Some((Headers(headers), at))
}

fn limits(reader: &mut Reader<'_>, table: Option<Table<'_>>, default: Limits) -> Limits {
    Limits {
        connections: reader.count(table, "connections", 1, 65_536).unwrap_or(default.connections),
        per_client: reader.count(table, "per_client", 1, 65_536).unwrap_or(default.per_client),
        header_bytes: reader.count(table, "header_bytes", 1024, 1_048_576).unwrap_or(default.header_bytes),
        read_time: reader.duration(table, "read_time").map_or(default.read_time, |(time, _)| time),
        idle: reader.duration(table, "idle").map_or(default.idle, |(time, _)| time),
    }
}

/// What is right alone and wrong together.
fn fit_together(reader: &mut Reader<'_>, document: &DeTable<'_>, config: &Config) {
    let at = |name: &str| document.get_key_value(name).map_or(0, |(key, _)| key.span().start);
    if let (Some(tcp), Some(metrics)) = (&config.tcp, config.metrics)
        && tcp.listen == metrics
        && metrics.port() != 0
    {
        let remedy = "give metrics a port of their own".to_owned();
        reader.problem(at("metrics"), format!("[tcp] listens on {metrics} already"), Some(remedy));
    }
    if !config.hooks.is_empty() && !config.events.enabled {
        let remedy = "set enabled = true in [events]".to_owned();
        reader.problem(at("hooks"), "hooks wait for events, and nobody asks for them", Some(remedy));
    }
    let mut written: BTreeMap<PathBuf, &str> = BTreeMap::new();
    let sockets = [(config.agent.socket.clone(), "agent")];
    let state = config.agent.state.clone().map(|path| (path, "agent"));
    let env = config.env_file.as_ref().map(|file| (file.path.clone(), "env_file"));
    let files = config.files.iter().map(|file| (file.target.clone(), "files"));
    for (path, section) in sockets.into_iter().chain(state).chain(env).chain(files) {
        if let Some(first) = written.insert(path.clone(), section) {
            let message = format!("{} is written by [{first}] already", path.display());
            reader.problem(at(section), message, Some("write each file once".to_owned()));
        }
    }
}
