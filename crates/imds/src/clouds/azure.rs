//! What is irregular about Azure: images named in four parts, clusters named in a resource group, public addresses in a
//! second document, disks in two lists.

use imds_model::{Disk, Error, Interface, Value};
use serde_json::Value as Json;

use super::transform;
use crate::fetch::Documents;
use crate::fetch::disks::by_number;
use crate::fetch::documents::{lookup, scalar};
use crate::fetch::extract::Extracted;

/// A part of a document, which knows where it is. Values of the wrong kind are errors that name their place: what is left
/// out silently would look as if the machine had none.
#[derive(Clone)]
struct Part<'a> {
    documents: &'a Documents,
    document: &'static str,
    item: &'a Json,
    at: String,
}

impl<'a> Part<'a> {
    fn of(documents: &'a Documents, document: &'static str) -> Result<Self, Error> {
        let item = documents.content(document)?;
        Ok(Self { documents, document, item, at: String::new() })
    }

    fn malformed(&self, pointer: &str, why: &str) -> Error {
        let source = self.documents.source(self.document, &format!("{}{pointer}", self.at));
        self.documents.malformed(&source, why)
    }

    /// The text or number at a pointer.
    fn text(&self, pointer: &str) -> Result<Option<String>, Error> {
        match lookup(self.item, pointer).first() {
            Some((Json::Object(_) | Json::Array(_), place)) => {
                Err(self.malformed(place, "the value isn't a text or a number"))
            }
            found => Ok(found.and_then(|(value, _)| scalar(value))),
        }
    }

    /// The objects of the list at a pointer.
    fn list(&self, pointer: &str) -> Result<Vec<Self>, Error> {
        let Some((list, place)) = lookup(self.item, pointer).into_iter().next() else {
            return Ok(Vec::new());
        };
        let items = list.as_array().ok_or_else(|| self.malformed(&place, "the value isn't a list"))?;
        let part = |(index, item): (usize, &'a Json)| {
            let place = format!("{place}/{index}");
            if !item.is_object() {
                return Err(self.malformed(&place, "the value isn't an object"));
            }
            Ok(Self { item, at: format!("{}{place}", self.at), ..self.clone() })
        };
        items.iter().enumerate().map(part).collect()
    }

    /// The addresses in the list at a pointer, in their one spelling.
    fn addresses(
        &self,
        list: &str,
        member: &str,
        canonical: fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, Error> {
        let texts = self.list(list)?.iter().map(|part| part.text(member)).collect::<Result<Vec<_>, _>>()?;
        Ok(texts.into_iter().flatten().filter_map(|text| canonical(&text)).collect())
    }
}

/// The image's ARM id, else `publisher:offer:sku:version` as the marketplace and the command line spell it. The parts
/// beside the storage profile name the exact version; its own image reference may say no more than `latest`.
pub(super) fn image(documents: &Documents) -> Result<Option<Extracted>, Error> {
    const REFERENCE: &str = "/compute/storageProfile/imageReference";
    let instance = Part::of(documents, "instance")?;
    let found = |image, at| Ok(Some(Extracted::new(Value::Text(image), documents.source("instance", at))));
    let id = format!("{REFERENCE}/id");
    if let Some(image) = instance.text(&id)? {
        return found(image, &id);
    }
    for at in ["/compute", REFERENCE] {
        let part = |name: &str| instance.text(&format!("{at}/{name}"));
        let parts = [part("publisher")?, part("offer")?, part("sku")?, part("version")?];
        let parts: Option<Vec<String>> = parts.into_iter().collect();
        if let Some(parts) = parts {
            return found(parts.join(":"), at);
        }
    }
    Ok(None)
}

/// The AKS cluster, from the name that AKS gives a node's resource group: `MC_GROUP_CLUSTER_REGION`. Group and cluster
/// may hold `_` themselves; the region never does, and where more than one split is possible none is guessed.
pub(super) fn cluster(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let pointer = "/compute/resourceGroupName";
    let Some(group) = Part::of(documents, "instance")?.text(pointer)? else { return Ok(None) };
    let parts: Vec<&str> = group.split('_').collect();
    Ok(match parts.as_slice() {
        [mc, _, cluster, _] if mc.eq_ignore_ascii_case("MC") && !cluster.is_empty() => {
            Some(Extracted::new(Value::Text((*cluster).to_owned()), documents.source("instance", pointer)))
        }
        _ => None,
    })
}

/// Whether a resource group is one that AKS made for a cluster's nodes, even if its name can be split in several ways.
pub(crate) fn is_of_a_cluster(group: &str) -> bool {
    let parts: Vec<&str> = group.split('_').collect();
    match parts.as_slice() {
        [mc, _, cluster, _] => mc.eq_ignore_ascii_case("MC") && !cluster.is_empty(),
        [mc, rest @ ..] => mc.eq_ignore_ascii_case("MC") && rest.len() > 3,
        [] => false,
    }
}

/// The interfaces, with the public addresses of the load balancer's document. The order of the document isn't
/// meaningful and none is marked as primary: the first with an IPv4 address counts as it.
pub(super) fn interfaces(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let mut interfaces = Vec::new();
    for part in Part::of(documents, "instance")?.list("/network/interface")? {
        let mut interface = Interface::default();
        interface.mac = part.text("/macAddress")?.and_then(|mac| transform::mac(&mac));
        let ipv4 = "/ipv4/ipAddress";
        interface.private_ipv4s = part.addresses(ipv4, "/privateIpAddress", transform::ipv4)?;
        interface.public_ipv4s = part.addresses(ipv4, "/publicIpAddress", transform::ipv4)?;
        interface.ipv6s = part.addresses("/ipv6/ipAddress", "/privateIpAddress", transform::ipv6)?;
        interfaces.push(interface);
    }
    if interfaces.is_empty() {
        return Ok(None);
    }
    let (mut interfaces, others): (Vec<_>, Vec<_>) =
        interfaces.into_iter().partition(|interface| !interface.private_ipv4s.is_empty());
    interfaces.extend(others);
    let mut trouble = None;
    if documents.has("loadbalancer") {
        match Part::of(documents, "loadbalancer")
            .and_then(|part| add_public_addresses(&mut interfaces, &part))
        {
            Ok(()) => {}
            Err(error) if error.is_absent() => {}
            Err(error) => trouble = Some(error),
        }
    }
    let source = documents.source("instance", "/network/interface");
    Ok(Some(Extracted { value: Value::Interfaces(interfaces), source, trouble }))
}

/// Standard SKU public addresses are told apart from the interfaces, each with the private address that it leads to.
fn add_public_addresses(interfaces: &mut [Interface], balancer: &Part<'_>) -> Result<(), Error> {
    for pair in balancer.list("/loadbalancer/publicIpAddresses")? {
        let public = pair.text("/frontendIpAddress")?.and_then(|address| transform::ipv4(&address));
        let private = pair.text("/privateIpAddress")?.and_then(|address| transform::ipv4(&address));
        let (Some(public), Some(private)) = (public, private) else { continue };
        let owner = interfaces.iter_mut().find(|interface| interface.private_ipv4s.contains(&private));
        if let Some(owner) = owner.filter(|owner| !owner.public_ipv4s.contains(&public)) {
            owner.public_ipv4s.push(public);
        }
    }
    Ok(())
}

/// The disk of the system and the data disks by their LUN.
pub(super) fn disks(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let at = "/compute/storageProfile";
    let instance = Part::of(documents, "instance")?;
    let mut disks = Vec::new();
    if let Some((item, place)) = lookup(instance.item, &format!("{at}/osDisk")).into_iter().next() {
        disks.push(disk(&Part { item, at: place, ..instance.clone() }, true)?);
    }
    let data = instance.list(&format!("{at}/dataDisks"))?;
    let data = data.iter().map(|part| {
        let disk = disk(part, false)?;
        Ok((disk.lun.map(u64::from), disk))
    });
    disks.extend(by_number(data.collect::<Result<_, Error>>()?));
    Ok((!disks.is_empty()).then(|| Extracted::new(Value::Disks(disks), documents.source("instance", at))))
}

fn disk(part: &Part<'_>, boot: bool) -> Result<Disk, Error> {
    const GIB: u64 = 1 << 30;
    let number = |pointer: &str| {
        let text = part.text(pointer)?;
        Ok::<_, Error>(text.and_then(|text| text.parse::<u64>().ok()))
    };
    let mut disk = Disk::default();
    disk.id = part.text("/managedDisk/id")?;
    disk.name = part.text("/name")?;
    disk.lun = number("/lun")?.filter(|_| !boot).and_then(|lun| lun.try_into().ok());
    disk.size_bytes = number("/diskSizeGB")?.and_then(|size| size.checked_mul(GIB));
    disk.boot = Some(boot);
    Ok(disk)
}
