//! The listeners over real sockets: who is let in, what it costs the others, and what nobody gets.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod browsers;
mod callers;
mod crowds;
mod house;
mod part;
mod programs;
mod rude;
mod watchers;
