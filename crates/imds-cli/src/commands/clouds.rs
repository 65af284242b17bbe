//! `imds clouds`: which clouds there are, and which fields they serve.

use imds::Field;
use serde::Serialize;

use crate::args::{Clouds, CloudsAs};
use crate::exit::{DONE, Ending};
use crate::output::Output;
use crate::render;

/// The table in its stable form.
#[derive(Debug, Serialize)]
pub(crate) struct Catalog {
    pub(crate) clouds: Vec<Cloud>,
    pub(crate) fields: Vec<FieldSummary>,
}

/// One cloud.
#[derive(Debug, Serialize)]
pub(crate) struct Cloud {
    pub(crate) name: String,
    pub(crate) title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<&'static str>,
    /// Whether firmware can name it.
    pub(crate) named_by_firmware: bool,
    /// Whether its metadata can be read.
    pub(crate) read: bool,
    pub(crate) fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Serialize)]
pub(crate) struct FieldSummary {
    pub(crate) name: Field,
    /// How placeholders call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<&'static str>,
    pub(crate) class: String,
    pub(crate) summary: &'static str,
}

impl Catalog {
    fn new() -> Self {
        let clouds = imds::clouds().into_iter().map(|cloud| Cloud {
            name: cloud.name.to_string(),
            title: cloud.title,
            docs: cloud.docs,
            named_by_firmware: cloud.has_signature,
            read: !cloud.fields.is_empty(),
            fields: cloud.fields,
        });
        let fields = Field::ALL.iter().map(|field| FieldSummary {
            name: *field,
            key: field.key(),
            class: field.class().to_string(),
            summary: field.summary().trim(),
        });
        Self { clouds: clouds.collect(), fields: fields.collect() }
    }
}

pub(super) fn run(arguments: &Clouds, output: &mut Output) -> Ending {
    let catalog = Catalog::new();
    match arguments.format.chosen() {
        CloudsAs::Table => output.text(&render::catalog(&catalog, arguments.fields))?,
        CloudsAs::Json => output.json(&catalog)?,
        CloudsAs::Yaml => output.yaml(&catalog)?,
    }
    Ok(DONE)
}
