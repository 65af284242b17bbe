//! The link-local HTTP client: HTTP/1.1 to one service, inside the caller's deadline; over TLS only where that is told.
//!
//! It knows no proxy, no redirect and no cookie, and connects to nothing but the addresses that it was made with.
//!
//! | module | holds |
//! |---|---|
//! | [`endpoint`] | base URLs and addresses |
//! | [`policy`] | `IMDS_NETWORK`: which addresses may be connected to at all |
//! | [`connect`] | one connection, IPv4 and IPv6 raced |
//! | [`egress`] | how a connection leaves this machine: interface, source address, mark |
//! | [`exchange`] | requests over at most eight kept connections |
//! | [`retry`] | the retry table and the back-off |
//! | [`deadline`] | the time that is left |
//! | [`secret`] | text that is never printed |
//! | [`tls`] | who is trusted, where TLS is spoken |

pub(crate) mod connect;
pub(crate) mod deadline;
pub(crate) mod egress;
pub(crate) mod endpoint;
pub(crate) mod exchange;
pub(crate) mod policy;
pub(crate) mod retry;
pub(crate) mod secret;
pub(crate) mod tls;

pub(crate) use deadline::Deadline;
pub(crate) use egress::Egress;
pub(crate) use endpoint::Endpoint;
pub(crate) use exchange::{Answer, Exchange, Failure, Request};
pub use policy::Network;
pub(crate) use tls::Trust;
