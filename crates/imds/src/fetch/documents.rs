//! What came of the documents that were asked for.

use std::collections::BTreeMap;

use imds_model::{CloudName, Error, ErrorKind, Source};
use serde_json::Value;

use crate::clouds::description::{Description, Format};

/// Documents by name: their content, or why there is none.
#[derive(Debug)]
pub(crate) struct Documents {
    description: &'static Description,
    cloud: CloudName,
    contents: BTreeMap<&'static str, Result<Value, Error>>,
    /// Whether systemd-imdsd gave them.
    by_imdsd: bool,
}

/// A value in a document, and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) value: &'a Value,
    pub(crate) source: Source,
}

/// The text of a scalar; empty text is no text.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

impl Documents {
    pub(crate) fn new(description: &'static Description, cloud: CloudName) -> Self {
        Self { description, cloud, contents: BTreeMap::new(), by_imdsd: false }
    }

    pub(crate) fn insert(&mut self, name: &'static str, content: Result<Value, Error>) {
        self.contents.insert(name, content);
    }

    /// Says who gave them.
    pub(crate) fn set_by_imdsd(&mut self, by_imdsd: bool) {
        self.by_imdsd = by_imdsd;
    }

    /// Adds what was asked for later.
    pub(crate) fn extend(&mut self, others: Self) {
        self.by_imdsd |= others.by_imdsd;
        self.contents.extend(others.contents);
    }

    /// The names of those that could be read.
    pub(crate) fn read(&self) -> impl Iterator<Item = &'static str> {
        self.contents.iter().filter_map(|(name, content)| content.is_ok().then_some(*name))
    }

    /// Puts this failure in the place of everything that was read.
    pub(crate) fn disbelieve(&mut self, why: &Error) {
        for content in self.contents.values_mut().filter(|content| content.is_ok()) {
            *content = Err(why.clone());
        }
    }

    /// Where not one could be read, puts what the service forbids in the place of what it doesn't have.
    pub(crate) fn refuse(&mut self, why: impl Fn(&str) -> Option<Error>) {
        if self.contents.values().any(Result::is_ok) {
            return;
        }
        for content in self.contents.values_mut() {
            if let Err(error) = content
                && error.is_absent()
                && let Some(why) = why(error.path().unwrap_or_default())
            {
                *error = why;
            }
        }
    }

    /// The description of the cloud that they come from.
    pub(crate) fn description(&self) -> &'static Description {
        self.description
    }

    /// Whether the document was asked for.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.contents.contains_key(name)
    }

    /// Why the service couldn't be asked at all: the first failure, where no document came and none is merely absent.
    pub(crate) fn common_failure(&self) -> Option<Error> {
        let mut failures = self.contents.values().map(|content| match content {
            Err(error) if !error.is_absent() => Some(error),
            _ => None,
        });
        let first = failures.next()??;
        failures.all(|failure| failure.is_some()).then(|| first.clone())
    }

    /// Splits `DOCUMENT#/POINTER`.
    pub(crate) fn split(place: &str) -> (&str, &str) {
        place.split_once('#').unwrap_or((place, ""))
    }

    /// The whole content of a document.
    ///
    /// # Errors
    /// Why there is none; [`ErrorKind::Internal`] where it wasn't asked for.
    pub(crate) fn content(&self, name: &str) -> Result<&Value, Error> {
        match self.contents.get(name) {
            Some(content) => content.as_ref().map_err(Error::clone),
            None => Err(Error::new(ErrorKind::Internal, format!("the document {name:?} wasn't asked for"))
                .with_cloud(&self.cloud)),
        }
    }

    /// Every value at a place (`DOCUMENT#/POINTER`, with `*` for every member). JSON `null` is no value.
    ///
    /// # Errors
    /// Why the document couldn't be read. An absent document is an error too, an absent value is an empty list.
    pub(crate) fn at(&self, place: &str) -> Result<Vec<Found<'_>>, Error> {
        let (name, pointer) = Self::split(place);
        let content = self.content(name)?;
        Ok(lookup(content, pointer)
            .into_iter()
            .map(|(value, pointer)| Found { value, source: self.source(name, &pointer) })
            .collect())
    }

    /// The source of a value in a document.
    pub(crate) fn source(&self, name: &str, pointer: &str) -> Source {
        let document = self.description.documents.get(name);
        let path = document.map_or(name, |document| document.path.split('?').next().unwrap_or_default());
        // In a tree, every member has a path of its own.
        let (path, pointer) = if document.is_some_and(|document| document.format == Format::Tree) {
            let below = pointer.trim_start_matches('/').replace("~1", "/").replace("~0", "~");
            (format!("{path}{below}"), String::new())
        } else {
            (path.to_owned(), pointer.to_owned())
        };
        if self.by_imdsd { Source::Imdsd { path, pointer } } else { Source::Imds { path, pointer } }
    }

    /// A value that isn't of the form that the service promises.
    pub(crate) fn malformed(&self, source: &Source, why: &str) -> Error {
        let place = source.to_string();
        let place = place.split_once(':').map_or(&*place, |(_, place)| place);
        Error::new(ErrorKind::Malformed, why)
            .with_cloud(&self.cloud)
            .with_path(place)
            .with_remedy("something else than the metadata service may answer on its address")
    }
}

/// Every value at a JSON pointer in which `*` stands for every member, with its concrete pointer. Members are also found
/// in another case: vendors' own samples differ.
pub(crate) fn lookup<'a>(content: &'a Value, pointer: &str) -> Vec<(&'a Value, String)> {
    let mut found = vec![(content, String::new())];
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        found = found
            .into_iter()
            .flat_map(|(value, at)| {
                members(value, &step).into_iter().map(move |(name, value)| {
                    (value, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")))
                })
            })
            .collect();
    }
    found.retain(|(value, _)| !value.is_null());
    found
}

fn members<'a>(value: &'a Value, step: &str) -> Vec<(String, &'a Value)> {
    match value {
        Value::Object(object) if step == "*" => {
            object.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Object(object) => {
            let exact = object.get_key_value(step);
            let found = exact.or_else(|| object.iter().find(|(name, _)| name.eq_ignore_ascii_case(step)));
            found.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) if step == "*" => {
            items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Array(items) => {
            let index = step.parse::<usize>().ok();
            index
                .and_then(|index| items.get(index))
                .into_iter()
                .map(|value| (step.to_owned(), value))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_find_every_member_in_any_case() {
        let content: Value = serde_json::from_str(
            r#"{"Compute":{"priority":"Spot"},"list":[{"a/b":1},{"a/b":2},{}],"null":null}"#,
        )
        .unwrap();
        let found = |pointer| {
            lookup(&content, pointer)
                .into_iter()
                .map(|(value, at)| format!("{at}={value}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(found("/compute/Priority"), "/Compute/priority=\"Spot\"");
        assert_eq!(found("/list/*/a~1b"), "/list/0/a~1b=1 /list/1/a~1b=2");
        assert_eq!(found("/list/1/a~1b"), "/list/1/a~1b=2");
        for nothing in ["/null", "/none", "/list/9", "/list/x", "/compute/priority/0", "/list/2/a~1b"] {
            assert_eq!(found(nothing), "", "{nothing}");
        }
    }

    #[test]
    fn scalars_have_text_unless_it_is_empty() {
        for (json, text) in [
            ("\" a \"", Some("a")),
            ("7654321098765432109", Some("7654321098765432109")),
            ("true", Some("true")),
            ("\"\"", None),
            ("\" \"", None),
            ("null", None),
            ("[]", None),
        ] {
            assert_eq!(scalar(&serde_json::from_str(json).unwrap()).as_deref(), text, "{json}");
        }
    }
}
