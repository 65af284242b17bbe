//! The planner: from fields wanted to documents and stages. A pure function.

use std::collections::BTreeSet;

use imds_model::Field;

use super::Documents;
use crate::catalog;
use crate::clouds::description::{Description, Format, Rule};

/// What to ask for, and how each field will be read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The names of the documents, each once.
    pub(crate) documents: Vec<&'static str>,
    /// How each field is read, in an order in which every field follows those that it is made of.
    pub(crate) steps: Vec<(Field, Step)>,
}

/// How a field is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This cloud doesn't serve it.
    NotServed,
    /// By its rule, from the place of this index.
    Rule,
    /// From the first interface.
    Primary,
    /// From other fields.
    Derived(Vec<Field>),
}

/// Fields that belong to the primary interface.
const PRIMARY: [Field; 6] =
    [Field::PrivateIpv4, Field::PublicIpv4, Field::Ipv6, Field::Mac, Field::NetworkId, Field::SubnetId];

/// Plans how to read `wanted`, in as few requests as it takes: a field is read from documents that are needed anyway
/// where it can be, else from the cheapest place.
pub(crate) fn plan(description: &'static Description, wanted: &[Field]) -> Plan {
    let mut planner =
        Planner { description, documents: Vec::new(), steps: Vec::new(), planned: BTreeSet::new() };
    // What needs whole documents comes first, so that the others can be read from those.
    let (whole, parts): (Vec<Field>, Vec<Field>) =
        wanted.iter().partition(|field| matches!(field, Field::Tags | Field::Interfaces | Field::Disks));
    for field in whole.into_iter().chain(parts) {
        planner.add(field);
    }
    // What takes the most round trips first, so that the others fill the time between those.
    let trips = |name: &str| {
        let document = description.documents.get(name);
        document.map_or(0, |it| u8::from(it.format == Format::Tree) + u8::from(it.listed))
    };
    let mut documents: Vec<&'static str> = Vec::new();
    for trips_wanted in (0..=2).rev() {
        documents.extend(planner.documents.iter().filter(|name| trips(name) == trips_wanted));
    }
    Plan { documents, steps: planner.steps }
}

struct Planner {
    description: &'static Description,
    documents: Vec<&'static str>,
    steps: Vec<(Field, Step)>,
    planned: BTreeSet<Field>,
}

impl Planner {
    fn add(&mut self, field: Field) {
        // Cloud and platform are known before anything is asked.
        if matches!(field, Field::Cloud | Field::Platform) || !self.planned.insert(field) {
            return;
        }
        let step = self.step(field);
        self.steps.push((field, step));
    }

    fn step(&mut self, field: Field) -> Step {
        let rule = self.description.fields.get(field.name());
        if let Some(template) = rule.and_then(|rule| rule.derive.as_deref()) {
            let parts = parts_of(template);
            for part in &parts {
                self.add(*part);
            }
            return Step::Derived(parts);
        }
        if !catalog::serves(self.description, field) {
            return Step::NotServed;
        }
        if PRIMARY.contains(&field) && catalog::interfaces_say(self.description, field) {
            let own = rule.filter(|rule| !rule.from.is_empty());
            let interfaces = self.interface_documents();
            if own.is_none() || interfaces.iter().all(|document| self.documents.contains(document)) {
                let enough = rule.map(|rule| names(&rule.primary)).filter(|names| !names.is_empty());
                self.need(&enough.unwrap_or(interfaces));
                return Step::Primary;
            }
        }
        if field == Field::Interfaces && self.has_interfaces() {
            let documents = self.interface_documents();
            self.need(&documents);
            return Step::Rule;
        }
        if field == Field::Disks && rule.is_none() {
            let documents: Vec<&'static str> =
                self.description.disks.iter().map(|rule| Documents::split(&rule.each).0).collect();
            self.need(&documents);
            return Step::Rule;
        }
        match rule {
            None => Step::NotServed,
            Some(rule) => {
                self.choose(field, rule);
                Step::Rule
            }
        }
    }

    /// The documents of a rule: all of a function's; else one place that is needed anyway, else the cheapest. Places in
    /// one and the same document are all kept: the second stands in where the first is empty.
    fn choose(&mut self, field: Field, rule: &'static Rule) {
        let places = names(&rule.from);
        // A function looks at everything; tags may be in several places.
        if rule.function.is_some() || field == Field::Tags {
            return self.need(&places);
        }
        if places.iter().any(|place| self.documents.contains(place)) {
            return;
        }
        if let Some(cheapest) = places.iter().min_by_key(|place| self.cost(place)) {
            self.need(&[*cheapest]);
        }
    }

    /// At least how many requests a document takes.
    fn cost(&self, name: &str) -> usize {
        let document = self.description.documents.get(name);
        document.map_or(usize::MAX, |document| if document.format == Format::Tree { 2 } else { 1 })
    }

    fn need(&mut self, documents: &[&'static str]) {
        for document in documents {
            if !self.documents.contains(document) {
                self.documents.push(document);
            }
        }
    }

    fn has_interfaces(&self) -> bool {
        !self.interface_documents().is_empty()
    }

    fn interface_documents(&self) -> Vec<&'static str> {
        let mut documents: Vec<&'static str> =
            self.description.interfaces.iter().map(|rule| Documents::split(rule.place()).0).collect();
        let primary = self.description.interfaces.iter().filter_map(|rule| rule.primary.as_deref());
        documents.extend(primary.map(|place| Documents::split(place).0));
        if let Some(rule) = self.description.fields.get(Field::Interfaces.name()) {
            documents.extend(names(&rule.from));
        }
        documents.dedup();
        documents
    }
}

fn names(places: &'static [crate::clouds::description::Text]) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = places.iter().map(|place| Documents::split(place).0).collect();
    names.dedup();
    names
}

/// The documents that could still tell a field of which those of the plan say nothing.
pub(crate) fn otherwise(description: &'static Description, field: Field) -> Vec<&'static str> {
    description.fields.get(field.name()).map(|rule| names(&rule.otherwise)).unwrap_or_default()
}

/// The fields that a template such as `aws:///{zone}/{instance_id}` is made of.
pub(crate) fn parts_of(template: &str) -> Vec<Field> {
    template.split('{').skip(1).filter_map(|part| part.split('}').next()?.parse().ok()).collect()
}

impl Plan {
    /// The same fields, from these documents.
    pub(crate) fn asking(&self, documents: Vec<&'static str>) -> Self {
        Self { documents, steps: self.steps.clone() }
    }
}

#[cfg(test)]
impl Plan {
    /// How many stages of requests it takes, a session token not counted.
    fn stages(&self, description: &Description) -> usize {
        let format = |name: &&str| description.documents.get(name).map(|document| document.format);
        self.documents
            .iter()
            .map(|name| if format(name) == Some(Format::Tree) { 2 } else { 1 })
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clouds;

    fn planned(cloud: &str, fields: &[Field]) -> (Vec<&'static str>, usize) {
        let description = clouds::find(cloud).unwrap();
        let plan = plan(description, fields);
        let stages = plan.stages(description);
        (plan.documents, stages)
    }

    #[test]
    fn one_field_costs_what_the_smallest_client_would_pay() {
        for (cloud, field, documents) in [
            ("aws", Field::InstanceId, &["identity"][..]),
            ("aws", Field::InstanceName, &["tag-name"]),
            ("aws", Field::PrivateIpv4, &["local-ipv4"]),
            ("aws", Field::SubnetId, &["macs"]),
            ("aws", Field::ProviderId, &["identity"]),
            ("aws", Field::ResourceId, &["partition", "identity"]),
            ("aws", Field::ResourceGroup, &[]),
            ("aws", Field::Cloud, &[]),
            ("azure", Field::InstanceId, &["instance"]),
            ("azure", Field::PrivateIpv4, &["instance"]),
            ("azure", Field::PublicIpv4, &["instance", "loadbalancer"]),
            ("azure", Field::Hostname, &["instance"]),
            ("gcp", Field::Region, &["zone"]),
            ("azure", Field::SubnetId, &[]),
            ("gcp", Field::Mac, &["network-interfaces"]),
            ("gcp", Field::SubnetId, &[]),
            ("digitalocean", Field::Tags, &["v1"]),
        ] {
            assert_eq!(planned(cloud, &[field]).0, documents, "{cloud} {field}");
        }
    }

    #[test]
    fn everything_takes_few_stages_and_each_document_once() {
        for (cloud, stages) in [("aws", 2), ("azure", 1), ("gcp", 1), ("digitalocean", 1)] {
            let (documents, planned_stages) = planned(cloud, Field::ALL);
            assert_eq!(planned_stages, stages, "{cloud}");
            let distinct: BTreeSet<_> = documents.iter().collect();
            assert_eq!(distinct.len(), documents.len(), "{cloud}: {documents:?}");
        }
        let (documents, _) = planned("aws", Field::ALL);
        assert!(!documents.contains(&"local-ipv4") && !documents.contains(&"tag-name"), "{documents:?}");
    }

    #[test]
    fn a_field_is_planned_after_those_that_it_is_made_of() {
        let plan = plan(clouds::find("aws").unwrap(), &[Field::ProviderId, Field::Zone]);
        let order: Vec<Field> = plan.steps.iter().map(|(field, _)| *field).collect();
        assert_eq!(order, [Field::Zone, Field::InstanceId, Field::ProviderId]);
    }
}
