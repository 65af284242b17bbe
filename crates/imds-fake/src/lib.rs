//! Fake instance metadata services of the clouds ([`Cloud`]), over real HTTP/1.1.
//!
//! A [`Scenario`] is a ready-made machine: the documents its service hands out, the quirks of that service, and the
//! firmware the machine would show. A [`Fake`] serves one scenario on a socket, records every request, and misbehaves
//! on demand through a [`Fault`]. A [`Stranger`] is a host that answers on the metadata address without being a
//! metadata service at all. Dropping either stops it and closes its connections.
//!
//! ```
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use imds_fake::{Fake, Fault, Scenario};
//!
//! let mut scenario = Scenario::parse("azure:vmss-uniform-spot")?;
//! scenario.set("compute.vmId", "11111111-2222-4333-8444-555555555555")?;
//! let fake = Fake::start(scenario).await?;
//!
//! // Point a client at it …
//! for (name, value) in fake.exports() {
//!     println!("export {name}={value}");
//! }
//! // … let the first two requests for the instance document fail …
//! fake.inject("410:/metadata/instance:2".parse::<Fault>()?);
//! // … and look at what was asked.
//! assert!(fake.requests().is_empty());
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(demo()).unwrap();
//! ```
//!
//! Every secret a fake hands out (user data, credentials, tokens, keys, proofs of identity) contains
//! [`SECRET_MARKER`], so a test that searches a program's output for it proves whether a secret leaked.
//!
//! Where things are: `scenario` loads the files of the `scenarios` folder, which hold captured documents and no logic;
//! `clouds` answers one request from them, as pure functions, each cloud in a file of its own, with `tree`, `json_tree`,
//! `json_files` and `token` for what clouds have in common; `server` owns sockets, connections and long polls; `fault` says what
//! goes wrong and when, `misbehave` does it to an answer, and `stranger` is nothing but fault; `event` announces what clouds announce;
//! `control` gives other processes what [`Fake`] gives this one.

mod cloud;
mod clouds;
mod control;
mod document;
mod error;
mod event;
mod exchange;
mod fake;
mod fault;
mod json_files;
mod json_tree;
mod misbehave;
mod payload;
mod record;
mod request_path;
mod scenario;
mod scenarios;
mod server;
mod socket;
mod stranger;
mod task;
mod token;
mod tree;

pub use cloud::Cloud;
pub use control::Control;
pub use error::Error;
pub use event::{Event, EventKind};
pub use fake::Fake;
pub use fault::{Fault, FaultKind, InForce};
pub use record::Recorded;
pub use scenario::Scenario;
pub use stranger::{Behaviour, Stranger};

/// Text that stands in every secret value a fake serves: user data, credentials, tokens of every kind, SSH keys, proofs
/// of identity, GCP attributes that carry scripts or keys. It occurs in no other value.
pub const SECRET_MARKER: &str = "FAKE-SECRET";
