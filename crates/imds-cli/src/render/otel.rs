//! The value of `OTEL_RESOURCE_ATTRIBUTES`.

use std::collections::BTreeSet;

/// Attributes, with their values.
type Attributes = Vec<(&'static str, String)>;

/// `cloud.provider=aws,cloud.region=eu-west-1,…`, percent-encoded as the OpenTelemetry specification ("Resource SDK",
/// "Specifying resource information via an environment variable") wants it: what isn't a W3C baggage octet, and `=`, `,`
/// and `%`.
pub(crate) fn otel(attributes: Attributes) -> String {
    attributes.into_iter().map(|(key, value)| pair(key, &value)).collect::<Vec<_>>().join(",")
}

/// What is set already, as it is, and after it the attributes that it doesn't have.
///
/// # Errors
/// What is wrong with the text that is set: readers drop the whole of it then, so nothing can be added.
pub(crate) fn merged(existing: &str, attributes: Attributes) -> Result<String, String> {
    let mut set = BTreeSet::new();
    let mut pairs: Vec<String> = Vec::new();
    for text in existing.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no ="))?;
        let key = decoded(key.trim()).ok_or_else(|| format!("{text:?} has a % without two digits"))?;
        decoded(value).ok_or_else(|| format!("{text:?} has a % without two digits"))?;
        if key.is_empty() {
            return Err(format!("{text:?} has no key"));
        }
        set.insert(key);
        pairs.push(text.to_owned());
    }
    for (key, value) in attributes {
        if !set.contains(key.as_bytes()) {
            pairs.push(pair(key, &value));
        }
    }
    Ok(pairs.join(","))
}

fn pair(key: &str, value: &str) -> String {
    format!("{key}={}", encoded(value))
}

/// What percent-encoded text means; nothing where a `%` isn't followed by two hexadecimal digits.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            plain => plain,
        });
    }
    Some(decoded)
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

    fn in_a_region() -> Attributes {
        vec![("cloud.provider", "aws".to_owned()), ("cloud.region", "eu-west-1".to_owned())]
    }

    #[test]
    fn what_the_user_set_wins_key_by_key() {
        for (existing, expected) in [
            ("", "cloud.provider=aws,cloud.region=eu-west-1"),
            (" , ", "cloud.provider=aws,cloud.region=eu-west-1"),
            ("service.name=a%20b", "service.name=a%20b,cloud.provider=aws,cloud.region=eu-west-1"),
            ("cloud.region=here , x=1,", "cloud.region=here,x=1,cloud.provider=aws"),
            ("cloud%2Eregion=here", "cloud%2Eregion=here,cloud.provider=aws"),
            ("cloud.provider=,cloud.region=x=y", "cloud.provider=,cloud.region=x=y"),
        ] {
            let merged = merged(existing, in_a_region());
            assert_eq!(merged.as_deref(), Ok(expected), "{existing}");
        }
    }

    #[test]
    fn nothing_is_added_to_text_that_no_reader_takes() {
        for (existing, reason) in [
            ("service.name", "has no ="),
            ("a=1,b", "\"b\" has no ="),
            ("=x", "has no key"),
            ("a=100%", "two digits"),
            ("a=%zz", "two digits"),
            ("a%2=x", "two digits"),
        ] {
            let error = merged(existing, in_a_region()).unwrap_err();
            assert!(error.contains(reason), "{existing}: {error}");
        }
    }
}
