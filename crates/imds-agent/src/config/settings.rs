//! The table of settings: the one place that says which there are, of what shape, and what they mean. The reader refuses
//! what isn't in it; the default file and the schema are printed from it.

/// A table of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    /// Whether there may be several: `[[files]]`.
    pub(super) several: bool,
    pub(super) about: &'static str,
    pub(super) settings: &'static [Setting],
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    /// What it is without it, as TOML; nothing where that is "not at all".
    pub(super) default: Option<&'static str>,
    /// A value that can be meant, as TOML.
    pub(super) example: &'static str,
    pub(super) needed: bool,
    pub(super) about: &'static str,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Text,
    /// One of these.
    Choice(&'static [&'static str]),
    Duration,
    /// Permission bits in octal, as text.
    Mode,
    /// An address and a port of loopback.
    Loopback,
    Flag,
    Count {
        least: u32,
        most: u32,
    },
    Texts,
    Choices(&'static [&'static str]),
    /// A program and its arguments.
    Command,
    Principals,
    /// Names with texts.
    Words,
}

/// Kinds of events.
pub(super) const EVENT_KINDS: &[&str] = &["interruption", "rebalance", "maintenance", "scaling"];
/// States of events.
pub(super) const EVENT_STATES: &[&str] = &["scheduled", "started", "cleared", "cancelled"];
/// Formats of templates.
pub(super) const FORMATS: &[&str] = &["auto", "json", "yaml", "toml", "env", "text"];
/// Which system calls the worker may use.
pub(super) const SYSTEM_CALLS: &[&str] = &["listed", "but-dangerous", "off"];
/// What to do about a placeholder without a value.
pub(super) const MISSING: &[&str] = &["error", "keep", "empty", "drop"];

const fn setting(
    key: &'static str,
    shape: Shape,
    default: Option<&'static str>,
    example: &'static str,
    about: &'static str,
) -> Setting {
    Setting { key, shape, default, example, needed: false, about }
}

const fn needed(key: &'static str, shape: Shape, example: &'static str, about: &'static str) -> Setting {
    Setting { key, shape, default: None, example, needed: true, about }
}

/// Everything that the file may hold, in the order in which it is printed.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "agent",
        several: false,
        about: "The agent itself.",
        settings: &[
            setting(
                "socket",
                Shape::Text,
                None,
                "\"/run/imds/imds.sock\"",
                "Where it answers. Without it: /run/imds/imds.sock for root, else $XDG_RUNTIME_DIR/imds/imds.sock.",
            ),
            setting(
                "socket_mode",
                Shape::Mode,
                Some("\"0666\""),
                "\"0660\"",
                "Who may connect: the socket's permission bits.",
            ),
            setting(
                "state",
                Shape::Text,
                None,
                "\"/var/lib/imds/state.json\"",
                "What survives a restart; \"\" for nothing. Without it: /var/lib/imds/state.json for root, else \
                 $XDG_STATE_HOME/imds/state.json or ~/.local/state/imds/state.json.",
            ),
            setting(
                "user",
                Shape::Text,
                None,
                "\"imds\"",
                "Whom the worker runs as, by name or number. Without it: whoever starts it.",
            ),
            setting("grace", Shape::Duration, Some("\"10s\""), "\"5s\"", "How long it may take to end."),
        ],
    },
    Section {
        name: "sandbox",
        several: false,
        about: "What the process gives up that talks to the service and to callers, before it does. Counts from the next \
                start on.",
        settings: &[
            setting(
                "enabled",
                Shape::Flag,
                Some("true"),
                "false",
                "Whether it gives up capabilities, files that it doesn't need, and system calls. Switched off, only the \
                 user changes.",
            ),
            setting(
                "system_calls",
                Shape::Choice(SYSTEM_CALLS),
                Some("\"listed\""),
                "\"but-dangerous\"",
                "Which are allowed: those on the list of what serving and asking take, all but the dangerous ones, or \
                 (off) all.",
            ),
        ],
    },
    Section {
        name: "metadata",
        several: false,
        about: "How metadata is asked for. Options of the command and variables of the environment precede these.",
        settings: &[
            setting(
                "cloud",
                Shape::Text,
                None,
                "\"aws\"",
                "This is the cloud, or \"none\": nothing is detected.",
            ),
            setting(
                "clouds",
                Shape::Texts,
                None,
                "[\"aws\", \"azure\"]",
                "Only these may be found or asked.",
            ),
            setting(
                "endpoint",
                Shape::Text,
                None,
                "\"http://127.0.0.1:1338\"",
                "The base URL that is asked for every cloud, and nothing else.",
            ),
            setting(
                "sysroot",
                Shape::Text,
                None,
                "\"/\"",
                "The directory below which /sys, /proc, /dev, … are read.",
            ),
            setting("timeout", Shape::Duration, Some("\"5s\""), "\"2s\"", "How long one read may take."),
            setting(
                "probe_timeout",
                Shape::Duration,
                Some("\"1s\""),
                "\"500ms\"",
                "How long probing for an unknown cloud may take.",
            ),
            setting("no_imdsv1", Shape::Flag, Some("false"), "true", "Never fall back to IMDSv1 on AWS."),
            setting(
                "cloud_files",
                Shape::Texts,
                Some("[]"),
                "[]",
                "Descriptions of clouds of your own: files, or directories with *.toml.",
            ),
            setting(
                "offline",
                Shape::Flag,
                Some("false"),
                "true",
                "Send nothing: only what the machine itself knows.",
            ),
            setting(
                "interface",
                Shape::Text,
                None,
                "\"eth1\"",
                "The interface through which the service is asked (Linux). Without it: as the routes say.",
            ),
            setting(
                "source_address",
                Shape::Text,
                None,
                "\"10.0.0.4\"",
                "The address, one of this machine's own, from which the service is asked.",
            ),
            setting(
                "fwmark",
                Shape::Text,
                None,
                "\"0x7fff0815\"",
                "The mark that requests carry for the host's routing rules (Linux); needs CAP_NET_ADMIN.",
            ),
            setting(
                "api_version",
                Shape::Text,
                None,
                "\"2021-02-01\"",
                "The one version in which a service with dated versions is asked (Azure's api-version).",
            ),
        ],
    },
    Section {
        name: "refresh",
        several: false,
        about: "When metadata is read again.",
        settings: &[
            setting(
                "slow",
                Shape::Duration,
                Some("\"5m\""),
                "\"1m\"",
                "The time between refreshes of what may change: tags, disks, addresses.",
            ),
            setting(
                "first_retry",
                Shape::Duration,
                Some("\"1s\""),
                "\"2s\"",
                "The pause after a failure; each further one doubles it, up to the time above.",
            ),
        ],
    },
    Section {
        name: "tcp",
        several: false,
        about: "The same answers over TCP, for programs that can't use a unix socket. Off unless listen is set.",
        settings: &[
            setting(
                "listen",
                Shape::Loopback,
                None,
                "\"127.0.0.1:1780\"",
                "Where it listens; an address of loopback.",
            ),
            setting(
                "hosts",
                Shape::Texts,
                Some("[]"),
                "[\"imds.internal:1780\"]",
                "Names that requests may carry in Host, beside the address itself.",
            ),
        ],
    },
    Section {
        name: "metrics",
        several: false,
        about: "Metrics for Prometheus, at /metrics. Off unless listen is set.",
        settings: &[setting(
            "listen",
            Shape::Loopback,
            None,
            "\"127.0.0.1:9780\"",
            "Where it listens; an address of loopback.",
        )],
    },
    Section {
        name: "access",
        several: false,
        about: "Who may see what: \"everybody\", \"root\", \"user:NAME\", \"user:UID\", \"group:NAME\", \"group:GID\".",
        settings: &[
            setting(
                "public",
                Shape::Principals,
                Some("[\"everybody\"]"),
                "[\"root\"]",
                "Fields that say nothing of one machine: cloud, region, zone, type. Who may see private ones may see these.",
            ),
            setting(
                "private",
                Shape::Principals,
                Some("[\"everybody\"]"),
                "[\"root\", \"group:adm\", \"user:1000\"]",
                "Ids, names, addresses and tags.",
            ),
        ],
    },
    Section {
        name: "files",
        several: true,
        about: "A file that is rendered from a template whenever one of its values changes.",
        settings: &[
            needed(
                "template",
                Shape::Text,
                "\"/etc/app/config.yaml.tmpl\"",
                "The template, with placeholders such as ${cloud:Region}.",
            ),
            needed("target", Shape::Text, "\"/etc/app/config.yaml\"", "The file that is written."),
            setting(
                "format",
                Shape::Choice(FORMATS),
                Some("\"auto\""),
                "\"yaml\"",
                "The format of both; auto goes by the target's name.",
            ),
            setting(
                "missing",
                Shape::Choice(MISSING),
                Some("\"error\""),
                "\"drop\"",
                "What to do about a placeholder without a value.",
            ),
            setting(
                "mode",
                Shape::Mode,
                None,
                "\"0640\"",
                "The file's permission bits. Without it: those of the old file, else 0600.",
            ),
            setting("owner", Shape::Text, None, "\"app\"", "The file's owner, by name or number."),
            setting("group", Shape::Text, None, "\"app\"", "The file's group, by name or number."),
            setting(
                "check",
                Shape::Command,
                None,
                "[\"app\", \"--check\"]",
                "Run with the new file's path as last argument; the old file stays unless it agrees.",
            ),
            setting(
                "reload",
                Shape::Command,
                None,
                "[\"systemctl\", \"reload\", \"app\"]",
                "Run after the file was replaced.",
            ),
            setting(
                "timeout",
                Shape::Duration,
                Some("\"90s\""),
                "\"10s\"",
                "How long the check may take, and how long the reload.",
            ),
        ],
    },
    Section {
        name: "writing",
        several: false,
        about: "When [[files]], [env_file] and [values] are written.",
        settings: &[
            setting(
                "debounce",
                Shape::Duration,
                Some("\"1s\""),
                "\"5s\"",
                "How long nothing may have changed: several changes at once are one. What is known at the start is written \
                 at once.",
            ),
            setting(
                "splay",
                Shape::Duration,
                None,
                "\"30s\"",
                "Up to this much more is waited, by chance, so that machines that changed together don't reload together. \
                 Without it: nothing.",
            ),
        ],
    },
    Section {
        name: "env_file",
        several: false,
        about: "All fields in one file, for systemd's EnvironmentFile=. Off unless path is set.",
        settings: &[
            setting("path", Shape::Text, None, "\"/run/imds/metadata.env\"", "The file that is written."),
            setting(
                "prefix",
                Shape::Text,
                Some("\"IMDS_\""),
                "\"CLOUD_\"",
                "What the names of the variables start with.",
            ),
            setting("mode", Shape::Mode, Some("\"0600\""), "\"0640\"", "The file's permission bits."),
        ],
    },
    Section {
        name: "values",
        several: false,
        about: "One file per field, for programs that read ${file:…}. Off unless directory is set.",
        settings: &[
            setting("directory", Shape::Text, None, "\"/run/imds/values\"", "Where the files are written."),
            setting(
                "mode",
                Shape::Mode,
                None,
                "\"0640\"",
                "Their permission bits. Without it: 0644 for public fields, 0640 for private ones.",
            ),
        ],
    },
    Section {
        name: "events",
        several: false,
        about: "Interruptions and maintenance. Asking has side effects on Azure: it makes events wait for their time.",
        settings: &[
            setting("enabled", Shape::Flag, Some("false"), "true", "Whether they are asked for."),
            setting(
                "kinds",
                Shape::Choices(EVENT_KINDS),
                None,
                "[\"interruption\"]",
                "Which are of interest. Without it: all.",
            ),
            setting(
                "acknowledge",
                Shape::Flag,
                Some("false"),
                "true",
                "Whether events of this machine alone are acknowledged once every hook has succeeded.",
            ),
        ],
    },
    Section {
        name: "hooks",
        several: true,
        about: "What is done about an event: a command, or a request to a webhook.",
        settings: &[
            setting(
                "kinds",
                Shape::Choices(EVENT_KINDS),
                None,
                "[\"interruption\"]",
                "About which events. Without it: all.",
            ),
            setting(
                "states",
                Shape::Choices(EVENT_STATES),
                None,
                "[\"scheduled\", \"started\"]",
                "In which states; a service may say it only when it has started, as GCP's does. Without it: all.",
            ),
            setting(
                "command",
                Shape::Command,
                None,
                "[\"/usr/local/bin/drain\"]",
                "The program and its arguments; it finds the event as JSON on its standard input.",
            ),
            setting(
                "webhook",
                Shape::Text,
                None,
                "\"http://127.0.0.1:8080/events\"",
                "The URL that the event is posted to.",
            ),
            setting(
                "headers",
                Shape::Words,
                None,
                "{ X-Team = \"platform\" }",
                "Headers of the request. Not for secrets: this file may be read by many.",
            ),
            setting(
                "template",
                Shape::Text,
                None,
                "\"/etc/imds/slack.json.tmpl\"",
                "What is posted instead of the event as JSON.",
            ),
            setting(
                "secret_file",
                Shape::Text,
                None,
                "\"/etc/imds/webhook.key\"",
                "The key that signs the request (HMAC-SHA256).",
            ),
            setting(
                "ca_file",
                Shape::Text,
                None,
                "\"/etc/imds/webhook-ca.pem\"",
                "Certificates in PEM of roots that are trusted beside the system's, for https://.",
            ),
            setting("timeout", Shape::Duration, Some("\"10s\""), "\"30s\"", "How long one try may take."),
            setting(
                "retry_for",
                Shape::Duration,
                Some("\"2m\""),
                "\"5m\"",
                "How long it is tried again where the event names no deadline; else until that, an hour ahead at most.",
            ),
        ],
    },
    Section {
        name: "limits",
        several: false,
        about: "What callers may cost.",
        settings: &[
            setting(
                "connections",
                Shape::Count { least: 1, most: 65_536 },
                Some("2048"),
                "512",
                "Connections at once; 32 more are kept for root.",
            ),
            setting(
                "per_client",
                Shape::Count { least: 1, most: 65_536 },
                Some("1024"),
                "64",
                "Connections at once of one user, and never more than are left for the others. All callers over TCP are one.",
            ),
            setting(
                "header_bytes",
                Shape::Count { least: 1024, most: 1_048_576 },
                Some("16384"),
                "8192",
                "The size of a request's head.",
            ),
            setting(
                "read_time",
                Shape::Duration,
                Some("\"5s\""),
                "\"2s\"",
                "How long a request's head may take, from its first byte on.",
            ),
            setting(
                "idle",
                Shape::Duration,
                Some("\"1m\""),
                "\"30s\"",
                "How long a connection may be silent.",
            ),
        ],
    },
];

/// The table of this name.
pub(super) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}
