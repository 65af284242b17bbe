//! Where am I running? Detects the cloud under a machine and reads its instance metadata, the way that cloud wants it
//! read.
//!
//! ```no_run
//! # async fn example() -> Result<(), imds::Error> {
//! use imds::{Client, Config, Field, machine::Environment};
//! let client = Client::new(Config::builder(Environment::of_this_process()).build()?);
//! println!("{}", client.detect().await.outcome);
//! let metadata = client.read(Field::ALL).await?;
//! println!("{:?}", metadata.text(Field::InstanceId));
//! # Ok(())
//! # }
//! ```
//!
//! The way of a value: evidence → verdict → fields wanted → documents needed → stages of requests → values with their
//! sources → snapshot.
//!
//! | you want | use |
//! |---|---|
//! | to ask now and then | [`Client`], or [`blocking::Client`] without a runtime |
//! | metadata always at hand, kept fresh | [`LiveProvider`], through the trait [`Provider`] |
//! | the same for a whole process, in one line | [`global`] |
//! | a provider for your own tests | [`testing::MockProvider`] (feature `testing`) |
//! | what a running agent knows already | [`agent`] |
//! | to count requests for metrics | [`observer`] |
//! | attributes for telemetry | [`otel`] |
//! | to know why there is no metadata | `doctor` (feature `doctor`) |
//! | to hear what happens to the machine | [`Client::event_paths`] and [`Client::event_document`] |
//!
//! It never uses a proxy, never follows a redirect, asks for no secret, and keeps every promise within its deadline.

pub mod agent;
pub mod blocking;
mod catalog;
mod cell;
mod client;
mod clouds;
pub mod config;
mod detect;
#[cfg(feature = "doctor")]
pub mod doctor;
mod events;
mod fetch;
pub mod global;
mod imdsd;
pub mod machine;
pub mod observer;
pub mod otel;
mod provider;
mod secrets;
mod service;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;
mod volume;

pub use catalog::{
    CloudDetails, CloudSummary, DocumentDetails, EventDetails, ItemDetails, PlaceDetails, Sign, TokenDetails,
    clouds, matrix, nodes,
};
pub use client::Client;
pub use config::{Config, ConfigBuilder};
pub use events::{EventAnswer, EventKind, EventPath, Waiting};
pub use imds_model as model;
pub use imds_model::{
    CloudName, Confidence, Disk, Error, ErrorKind, Evidence, Field, Interface, Metadata, Outcome, Reading,
    Selector, Source, Tags, Value, Verdict,
};
pub use imdsd::SOCKET as IMDSD_SOCKET;
pub use provider::{Change, Changes, LiveProvider, Provider, Reader, RefreshPolicy, Refreshing};
pub use secrets::path_class;
pub use transport::Network;
