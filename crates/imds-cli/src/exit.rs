//! How a command ends. The codes are the model's (`imds::model::error::exit`), and so is the mapping from what went
//! wrong to a code (`ErrorKind::exit_code`); here is only what is not an error of the library.

use std::io;

use imds::Error;
pub(crate) use imds::model::error::exit::{DONE, INTERNAL, NO_CLOUD, UNREACHABLE};
use imds::model::{ErrorKind, Outcome};

/// `imds exec` itself failed, as `env` and `timeout` have it; any other code is its program's.
pub(crate) const EXEC_FAILED: u8 = 125;
/// The program of `imds exec` was found but can't be run (POSIX.1, "Exit Status for Commands").
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The program of `imds exec` wasn't found.
pub(crate) const NOT_FOUND: u8 = 127;
/// Added to the number of the signal that ended the program of `imds exec`.
#[cfg(unix)]
pub(crate) const SIGNAL: u8 = 128;

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It couldn't be had. The user hasn't been told yet.
    Error(Error),
    /// The result couldn't be written to stdout.
    Output(io::Error),
}

/// The code to end with, or why there is no result.
pub(crate) type Ending = Result<u8, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The code of a verdict.
pub(crate) fn of_outcome(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Cloud(_) => DONE,
        Outcome::None => NO_CLOUD,
        Outcome::Unknown => UNREACHABLE,
    }
}

/// An option, a variable or an argument that can't be used.
pub(crate) fn usage(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, message)
}
