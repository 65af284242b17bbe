//! What is said about the results: on stderr, each thing once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use imds::Error;
use imds::machine::Environment;
use imds::model::{ErrorKind, Source};

use crate::args::{Color, Global};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Speaks to the user. Cheap to clone; clones share the memory of what was said.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    colored: bool,
    quiet: bool,
    /// What was said, and when.
    said: Arc<Mutex<BTreeMap<String, Instant>>>,
    /// After this long the same may be said again; never where nothing is said of it.
    again: Option<Duration>,
}

impl Messages {
    /// By `--color`, `--quiet`, `NO_COLOR` and `TERM`.
    pub(crate) fn new(arguments: &Global, environment: &Environment) -> Self {
        let plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
        // Consoles of old Windows versions print escape sequences as they are.
        let able = !plain && (cfg!(unix) || environment.get("WT_SESSION").is_some());
        let colored = match arguments.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => able && io::stderr().is_terminal(),
        };
        Self { colored, quiet: arguments.quiet, said: Arc::default(), again: None }
    }

    /// For a program that runs for months: what is said again after this time is news again.
    #[cfg(all(unix, feature = "agent"))]
    pub(crate) fn of_a_daemon(&self, again: Duration) -> Self {
        Self { again: Some(again), ..self.clone() }
    }

    /// Says why there is no result.
    pub(crate) fn error(&self, error: &Error) {
        self.failed(&[], error);
    }

    /// Says why there is no result, where that is no error of the library.
    pub(crate) fn failure(&self, text: &str) {
        self.say(ERROR, "", text, None);
    }

    /// Says what prevents the result, and what can be done.
    pub(crate) fn problem(&self, text: &str, remedy: Option<&str>) {
        self.say(ERROR, "", text, remedy);
    }

    /// Says why these fields can't be had.
    pub(crate) fn failed(&self, fields: &[String], error: &Error) {
        let about = about(fields, error);
        self.say(ERROR, "", &format!("{about}{error}"), error.remedy());
    }

    /// Says something that the user should know, but that didn't prevent the result.
    pub(crate) fn warning(&self, text: &str, remedy: Option<&str>) {
        if !self.quiet {
            self.say(WARNING, "warning: ", text, remedy);
        }
    }

    /// Warns that these fields couldn't be read.
    pub(crate) fn left_out(&self, fields: &[String], error: &Error) {
        self.warning(&format!("{}{error}", about(fields, error)), error.remedy());
    }

    /// Warns that a value is printed although reading it went wrong.
    pub(crate) fn doubtful(&self, field: &str, source: &Source, error: &Error) {
        let how = match source {
            Source::Firmware(_) => "is what firmware says, because",
            _ => "may be old or incomplete, because",
        };
        self.warning(&format!("{field} {how} {error}"), error.remedy());
    }

    /// Says a plain line, unless the user wants quiet.
    #[cfg(feature = "fake")]
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.write(&format!("imds: {}\n", visible(text)));
        }
    }

    /// Writes a line of the log.
    pub(crate) fn log(&self, line: &str) {
        self.write(&format!("imds: {}\n", visible(line)));
    }

    fn say(&self, style: Style, label: &str, text: &str, remedy: Option<&str>) {
        if !self.is_news(text, Instant::now()) {
            return;
        }
        let (style, hint) = if self.colored { (style, HINT) } else { (Style::new(), Style::new()) };
        let mut message = format!("{style}imds: {label}{style:#}{}\n", visible(text));
        if let Some(remedy) = remedy {
            message.push_str(&format!("  {hint}hint:{hint:#} {}\n", visible(remedy)));
        }
        self.write(&message);
    }

    /// Whether this wasn't said yet, or long ago; takes note of it.
    fn is_news(&self, text: &str, now: Instant) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = self.again {
            // So that texts with changing words in them don't fill the memory.
            said.retain(|_, at| now.saturating_duration_since(*at) < again);
        }
        match said.entry(text.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(now);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    fn write(&self, text: &str) {
        // Nobody could be told that stderr can't be written to.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// The fields that an error is about, where the error doesn't say so itself.
fn about(fields: &[String], error: &Error) -> String {
    if fields.is_empty() || error.kind() == ErrorKind::Absent {
        String::new()
    } else {
        fields.join(", ") + ": "
    }
}

/// The same errors together, with all their fields, in the order of first appearance.
pub(crate) fn grouped(failures: impl IntoIterator<Item = (String, Error)>) -> Vec<(Vec<String>, Error)> {
    let mut groups: Vec<(Vec<String>, Error)> = Vec::new();
    for (field, error) in failures {
        match groups.iter_mut().find(|(_, known)| *known == error) {
            Some((fields, _)) => fields.push(field),
            None => groups.push((vec![field], error)),
        }
    }
    groups
}

/// Text that can't steer a terminal: what a service answered may hold anything.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_is_said_once_for_all_its_fields() {
        let slow = Error::new(ErrorKind::TimedOut, "no answer");
        let gone = Error::new(ErrorKind::Gone, "gone");
        let failures = [("a", &slow), ("b", &gone), ("c", &slow)];
        let groups = grouped(failures.map(|(field, error)| (field.to_owned(), error.clone())));
        assert_eq!(groups, [(vec!["a".to_owned(), "c".to_owned()], slow), (vec!["b".to_owned()], gone)]);
    }

    #[test]
    fn a_command_says_a_thing_once_and_a_daemon_again_after_its_time() {
        let command = Messages { colored: false, quiet: false, said: Arc::default(), again: None };
        let hour = Duration::from_secs(3600);
        let start = Instant::now();
        let news = |messages: &Messages, after: Duration| messages.is_news("it fails", start + after);
        assert!(news(&command, Duration::ZERO) && !news(&command, 24 * hour));
        let daemon = Messages { said: Arc::default(), again: Some(hour), ..command };
        assert!(news(&daemon, Duration::ZERO) && !news(&daemon, hour / 2), "not within the hour");
        assert!(news(&daemon, hour), "it was said long ago");
        assert!(!news(&daemon, hour + hour / 2));
    }

    #[test]
    fn nothing_can_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\nc é"), "a\\u{1b}[31mb\\nc é");
    }
}
