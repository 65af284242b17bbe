//! JSON read by `serde_json`, which knows no comments: they are blanked before, and commas behind last entries too.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::tree::{Node, What};

/// What the source says; nothing where `serde_json` can't say (numbers out of range, halves of surrogate pairs, depth).
pub fn read(source: &str) -> Option<Vec<Node>> {
    let plain = without_comments(source.strip_prefix('\u{feff}').unwrap_or(source));
    serde_json::from_str(&plain).ok().map(|Json(node)| vec![node])
}

/// The source with its comments, and the commas that no entry follows, turned into blanks.
pub fn without_comments(source: &str) -> String {
    let mut bytes = source.as_bytes().to_vec();
    let (mut at, mut comma, mut after_value) = (0, None, false);
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => {
                let mut end = at + 1;
                while end < bytes.len() && bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                end + 1
            }
            (b'/', Some(b'/')) => {
                let length = bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                at + length.unwrap_or(bytes.len() - at)
            }
            (b'/', Some(b'*')) => {
                let length = bytes[at + 2..].windows(2).position(|pair| pair == b"*/");
                length.map_or(bytes.len(), |length| at + 2 + length + 2)
            }
            _ => at + 1,
        };
        let end = end.min(bytes.len());
        match bytes[at] {
            b'/' if end > at + 1 => bytes[at..end].fill(b' '),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b',' => comma = after_value.then_some(at),
            other => {
                if let (b']' | b'}', Some(comma)) = (other, comma) {
                    bytes[comma] = b' ';
                }
                comma = None;
                after_value = !matches!(other, b'[' | b'{' | b':');
            }
        }
        if bytes[at] == b',' {
            after_value = false;
        }
        at = end;
    }
    String::from_utf8(bytes).unwrap()
}

/// Keeps order and repeated keys.
struct Json(Node);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

macro_rules! other {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, value: $type) -> Result<Node, E> {
            Ok(What::Other(format!("{value:?}")).into())
        })*
    };
}

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    other!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(What::Other("null".to_owned()).into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::text(text, 0..0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(What::List(items).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, Json(value))) = map.next_entry::<String, Json>()? {
            entries.push((Node::text(key, 0..0), value));
        }
        Ok(What::Map { entries, pair: false }.into())
    }
}
