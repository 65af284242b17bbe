//! JSON from the network: secrets are dropped while it is parsed, before anything is kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses a document without what `omit` names, in any case. Nesting is limited to 128 levels by the parser.
///
/// | in `omit` | drops |
/// |---|---|
/// | `name` | members of that name at any depth, and texts `name=…` among the items of a list |
/// | `/name` | the member of that name at the top of the document |
///
/// # Errors
/// Where it isn't JSON.
pub(crate) fn parse<T: AsRef<str>>(text: &[u8], omit: &[T]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Redacting { omit, at_top: true }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Redacting<'a, T> {
    omit: &'a [T],
    at_top: bool,
}

impl<T: AsRef<str>> Redacting<'_, T> {
    fn omits(&self, name: &str) -> bool {
        self.omit.iter().any(|omitted| match omitted.as_ref().strip_prefix('/') {
            Some(omitted) => self.at_top && omitted.eq_ignore_ascii_case(name),
            None => omitted.as_ref().eq_ignore_ascii_case(name),
        })
    }

    fn below(self) -> Self {
        Self { at_top: false, ..self }
    }
}

// By hand: a derive would ask for `T: Copy`.
impl<T> Clone for Redacting<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Redacting<'_, T> {}

impl<'de, T: AsRef<str>> DeserializeSeed<'de> for Redacting<'_, T> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: AsRef<str>> Visitor<'de> for Redacting<'_, T> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let below = self.below();
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(below)? {
            let name = item.as_str().and_then(|text| text.split_once('=')).map(|(name, _)| name.trim());
            if !name.is_some_and(|name| below.omits(name)) {
                items.push(item);
            }
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if self.omits(&name) {
                access.next_value::<IgnoredAny>()?;
            } else {
                members.insert(name, access.next_value_seed(self.below())?);
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_members_are_gone_at_any_depth_and_in_any_case() {
        let text = br#"{"a":{"UserData":"s","b":[{"userdata":{"x":["s"]},"c":1}]},"tags":[{"name":"userData","value":"kept"}]}"#;
        let value = parse(text, &["userData"]).unwrap();
        assert_eq!(value.to_string(), r#"{"a":{"b":[{"c":1}]},"tags":[{"name":"userData","value":"kept"}]}"#);
    }

    #[test]
    fn a_slash_in_front_means_the_top_alone() {
        let text =
            br#"{"Metadata":{"user_data":"s"},"tags":{"metadata":"kept"},"list":[{"metadata":"kept"}]}"#;
        let value = parse(text, &["/metadata"]).unwrap();
        assert_eq!(value.to_string(), r#"{"list":[{"metadata":"kept"}],"tags":{"metadata":"kept"}}"#);
        assert_eq!(parse(text, &["metadata"]).unwrap().to_string(), r#"{"list":[{}],"tags":{}}"#);
    }

    #[test]
    fn the_same_name_in_a_list_of_texts_is_gone_too() {
        let text = br#"{"tags":["env=prod","AUTHORIZED_KEY=ssh-rsa_s","authorized_key = s","AUTHORIZED_KEYS","=s"]}"#;
        let value = parse(text, &["authorized_key"]).unwrap();
        assert_eq!(value.to_string(), r#"{"tags":["env=prod","AUTHORIZED_KEYS","=s"]}"#);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let value = parse(b"[7654321098765432109, 18446744073709551615, -1]", &[""; 0]).unwrap();
        assert_eq!(value.to_string(), "[7654321098765432109,18446744073709551615,-1]");
    }

    #[test]
    fn what_is_no_json_is_an_error_not_a_crash() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        for text in [&b""[..], b"{", b"{\"a\":1} x", b"\xff\xfe", b"<html>", b"{\"b\":\"\\ud800\"}", &deep] {
            assert!(parse(text, &["a"]).is_err());
        }
    }
}
