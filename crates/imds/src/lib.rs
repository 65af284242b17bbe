//! Where am I running?
mod catalog;
mod client;
mod clouds;
pub mod config;
mod detect;
mod fetch;
pub mod machine;
pub mod otel;
mod secrets;
mod service;
mod transport;
mod volume;

pub use catalog::{CloudSummary, clouds};
pub use client::Client;
pub use config::{Config, ConfigBuilder};
pub use imds_model as model;
pub use imds_model::{Error, Field};
pub use transport::Network;
