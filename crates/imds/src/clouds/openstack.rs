//! What is irregular about OpenStack: interfaces lie in three lists that refer to each other, and addresses that DHCP
//! gives or that float are told by the EC2-compatible face alone.

use imds_model::{Error, Interface, Value};
use serde_json::Value as Json;

use super::description::Transform;
use super::transform;
use crate::fetch::Documents;
use crate::fetch::documents::{lookup, scalar};
use crate::fetch::extract::Extracted;

/// The interfaces in the order of the networks, whose first is the primary one. A network of a type that DHCP fills in
/// bears no address; the EC2 face's `local-ipv4` belongs to the first interface unless another bears it, and so does the
/// floating address, which is public whatever its range.
pub(super) fn interfaces(documents: &Documents) -> Result<Option<Extracted>, Error> {
    let (mut interfaces, source) = match documents.content("network-data") {
        Ok(network) => (of_networks(network), documents.source("network-data", "/networks")),
        Err(error) if error.is_absent() => (Vec::new(), documents.source("local-ipv4", "")),
        Err(error) => return Err(error),
    };
    let local = of_ec2(documents, "local-ipv4")?;
    let public = of_ec2(documents, "public-ipv4")?;
    if interfaces.is_empty() && (local.is_some() || public.is_some()) {
        interfaces.push(Interface::default());
    }
    let is_new = |address: &String| {
        !interfaces.iter().any(|it| it.private_ipv4s.contains(address) || it.public_ipv4s.contains(address))
    };
    let (local, public) = (local.filter(is_new), public.filter(is_new));
    if let Some(first) = interfaces.first_mut() {
        first.public_ipv4s.extend(public);
        local.iter().for_each(|address| add_ipv4(first, address));
    }
    Ok((!interfaces.is_empty()).then(|| Extracted::new(Value::Interfaces(interfaces), source)))
}

/// A value of the EC2 face, which many clouds switch off; an empty one is none.
fn of_ec2(documents: &Documents, name: &str) -> Result<Option<String>, Error> {
    if !documents.has(name) {
        return Ok(None);
    }
    match documents.content(name) {
        Ok(value) => Ok(scalar(value).and_then(|text| transform::ipv4(&text))),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_networks(network_data: &Json) -> Vec<Interface> {
    let text = |item, pointer: &str| lookup(item, pointer).first().and_then(|(value, _)| scalar(value));
    let links = lookup(network_data, "/links/*");
    let mac_of = |id: &str| {
        let link = links.iter().find(|(link, _)| text(link, "/id").as_deref() == Some(id));
        link.and_then(|(link, _)| transform::mac(&text(link, "/ethernet_mac_address")?))
    };
    // Several networks may lie on one link: an IPv4 and an IPv6 one.
    let mut found: Vec<(String, Interface)> = Vec::new();
    for (network, _) in lookup(network_data, "/networks/*") {
        let Some(link) = text(network, "/link") else { continue };
        let at = found.iter().position(|(known, _)| *known == link).unwrap_or_else(|| {
            let mut interface = Interface::default();
            interface.mac = mac_of(&link);
            found.push((link, interface));
            found.len() - 1
        });
        let Some((_, interface)) = found.get_mut(at) else { continue };
        if interface.network_id.is_none() {
            interface.network_id = text(network, "/network_id");
        }
        let Some(address) = text(network, "/ip_address") else { continue };
        add_ipv4(interface, &address);
        if let Some(address) = transform::ipv6(&address)
            && !interface.ipv6s.contains(&address)
        {
            interface.ipv6s.push(address);
        }
    }
    found.into_iter().map(|(_, interface)| interface).collect()
}

/// An address is public or private by its range: an interface on the provider's own network bears a public one.
fn add_ipv4(interface: &mut Interface, address: &str) {
    let Some(address) = transform::ipv4(address) else { return };
    let addresses = match Transform::PublicAddress.apply(&address).is_some() {
        true => &mut interface.public_ipv4s,
        false => &mut interface.private_ipv4s,
    };
    if !addresses.contains(&address) {
        addresses.push(address);
    }
}
