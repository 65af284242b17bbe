//! The command at the services' real addresses, inside network namespaces that each test makes for itself: real routes, real
//! silence, and nothing that leaves.
//!
//! Everything a test makes belongs to namespaces of its own (network, mounts, processes), which go when its script ends, or
//! when the test is killed: no interface, process or file stays behind, and tests don't see each other.
//!
//! A machine that may not make namespaces skips these tests and says so; with `IMDS_CI_NAMESPACES=required` they fail instead.
//! So do those that filter or count packets where nftables is missing, with `IMDS_CI_NFTABLES=required`. `.ci/run` sets each
//! where it can be had.
//!
//! | module | holds |
//! |---|---|
//! | [`script`] | how a test runs: the namespaces, and the words that scripts are written in |
//! | [`addresses`] | the services' own addresses, over IPv4, IPv6 and both |
//! | [`routes`] | no route, routes that refuse, silence |
//! | [`hops`] | a router on which the token's reply ends, by its TTL |
//! | [`ways`] | interfaces, source addresses, marks |
//! | [`weather`] | delay, loss, rate limits |
//! | [`later`] | networks that come up after the program has started |
//! | [`locked`] | a service that systemd-imdsd keeps to itself; [`imdsd`] stands in for it |
//! | [`packets`] | how many packets detection costs |
#![cfg(all(target_os = "linux", feature = "fake", feature = "agent"))]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    reason = "a test fails by panicking and says what it skips"
)]

mod addresses;
mod hops;
#[cfg(feature = "varlink")]
mod imdsd;
mod later;
#[cfg(feature = "varlink")]
mod locked;
mod packets;
mod routes;
mod script;
mod ways;
mod weather;
