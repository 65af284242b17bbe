//! What clients see on the wire: each vendor's documented behaviour, the faults, and the secrets' marker.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod akamai;
mod alibaba;
mod aws;
mod azure;
mod client;
mod cloudstack;
mod control;
mod digitalocean;
mod exoscale;
mod faults;
mod gcp;
mod hetzner;
mod huawei;
mod ibm;
mod nodes;
mod openstack;
mod oracle;
mod outscale;
mod scaleway;
mod scenarios;
mod strangers;
mod tencent;
mod upcloud;
mod vultr;
mod yandex;
