//! What the worker gives up before it talks to anybody.
//!
//! Whoever takes the worker over, through an answer of a service or a request of a caller, finds a process that has no
//! user's rights but its own, can become nobody else, can start no program, and sees few files. Each part is used as far as
//! the kernel has it; [`InForce`] says honestly what came of it.
//!
//! | part | takes away | since |
//! |---|---|---|
//! | user | the rights of root, and of root's groups | – |
//! | capabilities | all, from all sets, for good | Linux 4.3 |
//! | no new privileges | set-user-id programs | Linux 3.5 |
//! | Landlock | files but those named here, TCP ports but those named here, listening on others, signals to others | Linux 5.13, 6.7, 6.12 |
//! | system calls | all but those that serving and asking take; where that list isn't known to fit, the dangerous ones | Linux 3.17 |
//!
//! It has to be entered by a process with one thread: most of these belong to a thread, and only threads that begin
//! afterwards inherit them.
//!
//! | module | holds |
//! |---|---|
//! | [`account`] | users and groups by name |
//! | `configured` | what a configuration takes |
//! | `privileges` | user, capabilities, no new privileges |
//! | `landlock` | files, ports, signals |
//! | `seccomp` | system calls |

pub mod account;
mod configured;
#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod privileges;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod seccomp;
#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod seccomp {
    //! The lists aren't for this processor.

    use super::{Calls, Part};

    /// Allows everything.
    pub(super) fn restrict(_: Calls) -> Part {
        Part::Missing("not for this processor".to_owned())
    }
}

use std::fmt;
use std::path::PathBuf;

use imds::Error;
#[cfg(target_os = "linux")]
use imds::ErrorKind;
use serde::Serialize;

pub use account::{Account, Accounts};
#[cfg(unix)]
pub(crate) use configured::directory_of;

/// What is given up, and what stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether anything is given up but the user.
    pub enabled: bool,
    /// Whom the process runs as from now on; the same as before where nobody is named.
    pub account: Option<Account>,
    /// What may be read, beside [`READ`]: files, or directories with all that is in them.
    pub read: Vec<PathBuf>,
    /// Directories in which files may be made, changed and removed: those of the state and the socket.
    pub write: Vec<PathBuf>,
    /// TCP ports that may be connected to; all where none is named.
    pub connect: Vec<u16>,
    /// Whether abstract unix sockets of others may be connected to: where the service manager is told through one.
    pub abstract_sockets: bool,
    /// Which system calls are allowed.
    pub calls: Calls,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enabled: true,
            account: None,
            read: Vec::new(),
            write: Vec::new(),
            connect: Vec::new(),
            abstract_sockets: false,
            calls: Calls::Listed,
        }
    }
}

/// Which system calls are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Those on the list of what serving and asking take.
    Listed,
    /// All but those on the list of dangerous ones.
    ButDangerous,
    /// All.
    All,
}

/// What every worker may read: what the kernel says of the machine, what finds names and trusts certificates, what other
/// programs found out about the cloud.
pub const READ: [&str; 19] = [
    "/sys",
    "/proc",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/pki",
    "/usr/share/ca-certificates",
    "/run/cloud-init",
    "/run/systemd",
    "/var/lib/dhcp",
    "/var/lib/dhclient",
    "/var/lib/NetworkManager",
    "/var/lib/cloud/data",
];

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "detail")]
pub enum Part {
    /// It is in force: how.
    Full(String),
    /// It is in force as far as this kernel has it: how.
    Partial(String),
    /// It isn't: why.
    Missing(String),
    /// Nobody wants it.
    Off,
}

impl Part {
    /// Whether it protects at all.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Partial(_))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(how) => f.write_str(how),
            Self::Partial(how) => write!(f, "{how} (in part)"),
            Self::Missing(why) => write!(f, "none ({why})"),
            Self::Off => f.write_str("off"),
        }
    }
}

impl InForce {
    /// All of it in a word or two, for a line that people glance at. The kernel's part alone: as whom the process runs is the
    /// configuration's.
    #[must_use]
    pub fn in_short(&self) -> &'static str {
        let parts = [&self.capabilities, &self.no_new_privileges, &self.landlock, &self.system_calls];
        match parts.iter().filter(|part| part.is_in_force()).count() {
            0 => "no sandbox",
            4 if parts.iter().all(|part| matches!(part, Part::Full(_))) => "sandboxed",
            _ => "sandboxed in part",
        }
    }
}

/// What is in force. [`Display`](fmt::Display) is one line for the log; in JSON it is an object with a member for each part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InForce {
    /// Whom the process runs as.
    pub user: Part,
    /// Whether it has no capabilities, and can't get any.
    pub capabilities: Part,
    /// Whether programs that it would start could have more rights than it.
    pub no_new_privileges: Part,
    /// Files, ports and signals.
    pub landlock: Part,
    /// System calls.
    pub system_calls: Part,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "user: {}; capabilities: {}; no new privileges: {}; landlock: {}; system calls: {}",
            self.user, self.capabilities, self.no_new_privileges, self.landlock, self.system_calls
        )
    }
}

/// Gives up what isn't needed any more. There is no way back.
///
/// # Errors
/// [`imds::ErrorKind::Internal`] where the process has threads already, or can't become the user that
/// it was told to be. Everything else is used as far as it can be.
#[cfg(target_os = "linux")]
pub fn enter(options: &Options) -> Result<InForce, Error> {
    let threads = privileges::threads();
    if threads != Some(1) {
        let count = threads.map_or_else(|| "an unknown number of".to_owned(), |threads| threads.to_string());
        let message = format!("the sandbox can't be entered: the process has {count} threads");
        return Err(Error::new(ErrorKind::Internal, message));
    }
    // The bounding set takes a capability to be emptied, which the change of user takes away.
    let bounded = if options.enabled { privileges::empty_bounding_set() } else { Ok(()) };
    let user = privileges::become_user(options.account.as_ref()).map_err(|why| {
        Error::new(ErrorKind::Internal, why)
            .with_remedy("start the agent as root, or leave out user in [agent]")
    })?;
    if !options.enabled {
        let off = || Part::Off;
        return Ok(InForce {
            user,
            capabilities: off(),
            no_new_privileges: off(),
            landlock: off(),
            system_calls: off(),
        });
    }
    let capabilities = privileges::drop_capabilities(bounded);
    let no_new_privileges = privileges::no_new_privileges();
    let landlock = landlock::restrict(options);
    // Last, because the others take system calls that nothing needs afterwards.
    let system_calls = seccomp::restrict(options.calls);
    Ok(InForce { user, capabilities, no_new_privileges, landlock, system_calls })
}

/// Gives up nothing: this system has no such means.
///
/// # Errors
/// None.
#[cfg(not(target_os = "linux"))]
pub fn enter(_options: &Options) -> Result<InForce, Error> {
    let missing = || Part::Missing("not on this system".to_owned());
    Ok(InForce {
        user: missing(),
        capabilities: missing(),
        no_new_privileges: missing(),
        landlock: missing(),
        system_calls: missing(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_one_line_and_an_object() {
        let in_force = InForce {
            user: Part::Full("980".to_owned()),
            capabilities: Part::Full("none".to_owned()),
            no_new_privileges: Part::Off,
            landlock: Part::Partial("files".to_owned()),
            system_calls: Part::Missing("no seccomp".to_owned()),
        };
        assert_eq!(
            in_force.to_string(),
            "user: 980; capabilities: none; no new privileges: off; landlock: files (in part); system calls: none (no seccomp)"
        );
        let json = serde_json::to_value(&in_force).unwrap();
        assert_eq!(json["landlock"], serde_json::json!({ "state": "partial", "detail": "files" }));
        assert_eq!(json["no_new_privileges"], serde_json::json!({ "state": "off" }));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_with_threads_isnt_half_locked_up() {
        // The test harness has some.
        let error = enter(&Options::default()).unwrap_err();
        assert!(error.to_string().contains("threads"), "{error}");
    }
}
