//! What is known, as templates ask for it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use imds::model::metadata::InvalidDocument;
use imds::{Client, Error, ErrorKind, Metadata, Source};
use imds_template::{Key, Lookup};

use crate::executor::protocol::{PathValue, Values};

/// Values on the executor's side.
#[derive(Clone, Debug)]
pub struct Known {
    metadata: Metadata,
    paths: BTreeMap<String, PathValue>,
}

impl Known {
    /// What the worker said.
    ///
    /// # Errors
    /// [`InvalidDocument`] for what can't be metadata.
    pub fn of(values: Values) -> Result<Self, InvalidDocument> {
        let here = Source::Agent(String::new());
        let metadata = Metadata::from_object(&values.metadata, SystemTime::now(), &here)?;
        Ok(Self { metadata, paths: values.paths })
    }

    /// The fields.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl imds_template::Values for Known {
    fn lookup(&self, key: &Key) -> Lookup {
        let Key::Path(path) = key else { return self.metadata.lookup(key) };
        match self.paths.get(path) {
            Some(PathValue::Value(text)) => Lookup::Value(text.clone()),
            Some(PathValue::Failed(error)) => Lookup::Failed(error.clone()),
            None => Lookup::Failed(
                Error::new(ErrorKind::Internal, "nobody asked for this path").with_path(path.clone()),
            ),
        }
    }
}

/// The values to send: a snapshot, and what the service says at these paths.
pub async fn gather(client: &Client, metadata: &Metadata, paths: &[String]) -> Values {
    let mut answers = BTreeMap::new();
    for path in paths {
        let answer = match client.raw(path, false).await {
            Ok(body) => match String::from_utf8(body) {
                Ok(text) => PathValue::Value(text),
                Err(_) => PathValue::Failed(Error::new(ErrorKind::Malformed, "the answer isn't text")),
            },
            Err(error) => PathValue::Failed(error),
        };
        answers.insert(path.clone(), answer);
    }
    let document = serde_json::to_value(metadata.document(true));
    let metadata = match document {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    Values { metadata, paths: answers }
}
