//! A machine for the tests of this crate.

use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};

/// A snapshot of an instance of AWS.
pub(crate) fn aws(tags: &[(&str, &str)]) -> Metadata {
    of(CloudName::AWS, tags)
}

/// A snapshot of an instance: an id, a type, a region, an account with a leading zero, and these tags.
pub(crate) fn of(cloud: CloudName, tags: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::new(cloud);
    for (field, text) in [
        (Field::InstanceId, "i-0123456789abcdef0"),
        (Field::InstanceType, "m7g.large"),
        (Field::Region, "eu-west-1"),
        (Field::AccountId, "012345678901"),
    ] {
        metadata.set(field, Reading::known(Value::Text(text.to_owned()), Source::Mock));
    }
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
    metadata
}
