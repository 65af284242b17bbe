//! Runs commands in turn, over and over, and tells what each run took: `measure ROUNDS <commands`.
//!
//! A line of input is one command: a name, `@KEY=VALUE` for its environment, then its arguments, separated by tabs. A line
//! of output is one run: the name, wall time in ns, CPU time in ns (user and system), peak resident memory in kB, the exit
//! code. Commands take turns, so that a change of the machine's mood meets all alike; the order turns around every round.
//!
//! It is a small static program because the kernel counts the memory of whoever starts a process into the peak of that
//! process: started by Python, everything would seem to need as much as Python.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::io::{self, BufRead, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use wait4::Wait4;

fn main() {
    let rounds: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let lines: Vec<String> = io::stdin().lock().lines().map(Result::unwrap).collect();
    let mut commands: Vec<(&str, Command)> = lines.iter().map(|line| command(line)).collect();
    let mut output = io::stdout().lock();
    for _ in 0..rounds {
        for (name, command) in &mut commands {
            let begun = Instant::now();
            let used = command.spawn().unwrap().wait4().unwrap();
            let wall = begun.elapsed();
            let cpu = used.rusage.utime + used.rusage.stime;
            let code = used.status.code().unwrap_or(-1);
            let memory = used.rusage.maxrss / 1024;
            writeln!(output, "{name}\t{}\t{}\t{memory}\t{code}", wall.as_nanos(), cpu.as_nanos()).unwrap();
        }
        commands.reverse();
    }
}

fn command(line: &str) -> (&str, Command) {
    let mut words = line.split('\t');
    let name = words.next().unwrap();
    let (environment, arguments): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('@'));
    let (program, arguments) = arguments.split_first().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.envs(environment.iter().filter_map(|word| word.strip_prefix('@')?.split_once('=')));
    (name, command)
}
