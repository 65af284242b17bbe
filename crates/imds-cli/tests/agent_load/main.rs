//! The running agent among many callers, rude callers and web pages: what they cost the service and each other.
//!
//! | module | holds |
//! |---|---|
//! | `running` | the command itself, started with a service of its own |
//! | `caller` | a caller that writes what it is told to |
//! | `readers` | many readers cost the service one refresh |
//! | `attackers` | whoever misbehaves harms no other user |
//! | `browser` | a web page in a real browser reads nothing |
#![cfg(all(target_os = "linux", feature = "agent"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and says what it skips"
)]

mod attackers;
mod browser;
mod caller;
#[path = "../folder/mod.rs"]
mod folder;
mod readers;
mod running;
