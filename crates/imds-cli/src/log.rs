//! The log: what the library says about its steps, as lines on stderr.

use std::fmt::{self, Write as _};
use std::time::Instant;

use imds::Error;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::exit::usage;
use crate::messages::Messages;

/// What is logged when nobody says otherwise. Warnings aren't: what a user should hear comes with the results
/// (`Metadata::warnings`), while the log also has those of services that turned out not to be there.
pub(crate) const DEFAULT: LevelFilter = LevelFilter::ERROR;

/// The filter that a number of `-v` asks for.
pub(crate) fn verbosity(count: u8) -> LevelFilter {
    match count {
        0 => DEFAULT,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    }
}

/// A filter as it is written in `IMDS_LOG`: a level, or `target=level,…`.
pub(crate) fn filter(text: &str, origin: &str) -> Result<Targets, Error> {
    // A word that is no level would be taken for the name of a module, and silence everything.
    let known = |word: &str| {
        let level = word.rsplit('=').next().unwrap_or(word).trim();
        level.parse::<LevelFilter>().is_ok() && !level.chars().all(|c| c.is_ascii_digit())
    };
    let wrong = || {
        usage(format!("{text:?} is no log filter"))
            .with_path(origin)
            .with_remedy("write error, warn, info, debug or trace, or MODULE=LEVEL,…")
    };
    if !text.split(',').all(known) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// Starts the log of this process.
pub(crate) fn start(filter: Targets, messages: &Messages) {
    let most = filter.iter().map(|(_, level)| level).chain(filter.default_level()).max();
    let lines = Lines {
        filter,
        most: most.unwrap_or(LevelFilter::OFF),
        messages: messages.clone(),
        started: Instant::now(),
    };
    // An error means that the program already has a log; that one goes on.
    let _ = tracing::subscriber::set_global_default(lines);
}

/// Writes events: warnings as the program's own, the rest with their time and place. Spans, which nothing here has, are passed
/// over: a registry of them would cost every command 32 KiB before it does anything.
struct Lines {
    filter: Targets,
    most: LevelFilter,
    messages: Messages,
    started: Instant,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.filter.would_enable(metadata.target(), metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let text = text.message + &text.fields;
        match *event.metadata().level() {
            Level::WARN => self.messages.warning(&text, None),
            level => {
                let level = level.as_str().to_ascii_lowercase();
                let at = self.started.elapsed().as_secs_f64();
                self.messages.log(&format!("{level}: [{at:.3}s] {}: {text}", event.metadata().target()));
            }
        }
    }
}

/// An event as text: its message, then ` name=value` for everything else.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string can't fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_or_modules_with_levels() {
        for text in
            ["error", "warn", "info", "debug", "trace", "off", "imds=debug", "warn,imds::transport=trace"]
        {
            assert!(filter(text, "IMDS_LOG").is_ok(), "{text}");
        }
        for text in ["", "verbose", "3", "imds=loud", "warn,"] {
            let error = filter(text, "IMDS_LOG").unwrap_err();
            assert_eq!((error.kind().exit_code(), error.path()), (2, Some("IMDS_LOG")), "{text}");
        }
    }
}
