//! A serialised value as data, its members in their order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// What a form of output is made from that isn't JSON: the code that writes it is there once, and not for every type that is
/// ever shown. (`serde_json::Value` sorts its members.)
pub(super) enum Document {
    Scalar(serde_json::Value),
    List(Vec<Document>),
    Object(Vec<(String, Document)>),
}

impl Document {
    /// From the same value's JSON.
    pub(super) fn of_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Document;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_unit<E>(self) -> Result<Document, E> {
                Ok(Document::Scalar(serde_json::Value::Null))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<Document, E> {
                Ok(Document::Scalar(flag.into()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Document, E> {
                Ok(Document::Scalar(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Document, E> {
                Ok(Document::Scalar(number.into()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Document, E> {
                Ok(Document::Scalar(number.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Document, E> {
                Ok(Document::Scalar(text.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Document::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Document, A::Error> {
                let mut object = Vec::new();
                while let Some(member) = members.next_entry()? {
                    object.push(member);
                }
                Ok(Document::Object(object))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(scalar) => scalar.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}
