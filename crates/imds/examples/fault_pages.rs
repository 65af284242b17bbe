//! Strikes every cloud's fake service with every fault and writes down what comes of it, as docs/faults.md:
//! `cargo run -p imds --all-features --example fault_pages`. A test fails where the page isn't what this writes.

use std::io;
use std::path::Path;

#[path = "../tests/fault_matrix/matrix/mod.rs"]
mod matrix;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let cells = runtime.block_on(matrix::run());
    let complaints = matrix::complaints(&cells);
    if !complaints.is_empty() {
        return Err(io::Error::other(complaints.join("\n")));
    }
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md"), matrix::page(&cells))
}
