//! The closed set of things that can be done to a text.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::description::Transform;

impl Transform {
    /// The transformed text; nothing where the text isn't of the expected form.
    pub(crate) fn apply(self, text: &str) -> Option<&str> {
        let last = text.rsplit('/').next().unwrap_or(text);
        let result = match self {
            Self::LastSegment => last,
            Self::ZoneToRegion => last.rsplit_once('-').map(|(region, _)| region)?,
            Self::LocationToRegion if is_zone(text) => last.rsplit_once('-').map(|(region, _)| region)?,
            Self::LocationToRegion => last,
            Self::LocationToZone => is_zone(text).then_some(last)?,
            Self::FirstWord => text.split_whitespace().next()?,
            Self::GroupManager => text.split_once("/instanceGroupManagers/")?.1.split('/').next()?,
            Self::ZoneWithoutLetter => {
                let region = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
                match region.rsplit_once('-') {
                    Some((region, number)) if number.len() == 2 && number.starts_with('0') => region,
                    Some((_, number)) if !number.is_empty() => region,
                    _ => return None,
                }
            }
            Self::CrnAccount => text.split(':').find_map(|part| part.strip_prefix("a/"))?,
            Self::ArnAccount => arn_part(text, 4)?,
            Self::ArnRegion => arn_part(text, 3)?,
            Self::PrivateAddress => address_where(text, true)?,
            Self::PublicAddress => address_where(text, false)?,
        };
        (!result.is_empty()).then_some(result)
    }
}

/// Whether a location of Google's is a zone: it says so in its full name, or ends in a letter, which no region does.
fn is_zone(text: &str) -> bool {
    text.contains("/zones/") || (text.ends_with(|c: char| c.is_ascii_lowercase()) && text.contains('-'))
}

fn arn_part(text: &str, index: usize) -> Option<&str> {
    text.strip_prefix("arn:")?;
    text.split(':').nth(index)
}

/// The IPv4 address where it is, or isn't, one that no router outside the provider's network would take.
fn address_where(text: &str, private: bool) -> Option<&str> {
    let text = without_prefix(text);
    let address: Ipv4Addr = text.parse().ok()?;
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let is_private = address.is_private() || address.is_link_local() || address.is_loopback() || shared;
    (is_private == private).then_some(text)
}

/// A MAC address in lower case with colons, from any usual spelling.
pub(crate) fn mac(text: &str) -> Option<String> {
    let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    if digits.len() != 12 || !digits.iter().all(char::is_ascii_hexdigit) {
        return None;
    }
    let pairs: Vec<String> =
        digits.chunks(2).map(|pair| pair.iter().collect::<String>().to_ascii_lowercase()).collect();
    Some(pairs.join(":"))
}

/// An IPv4 address, without a prefix length.
pub(crate) fn ipv4(text: &str) -> Option<String> {
    let address: Ipv4Addr = without_prefix(text).parse().ok()?;
    Some(address.to_string())
}

/// An IPv6 address in its canonical spelling (RFC 5952), without brackets and prefix length.
pub(crate) fn ipv6(text: &str) -> Option<String> {
    let text = without_prefix(text);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address: Ipv6Addr = bare.parse().ok()?;
    Some(address.to_string())
}

fn without_prefix(text: &str) -> &str {
    let text = text.trim();
    text.split_once('/').map_or(text, |(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_take_only_what_they_expect() {
        for (transform, text, expected) in [
            (Transform::LastSegment, "projects/1/machineTypes/n2-standard-4", Some("n2-standard-4")),
            (Transform::LastSegment, "plain", Some("plain")),
            (Transform::LastSegment, "ends/", None),
            (Transform::ZoneToRegion, "projects/1/zones/europe-west4-b", Some("europe-west4")),
            (Transform::ZoneToRegion, "us-central1-ai1a", Some("us-central1")),
            (Transform::ZoneToRegion, "nozone", None),
            (Transform::LocationToRegion, "projects/1/zones/europe-west4-b", Some("europe-west4")),
            (Transform::LocationToRegion, "europe-west4-b", Some("europe-west4")),
            (Transform::LocationToRegion, "us-central1-ai1a", Some("us-central1")),
            (Transform::LocationToRegion, "u-france-east1", Some("u-france-east1")),
            (Transform::LocationToRegion, "", None),
            (Transform::LocationToZone, "projects/1/zones/europe-west4-b", Some("europe-west4-b")),
            (Transform::LocationToZone, "europe-west4-b", Some("europe-west4-b")),
            (Transform::LocationToZone, "europe-west4", None),
            (Transform::LocationToZone, "somewhere", None),
            (Transform::FirstWord, "a.example b.example", Some("a.example")),
            (Transform::FirstWord, "  ", None),
            (Transform::GroupManager, "projects/1/regions/r/instanceGroupManagers/web", Some("web")),
            (Transform::GroupManager, "projects/1/zones/z/instanceGroupManagers/", None),
            (Transform::GroupManager, "somebody", None),
            (Transform::ZoneWithoutLetter, "eu-west-101a", Some("eu-west-101")),
            (Transform::ZoneWithoutLetter, "eu-west-101", Some("eu-west-101")),
            (Transform::ZoneWithoutLetter, "eu-de-01", Some("eu-de")),
            (Transform::ZoneWithoutLetter, "nova", None),
            (
                Transform::CrnAccount,
                "crn:v1:bluemix:public:is:us-south-1:a/1234567890abcdef::instance:0717",
                Some("1234567890abcdef"),
            ),
            (Transform::CrnAccount, "crn:v1:x", None),
            (Transform::ArnAccount, "arn:aws:ecs:eu-west-1:210987654321:task/shop/1", Some("210987654321")),
            (Transform::ArnRegion, "arn:aws:ecs:eu-west-1:210987654321:task/shop/1", Some("eu-west-1")),
            (Transform::ArnRegion, "shop", None),
            (Transform::PrivateAddress, "192.168.139.20/32", Some("192.168.139.20")),
            (Transform::PrivateAddress, "100.64.0.1", Some("100.64.0.1")),
            (Transform::PrivateAddress, "203.0.113.14", None),
            (Transform::PublicAddress, "203.0.113.14/32", Some("203.0.113.14")),
            (Transform::PublicAddress, "100.128.0.1", Some("100.128.0.1")),
            (Transform::PublicAddress, "10.0.0.1", None),
            (Transform::PublicAddress, "", None),
        ] {
            assert_eq!(transform.apply(text), expected, "{transform:?} {text}");
        }
    }

    #[test]
    fn addresses_are_spelled_one_way() {
        for text in ["000D3A1B2C3D", "00:0d:3A:1b:2c:3d", "00-0D-3A-1B-2C-3D", "000d.3a1b.2c3d"] {
            assert_eq!(mac(text).as_deref(), Some("00:0d:3a:1b:2c:3d"));
        }
        for text in ["", "000D3A1B2C", "000D3A1B2C3G", "éééééé"] {
            assert_eq!(mac(text), None);
        }
        assert_eq!(
            ipv6("2001:0DB8:0003:00D0:0000:0000:0ABC:1001").as_deref(),
            Some("2001:db8:3:d0::abc:1001")
        );
        assert_eq!(ipv6("[2001:db8::1]").as_deref(), Some("2001:db8::1"));
        assert_eq!(ipv6("2001:db8::/96").as_deref(), Some("2001:db8::"));
        assert_eq!(ipv4("10.0.0.1/20").as_deref(), Some("10.0.0.1"));
        assert_eq!((ipv4("10.0.0"), ipv6("10.0.0.1")), (None, None));
    }
}
