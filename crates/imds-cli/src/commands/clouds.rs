//! `imds clouds`: which clouds there are, which fields they serve, and the page or the description of one of them.

use imds::model::CloudName;
use imds::{CloudDetails, CloudSummary, Config, Field};
use serde::Serialize;

use crate::args::{Clouds, CloudsAs};
use crate::exit::{DONE, Ending};
use crate::output::Output;
use crate::render;

/// The table in its stable form.
#[derive(Debug, Serialize)]
pub(crate) struct Catalog {
    pub(crate) clouds: Vec<Cloud>,
    /// Nodes that aren't plain machines of their cloud.
    pub(crate) nodes: Vec<Cloud>,
    pub(crate) fields: Vec<FieldSummary>,
}

/// One cloud.
#[derive(Debug, Serialize)]
pub(crate) struct Cloud {
    pub(crate) name: CloudName,
    pub(crate) title: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<&'static str>,
    built_in: bool,
    /// Whether firmware can name it.
    named_by_firmware: bool,
    /// Whether its metadata can be read.
    pub(crate) read: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) found_by: Vec<&'static str>,
    #[serde(flatten)]
    pub(crate) details: CloudDetails,
    /// The kinds of its events.
    #[serde(skip)]
    pub(crate) announces: Vec<&'static str>,
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

impl From<CloudSummary> for Cloud {
    fn from(cloud: CloudSummary) -> Self {
        Self {
            details: cloud.details(),
            name: cloud.name,
            title: cloud.title,
            docs: cloud.docs,
            built_in: cloud.built_in,
            named_by_firmware: cloud.has_signature,
            read: !cloud.fields.is_empty(),
            fields: cloud.fields,
            found_by: cloud.found_by,
            announces: cloud.events,
        }
    }
}

impl Catalog {
    fn of(known: &Config) -> Self {
        let fields = Field::ALL.iter().map(|field| FieldSummary {
            name: *field,
            key: field.key(),
            class: field.class().to_string(),
            summary: field.summary().trim(),
        });
        Self {
            clouds: known.clouds().into_iter().map(Cloud::from).collect(),
            nodes: known.nodes().into_iter().map(Cloud::from).collect(),
            fields: fields.collect(),
        }
    }
}

pub(super) fn run(arguments: &Clouds, known: &Config, output: &mut Output) -> Ending {
    if let Some(name) = &arguments.export {
        output.text(&known.cloud_named(name, "--export")?.export()?)?;
        return Ok(DONE);
    }
    let format = arguments.format.chosen();
    if let Some(name) = &arguments.name {
        let cloud = known.cloud_named(name, "clouds")?;
        match format {
            CloudsAs::Table => output.text(&cloud.page())?,
            CloudsAs::Json => output.json(&Cloud::from(cloud))?,
            CloudsAs::Yaml => output.yaml(&Cloud::from(cloud))?,
        }
        return Ok(DONE);
    }
    let catalog = Catalog::of(known);
    match format {
        CloudsAs::Table => output.text(&render::catalog(&catalog, arguments.fields))?,
        CloudsAs::Json => output.json(&catalog)?,
        CloudsAs::Yaml => output.yaml(&catalog)?,
    }
    Ok(DONE)
}
