//! `imds`: where am I running?
//!
//! Parses, calls the library, prints. `args` is the command line as typed, `settings` resolves it against the
//! environment and the configuration file, `commands` has one file per command, `render` one per form of output,
//! `write` replaces files, `messages` and `log` are what is said on stderr, and `exit` is how it all ends.

mod args;
mod commands;
mod config_file;
mod exit;
mod log;
mod messages;
mod output;
mod render;
mod settings;

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;
use imds::machine::Environment;

use crate::args::Arguments;
use crate::exit::Failure;
use crate::messages::Messages;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::understand(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(answer) if answer.use_stderr() && is_exec() => {
            not_a_command(&answer);
            return ExitCode::from(exit::EXEC_FAILED);
        }
        Err(answer) => return not_a_command(&answer),
    };
    let environment = Environment::of_this_process();
    let messages = Messages::new(&arguments.global, &environment);
    let code = match commands::run(arguments, &environment, &messages, &mut Output::stdout()) {
        Ok(code) => code,
        Err(Failure::Error(error)) => {
            messages.error(&error);
            error.kind().exit_code()
        }
        // A reader that has seen enough is no failure.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => exit::DONE,
        Err(Failure::Output(error)) => {
            messages.failure(&format!("the output can't be written: {error}"));
            exit::INTERNAL
        }
    };
    ExitCode::from(code)
}

/// Whether a command line that can't be parsed was meant for `exec`, whose failures mustn't look like its program's.
fn is_exec() -> bool {
    let matches = Arguments::command().ignore_errors(true).try_get_matches();
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("exec"))
}

/// Help, the version, or what is wrong with the command line.
fn not_a_command(answer: &clap::Error) -> ExitCode {
    match answer.print() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(exit::INTERNAL),
        _ => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(exit::INTERNAL)),
    }
}
