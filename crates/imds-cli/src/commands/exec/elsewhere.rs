//! The program where there are no signals: it runs, and its status is ours.

use std::io;
use std::pin::pin;
use std::process::Command;

use imds::Error;

use crate::exit;

/// Why there is no status.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The program can't be started.
    Start(io::Error),
    /// It runs, but can't be waited for.
    Wait(io::Error),
}

/// There are none here; Ctrl-C ends this process before the program runs, and is the program's after that.
#[derive(Debug)]
pub(super) struct Signals;

impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "where there are signals this can fail")]
    pub(super) fn listen() -> Result<Self, Error> {
        Ok(Self)
    }

    /// Never: nothing comes.
    pub(super) async fn ending(&mut self) -> u8 {
        std::future::pending().await
    }
}

/// Runs the program to its end; gives its code.
pub(super) async fn run(mut command: Command, _signals: &mut Signals) -> Result<u8, Trouble> {
    let mut child = command.spawn().map_err(Trouble::Start)?;
    let mut ended = pin!(tokio::task::spawn_blocking(move || child.wait()));
    let status = loop {
        tokio::select! {
            ended = &mut ended => break ended.map_err(io::Error::other).flatten().map_err(Trouble::Wait)?,
            // The console sends it to the program as well, which decides.
            Ok(()) = tokio::signal::ctrl_c() => {}
        }
    };
    // Codes of other systems have 32 bits, ours has 8: what doesn't fit is at least no success.
    Ok(status.code().map_or(exit::EXEC_FAILED, |code| u8::try_from(code).unwrap_or(u8::MAX)))
}
