//! The command as users meet it: the built binary, against its own fake machines (`--fake`) and against fake services of
//! this process (`--endpoint`). Nothing here leaves loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cloud_files;
mod clouds;
mod config_file;
mod detect;
mod fake;
mod get;
mod harness;
mod network;
mod nodes;
mod output;
mod pages;
mod raw;
mod secrets;
mod show;
mod tags;
mod usage;
mod wait;
mod ways;
