//! What clients see on the wire: each vendor's documented behaviour, the faults, and the secrets' marker.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod aws;
mod azure;
mod client;
mod digitalocean;
mod faults;
mod gcp;
mod scenarios;
mod strangers;
