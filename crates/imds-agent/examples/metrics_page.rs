//! Prints `docs/metrics.md`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().lock().write_all(imds_agent::metrics::reference::page().as_bytes())
}
