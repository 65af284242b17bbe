//! `imds agent` as a user meets it: the real command in a directory of its own, against services on loopback.
#![cfg(all(unix, feature = "agent", feature = "fake"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod check;
mod command;
mod daemon;
mod files;
#[path = "../folder/mod.rs"]
mod folder;
mod hooks;
mod processes;
mod restart;
