//! The value of `OTEL_RESOURCE_ATTRIBUTES`.

use imds::model::Metadata;
use imds::otel::resource_attributes;

/// `cloud.provider=aws,cloud.region=eu-west-1,…`, percent-encoded as the OpenTelemetry specification ("Resource SDK",
/// "Specifying resource information via an environment variable") wants it: what isn't a W3C baggage octet, and `=`, `,`
/// and `%`.
pub(crate) fn otel(metadata: &Metadata) -> String {
    let pairs = resource_attributes(metadata).into_iter();
    pairs.map(|(key, value)| format!("{key}={}", encoded(&value))).collect::<Vec<_>>().join(",")
}

fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        let plain = byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\' | b'=' | b'%');
        if plain { text.push(char::from(byte)) } else { text.push_str(&format!("%{byte:02X}")) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_value_is_encoded() {
        assert_eq!(encoded("/a-b_c:d"), "/a-b_c:d");
        assert_eq!(encoded("a,b=c;d%e f\"g\\h"), "a%2Cb%3Dc%3Bd%25e%20f%22g%5Ch");
        assert_eq!(encoded("Zoë"), "Zo%C3%AB");
    }
}
