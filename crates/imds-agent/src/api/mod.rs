//! What callers may ask, and what they are answered.
//!
//! A pure function from a request, its caller and what is known to a response: no socket, no clock but the age of values.
//! `openapi.json` beside this crate's sources writes the same down for people and programs; tests hold one to the other.
//!
//! | path | answer |
//! |---|---|
//! | `/v1/metadata` | everything that the caller may see, as `imds show --format json --sources` prints it |
//! | `/v1/metadata/FIELD` | one value, bare or as JSON: a field, `tags.Name`, `interfaces.0.mac` |
//! | `/v1/tags/KEY` | one tag's value; the key percent-encoded |
//! | `/v1/verdict` | where this machine runs and why, as `imds detect --format json` prints it |
//! | `/v1/events` | events that are announced for this machine |
//! | `/v1/watch` | changes and events as they come (server-sent events) |
//! | `/v1/openapi.json` | this table for programs |
//! | `/healthz`, `/readyz` | whether the process works; whether metadata is there |
//!
//! [`access`] says who may see what, [`route`] reads paths, [`negotiation`] reads `Accept` and `If-None-Match`, [`refusal`]
//! holds the errors, [`answer`] builds the bodies, `rendered` keeps the one that is the same for many, [`watch`] the stream and [`announcements`] the events.

pub mod access;
pub mod announcements;
pub mod answer;
pub mod negotiation;
pub mod refusal;
mod rendered;
pub mod route;
pub mod watch;

pub use access::{Access, Caller, Who};
pub use announcements::{Announced, Announcements};
pub use answer::{Api, Reply, Request};
pub use refusal::Refusal;
pub use route::Route;
pub use watch::Watch;
