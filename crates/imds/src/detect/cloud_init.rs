//! What cloud-init found when this machine booted: `/run/cloud-init/instance-data.json`, which every user may read. Its
//! `v1` has the same names in every cloud; the folder is made anew at every boot, so it is of this machine.
//!
//! Source: cloud-init documentation, "Instance metadata", standardized instance data.

use imds_model::{Evidence, EvidenceSource, Field, Outcome, Strength};
use serde_json::Value;

use super::note;
use crate::clouds::description::Description;
use crate::clouds::{Clouds, cloud_name};
use crate::fetch::documents::{lookup, scalar};
use crate::machine::{Files, Machine};

/// Where the file is.
pub(crate) const PATH: &str = "/run/cloud-init/instance-data.json";

/// Its `v1`; nothing where there is none.
fn standardized(files: &dyn Files) -> Option<Value> {
    let mut whole: Value = serde_json::from_slice(&files.read(PATH).ok()?).ok()?;
    Some(whole.get_mut("v1")?.take())
}

fn text(data: &Value, name: &str) -> Option<String> {
    lookup(data, &format!("/{name}")).first().and_then(|(value, _)| scalar(value))
}

/// The cloud that cloud-init found, as evidence.
pub(crate) fn survey(machine: &Machine, clouds: &Clouds, evidence: &mut Vec<Evidence>) {
    let Some(name) = standardized(machine.files()).and_then(|data| text(&data, "cloud_name")) else { return };
    let cloud = clouds.iter().find(|cloud| means(cloud, &name));
    let (detail, supports, strength) = match cloud {
        Some(cloud) => {
            let detail = format!("{PATH} says that cloud-init found {name}: that is {}", &*cloud.title);
            (detail, Some(Outcome::Cloud(cloud_name(cloud))), Strength::Strong)
        }
        None => {
            let detail = format!("{PATH} says that cloud-init found {name}, which is no cloud known here");
            (detail, None, Strength::Weak)
        }
    };
    note(evidence, EvidenceSource::File, detail, supports, strength);
}

fn means(cloud: &Description, name: &str) -> bool {
    cloud.cloud_init.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What cloud-init was told of this machine by this cloud, for when its service can't be asked.
pub(crate) fn known(files: &dyn Files, cloud: &Description) -> Vec<(Field, String)> {
    let Some(data) = standardized(files) else { return Vec::new() };
    if !text(&data, "cloud_name").is_some_and(|name| means(cloud, &name)) {
        return Vec::new();
    }
    let names = [
        (Field::InstanceId, "instance_id"),
        (Field::Region, "region"),
        (Field::Zone, "availability_zone"),
        (Field::Hostname, "local_hostname"),
    ];
    names.into_iter().filter_map(|(field, name)| Some((field, text(&data, name)?))).collect()
}
