//! Running a program within a time.
//!
//! No shell, a fixed directory, an environment that is given whole; what the program prints goes to our stderr, which is
//! the journal. A program that takes too long is ended together with what it started.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a program has between being asked to end and being ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a program didn't do what it should.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// It can't be run.
    Unstartable(io::Error),
    /// It ended badly.
    Status(ExitStatus),
    /// It took too long, and was ended.
    TooSlow(Duration),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstartable(error) => write!(f, "can't be run: {error}"),
            Self::Status(status) => write!(f, "failed ({status})"),
            Self::TooSlow(time) => write!(f, "took longer than {time:?}, and was ended"),
        }
    }
}

impl std::error::Error for Failure {}

/// What a program is given.
#[derive(Debug, Default)]
pub struct Given<'a> {
    /// A last argument.
    pub path: Option<&'a Path>,
    /// What it reads from its standard input.
    pub input: &'a [u8],
    /// Variables beside `PATH`.
    pub environment: &'a [(&'a str, &'a str)],
}

/// Runs a program: its words, what it is given, and how long it may take.
///
/// # Errors
/// [`Failure`], for anything but success in time.
pub async fn run(words: &[String], given: &Given<'_>, time: Duration) -> Result<(), Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::Unstartable(io::ErrorKind::InvalidInput.into()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .envs(given.environment.iter().copied())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(io::stderr())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(path) = given.path {
        command.arg(path);
    }
    let mut child = command.spawn().map_err(Failure::Unstartable)?;
    let group = Group::of(&child);
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A program that doesn't care for its input needn't read it.
            let _ = stdin.write_all(given.input).await;
        }
    };
    let ended = tokio::time::timeout(time, async { tokio::join!(feed, child.wait()).1 }).await;
    let status = match ended {
        Ok(status) => status.map_err(Failure::Unstartable)?,
        Err(_) => {
            group.signal(Signal::TERM);
            if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
                let _ = child.wait().await;
            }
            return Err(Failure::TooSlow(time));
        }
    };
    // What it left running on purpose (a daemon that it started) stays.
    group.leave();
    if status.success() { Ok(()) } else { Err(Failure::Status(status)) }
}

/// A program and everything that it started; ended when nobody waits for it any more.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = kill_process_group(group, signal);
        }
    }

    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_program_has_its_input_its_variables_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let given = Given { path: Some(&file), input: b"hello", environment: &[("A", "b c")] };
        run(&shell("{ cat; echo; pwd; env | sort; } > \"$0\""), &given, LONG).await.unwrap();
        let said = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(['_', 'S'])).collect();
        assert_eq!(lines, ["hello", "/", "A=b c", &format!("PATH={PATH}"), "PWD=/"]);
    }

    #[tokio::test]
    async fn failures_say_what_happened() {
        let failed = |words: Vec<String>| async move {
            run(&words, &Given::default(), LONG).await.unwrap_err().to_string()
        };
        assert!(failed(shell("exit 3")).await.contains("exit status: 3"));
        assert!(failed(vec!["/nonexistent/program".to_owned()]).await.starts_with("can't be run: "));
        assert!(failed(Vec::new()).await.starts_with("can't be run"));
    }

    #[tokio::test]
    async fn a_program_that_doesnt_read_its_input_is_no_failure() {
        let given = Given { input: &vec![b'x'; 1 << 20], ..Given::default() };
        run(&shell("exec true"), &given, LONG).await.unwrap();
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        // Waits for nothing, for ever: the pipe's other end stays open.
        let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 1000' \"$0\" & wait; wait";
        let given = Given { path: Some(&file), ..Given::default() };
        let words = shell(script);
        // On a busy machine it takes the program a while to have started anything that could be left over.
        for millis in [300, 1_000, 5_000, 20_000] {
            let ended = run(&words, &given, Duration::from_millis(millis)).await;
            assert!(matches!(ended, Err(Failure::TooSlow(_))));
            if file.exists() {
                break;
            }
        }
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        // A zombie that its new parent hasn't looked at yet is as dead. Death takes the kernel a moment.
        let is_dead = || {
            let stat =
                std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|_| ") Z".to_owned());
            stat.rsplit(") ").next().is_some_and(|state| state.starts_with(['Z', 'X']))
        };
        let dying = async {
            while !is_dead() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(20), dying).await.is_ok(), "{pid} lives on");
    }
}
