//! `imds tags`: the tags or labels.

use imds::model::{Reading, Value};
use imds::{Error, Field};

use crate::args::{Tags, TagsAs};
use crate::exit::{DONE, Ending};
use crate::messages::Messages;
use crate::output::Output;
use crate::render;
use crate::settings::Session;

pub(super) async fn run(
    arguments: &Tags,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let metadata = session.client.read(&[Field::Tags]).await?;
    for warning in metadata.warnings() {
        messages.warning(warning, None);
    }
    let Value::Tags(tags) = metadata.value(Field::Tags)? else {
        return Err(Error::new(imds::model::ErrorKind::Internal, "the tags have another shape").into());
    };
    if let Some(Reading::Known { source, trouble: Some(trouble), .. }) = metadata.reading(Field::Tags) {
        messages.doubtful(Field::Tags.name(), source, trouble);
    }
    match arguments.format.chosen() {
        TagsAs::Table => output.text(&render::tags(tags))?,
        TagsAs::Json => output.json(tags)?,
        TagsAs::Yaml => output.yaml(tags)?,
        TagsAs::Env => output.text(&render::Env::of_tags(tags).told(messages))?,
    }
    Ok(DONE)
}
