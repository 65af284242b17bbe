//! What the user, the configuration or the boot loader said.

use imds_model::{CloudName, Evidence, EvidenceSource, Outcome, Strength};

use super::note;
use crate::clouds::{Clouds, cloud_name};
use crate::machine::Machine;

/// Parameters of the kernel command line by which images for one platform say which it is (Ignition, old CoreOS).
const PARAMETERS: [&str; 2] = ["ignition.platform.id", "coreos.oem.id"];
/// Values of these parameters that mean no cloud.
const NO_CLOUD: [&str; 8] =
    ["metal", "qemu", "virtualbox", "vmware", "nutanix", "proxmoxve", "kubevirt", "file"];

/// The outcome that was told, if one was; `forced` is the user's own word and where it was given. What the boot loader says
/// counts only within what the user permits.
pub(crate) fn told(
    forced: Option<&(Outcome, String)>,
    clouds: &Clouds,
    machine: Option<&Machine>,
    permitted: impl Fn(&CloudName) -> bool,
    evidence: &mut Vec<Evidence>,
) -> Option<Outcome> {
    if let Some((outcome, origin)) = forced {
        let detail = format!("{origin} says {outcome}");
        note(evidence, EvidenceSource::Told, detail, Some(outcome.clone()), Strength::Certain);
        return Some(outcome.clone());
    }
    let line = machine?.files().read("/proc/cmdline").ok()?;
    let line = String::from_utf8_lossy(&line);
    let (parameter, value) = line
        .split_ascii_whitespace()
        .filter_map(|word| word.split_once('='))
        .find(|(parameter, _)| PARAMETERS.contains(parameter))?;
    let cloud: Option<CloudName> =
        clouds.iter().find(|cloud| cloud.ignition.iter().any(|id| **id == *value)).map(cloud_name);
    let outcome = match cloud {
        Some(cloud) => Some(Outcome::Cloud(cloud)),
        None if NO_CLOUD.contains(&value) => Some(Outcome::None),
        None => None,
    };
    let outcome = outcome.filter(|outcome| outcome.cloud().is_none_or(&permitted));
    let detail = match outcome {
        Some(_) => format!("the kernel command line has {parameter}={value}"),
        None => {
            format!(
                "the kernel command line has {parameter}={value}, which names no cloud that is known or permitted"
            )
        }
    };
    let strength = if outcome.is_some() { Strength::Certain } else { Strength::Weak };
    note(evidence, EvidenceSource::Told, detail, outcome.clone(), strength);
    outcome
}
