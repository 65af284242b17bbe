//! The built binary as a process, in an environment that holds nothing but what the test puts there.

use std::process::{Command, Output, Stdio};

/// The binary with these arguments, words separated by spaces; more can be added.
pub(crate) fn imds(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imds"));
    // The file of the machine that the tests run on is nobody's business.
    command.args(["--config", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/nothing.toml")]);
    command.args(line.split_whitespace()).env_clear().env("IMDS_NETWORK", "loopback").stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
