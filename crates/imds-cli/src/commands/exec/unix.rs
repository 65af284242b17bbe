//! The program as a child of ours: signals go down to it, its status comes up.
//!
//! | signal | what is done |
//! |---|---|
//! | TERM, HUP, USR1, USR2, CONT | passed on |
//! | INT, QUIT, WINCH | passed on, unless they come from the terminal, which sends them to the child as well |
//! | CHLD | every dead child is buried, adopted ones too; when the program itself is dead, so are we |
//! | TSTP, TTIN, TTOU | not touched: the terminal stops and continues us and the child together |
//!
//! A signal that was ignored when we started stays ignored, here and in the child: that is how `nohup` works.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::task::{Context, Poll};

use imds::Error;
use imds::model::ErrorKind;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpgrp, getpid, getsid, kill_process, kill_process_group, wait,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use tokio::signal::unix::{self, SignalKind};

use crate::exit;

/// What is passed on to the child.
const FORWARDED: [Signal; 8] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::CONT,
];

/// Why there is no status.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The program can't be started.
    Start(io::Error),
    /// It runs, but can't be waited for.
    Wait(io::Error),
}

/// The signals that we receive.
#[derive(Debug)]
pub(super) struct Signals {
    children: unix::Signal,
    forwarded: Vec<(Signal, unix::Signal)>,
}

/// What came.
enum Event {
    /// A child may have ended.
    Child,
    /// A signal to pass on.
    Signal(Signal),
}

impl Signals {
    /// From now on they are ours.
    pub(super) fn listen() -> Result<Self, Error> {
        let listen = |signal: Signal| {
            unix::signal(SignalKind::from_raw(signal.as_raw())).map_err(|error| {
                Error::new(ErrorKind::Internal, "signals can't be listened to").with_source(error)
            })
        };
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let mut forwarded = Vec::new();
        for signal in FORWARDED.into_iter().filter(|signal| ignored & bit(*signal) == 0) {
            forwarded.push((signal, listen(signal)?));
        }
        Ok(Self { children: listen(Signal::CHILD)?, forwarded })
    }

    /// Until a signal comes that would end this process; gives the code to end with.
    pub(super) async fn ending(&mut self) -> u8 {
        loop {
            match self.next().await {
                Event::Child | Event::Signal(Signal::WINCH | Signal::CONT) => {}
                Event::Signal(signal) => return of_signal(signal.as_raw()),
            }
        }
    }

    async fn next(&mut self) -> Event {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        // A signal that came before the child's end is delivered before it is noticed.
        for (signal, stream) in &mut self.forwarded {
            if stream.poll_recv(context).is_ready() {
                return Poll::Ready(Event::Signal(*signal));
            }
        }
        self.children.poll_recv(context).map(|_| Event::Child)
    }
}

/// Runs the program to its end; gives its code as a shell would.
pub(super) async fn run(mut command: Command, signals: &mut Signals) -> Result<u8, Trouble> {
    let lead = Lead::of_this_session();
    if lead.is_some() {
        command.process_group(0);
    }
    let child = command.spawn().map_err(Trouble::Start)?;
    let child = Pid::from_child(&child);
    if let Some(lead) = &lead {
        lead.hand_over(child);
    }
    loop {
        match signals.next().await {
            Event::Child => {
                if let Some(status) = bury(child).map_err(Trouble::Wait)? {
                    return Ok(code(status));
                }
            }
            Event::Signal(signal) if lead.is_none() && comes_from_the_terminal(signal) => {}
            // A child of another user can't be reached; there is nobody else to tell.
            Event::Signal(signal) => {
                let _ = kill_process(child, signal);
            }
        }
    }
}

/// Takes the status of everything that is dead: the child, and orphans that were given to us. The child's, if it is.
fn bury(child: Pid) -> io::Result<Option<WaitStatus>> {
    while let Some((dead, status)) = wait(WaitOptions::NOHANG)? {
        if dead == child {
            return Ok(Some(status));
        }
    }
    Ok(None)
}

fn code(status: WaitStatus) -> u8 {
    match status.terminating_signal() {
        Some(signal) => of_signal(signal),
        // Only eight bits of a status ever reach a parent.
        None => status.exit_status().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::EXEC_FAILED),
    }
}

fn of_signal(signal: i32) -> u8 {
    exit::SIGNAL.saturating_add(u8::try_from(signal).unwrap_or_default())
}

/// A terminal whose session we lead, as PID 1 of `docker run -it` does. The child gets a process group of its own there,
/// and the terminal: then what the terminal sends reaches only the child, and what reaches us was meant for it.
struct Lead(File);

impl Lead {
    fn of_this_session() -> Option<Self> {
        let terminal = terminal()?;
        let leads = getsid(None) == Ok(getpid()) && tcgetpgrp(&terminal) == Ok(getpgrp());
        leads.then_some(Self(terminal))
    }

    fn hand_over(&self, child: Pid) {
        // A child that is already dead needs no terminal. One that was too quick, and was stopped for reading before the
        // terminal was its own, goes on.
        if tcsetpgrp(&self.0, child).is_ok() {
            let _ = kill_process_group(child, Signal::CONT);
        }
    }
}

/// Whether the terminal sends it to the whole foreground group, and so to the child too.
fn comes_from_the_terminal(signal: Signal) -> bool {
    matches!(signal, Signal::INT | Signal::QUIT | Signal::WINCH)
        && terminal().is_some_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}

/// The terminal of this session, if it has one.
fn terminal() -> Option<File> {
    File::options().read(true).write(true).open("/dev/tty").ok()
}

/// The signals that this process ignores, one bit each, by Linux' proc(5). Elsewhere nothing says it without `unsafe`.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn bit(signal: Signal) -> u64 {
    u32::try_from(signal.as_raw() - 1).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_kernels_mask() {
        let status =
            "Name:\timds\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        let ignored = ignored(status);
        assert_eq!(ignored & bit(Signal::HUP), bit(Signal::HUP));
        assert_eq!(ignored & bit(Signal::PIPE), bit(Signal::PIPE));
        assert_eq!(ignored & bit(Signal::TERM), 0);
        assert_eq!(super::ignored(""), 0);
    }

    #[test]
    fn a_signal_is_told_as_a_shell_does() {
        assert_eq!((of_signal(9), of_signal(15)), (137, 143));
    }
}
