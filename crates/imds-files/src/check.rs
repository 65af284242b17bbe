//! The user's own check of a new file, before the old one is replaced.

use std::io;
use std::path::{self, Path};
use std::process::{Command, Stdio};

use imds_model::{Error, ErrorKind};

use super::usage;

/// The words of a command line. Quotes and backslashes are those of a shell; nothing else of a shell is.
///
/// # Errors
/// `ErrorKind::Usage` for a quote that doesn't end, and for no words.
pub fn words(command: &str) -> Result<Vec<String>, Error> {
    let wrong = |why: &str| {
        usage(why)
            .with_path("--check")
            .with_remedy("write a program and its arguments; the new file's path is added as the last one")
    };
    match shlex::split(command) {
        Some(words) if words.is_empty() => Err(wrong("this is no command")),
        Some(words) => Ok(words),
        None => Err(wrong("a quote in the command has no end")),
    }
}

/// Runs the command with the file's path as its last argument. What it prints goes to stderr: stdout is for results.
///
/// # Errors
/// `ErrorKind::Internal` when it can't be run, or ends with anything but success.
pub(super) fn run(command: &[String], file: &Path) -> Result<(), Error> {
    let failed = |why: String| Error::new(ErrorKind::Internal, why).with_path("--check");
    let Some((program, arguments)) = command.split_first() else {
        return Err(failed("there is no command".to_owned()));
    };
    // An absolute path can't be taken for an option.
    let file = path::absolute(file).map_err(|error| failed(format!("the new file has no path: {error}")))?;
    let status = Command::new(program)
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .map_err(|error| failed(format!("{program} can't be run: {error}")).with_source(error))?;
    if status.success() {
        return Ok(());
    }
    Err(failed(format!("{program} refuses the new file ({status}); the old one stays")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_into_words_without_a_shell() {
        assert_eq!(words("nginx -t -c").unwrap(), ["nginx", "-t", "-c"]);
        assert_eq!(words(r#"a 'b c' "d e" f\ g $HOME *"#).unwrap(), ["a", "b c", "d e", "f g", "$HOME", "*"]);
        for wrong in ["", "  ", "a 'b"] {
            let error = words(wrong).unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::Usage, Some("--check")), "{wrong}");
        }
    }
}
