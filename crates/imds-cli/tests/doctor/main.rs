//! `imds doctor`, a diagnosis at a time: what is wrong is put in place, and the real command has to name it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::panic,
    reason = "a test fails by panicking and says what it skips"
)]

mod house;
mod meddler;
mod network;
mod page;
mod sandboxes;
mod service;
mod surroundings;
