//! What is irregular about Azure: images named in four parts, clusters named in a resource group, public addresses in a
//! second document, disks in two lists.

use imds_model::{Disk, Error, Interface, Value};
use serde_json::Value as Json;

use super::transform;
use crate::fetch::Documents;
use crate::fetch::documents::{lookup, scalar};
use crate::fetch::extract::Extracted;

fn text(item: &Json, pointer: &str) -> Option<String> {
    lookup(item, pointer).first().and_then(|(value, _)| scalar(value))
}

fn texts(item: &Json, pointer: &str, canonical: fn(&str) -> Option<String>) -> Vec<String> {
    lookup(item, pointer).into_iter().filter_map(|(value, _)| canonical(&scalar(value)?)).collect()
}

/// The image's ARM id, else `publisher:offer:sku:version` as the marketplace and the command line spell it. The parts
/// beside the storage profile name the exact version; its own image reference may say no more than `latest`.
pub(super) fn image(documents: &Documents) -> Result<Option<Extracted>, Error> {
    const REFERENCE: &str = "/compute/storageProfile/imageReference";
    let content = documents.content("instance")?;
    let found = |image, at| Ok(Some(Extracted::new(Value::Text(image), documents.source("instance", at))));
    if let Some(id) = text(content, &format!("{REFERENCE}/id")) {
        return found(id, &format!("{REFERENCE}/id"));
    }
    for at in ["/compute", REFERENCE] {
        let part = |name: &str| text(content, &format!("{at}/{name}"));
        let parts = || Some([part("publisher")?, part("offer")?, part("sku")?, part("version")?].join(":"));
        if let Some(image) = parts() {
            return found(image, at);
        }
    }
    Ok(None)
}

/// The AKS cluster, from the name that AKS gives a node's resource group: `MC_GROUP_CLUSTER_REGION`. Group and cluster
/// may hold `_` themselves; the region never does, and where more than one split is possible none is guessed.
pub(super) fn cluster(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let content = documents.content("instance")?;
    let pointer = "/compute/resourceGroupName";
    let Some(group) = text(content, pointer) else { return Ok(None) };
    let parts: Vec<&str> = group.split('_').collect();
    Ok(match parts.as_slice() {
        [mc, _, cluster, _] if mc.eq_ignore_ascii_case("MC") && !cluster.is_empty() => {
            Some(Extracted::new(Value::Text((*cluster).to_owned()), documents.source("instance", pointer)))
        }
        _ => None,
    })
}

/// The interfaces, with the public addresses of the load balancer's document. The order of the document isn't
/// meaningful and none is marked as primary: the first with an IPv4 address counts as it.
pub(super) fn interfaces(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let content = documents.content("instance")?;
    let mut interfaces: Vec<Interface> = lookup(content, "/network/interface/*")
        .into_iter()
        .map(|(item, _)| {
            let mut interface = Interface::default();
            interface.mac = text(item, "/macAddress").and_then(|mac| transform::mac(&mac));
            interface.private_ipv4s = texts(item, "/ipv4/ipAddress/*/privateIpAddress", transform::ipv4);
            interface.public_ipv4s = texts(item, "/ipv4/ipAddress/*/publicIpAddress", transform::ipv4);
            interface.ipv6s = texts(item, "/ipv6/ipAddress/*/privateIpAddress", transform::ipv6);
            interface
        })
        .collect();
    if interfaces.is_empty() {
        return Ok(None);
    }
    // Stable: `false` sorts first.
    interfaces.sort_by_key(|interface| interface.private_ipv4s.is_empty());
    let mut trouble = None;
    if documents.has("loadbalancer") {
        match documents.content("loadbalancer") {
            Ok(balancer) => add_public_addresses(&mut interfaces, balancer),
            Err(error) if error.is_absent() => {}
            Err(error) => trouble = Some(error),
        }
    }
    let source = documents.source("instance", "/network/interface");
    Ok(Some(Extracted { value: Value::Interfaces(interfaces), source, trouble }))
}

/// Standard SKU public addresses are told apart from the interfaces, each with the private address that it leads to.
fn add_public_addresses(interfaces: &mut [Interface], balancer: &Json) {
    for (pair, _) in lookup(balancer, "/loadbalancer/publicIpAddresses/*") {
        let public = text(pair, "/frontendIpAddress").and_then(|address| transform::ipv4(&address));
        let private = text(pair, "/privateIpAddress").and_then(|address| transform::ipv4(&address));
        let (Some(public), Some(private)) = (public, private) else { continue };
        let owner = interfaces.iter_mut().find(|interface| interface.private_ipv4s.contains(&private));
        if let Some(owner) = owner.filter(|owner| !owner.public_ipv4s.contains(&public)) {
            owner.public_ipv4s.push(public);
        }
    }
}

/// The disk of the system and the data disks by their LUN.
pub(super) fn disks(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let content = documents.content("instance")?;
    let at = "/compute/storageProfile";
    let system = lookup(content, &format!("{at}/osDisk")).into_iter().map(|(item, _)| disk(item, true));
    let mut data: Vec<Disk> = lookup(content, &format!("{at}/dataDisks/*"))
        .into_iter()
        .map(|(item, _)| disk(item, false))
        .collect();
    data.sort_by_key(|disk| disk.lun);
    let disks: Vec<Disk> = system.chain(data).collect();
    Ok((!disks.is_empty()).then(|| Extracted::new(Value::Disks(disks), documents.source("instance", at))))
}

fn disk(item: &Json, boot: bool) -> Disk {
    const GIB: u64 = 1 << 30;
    let number = |pointer: &str| text(item, pointer).and_then(|text| text.parse::<u64>().ok());
    let mut disk = Disk::default();
    disk.id = text(item, "/managedDisk/id");
    disk.name = text(item, "/name");
    disk.lun = number("/lun").filter(|_| !boot).and_then(|lun| lun.try_into().ok());
    disk.size_bytes = number("/diskSizeGB").and_then(|size| size.checked_mul(GIB));
    disk.boot = Some(boot);
    disk
}
