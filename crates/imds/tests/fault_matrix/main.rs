//! Every cloud, struck by every fault, is held to what has to come of it; and docs/faults.md says what does.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking; the table is to be seen where it does"
)]

use std::path::Path;
use std::sync::LazyLock;

mod matrix;

/// Worked out once for all tests here: the complaints, and the page.
static RESULT: LazyLock<(Vec<String>, String)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cells = runtime.block_on(matrix::run());
    (matrix::complaints(&cells), matrix::page(&cells))
});

#[test]
fn every_fault_comes_to_the_right_end_at_every_cloud() {
    let (complaints, page) = &*RESULT;
    println!("{page}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_page_says_what_comes_of_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    let committed = std::fs::read_to_string(path).unwrap();
    let changed: Vec<&str> =
        RESULT.1.lines().filter(|line| !committed.lines().any(|old| old == *line)).collect();
    assert!(
        committed == RESULT.1,
        "docs/faults.md isn't current; run `cargo run -p imds --all-features --example fault_pages`:\n{}",
        changed.join("\n")
    );
}
