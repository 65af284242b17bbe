//! Where the values come from.

use imds_model::{Class, Error, ErrorKind, Metadata, Reading, Value};

use crate::Key;
use crate::placeholder::shortened;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Lookup {
    /// The value; a tag's may be empty.
    Value(String),
    /// There is no such value, and that is certain: why, as a lower-case fragment.
    Missing(String),
    /// The value couldn't be asked for.
    Failed(Error),
}

/// Answers what placeholders ask for. A [`Metadata`] snapshot is one; so is anything that looks values up when asked.
pub trait Values {
    /// The value of a key.
    fn lookup(&self, key: &Key) -> Lookup;

    /// Who may see what the service answers at a path. Contacts nothing. Private unless the implementor knows better.
    fn path_class(&self, path: &str) -> Class {
        let _ = path;
        Class::Private
    }
}

impl<V: Values + ?Sized> Values for &V {
    fn lookup(&self, key: &Key) -> Lookup {
        (**self).lookup(key)
    }

    fn path_class(&self, path: &str) -> Class {
        (**self).path_class(path)
    }
}

/// Paths can't be answered from a snapshot: they fail with [`ErrorKind::Usage`].
///
/// ```
/// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
/// use imds_template::{Format, Missing, Template};
/// let mut metadata = Metadata::new(CloudName::AWS);
/// metadata.set(Field::Region, Reading::known(Value::Text("eu-west-1".into()), Source::Mock));
/// let template = Template::parse("region = ${aws:Region}\n", Format::Text).unwrap();
/// assert_eq!(template.resolve(&metadata, Missing::Error).unwrap(), "region = eu-west-1\n");
/// ```
impl Values for Metadata {
    fn lookup(&self, key: &Key) -> Lookup {
        let (field, tag) = match key {
            Key::Field { cloud: Some(cloud), .. } if cloud != self.cloud() => {
                return Lookup::Missing(format!("this is {}, not {cloud}", self.cloud()));
            }
            Key::Field { field, .. } => (*field, None),
            Key::Tag(key) => (imds_model::Field::Tags, Some(key)),
            Key::Path(path) => {
                let message = "a snapshot has no paths of the service";
                return Lookup::Failed(Error::new(ErrorKind::Usage, message).with_path(path.clone()));
            }
        };
        let absent = |remedy: Option<&str>| {
            let what = tag.map_or_else(|| field.name().to_owned(), |key| format!("tag {:?}", shortened(key)));
            let remedy = remedy.map(|remedy| format!(" ({remedy})")).unwrap_or_default();
            Lookup::Missing(format!("this instance has no {what}{remedy}"))
        };
        match (self.reading(field), tag) {
            (Some(Reading::Known { value: Value::Text(text), .. }), None) => Lookup::Value(text.clone()),
            (Some(Reading::Known { value: Value::Tags(tags), .. }), Some(key)) => {
                tags.get(key).map_or_else(|| absent(None), |value| Lookup::Value(value.clone()))
            }
            (Some(Reading::Failed(error)), _) if !error.is_absent() => Lookup::Failed(error.clone()),
            (Some(Reading::Absent { remedy }), _) => absent(remedy.as_deref()),
            // What nobody could read isn't absent.
            (None, _) => self.failure().map_or_else(|| absent(None), |error| Lookup::Failed(error.clone())),
            (Some(_), _) => absent(None),
        }
    }
}
