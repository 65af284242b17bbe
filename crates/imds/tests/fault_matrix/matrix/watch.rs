//! Panics of any thread, and secrets in anything that is logged.

use std::fmt;
use std::sync::{Mutex, Once, PoisonError};

use imds_fake::SECRET_MARKER;
use tracing::field::{Field, Visit};
use tracing::span;

static MISHAPS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn report(mishap: String) {
    MISHAPS.lock().unwrap_or_else(PoisonError::into_inner).push(mishap);
}

pub(super) fn mishaps() -> Vec<String> {
    MISHAPS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// From now on.
pub(super) fn begin() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic.to_string());
            usual(panic);
        }));
        if tracing::subscriber::set_global_default(Log).is_err() {
            report("somebody else hears what is logged".to_owned());
        }
    });
}

/// Hears every event and span of every crate, at every level.
struct Log;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, name: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {name}={value:?}"));
    }
}

fn look(record: impl FnOnce(&mut Line)) {
    let mut line = Line(String::new());
    record(&mut line);
    if line.0.contains(SECRET_MARKER) {
        report(format!("logged: {}", line.0));
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        look(|line| span.record(line));
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        look(|line| values.record(line));
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        look(|line| event.record(line));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
