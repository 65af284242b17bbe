//! The command line as it was typed. Pure: nothing here reads a file, a variable or the clock; `settings` does that.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{ArgAction, Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use imds::Field;

/// What the exit codes mean, at the end of every help page.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  internal error; a --check command that failed
  2  wrong usage
  3  no cloud here
  4  this cloud or instance has no such value
  5  refused: unauthorised, disabled, forbidden, locked by the host, or a secret
  6  unreachable, timed out, throttled or answered wrongly; or it can't be said whether there is a cloud
  7  a placeholder can't be resolved for good, or the input doesn't parse";

/// What the exit codes of `exec` mean.
const EXEC_EXIT_CODES: &str = "\
Exit codes:
  125  imds itself failed: wrong usage, or a required field can't be had
  126  the program was found but can't be run
  127  the program wasn't found
  128+N  signal N ended the program
  others are the program's own";

#[cfg(feature = "fake")]
const EXAMPLES: &str = "\
Examples:
  imds detect                              which cloud is this?
  imds show                                everything about this machine
  imds get region instance_id tags.Name    bare values, one a line
  imds show --format env > metadata.env    for a shell, or systemd's EnvironmentFile=
  imds show --fake azure:aks               try it without a cloud";

#[cfg(not(feature = "fake"))]
const EXAMPLES: &str = "\
Examples:
  imds detect                              which cloud is this?
  imds show                                everything about this machine
  imds get region instance_id tags.Name    bare values, one a line
  imds show --format env > metadata.env    for a shell, or systemd's EnvironmentFile=";

/// Where am I running? Detects the cloud under this machine and reads its instance metadata.
#[derive(Debug, Parser)]
#[command(
    name = "imds",
    version,
    max_term_width = 110,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}")
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// What was typed, as `try_parse_from` takes it.
    ///
    /// clap makes every option of every command ready, and copies the global ones into each, before it looks at the first
    /// word; that took longer than detection itself. So the one command that is named is tried alone first. Whatever isn't
    /// understood that way is left to the whole, for help and for messages that know all commands.
    ///
    /// # Errors
    /// Help, the version, or what is wrong.
    pub(crate) fn understand(words: Vec<OsString>) -> Result<Self, clap::Error> {
        Self::of_one_command(&words).map_or_else(|| Self::try_parse_from(words), Ok)
    }

    /// As the only command there is. No command but the first that is named can be meant; where that word was something
    /// else (the value of an option), there is a word left that this one command doesn't know.
    fn of_one_command(words: &[OsString]) -> Option<Self> {
        if let Some(command) = Self::without_options(words) {
            return Some(Self { global: Global::default(), command });
        }
        let named = words.iter().skip(1).find_map(|word| Command::alone(word.to_str()?))?;
        let mut alone =
            Global::augment_args(clap::Command::new("imds")).subcommand_required(true).subcommand(named);
        let mut matches = alone.try_get_matches_from_mut(words).ok()?;
        Self::from_arg_matches_mut(&mut matches).ok()
    }

    /// What programs ask for as often as people do, as they type it: nothing of it needs a parser.
    fn without_options(words: &[OsString]) -> Option<Command> {
        let (_, words) = words.split_first()?;
        let (command, fields) = words.split_first()?;
        match command.to_str()? {
            "detect" if fields.is_empty() => Some(Command::Detect(Detect::PLAIN)),
            "get" if !fields.is_empty() => {
                let plain = |word: &OsString| {
                    word.to_str().filter(|word| !word.is_empty() && !word.starts_with('-')).map(str::to_owned)
                };
                let fields = fields.iter().map(plain).collect::<Option<_>>()?;
                Some(Command::Get(Get { fields, default: None, null: false }))
            }
            _ => None,
        }
    }
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// This is the cloud (or none): nothing is detected
    #[arg(long, global = true, value_name = "NAME|none", hide_possible_values = true, value_parser = Suggested(cloud_names))]
    pub(crate) cloud: Option<String>,

    /// Find or ask only these clouds, separated by commas
    #[arg(long, global = true, value_name = "LIST", value_delimiter = ',', hide_possible_values = true, value_parser = Suggested(cloud_names))]
    pub(crate) clouds: Option<Vec<String>>,

    /// Know a cloud of your own by this description, or by all *.toml of a directory; may be repeated
    #[arg(long, global = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) cloud_file: Vec<PathBuf>,

    /// Ask this base URL, for every cloud, and nothing else
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint: Option<String>,

    /// Read /sys, /proc, /dev, … below this directory
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) sysroot: Option<String>,

    /// Send nothing: only what the machine itself knows
    #[arg(long, global = true)]
    pub(crate) offline: bool,

    /// How long it may take [default: 5s, `wait`: 120s]
    #[arg(long, global = true, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,

    /// How long probing for an unknown cloud may take [default: 1s]
    #[arg(long, global = true, value_name = "DURATION")]
    pub(crate) probe_timeout: Option<String>,

    /// Use a built-in fake machine and its service instead of this one
    #[cfg(feature = "fake")]
    #[arg(
        long,
        global = true,
        value_name = "CLOUD[:SCENARIO]",
        conflicts_with_all = ["endpoint", "sysroot"],
        hide_possible_values = true, value_parser = Suggested(scenario_names)
    )]
    pub(crate) fake: Option<String>,

    /// Ask a running agent first: auto (if there is one), never, or the one at this socket [default: auto]
    ///
    /// --endpoint, --fake, --sysroot, --offline, --interface, --source-address, --fwmark and --api-version mean never.
    #[arg(long, global = true, value_name = "auto|never|SOCKET", value_hint = clap::ValueHint::FilePath)]
    pub(crate) agent: Option<String>,

    /// Never fall back to IMDSv1 on AWS
    #[arg(long, global = true)]
    pub(crate) no_imdsv1: bool,

    /// Send through this interface and no other (Linux)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) interface: Option<String>,

    /// Send from this address, one of this machine's own
    #[arg(long, global = true, value_name = "IP")]
    pub(crate) source_address: Option<String>,

    /// Mark packets with this number, for the host's routing rules; needs CAP_NET_ADMIN (Linux)
    #[arg(long, global = true, value_name = "NUMBER")]
    pub(crate) fwmark: Option<String>,

    /// Ask in this version and no other, where the cloud has dated ones: 2021-02-01 (Azure)
    ///
    /// Refused on clouds without versions.
    #[arg(long, global = true, value_name = "VERSION")]
    pub(crate) api_version: Option<String>,

    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    #[arg(help = format!("The configuration file [default: {}]", crate::settings::DEFAULT_FILE))]
    pub(crate) config: Option<PathBuf>,

    /// Say more on stderr: -v what happens, -vv how, -vvv every step
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// No warnings on stderr, only errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Colour the messages on stderr: auto, always or never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) color: Color,
}

/// When messages are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print where this machine runs, in one word: aws, azure, gcp, …, none or unknown
    ///
    /// Firmware decides wherever it can; nothing is sent then. Exits with 0 for a cloud, 3 for none, 6 for unknown.
    #[command(after_help = EXIT_CODES)]
    Detect(Detect),

    /// Print everything that is known about this machine
    #[command(after_help = EXIT_CODES)]
    Show(Show),

    /// Print the bare values of fields, one a line
    ///
    /// With several fields it is all or nothing: if one can't be had and there is no --default, nothing is printed.
    #[command(after_help = EXIT_CODES)]
    Get(Get),

    /// Print the instance's tags or labels
    #[command(after_help = EXIT_CODES)]
    Tags(Tags),

    /// Print what the service answers to a path of its own
    ///
    /// The headers, tokens and versions that the service wants are added. Paths that give secrets are refused.
    #[command(after_help = EXIT_CODES)]
    Raw(Raw),

    /// Wait until the metadata can be had; for boot scripts
    ///
    /// Prints nothing. Tries again with growing pauses until --timeout (default 120s), and ends at once with 3 where
    /// there is no cloud.
    #[command(after_help = EXIT_CODES)]
    Wait(Wait),

    /// Resolve placeholders such as ${aws:InstanceId} in configuration files
    ///
    ///   ${NS:KEY}    ${NS:KEY:-DEFAULT}    ${NS:KEY:?MESSAGE}    $${NS:KEY} is the literal ${NS:KEY}
    ///
    /// NS is cloud (any cloud), a cloud's own name (on that cloud only), tag, or imds (a path of the service).
    /// `imds clouds` lists the keys. Everything else stays byte for byte, ${HOME} as well. In JSON, YAML, TOML
    /// and env files only string values are touched, and whatever a value holds, the result parses to it.
    ///
    /// All files are resolved before the first one is written. More than 16 MiB of text from stdin to stdout
    /// are the exception: they are resolved while they go by.
    #[command(after_help = EXIT_CODES, verbatim_doc_comment)]
    Resolve(Resolve),

    /// Run a program with the metadata in its environment
    ///
    /// Sets IMDS_FIELD variables by the rules of `show --format env`, and adds to OTEL_RESOURCE_ATTRIBUTES what isn't set
    /// there yet. Where there is no metadata, it warns and runs the program all the same, unless --require says otherwise.
    ///
    /// imds stays as the program's parent: it passes on TERM, INT, HUP, QUIT, USR1, USR2, WINCH and CONT, ends as the
    /// program ends, and as PID 1 of a container also buries orphaned processes. Signals that were ignored when imds
    /// started stay ignored. With --fake, the program's own metadata clients are pointed at the fake service.
    #[command(after_help = EXEC_EXIT_CODES)]
    Exec(Exec),

    /// Keep the metadata of this machine, for every program on it, until interrupted
    ///
    /// Starts at once, whether or not there is a network or a cloud, and keeps the last good values through every outage. Its
    /// settings are in /etc/imds/agent.toml, or in the file of --config; options and variables precede them. SIGHUP makes it
    /// read them again.
    #[cfg(all(unix, feature = "agent"))]
    #[command(after_help = EXIT_CODES)]
    Agent(Agent),

    /// Print changes of the metadata, and events, as JSON lines until interrupted
    ///
    /// The first line is the current state. A running agent tells both as they happen; without one, the service is asked
    /// again and again, and events aren't told.
    #[command(after_help = EXIT_CODES)]
    Watch(Watch),

    /// Serve a fake metadata service until interrupted
    ///
    /// Prints the variables that point clients at it, for `eval` in a shell.
    #[cfg(feature = "fake")]
    #[command(after_help = EXIT_CODES, after_long_help = format!("{FAULTS_AND_CONTROL}\n\n{EXIT_CODES}"))]
    Fake(Fake),

    /// Say what is wrong between this machine and its metadata, and what to type
    ///
    /// Looks at the machine, asks the service step by step and names the cause. Where all is well it says so in one line; -v
    /// adds the steps. Exits with 0 only where the metadata can be read, else as the other commands would.
    #[command(after_help = EXIT_CODES)]
    Doctor(Doctor),

    /// Print the supported clouds, the page of one of them, and the fields they serve
    ///
    /// Clouds of your own (--cloud-file) are in all of it.
    Clouds(Clouds),

    /// Print a completion script for a shell
    Completions(Completions),

    /// Print a manual page in roff, of this program or of one command
    Man(Man),
}

impl Command {
    /// The command of this name as a scanner of its own arguments, if it is one of those that programs run often.
    fn alone(name: &str) -> Option<clap::Command> {
        let with_arguments = match name {
            "detect" => Detect::augment_args,
            "show" => Show::augment_args,
            "get" => Get::augment_args,
            "tags" => Tags::augment_args,
            "raw" => Raw::augment_args,
            "wait" => Wait::augment_args,
            "resolve" => Resolve::augment_args,
            "exec" => Exec::augment_args,
            "watch" => Watch::augment_args,
            _ => return None,
        };
        Some(with_arguments(clap::Command::new(name.to_owned())))
    }
}

#[derive(Debug, Args)]
pub(crate) struct Detect {
    /// Tell what was looked at, what it said and what follows
    #[arg(long)]
    pub(crate) explain: bool,

    /// Have the service itself confirm what firmware says; exits by what happened
    #[arg(long)]
    pub(crate) verify: bool,

    #[command(flatten)]
    pub(crate) format: VerdictFormat,
}

impl Detect {
    /// As it is without any option.
    const PLAIN: Self =
        Self { explain: false, verify: false, format: VerdictFormat { format: DetectAs::Text, json: false } };
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Also tell where each value was read
    #[arg(long)]
    pub(crate) sources: bool,

    /// Which names of renamed OpenTelemetry attributes to give: legacy, current or both
    #[arg(long, value_name = "NAMES", default_value = "current", hide_possible_values = true)]
    pub(crate) otel_names: OtelNames,

    #[command(flatten)]
    pub(crate) format: ShowFormat,
}

/// Which names of renamed OpenTelemetry attributes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OtelNames {
    /// azure_vm, azure_aks, azure.resourcegroup.name
    Legacy,
    /// azure.vm, azure.aks, azure.resource_group.name
    Current,
    /// Renamed attributes twice, renamed values as they are now
    Both,
}

impl From<OtelNames> for imds::otel::Names {
    fn from(names: OtelNames) -> Self {
        match names {
            OtelNames::Legacy => Self::Legacy,
            OtelNames::Current => Self::Current,
            OtelNames::Both => Self::Both,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// What to print: instance_id, tags.Name, interfaces.0.mac, disks.0.id, …
    #[arg(required = true, value_name = "FIELD", hide_possible_values = true, value_parser = Suggested(field_names))]
    pub(crate) fields: Vec<String>,

    /// Print this for every field that can't be had
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) default: Option<String>,

    /// End each value with a NUL instead of a newline
    #[arg(short = '0', long)]
    pub(crate) null: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tags {
    #[command(flatten)]
    pub(crate) format: TagsFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Raw {
    /// The path, such as /latest/meta-data/placement/region
    #[arg(value_name = "PATH")]
    pub(crate) path: String,

    /// Print it even if it is a secret
    #[arg(long)]
    pub(crate) allow_secret: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// What to wait for [default: instance_id]
    #[arg(value_name = "FIELD", hide_possible_values = true, value_parser = Suggested(field_names))]
    pub(crate) fields: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// Files, or directories whose *.tmpl files are meant; - is stdin [default: -]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,

    /// Write to this file; of several files, into this directory, without .tmpl [default: stdout]
    ///
    /// The file is replaced at once or not at all, keeps its mode and owner, and isn't touched if nothing changes.
    #[arg(short, long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath, conflicts_with = "list")]
    pub(crate) output: Option<PathBuf>,

    /// The format of the files: auto (by their names), json, yaml, toml, env or text
    #[arg(long, value_name = "FORMAT", default_value = "auto", hide_possible_values = true)]
    pub(crate) format: FileFormat,

    /// What to do about a placeholder without a value: error, keep, empty or drop (its whole entry)
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "error",
        hide_possible_values = true,
        conflicts_with = "dialect"
    )]
    pub(crate) missing: MissingPolicy,

    /// Resolve another program's own placeholders, by its rules: cloudwatch-agent
    #[arg(long, value_name = "PROGRAM", hide_possible_values = true)]
    pub(crate) dialect: Option<Dialect>,

    /// Run this with the new file's path as last argument, and replace the old file only if it agrees
    #[arg(long, value_name = "CMD", requires = "output")]
    pub(crate) check: Option<String>,

    /// Print what would change, as a unified diff; write and check nothing
    #[arg(long, conflicts_with = "list")]
    pub(crate) diff: bool,

    /// List the placeholders with their places; contacts nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Print the list as JSON
    #[arg(long, requires = "list")]
    pub(crate) json: bool,

    /// Write into the old file instead of replacing it, for files that are mounted alone. Not atomic
    #[arg(long, requires = "output")]
    pub(crate) in_place_inode: bool,

    /// If the file to be written is a symbolic link, write the file that it leads to
    #[arg(long, requires = "output")]
    pub(crate) follow_symlinks: bool,
}

/// Formats of files with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// What the file's name says
    Auto,
    /// JSON, with or without comments
    Json,
    /// YAML
    Yaml,
    /// TOML
    Toml,
    /// KEY=value lines
    Env,
    /// Anything else
    Text,
}

/// What to do about a placeholder without a value and without a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MissingPolicy {
    /// List them all, and fail
    Error,
    /// Leave the placeholder
    Keep,
    /// Put nothing in its place
    Empty,
    /// Take out the entry
    Drop,
}

/// Other programs' placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// amazon-cloudwatch-agent's JSON configuration
    CloudwatchAgent,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// What the names of the variables start with
    #[arg(long, value_name = "PREFIX", default_value = "IMDS_")]
    pub(crate) prefix: String,

    /// Don't run the program unless this field can be had; may be repeated
    #[arg(long, value_name = "FIELD", hide_possible_values = true, value_parser = Suggested(field_names))]
    pub(crate) require: Vec<String>,

    /// Wait that long for the metadata, or for the required fields
    #[arg(long, value_name = "DURATION")]
    pub(crate) wait: Option<String>,

    /// Which names of renamed OpenTelemetry attributes to give: legacy, current or both
    #[arg(long, value_name = "NAMES", default_value = "current", hide_possible_values = true)]
    pub(crate) otel_names: OtelNames,

    /// The program and its arguments
    #[arg(
        required = true,
        value_name = "CMD",
        trailing_var_arg = true,
        value_hint = clap::ValueHint::CommandWithArguments
    )]
    pub(crate) command: Vec<OsString>,
}

#[cfg(all(unix, feature = "agent"))]
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// Say whether the settings can be used, with the place of every mistake, and end
    #[arg(long, conflicts_with = "print_default_config")]
    pub(crate) check: bool,

    /// Print a file with every setting, its default and its meaning, and end
    #[arg(long)]
    pub(crate) print_default_config: bool,

    /// Be the agent's second process, which the agent itself starts
    #[arg(long, hide = true, conflicts_with_all = ["check", "print_default_config"])]
    pub(crate) executor: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// How often the service is asked where there is no agent
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub(crate) interval: String,
}

#[cfg(feature = "fake")]
const FAULTS_AND_CONTROL: &str = "\
Faults (KIND of --fault; PATH is a beginning, and without TIMES it lasts):
  503, 429=2                 that status, with Retry-After: 2
  delay=2s, slow[=BYTES]     answers late; answers that drip
  hang, stall                no answer; half of one, and the connection stays open
  reset, close, truncate     the connection breaks before the answer, or in its middle
  bad-json, deep-json[=N], binary, empty, huge[=BYTES]
                             answers that aren't what the service says
  portal, redirect[=URL], foreign=CLOUD
                             somebody else answers
  drop-token, expired-token  tokens don't arrive (hop limit); tokens expire
  content-type[=TYPE], header=NAME=VALUE, no-header[=NAME], duplicate-headers, connection-close
                             right answers with other headers

Control API (--control; JSON; refuses browsers):
  GET /                      what is served, and these
  GET, POST, DELETE /faults  \"503:/latest:2\", or {\"kind\", \"path\", \"method\", \"times\", \"body\"}, or a list of them
  DELETE /faults/ID          takes one away
  GET, DELETE /requests      what was asked, with counts
  POST /set                  {\"meta-data/instance-type\": \"m7g.large\"}; null takes a value away
  POST /expire-tokens        every session token issued so far
  POST /events               {\"kind\": \"interruption\", \"in_seconds\": 120}; or rebalance, maintenance, scaling

  curl -d '\"503:/latest/meta-data:2\"' $IMDS_FAKE_CONTROL/faults";

#[cfg(feature = "fake")]
#[derive(Debug, Args)]
pub(crate) struct Fake {
    /// The cloud, and the scenario where it isn't the plain one
    #[arg(
        value_name = "CLOUD[:SCENARIO]",
        required_unless_present_any = ["scenario_file", "list_scenarios"],
        conflicts_with = "scenario_file",
        hide_possible_values = true, value_parser = Suggested(scenario_names)
    )]
    pub(crate) scenario: Option<String>,

    /// Where to listen; port 0 takes a free one. Anyone who reaches the address is answered
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:1338")]
    pub(crate) listen: std::net::SocketAddr,

    /// Change a value, by the service's own path: compute.vmId=…, meta-data/instance-id=…
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,

    /// Misbehave: KIND[:PATH][:TIMES], such as 503:/latest/meta-data/tags:2, delay=2s, hang, reset
    #[arg(long, value_name = "FAULT")]
    pub(crate) fault: Vec<String>,

    /// Also listen here, on loopback, for changes while it runs (see below); its URL is exported as `IMDS_FAKE_CONTROL`
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) control: Option<std::net::SocketAddr>,

    /// Serve a scenario of your own
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) scenario_file: Option<PathBuf>,

    /// List the scenarios (of this cloud) and end
    #[arg(long)]
    pub(crate) list_scenarios: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) format: ReportFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Clouds {
    /// Print this cloud's page: how it is found and asked, and where each field lies
    #[arg(
        value_name = "NAME",
        conflicts_with_all = ["fields", "export"],
        hide_possible_values = true, value_parser = Suggested(page_names)
    )]
    pub(crate) name: Option<String>,

    /// Also show which cloud serves which field and announces which event
    #[arg(long)]
    pub(crate) fields: bool,

    /// Print a built-in cloud's own description, to be changed and read back with --cloud-file
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["fields", "format", "json"],
        hide_possible_values = true, value_parser = Suggested(page_names)
    )]
    pub(crate) export: Option<String>,

    #[command(flatten)]
    pub(crate) format: CloudsFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", required_unless_present = "directory")]
    pub(crate) shell: Option<clap_complete::Shell>,

    /// Write a script into this directory, one for every shell where none is named
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command whose page is wanted [default: the program itself]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,

    /// Write all pages into this directory, for a package
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) directory: Option<PathBuf>,
}

/// Formats of one command: `--format`, and `--json` for short.
macro_rules! formats {
    ($( $(#[doc = $doc:literal])+ $arguments:ident / $format:ident = $default:literal:
        $( #[doc = $what:literal] $variant:ident ),+; )+) => { $(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub(crate) enum $format { $( #[doc = $what] $variant, )+ }

        #[derive(Clone, Copy, Debug, Args)]
        pub(crate) struct $arguments {
            /// The form of the output
            #[arg(long, value_name = "FORMAT", default_value = $default)]
            format: $format,

            /// Short for --format json
            #[arg(long, conflicts_with = "format")]
            json: bool,
        }

        impl $arguments {
            /// The form that was asked for.
            pub(crate) fn chosen(self) -> $format {
                if self.json { $format::Json } else { self.format }
            }
        }
    )+ };
}

formats! {
    /// Forms of `imds detect`.
    VerdictFormat / DetectAs = "text":
        /// One word, or the explanation
        Text,
        /// One object: the verdict with its evidence
        Json;
    /// Forms of `imds show`.
    ShowFormat / ShowAs = "table":
        /// For people
        Table,
        /// One object; its names and shapes are stable
        Json,
        /// The same object as YAML
        Yaml,
        /// IMDS_FIELD="value" lines for a shell and systemd's EnvironmentFile=
        Env,
        /// The value of OTEL_RESOURCE_ATTRIBUTES
        Otel;
    /// Forms of `imds tags`.
    TagsFormat / TagsAs = "table":
        /// For people
        Table,
        /// One object
        Json,
        /// The same object as YAML
        Yaml,
        /// IMDS_TAG_NAME="value" lines for a shell and systemd's EnvironmentFile=
        Env;
    /// Forms of `imds doctor`.
    ReportFormat / ReportAs = "text":
        /// For people: the cause and the remedy first
        Text,
        /// One object: the findings with their ids, and the steps
        Json;
    /// Forms of `imds clouds`.
    CloudsFormat / CloudsAs = "table":
        /// For people
        Table,
        /// One object
        Json,
        /// The same object as YAML
        Yaml;
}

/// Any text, with names that a shell may complete. What is acceptable is judged later, with a better message. Help
/// doesn't list the names: `imds clouds` and `imds fake --list-scenarios` do.
#[derive(Clone, Copy)]
struct Suggested(fn() -> Vec<String>);

impl TypedValueParser for Suggested {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.0)().into_iter().map(PossibleValue::new)))
    }
}

fn field_names() -> Vec<String> {
    Field::ALL.iter().map(ToString::to_string).collect()
}

fn page_names() -> Vec<String> {
    imds::clouds().into_iter().chain(imds::nodes()).map(|cloud| cloud.name.to_string()).collect()
}

fn cloud_names() -> Vec<String> {
    let names = imds::clouds().into_iter().map(|cloud| cloud.name.to_string());
    names.chain(["none".to_owned()]).collect()
}

#[cfg(feature = "fake")]
fn scenario_names() -> Vec<String> {
    imds_fake::Scenario::all()
        .iter()
        .map(|scenario| match scenario.name() {
            "plain" => scenario.cloud().to_string(),
            name => format!("{}:{name}", scenario.cloud()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_exit_code_of_the_model_is_explained() {
        use imds::model::error::exit;
        for code in [
            exit::DONE,
            exit::INTERNAL,
            exit::USAGE,
            exit::NO_CLOUD,
            exit::ABSENT,
            exit::REFUSED,
            exit::UNREACHABLE,
            exit::UNRESOLVED,
        ] {
            assert!(EXIT_CODES.contains(&format!("\n  {code}  ")), "{code}");
        }
    }

    #[test]
    fn one_command_alone_is_understood_as_among_all() {
        for line in [
            "imds detect",
            "imds detect --explain",
            "imds show",
            "imds tags --format json -q",
            "imds raw /latest --allow-secret",
            "imds wait region",
            "imds resolve a.tmpl b.tmpl -o out --missing keep --format text",
            "imds watch --interval 3s",
            "imds resolve detect --missing drop",
            "imds doctor detect",
            "imds clouds show",
            "imds man detect",
            "imds --cloud aws get region --cloud gcp tags.get --default show",
            "imds --config get show --json",
            "imds --config get get region",
            "imds --agent show exec --prefix X_ -- detect --explain",
            "imds show --json --timeout 3s -v",
            "imds get",
            "imds get region",
            "imds get region instance_id tags.Name help",
            "imds get region -",
            "imds get  region",
            "imds help get",
            "imds get --help",
            "imds gett region",
            "imds --cloud detect",
            "imds detect show",
            "imds --version detect",
            "imds",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let whole = Arguments::try_parse_from(words.clone());
            let told = |answer: Result<Arguments, clap::Error>| match answer {
                Ok(arguments) => format!("{arguments:?}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(told(Arguments::understand(words)), told(whole), "{line}");
        }
    }

    #[test]
    fn json_is_short_for_its_format() {
        let chosen = |line: &[&str]| match Arguments::try_parse_from(line).map(|parsed| parsed.command) {
            Ok(Command::Show(show)) => Some(show.format.chosen()),
            _ => None,
        };
        assert_eq!(chosen(&["imds", "show"]), Some(ShowAs::Table));
        assert_eq!(chosen(&["imds", "show", "--json"]), Some(ShowAs::Json));
        assert_eq!(chosen(&["imds", "show", "--format", "otel"]), Some(ShowAs::Otel));
        assert_eq!(chosen(&["imds", "show", "--format", "text"]), None);
    }
}
