//! Which API version of Azure's service has what.

use serde_json::Value;

/// Every public version, oldest first.
pub(super) const ALL: &[&str] = &[
    "2017-03-01",
    "2017-04-02",
    "2017-08-01",
    "2017-10-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-08-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2024-07-17",
    "2025-04-07",
];

/// Scheduled events have a line of versions of their own.
pub(super) const SCHEDULED_EVENTS: &[&str] =
    &["2017-03-01", "2017-08-01", "2017-11-01", "2019-01-01", "2019-04-01", "2019-08-01", "2020-07-01"];

/// First version of each category below `/metadata/`.
pub(super) const CATEGORIES: &[(&str, &str)] = &[
    ("attested", "2018-10-01"),
    ("identity", "2018-02-01"),
    ("instance", "2017-04-02"),
    ("loadbalancer", "2020-10-01"),
];

/// First version of the instance document's fields; a `*` stands for every item of a list.
const INSTANCE: &[(&str, &str)] = &[
    ("compute/location", "2017-04-02"),
    ("compute/name", "2017-04-02"),
    ("compute/offer", "2017-04-02"),
    ("compute/osType", "2017-04-02"),
    ("compute/platformFaultDomain", "2017-04-02"),
    ("compute/platformUpdateDomain", "2017-04-02"),
    ("compute/publisher", "2017-04-02"),
    ("compute/sku", "2017-04-02"),
    ("compute/version", "2017-04-02"),
    ("compute/vmId", "2017-04-02"),
    ("compute/vmSize", "2017-04-02"),
    ("network/interface/*/macAddress", "2017-04-02"),
    ("network/interface/*/ipv4/ipAddress/*/privateIpAddress", "2017-04-02"),
    ("network/interface/*/ipv4/ipAddress/*/publicIpAddress", "2017-04-02"),
    ("compute/additionalCapabilities", "2021-11-01"),
    ("compute/azEnvironment", "2018-10-01"),
    ("compute/customData", "2019-02-01"),
    ("compute/evictionPolicy", "2020-12-01"),
    ("compute/extendedLocation", "2021-03-01"),
    ("compute/host", "2021-11-15"),
    ("compute/hostGroup", "2021-11-15"),
    ("compute/isHostCompatibilityLayerVm", "2020-06-01"),
    ("compute/licenseType", "2020-09-01"),
    ("compute/osProfile", "2020-07-15"),
    ("compute/osProfile/disablePasswordAuthentication", "2020-10-01"),
    ("compute/physicalZone", "2023-11-15"),
    ("compute/placementGroupId", "2017-08-01"),
    ("compute/plan", "2018-04-02"),
    ("compute/platformSubFaultDomain", "2021-10-01"),
    ("compute/priority", "2020-12-01"),
    ("compute/provider", "2018-10-01"),
    ("compute/publicKeys", "2018-04-02"),
    ("compute/resourceGroupName", "2017-08-01"),
    ("compute/resourceId", "2019-03-11"),
    ("compute/securityProfile", "2020-06-01"),
    ("compute/securityProfile/encryptionAtHost", "2021-11-01"),
    ("compute/securityProfile/securityType", "2021-12-13"),
    ("compute/storageProfile", "2019-06-01"),
    ("compute/storageProfile/imageReference/communityGalleryImageId", "2023-07-01"),
    ("compute/storageProfile/imageReference/sharedGalleryImageId", "2023-07-01"),
    ("compute/storageProfile/imageReference/exactVersion", "2023-07-01"),
    ("compute/storageProfile/osDisk/encryptionSettings/diskEncryptionKey", "2021-11-01"),
    ("compute/storageProfile/osDisk/encryptionSettings/keyEncryptionKey", "2021-11-01"),
    ("compute/storageProfile/dataDisks/*/bytesPerSecondThrottle", "2021-05-01"),
    ("compute/storageProfile/dataDisks/*/diskCapacityBytes", "2021-05-01"),
    ("compute/storageProfile/dataDisks/*/isSharedDisk", "2021-05-01"),
    ("compute/storageProfile/dataDisks/*/isUltraDisk", "2021-05-01"),
    ("compute/storageProfile/dataDisks/*/opsPerSecondThrottle", "2021-05-01"),
    ("compute/storageProfile/resourceDisk", "2021-02-01"),
    ("compute/subscriptionId", "2017-08-01"),
    ("compute/tags", "2017-08-01"),
    ("compute/tagsList", "2019-06-04"),
    ("compute/userData", "2021-01-01"),
    ("compute/virtualMachineScaleSet", "2021-03-01"),
    ("compute/vmScaleSetName", "2017-12-01"),
    ("compute/zone", "2017-12-01"),
];

/// First version of a scheduled event's fields.
const EVENTS: &[(&str, &str)] = &[
    ("Events/*/Description", "2019-04-01"),
    ("Events/*/EventSource", "2019-08-01"),
    ("Events/*/DurationInSeconds", "2020-07-01"),
];

/// The instance document as this version has it.
pub(super) fn instance(document: &Value, version: &str) -> Value {
    pruned(document, INSTANCE, version)
}

/// The events document as this version has it.
pub(super) fn events(document: &Value, version: &str) -> Value {
    pruned(document, EVENTS, version)
}

/// How the service spells a field below `above`, if it knows such a field at all.
pub(super) fn field(above: &[String], name: &str) -> Option<&'static str> {
    INSTANCE.iter().find_map(|(pattern, _)| {
        let (parent, last) = pattern.rsplit_once('/')?;
        let parent: Vec<&str> = parent.split('/').collect();
        let fits =
            parent.len() == above.len() && parent.iter().zip(above).all(|(p, key)| *p == "*" || p == key);
        (fits && last.eq_ignore_ascii_case(name)).then_some(last)
    })
}

fn pruned(document: &Value, table: &[(&str, &str)], version: &str) -> Value {
    let mut document = document.clone();
    for (pattern, _) in table.iter().filter(|(_, first)| version < *first) {
        let keys: Vec<&str> = pattern.split('/').collect();
        prune(&mut document, &keys);
    }
    document
}

fn prune(node: &mut Value, keys: &[&str]) {
    match (node, keys) {
        (Value::Object(map), [last]) => {
            map.remove(*last);
        }
        (Value::Object(map), [first, rest @ ..]) => {
            if let Some(child) = map.get_mut(*first) {
                prune(child, rest);
            }
        }
        (Value::Array(items), ["*", rest @ ..]) => items.iter_mut().for_each(|item| prune(item, rest)),
        _ => {}
    }
}
