//! TLS, for the few services that are asked over it: endpoints that the user gave as `https://`, and services whose plain
//! port is switched off. A part of the cargo feature `tls`; without it, `absent` stands in, and nothing gets as far as to
//! need it.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod rustls;

#[cfg(not(feature = "tls"))]
pub(crate) use absent::Trust;
#[cfg(feature = "tls")]
pub(crate) use rustls::Trust;

/// Whether this build speaks it.
pub(crate) const SPOKEN: bool = cfg!(feature = "tls");
