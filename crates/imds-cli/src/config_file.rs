//! The configuration file, `/etc/imds/imds.toml`: defaults for this machine, below options and variables.
//!
//! ```toml
//! cloud = "aws"              # or "none"; nothing is detected then
//! clouds = ["aws", "azure"]  # only these may be found or asked
//! cloud_files = []           # descriptions of clouds of your own: files, or directories with *.toml
//! endpoint = "http://127.0.0.1:1338"
//! sysroot = "/rootfs"
//! network = "on"             # "loopback", "off"
//! timeout = "5s"
//! probe_timeout = "1s"
//! imdsv1 = true
//! interface = "eth1"         # requests leave through this interface
//! source_address = "10.0.0.4" # … from this address
//! fwmark = "0x7fff0815"      # … with this mark
//! api_version = "2021-02-01" # the version to ask in, on clouds with dated versions
//! log = "error"
//! ```

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imds::config::duration;
use imds::machine::Environment;
use imds::{Config, Error, Network};
use serde::Deserialize;
use toml::Spanned;
use tracing_subscriber::filter::Targets;

use crate::exit::usage;
use crate::log;

/// Where the file is unless `--config` says otherwise.
pub(crate) const DEFAULT_FILE: &str = "/etc/imds/imds.toml";

/// A value with its place: `/etc/imds/imds.toml:3: timeout`.
pub(crate) type Placed<T> = (T, String);

/// What the file says. Every value in it can be used.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    pub(crate) cloud: Option<Placed<String>>,
    pub(crate) clouds: Option<Placed<Vec<String>>>,
    /// Below the directory of the file itself, where they aren't absolute.
    pub(crate) cloud_files: Vec<PathBuf>,
    pub(crate) endpoint: Option<Placed<String>>,
    pub(crate) sysroot: Option<String>,
    pub(crate) network: Option<Network>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) probe_timeout: Option<Duration>,
    pub(crate) imdsv1: Option<bool>,
    pub(crate) interface: Option<Placed<String>>,
    pub(crate) source_address: Option<Placed<String>>,
    pub(crate) fwmark: Option<Placed<String>>,
    pub(crate) api_version: Option<Placed<String>>,
    pub(crate) log: Option<Targets>,
}

/// The file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cloud: Option<Spanned<String>>,
    clouds: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    cloud_files: Vec<PathBuf>,
    endpoint: Option<Spanned<String>>,
    sysroot: Option<Spanned<String>>,
    network: Option<Spanned<String>>,
    timeout: Option<Spanned<String>>,
    probe_timeout: Option<Spanned<String>>,
    imdsv1: Option<bool>,
    interface: Option<Spanned<String>>,
    source_address: Option<Spanned<String>>,
    fwmark: Option<Spanned<String>>,
    api_version: Option<Spanned<String>>,
    log: Option<Spanned<String>>,
}

const KEYS: &[&str] = &[
    "cloud",
    "clouds",
    "cloud_files",
    "endpoint",
    "sysroot",
    "network",
    "timeout",
    "probe_timeout",
    "imdsv1",
    "interface",
    "source_address",
    "fwmark",
    "api_version",
    "log",
];

impl File {
    /// Reads the file that was given, or the default one where there is one. It may name clouds that are `described` on the
    /// command line.
    ///
    /// # Errors
    /// `ErrorKind::Usage`, naming file and line, for a file that can't be read or says what can't be done.
    pub(crate) fn read(given: Option<&Path>, described: &[PathBuf]) -> Result<Self, Error> {
        let path = given.unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &path.display().to_string(), described),
            Err(error) if given.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(usage(format!("the configuration file can't be read: {error}"))
                .with_path(path.display().to_string())
                .with_remedy(format!("name a TOML file with --config; without it, {DEFAULT_FILE} is read"))),
        }
    }

    fn parse(text: &str, name: &str, described: &[PathBuf]) -> Result<Self, Error> {
        let written: Written = toml::from_str(text).map_err(|error| mistake(text, name, &error))?;
        let place = |span: Range<usize>, key: &str| format!("{}: {key}", line(text, name, span));
        macro_rules! placed {
            ($key:ident) => {
                written.$key.map(|value| {
                    let place = place(value.span(), stringify!($key));
                    (value.into_inner(), place)
                })
            };
        }
        let time = |value: Option<Placed<String>>| match value {
            Some((text, place)) => duration(&text, &place).map(Some),
            None => Ok(None),
        };
        let sysroot = match placed!(sysroot) {
            Some((directory, place)) if !Path::new(&directory).is_dir() => {
                return Err(usage(format!("{directory:?} is no directory"))
                    .with_path(place)
                    .with_remedy("name the directory that holds sys, proc, …, or leave the key out"));
            }
            sysroot => sysroot.map(|(directory, _)| directory),
        };
        let network = match placed!(network) {
            Some((policy, place)) => Some(policy.parse::<Network>().map_err(|error| error.with_path(place))?),
            None => None,
        };
        let log = match placed!(log) {
            Some((filter, place)) => Some(log::filter(&filter, &place)?),
            None => None,
        };
        let file = Self {
            cloud: placed!(cloud),
            clouds: placed!(clouds),
            cloud_files: written.cloud_files.iter().map(|path| beside(name, path)).collect(),
            endpoint: placed!(endpoint),
            sysroot,
            network,
            timeout: time(placed!(timeout))?,
            probe_timeout: time(placed!(probe_timeout))?,
            imdsv1: written.imdsv1,
            interface: placed!(interface),
            source_address: placed!(source_address),
            fwmark: placed!(fwmark),
            api_version: placed!(api_version),
            log,
        };
        file.check(described)?;
        Ok(file)
    }

    /// The library knows which clouds and URLs there can be. A wrong one is wrong even while an option overrides it.
    fn check(&self, described: &[PathBuf]) -> Result<(), Error> {
        let mut builder = Config::builder(Environment::default());
        for path in self.cloud_files.iter().chain(described) {
            builder = builder.cloud_file(path);
        }
        if let Some((name, place)) = &self.cloud {
            builder = builder.cloud(name, place);
        }
        if let Some((names, place)) = &self.clouds {
            builder = builder.clouds(names, place);
        }
        if let Some((url, place)) = &self.endpoint {
            builder = builder.endpoint(url, place);
        }
        if let Some((name, place)) = &self.interface {
            builder = builder.interface(name, place);
        }
        if let Some((address, place)) = &self.source_address {
            builder = builder.source_address(address, place);
        }
        if let Some((mark, place)) = &self.fwmark {
            builder = builder.fwmark(mark, place);
        }
        if let Some((version, place)) = &self.api_version {
            builder = builder.api_version(version, place);
        }
        builder.build().map(drop)
    }
}

/// A path that is meant from where the configuration file is.
fn beside(name: &str, path: &Path) -> PathBuf {
    Path::new(name).parent().unwrap_or(Path::new("")).join(path)
}

/// `FILE:LINE`, counted from 1.
fn line(text: &str, name: &str, span: Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    format!("{name}:{}", before.matches('\n').count() + 1)
}

/// Text that is no TOML, or not of this shape.
fn mistake(text: &str, name: &str, error: &toml::de::Error) -> Error {
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let place = error.span().map_or_else(|| name.to_owned(), |span| line(text, name, span));
    let (message, remedy) = match unknown {
        Some(key) => {
            let remedy = match imds::model::field::nearest(key, KEYS.iter().copied()) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => format!("the keys are {}", KEYS.join(", ")),
            };
            (format!("no setting is called {key:?}"), remedy)
        }
        None => (message.replace('\n', ", "), "correct the file, or name another with --config".to_owned()),
    };
    usage(message).with_path(place).with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<File, Error> {
        File::parse(text, "imds.toml", &[])
    }

    #[test]
    fn the_example_above_is_true() {
        let example: String = include_str!("config_file.rs")
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .filter(|line| !line.contains("sysroot"))
            .map(|line| line.trim_start_matches("//! ").to_owned() + "\n")
            .collect();
        let file = parse(&example).unwrap();
        assert_eq!(file.timeout, Some(Duration::from_secs(5)));
        assert_eq!(file.cloud, Some(("aws".to_owned(), "imds.toml:1: cloud".to_owned())));
        assert_eq!(file.imdsv1, Some(true));
        let keys: Vec<&str> = example.lines().filter_map(|line| line.split(" = ").next()).collect();
        assert!(KEYS.iter().all(|key| keys.contains(key) || *key == "sysroot"), "{keys:?}");
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_its_remedy() {
        for (text, place, message, remedy) in [
            ("\ntimout = \"5s\"", "imds.toml:2", "timout", "did you mean timeout?"),
            ("color = 1", "imds.toml:1", "color", "the keys are cloud, "),
            ("timeout = 5", "imds.toml:1", "invalid type", "correct the file"),
            ("# x\n\ntimeout = \"5\"", "imds.toml:3: timeout", "no duration", "write 5s"),
            ("cloud = \"awz\"", "imds.toml:1: cloud", "awz", "did you mean aws?"),
            ("clouds = [\"aws\", \"azur\"]", "imds.toml:1: clouds", "azur", "did you mean azure?"),
            ("endpoint = \"127.0.0.1\"", "imds.toml:1: endpoint", "", ""),
            ("network = \"maybe\"", "imds.toml:1: network", "maybe", ""),
            ("interface = \"a/b\"", "imds.toml:1: interface", "a/b", "ip link"),
            ("source_address = \"eth0\"", "imds.toml:1: source_address", "eth0", "10.0.0.4"),
            ("\nfwmark = \"many\"", "imds.toml:2: fwmark", "many", "0x7fff0815"),
            ("api_version = \"1&2\"", "imds.toml:1: api_version", "1&2", "2021-02-01"),
            ("log = \"loud\"", "imds.toml:1: log", "loud", "write error, "),
            ("sysroot = \"/no/such\"", "imds.toml:1: sysroot", "/no/such", "leave the key out"),
            ("timeout = \"5s\"\ntimeout = \"6s\"", "imds.toml:2", "duplicate key", "correct the file"),
            ("cloud = ", "imds.toml:1", "", "correct the file"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.kind().exit_code(), error.path()), (2, Some(place)), "{text}: {error}");
            assert!(error.message().contains(message), "{text}: {error}");
            assert!(error.remedy().unwrap_or_default().contains(remedy), "{text}: {:?}", error.remedy());
        }
    }

    #[test]
    fn only_the_default_file_may_be_missing() {
        let error = File::read(Some(Path::new("/no/such/imds.toml")), &[]).unwrap_err();
        assert_eq!((error.kind().exit_code(), error.path()), (2, Some("/no/such/imds.toml")));
    }
}
