//! Every built-in scenario, served: ids are well formed, the secrets are marked.

use imds_fake::{Cloud, Fake, SECRET_MARKER, Scenario};

use crate::client::ask;

/// Where each cloud serves secrets, and the headers it wants.
const AWS: &[&str] = &[
    "/latest/user-data",
    "/latest/meta-data/iam/security-credentials/web-role",
    "/latest/meta-data/iam/security-credentials/worker",
    "/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
    "/latest/meta-data/managed-ssh-keys/signer-cert",
    "/latest/meta-data/public-keys/0/openssh-key",
    "/latest/dynamic/instance-identity/pkcs7",
    "/latest/dynamic/instance-identity/rsa2048",
    "/latest/dynamic/instance-identity/signature",
];
const AZURE: &[&str] = &[
    "/metadata/instance/compute/customData?api-version=2021-02-01&format=text",
    "/metadata/instance/compute/userData?api-version=2021-02-01&format=text",
    "/metadata/instance/compute/publicKeys/0/keyData?api-version=2018-04-02&format=text",
    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=x",
    "/metadata/attested/document?api-version=2021-02-01",
];
const GCP: &[&str] = &[
    "/computeMetadata/v1/instance/attributes/startup-script",
    "/computeMetadata/v1/instance/attributes/ssh-keys",
    "/computeMetadata/v1/instance/attributes/kube-env",
    "/computeMetadata/v1/instance/attributes/kubeconfig",
    "/computeMetadata/v1/instance/attributes/configure-sh",
    "/computeMetadata/v1/instance/attributes/user-data",
    "/computeMetadata/v1/project/attributes/ssh-keys",
    "/computeMetadata/v1/instance/service-accounts/default/token",
    "/computeMetadata/v1/instance/service-accounts/default/identity?audience=x",
];
const DIGITALOCEAN: &[&str] = &[
    "/metadata/v1/user-data",
    "/metadata/v1/vendor-data",
    "/metadata/v1/public-keys",
    "/metadata/v1/auth-token",
];

#[tokio::test]
async fn every_secret_carries_the_marker() {
    let mut served = std::collections::BTreeSet::new();
    for scenario in Scenario::all() {
        let name = format!("{}:{}", scenario.cloud(), scenario.name());
        let paths = match scenario.cloud() {
            Cloud::Aws => AWS,
            Cloud::Azure => AZURE,
            Cloud::Gcp => GCP,
            _ => DIGITALOCEAN,
        };
        let fake = Fake::start(scenario).await.unwrap();
        let mut marked = 0;
        fake.clear_faults();
        for path in paths {
            let reply =
                ask(fake.addr(), "GET", path, &[("Metadata", "true"), ("Metadata-Flavor", "Google")]).await;
            if reply.status == 200 {
                assert!(reply.text().contains(SECRET_MARKER), "{name} {path}: {}", reply.text());
                served.insert(*path);
                marked += 1;
            }
        }
        let closed = ["disabled", "imdsv2-required", "hop-limit-v2-required"]
            .iter()
            .any(|closed| name.ends_with(closed));
        assert!(marked > 0 || closed, "{name} serves no secret");
    }
    let all: usize = [AWS, AZURE, GCP, DIGITALOCEAN].iter().map(|paths| paths.len()).sum();
    assert_eq!(served.len(), all, "each of these paths is served by some scenario");
}

#[tokio::test]
async fn harmless_values_carry_none() {
    let rows = [
        ("aws", "/latest/dynamic/instance-identity/document"),
        ("aws:spot-asg", "/latest/meta-data/tags/instance/Name"),
        ("azure", "/metadata/instance/network?api-version=2021-02-01"),
        ("azure", "/metadata/instance/compute/tagsList?api-version=2021-02-01"),
        ("gcp:gke", "/computeMetadata/v1/instance/attributes/cluster-name"),
        ("gcp", "/computeMetadata/v1/instance/network-interfaces/?recursive=true"),
        ("digitalocean", "/metadata/v1/hostname"),
    ];
    for (spec, path) in rows {
        let fake = Fake::start(Scenario::parse(spec).unwrap()).await.unwrap();
        let reply =
            ask(fake.addr(), "GET", path, &[("Metadata", "true"), ("Metadata-Flavor", "Google")]).await;
        assert_eq!(reply.status, 200, "{spec} {path}");
        assert!(!reply.text().contains(SECRET_MARKER), "{spec} {path}");
    }
}

#[tokio::test]
async fn firmware_is_what_each_cloud_shows() {
    let firmware = |spec: &str| Scenario::parse(spec).unwrap().firmware().clone();
    let nitro = firmware("aws");
    for file in ["sys_vendor", "bios_vendor", "board_vendor", "chassis_vendor", "chassis_asset_tag"] {
        assert_eq!(nitro[file], "Amazon EC2");
    }
    assert_eq!((&*nitro["product_name"], &*nitro["board_asset_tag"]), ("m6i.xlarge", "i-0fedcba9876543210"));
    let xen = firmware("aws:xen");
    assert_eq!(
        (&*xen["sys_vendor"], &*xen["bios_version"], xen.get("board_asset_tag")),
        ("Xen", "4.2.amazon", None)
    );
    for spec in ["azure", "azure:stack", "azure:aks", "azure:usgov"] {
        assert_eq!(firmware(spec)["chassis_asset_tag"], "7783-7084-3265-9085-8269-3286-77", "{spec}");
    }
    assert_eq!(firmware("gcp:gke")["product_name"], "Google Compute Engine");
    assert_eq!(firmware("digitalocean")["sys_vendor"], "DigitalOcean");
}

#[tokio::test]
async fn firmware_and_service_name_the_same_machine() {
    for scenario in Scenario::all() {
        let name = format!("{}:{}", scenario.cloud(), scenario.name());
        let (cloud, firmware) = (scenario.cloud(), scenario.firmware().clone());
        let fake = Fake::start(scenario).await.unwrap();
        fake.clear_faults();
        let get = async |path: &str| {
            ask(fake.addr(), "GET", path, &[("Metadata", "true"), ("Metadata-Flavor", "Google")]).await
        };
        let (file, reply) = match cloud {
            Cloud::Aws => ("board_asset_tag", get("/latest/meta-data/instance-id").await),
            Cloud::Azure => (
                "product_uuid",
                get("/metadata/instance/compute/vmId?api-version=2018-10-01&format=text").await,
            ),
            Cloud::DigitalOcean => ("product_serial", get("/metadata/v1/id").await),
            _ => continue,
        };
        if let (200, Some(content)) = (reply.status, firmware.get(file)) {
            assert_eq!(reply.text(), content, "{name}");
        }
    }
}
