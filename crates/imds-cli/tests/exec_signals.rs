//! `imds exec`: signals, orphans and terminals.
//!
//! Every program says that it is ready, and rests in the shell's `wait`, which a trapped signal interrupts.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    reason = "a test fails by panicking and says what it skips"
)]

mod process;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use imds_fake::{Fake, Scenario};
use process::{imds, stderr, stdout};

/// Says that it is ready, and rests until a signal comes that is trapped; traps have to `kill $!`.
const REST: &str = "tail -f /dev/null >/dev/null 2>&1 & echo ready; wait";

/// A running `imds exec`.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads lines up to one that holds this text.
    fn expect(&mut self, text: &str) -> Vec<String> {
        let mut read = Vec::new();
        for line in self.lines.by_ref() {
            read.push(line.unwrap());
            if read.last().is_some_and(|line| line.contains(text)) {
                return read;
            }
        }
        panic!("{text:?} never came: {read:?}")
    }

    fn type_in(&mut self, keys: &[u8]) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys).unwrap();
        input.flush().unwrap();
    }

    fn signal(&self, name: &str) {
        signal(name, &self.child.id().to_string());
    }

    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), process]).status().unwrap();
    assert!(sent.success(), "{name} to {process}");
}

/// `imds` under another program, with its environment.
fn under(program: &str, arguments: &[&str], imds: &Command) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(imds.get_program()).args(imds.get_args()).env_clear();
    for (name, value) in imds.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}

/// `imds exec` with a shell as its program, in a session without a terminal and with no signal ignored, whatever the tests
/// run in: shells start background jobs with SIGINT and SIGQUIT ignored.
fn session(line: &str, script: &str) -> Command {
    let mut imds = imds(line);
    imds.args(["--", "sh", "-c", script]);
    under("setsid", &["env", "--default-signal"], &imds)
}

#[test]
fn signals_are_passed_on() {
    for name in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"] {
        let script = format!("trap 'kill $!; echo got {name}; exit 21' {name}; {REST}");
        let mut running = Running::start(session("exec --fake aws", &script));
        running.expect("ready");
        running.signal(name);
        assert_eq!(running.expect("got "), [format!("got {name}")]);
        assert_eq!(running.code(), Some(21), "{name}");
    }
}

#[test]
fn a_program_that_a_signal_ends_is_told_as_a_shell_does() {
    for (name, code) in [("TERM", 143), ("HUP", 129), ("USR1", 138)] {
        let mut running = Running::start(session("exec --fake aws", "echo ready; exec tail -f /dev/null"));
        running.expect("ready");
        running.signal(name);
        assert_eq!(running.code(), Some(code), "{name}");
    }
}

#[test]
fn what_was_ignored_stays_ignored() {
    let script = format!("trap 'kill $!; echo got TERM; exit 22' TERM; {REST}");
    let mut imds = imds("exec --fake aws");
    imds.args(["--", "sh", "-c", &script]);
    // As nohup(1) does it.
    let nohup = under("setsid", &["sh", "-c", "trap '' HUP; exec \"$@\"", "sh"], &imds);
    let mut running = Running::start(nohup);
    running.expect("ready");
    running.signal("HUP");
    running.signal("TERM");
    running.expect("got TERM");
    assert_eq!(running.code(), Some(22));
}

#[test]
fn a_signal_ends_the_waiting_for_metadata() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = runtime.block_on(Fake::start(Scenario::parse("gcp").unwrap())).unwrap();
    fake.inject("reset".parse().unwrap());
    let line = format!("exec -v --cloud gcp --timeout 2s --wait 10m --endpoint {}", fake.url());
    let mut child = session(&line, "echo ran").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("not there yet")));
    signal("WINCH", &child.id().to_string());
    signal("TERM", &child.id().to_string());
    let output = child.wait_with_output().unwrap();
    assert_eq!((stdout(&output), output.status.code()), (String::new(), Some(143)));
    let _inside = runtime.enter();
    drop(fake);
}

#[test]
fn what_the_program_leaves_behind_isnt_waited_for() {
    let script = "tail -f /dev/null >/dev/null 2>&1 & echo $!; exit 23";
    let output = session("exec --fake aws", script).output().unwrap();
    let left = stdout(&output);
    signal("TERM", left.trim());
    assert_eq!(output.status.code(), Some(23));
}

/// `imds exec` as PID 1 of a namespace of its own; `None` where this machine may not make one.
fn as_pid_1(script: &str) -> Option<std::process::Output> {
    let mut imds = imds("exec --fake aws");
    imds.args(["--", "sh", "-euc", script]);
    let mut why = String::new();
    for flags in [["-p", "--fork", "--mount-proc"], ["-rp", "--fork", "--mount-proc"]] {
        match Command::new("unshare").args(flags).arg("true").output() {
            Ok(output) if output.status.success() => {
                return Some(under("unshare", &flags, &imds).output().unwrap());
            }
            Ok(output) => why = stderr(&output),
            Err(error) => why = format!("unshare: {error}"),
        }
    }
    if std::env::var_os("IMDS_CI_NAMESPACES").is_some_and(|value| value == "required") {
        panic!("no process namespace can be made: {why}");
    }
    eprintln!("SKIPPED: no process namespace can be made here: {why}");
    None
}

#[test]
fn as_pid_1_orphans_are_buried() {
    // The orphan's death can't be waited for by anybody but PID 1, so it is looked for, ten seconds at most.
    let script = r#"test "$PPID" = 1
        orphan=$(sh -c 'tail -f /dev/null >/dev/null 2>&1 & echo $!')
        test -e "/proc/$orphan"
        kill "$orphan"
        looks=0
        while test -e "/proc/$orphan"; do
            looks=$((looks + 1))
            test "$looks" -lt 1000 || { cat "/proc/$orphan/stat"; exit 99; }
            sleep 0.01
        done
        exit 24"#;
    let Some(output) = as_pid_1(script) else { return };
    assert_eq!(output.status.code(), Some(24), "{} {}", stdout(&output), stderr(&output));
}

#[test]
fn as_pid_1_it_passes_signals_on_and_ends_with_the_program() {
    // PID 1 has no default actions: without a handler it wouldn't even notice.
    let script = "trap 'exit 25' TERM; sh -c 'tail -f /dev/null >/dev/null 2>&1 &'; \
                  tail -f /dev/null >/dev/null 2>&1 & kill -TERM 1; wait; exit 99";
    let Some(output) = as_pid_1(script) else { return };
    assert_eq!(output.status.code(), Some(25), "{} {}", stdout(&output), stderr(&output));
    let Some(output) = as_pid_1("kill -KILL $$") else { return };
    assert_eq!(output.status.code(), Some(137), "{} {}", stdout(&output), stderr(&output));
}

/// Counts Ctrl-C, and ends with Ctrl-\. Reading a line first needs the terminal.
const AT_THE_TERMINAL: &str = r#"trap 'kill $!; echo got INT' INT; trap 'kill $!; echo got QUIT; exit 26' QUIT
    echo asking; read -r line; echo "read $line"
    while :; do tail -f /dev/null >/dev/null 2>&1 & echo ready; wait; done"#;

/// `imds exec` in a terminal of its own, run by a shell with this script, where `$IMDS` is the whole command with a shell's
/// script as its program; `None` where there is no script(1) for that.
fn at_a_terminal(script: &str, program: &str) -> Option<Running> {
    if Command::new("script").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no script(1) here");
        return None;
    }
    let imds = imds("exec --fake aws -- sh -c");
    let words: Vec<&str> =
        [imds.get_program()].into_iter().chain(imds.get_args()).map(|word| word.to_str().unwrap()).collect();
    let line = format!("'{}' \"$PROGRAM\"", words.join("' '"));
    // Whatever waits for a signal that never comes ends with its terminal.
    let mut command = Command::new("timeout");
    command.args(["60", "script", "-qefc", &script.replace("$IMDS", &line), "/dev/null"]).env_clear();
    for (name, value) in imds.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("SHELL", "/bin/sh").env("PROGRAM", program);
    Some(Running::start(command))
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn what_the_terminal_sends_to_a_job_comes_once() {
    let Some(mut running) = at_a_terminal("trap : INT QUIT; $IMDS; echo ended $?", AT_THE_TERMINAL) else {
        return;
    };
    running.expect("asking");
    running.type_in(b"hello\n");
    running.expect("read hello");
    running.expect("ready");
    running.type_in(b"\x03");
    running.expect("got INT");
    running.expect("ready");
    running.type_in(b"\x1c");
    let lines = running.expect("ended 26");
    assert_eq!((count(&lines, "got INT"), count(&lines, "got QUIT")), (0, 1), "{lines:?}");
}

#[test]
fn what_the_terminal_sends_isnt_passed_on() {
    // A program that has left the terminal's session hears nothing of the terminal but what is passed on.
    let rest = format!("trap 'echo got INT' INT; trap 'kill $!; echo got USR1; exit 27' USR1; {REST}");
    let program = format!("echo parent $PPID; exec setsid sh -c \"{}\"", rest.replace('$', "\\$"));
    let Some(mut running) = at_a_terminal("trap : INT; $IMDS; echo ended $?", &program) else { return };
    let lines = running.expect("parent");
    let imds = lines.iter().find_map(|line| line.trim().strip_prefix("parent ")).unwrap().to_owned();
    running.expect("ready");
    // The terminal shows the key once it has sent the signal.
    running.type_in(b"\x03\n");
    running.expect("^C");
    signal("USR1", &imds);
    let lines = running.expect("ended 27");
    assert_eq!((count(&lines, "got INT"), count(&lines, "got USR1")), (0, 1), "{lines:?}");
}

#[test]
fn where_it_leads_the_session_the_program_gets_the_terminal() {
    let Some(mut running) = at_a_terminal("exec $IMDS", AT_THE_TERMINAL) else { return };
    running.expect("asking");
    running.type_in(b"hello\n");
    running.expect("read hello");
    running.expect("ready");
    running.type_in(b"\x03");
    running.expect("got INT");
    running.expect("ready");
    running.type_in(b"\x1c");
    let lines = running.expect("got QUIT");
    assert_eq!(count(&lines, "got INT"), 0, "{lines:?}");
    assert_eq!(running.code(), Some(26));
}

#[test]
fn where_it_leads_the_session_it_passes_on_what_it_is_sent() {
    // As `docker stop` sends STOPSIGNAL to PID 1, terminal or not.
    let Some(mut running) = at_a_terminal("echo leader $$; exec $IMDS", AT_THE_TERMINAL) else { return };
    let lines = running.expect("leader");
    let leader = lines.iter().find_map(|line| line.trim().strip_prefix("leader ")).unwrap().to_owned();
    running.expect("asking");
    running.type_in(b"hello\n");
    running.expect("ready");
    for (name, got) in [("INT", "got INT"), ("QUIT", "got QUIT")] {
        signal(name, &leader);
        running.expect(got);
        if name == "INT" {
            running.expect("ready");
        }
    }
    assert_eq!(running.code(), Some(26));
}
