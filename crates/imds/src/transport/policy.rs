//! Which addresses may be connected to at all.

use std::net::IpAddr;
use std::str::FromStr;

use imds_model::{Error, ErrorKind};

/// The network policy, `IMDS_NETWORK`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// Every address that the cloud's service or the user names.
    #[default]
    On,
    /// Loopback addresses only. For tests and demos that must never reach a real service.
    Loopback,
    /// None: only what the machine itself knows.
    Off,
}

impl Network {
    /// Checks an address before anything is sent to it.
    pub(crate) fn permit(self, address: IpAddr) -> Result<(), Error> {
        let (permitted, why) = match self {
            Self::On => (true, ""),
            Self::Loopback => {
                (address.to_canonical().is_loopback(), "only loopback addresses may be contacted")
            }
            Self::Off => (false, "the network may not be used"),
        };
        if permitted { Ok(()) } else { Err(self.refusal(&address.to_string(), why)) }
    }

    /// Checks that a name may be looked up: the resolver is outside loopback.
    pub(crate) fn permit_lookup(self, name: &str) -> Result<(), Error> {
        match self {
            Self::On => Ok(()),
            Self::Loopback => {
                Err(self.refusal(name, "only loopback addresses may be contacted, so no name is looked up"))
            }
            Self::Off => Err(self.refusal(name, "the network may not be used")),
        }
    }

    fn refusal(self, target: &str, why: &str) -> Error {
        Error::new(ErrorKind::NetworkForbidden, why).with_path(target).with_remedy(match self {
            Self::Off => "leave out --offline, or set IMDS_NETWORK=on",
            Self::On | Self::Loopback => "set IMDS_NETWORK=on to permit it",
        })
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "on" => Ok(Self::On),
            "loopback" => Ok(Self::Loopback),
            "off" => Ok(Self::Off),
            _ => Err(Error::new(ErrorKind::Usage, format!("{text:?} is none of on, loopback, off"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_means_loopback_in_every_spelling() {
        for (address, permitted) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("fd00:ec2::254", false),
            ("0.0.0.0", false),
        ] {
            assert_eq!(Network::Loopback.permit(address.parse().unwrap()).is_ok(), permitted, "{address}");
            assert!(Network::Off.permit(address.parse().unwrap()).is_err(), "{address}");
            assert!(Network::On.permit(address.parse().unwrap()).is_ok(), "{address}");
        }
    }
}
