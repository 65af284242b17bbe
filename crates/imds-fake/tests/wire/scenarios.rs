//! Every built-in scenario, served: ids are well formed, the secrets are marked.

use imds_fake::{Cloud, Fake, SECRET_MARKER, Scenario};

use crate::client::{Connection, Reply, ask};

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
    "/v2/credentials/2f1e0d9c-8b7a-4695-8473-625140fedcba",
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

const ORACLE: &[&str] = &[
    "/opc/v2/instance/",
    "/opc/v2/instance/metadata/user_data",
    "/opc/v2/instance/metadata/ssh_authorized_keys",
    "/opc/v2/identity/cert.pem",
    "/opc/v2/identity/intermediate.pem",
    "/opc/v2/identity/key.pem",
    "/opc/v1/instance/metadata/user_data",
    "/openstack/latest/meta_data.json",
    "/openstack/latest/user_data",
];
const ALIBABA: &[&str] = &[
    "/latest/user-data",
    "/latest/vendor-data",
    "/latest/meta-data/ram/security-credentials/web-role",
    "/latest/meta-data/public-keys/0/openssh-key",
    "/2016-01-01/meta-data/all",
    "/latest/dynamic/instance-identity/pkcs7?audience=x",
];
const TENCENT: &[&str] = &["/latest/user-data", "/latest/meta-data/cam/security-credentials/web-role"];
const HETZNER: &[&str] = &[
    "/hetzner/v1/userdata",
    "/hetzner/v1/metadata",
    "/hetzner/v1/metadata/public-keys",
    "/hetzner/v1/metadata/vendor_data",
    "/latest/user-data",
];
const VULTR: &[&str] = &["/v1.json", "/v1/public-keys"];
const AKAMAI: &[&str] = &["/v1/ssh-keys", "/v1/user-data"];
/// Its user data takes a privileged port.
const SCALEWAY: &[&str] = &["/conf", "/conf?format=json"];
const UPCLOUD: &[&str] = &["/metadata/v1.json", "/metadata/v1/public_keys"];
const EXOSCALE: &[&str] = &["/1.0/user-data", "/latest/meta-data/public-keys"];
const CLOUDSTACK: &[&str] = &["/latest/user-data", "/latest/meta-data/public-keys", "/latest/public-keys"];
/// Properties and keys of one document, and files beside it.
const OPENSTACK: &[&str] = &[
    "/openstack/latest/meta_data.json",
    "/openstack/latest/user_data",
    "/openstack/latest/password",
    "/openstack/latest/vendor_data.json",
    "/openstack/content/0000",
    "/latest/user-data",
    "/latest/meta-data/public-keys/0/openssh-key",
];
const OVH: &[&str] = &[
    "/openstack/latest/meta_data.json",
    "/openstack/latest/user_data",
    "/openstack/latest/vendor_data.json",
    "/latest/user-data",
];
const HUAWEI: &[&str] = &[
    "/openstack/latest/meta_data.json",
    "/openstack/latest/user_data",
    "/openstack/latest/password",
    "/openstack/latest/securitykey",
    "/latest/user-data",
];
const IBM: &[&str] = &[
    "/metadata/v1/instance/initialization?version=2025-08-26",
    "/metadata/v1/instance/software_attachments?version=2025-08-26",
    "/metadata/v1/keys?version=2025-08-26",
];
const YANDEX: &[&str] = &[
    "/computeMetadata/v1/instance/attributes/ssh-keys",
    "/computeMetadata/v1/instance/attributes/user-data",
    "/computeMetadata/v1/instance/service-accounts/default/token",
    "/computeMetadata/v1/instance/vendor/identity/base64",
    "/computeMetadata/v1/instance/vendor/identity/dsa",
    "/computeMetadata/v1/instance/vendor/identity/rsa",
    "/latest/user-data",
];
const OUTSCALE: &[&str] = &["/latest/user-data", "/latest/meta-data/public-keys/0/openssh-key"];

/// Where each cloud serves secrets; every path is served by some scenario of it.
const SECRETS: &[(Cloud, &[&str])] = &[
    (Cloud::Aws, AWS),
    (Cloud::Azure, AZURE),
    (Cloud::Gcp, GCP),
    (Cloud::Oracle, ORACLE),
    (Cloud::Alibaba, ALIBABA),
    (Cloud::Tencent, TENCENT),
    (Cloud::DigitalOcean, DIGITALOCEAN),
    (Cloud::Hetzner, HETZNER),
    (Cloud::Vultr, VULTR),
    (Cloud::Akamai, AKAMAI),
    (Cloud::Scaleway, SCALEWAY),
    (Cloud::UpCloud, UPCLOUD),
    (Cloud::Exoscale, EXOSCALE),
    (Cloud::CloudStack, CLOUDSTACK),
    (Cloud::OpenStack, OPENSTACK),
    (Cloud::Ovh, OVH),
    (Cloud::Huawei, HUAWEI),
    (Cloud::Ibm, IBM),
    (Cloud::Yandex, YANDEX),
    (Cloud::Outscale, OUTSCALE),
];

/// Headers that open every service: the fixed ones of all clouds, and a fresh token of the fake's own.
async fn keys(fake: &Fake) -> Vec<(&'static str, String)> {
    let token = async |path: &str, ttl: &str| {
        let reply = ask(fake.addr(), "PUT", path, &[(ttl, "60")]).await;
        reply.text().to_owned()
    };
    let own = match fake.cloud() {
        Cloud::Oracle => Some(("Authorization", "Bearer Oracle".to_owned())),
        Cloud::Alibaba => Some((
            "X-aliyun-ecs-metadata-token",
            token("/latest/api/token", "X-aliyun-ecs-metadata-token-ttl-seconds").await,
        )),
        Cloud::Akamai => Some(("Metadata-Token", token("/v1/token", "Metadata-Token-Expiry-Seconds").await)),
        Cloud::Huawei => {
            let ttl = ("X-Metadata-Token-Ttl-Seconds", "60");
            let reply = ask(fake.addr(), "PUT", "/meta-data/latest/api/token", &[ttl]).await;
            (reply.status == 200).then(|| ("X-Metadata-Token", reply.text().to_owned()))
        }
        Cloud::Ibm => {
            let (path, flavour) = ("/identity/v1/token?version=2025-08-26", ("Metadata-Flavor", "ibm"));
            let asked = Connection::open(fake.addr()).await.ask_with("PUT", path, &[flavour], "{}").await;
            let token = asked.unwrap().json()["access_token"].as_str().map(|token| format!("Bearer {token}"));
            token.map(|token| ("Authorization", token))
        }
        _ => None,
    };
    let fixed = [("Metadata", "true".to_owned()), ("Metadata-Flavor", "Google".to_owned())];
    fixed.into_iter().chain(own).collect()
}

/// Reads a path with all the keys.
async fn read(fake: &Fake, path: &str) -> Reply {
    let keys = keys(fake).await;
    let keys: Vec<(&str, &str)> = keys.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ask(fake.addr(), "GET", path, &keys).await
}

#[tokio::test]
async fn every_secret_carries_the_marker() {
    let mut served = std::collections::BTreeSet::new();
    for scenario in Scenario::all() {
        let (cloud, name) = (scenario.cloud(), format!("{}:{}", scenario.cloud(), scenario.name()));
        let paths = SECRETS.iter().find(|(known, _)| *known == cloud);
        let (_, paths) = paths.unwrap_or_else(|| panic!("where {cloud} serves secrets is not listed"));
        let fake = Fake::start(scenario).await.unwrap();
        let mut marked = 0;
        fake.clear_faults();
        for path in *paths {
            let reply = read(&fake, path).await;
            // A password or vendor data that nobody has set.
            let blank = ["", "{}"].contains(&reply.text());
            if reply.status == 200 && !blank {
                assert!(reply.text().contains(SECRET_MARKER), "{name} {path}: {}", reply.text());
                served.insert((cloud, *path));
                marked += 1;
            }
        }
        let closed = ["disabled", "imdsv2-required", "hop-limit-v2-required", "azure:arc"]
            .iter()
            .any(|closed| name.ends_with(closed));
        assert!(marked > 0 || closed, "{name} serves no secret");
    }
    for (cloud, paths) in SECRETS {
        for path in *paths {
            assert!(served.contains(&(*cloud, *path)), "no scenario of {cloud} serves {path}");
        }
    }
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
        ("oracle", "/opc/v2/vnics/"),
        ("oracle", "/opc/v2/instance/freeformTags/"),
        ("alibaba", "/latest/dynamic/instance-identity/document"),
        ("alibaba:tags", "/latest/meta-data/tags/instance/env"),
        ("tencent", "/latest/meta-data/instance-name"),
        ("digitalocean", "/metadata/v1/hostname"),
        ("hetzner:private-network", "/hetzner/v1/metadata/private-networks"),
        ("hetzner", "/hetzner/v1/metadata/network-config"),
        ("vultr", "/v1/user-defined"),
        ("akamai", "/v1/instance"),
        ("akamai", "/v1/network"),
        ("upcloud", "/metadata/v1/tags"),
        ("exoscale", "/1.0/meta-data/local-hostname"),
        ("cloudstack", "/latest/meta-data/service-offering"),
        ("openstack", "/openstack/latest/network_data.json"),
        ("openstack", "/latest/meta-data/public-ipv4"),
        ("ovh", "/openstack/latest/network_data.json"),
        ("huawei:token-required", "/openstack/latest/network_data.json"),
        ("ibm", "/metadata/v1/instance?version=2025-08-26"),
        ("ibm:attachments", "/metadata/v1/instance/network_attachments?version=2025-08-26"),
        ("yandex", "/computeMetadata/v1/instance/vendor/labels/?recursive=true"),
        ("yandex", "/latest/vendor/instance-identity/document"),
        ("outscale:tags", "/latest/meta-data/tags/"),
        ("azure:arc", "/metadata/instance?api-version=2020-06-01"),
        ("gcp:cloud-run", "/computeMetadata/v1/?recursive=true"),
    ];
    for (spec, path) in rows {
        let fake = Fake::start(Scenario::parse(spec).unwrap()).await.unwrap();
        let reply = read(&fake, path).await;
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
    assert_eq!(firmware("oracle")["chassis_asset_tag"], "OracleCloud.com");
    assert_eq!(firmware("alibaba")["product_name"], "Alibaba Cloud ECS");
    assert_eq!(firmware("tencent")["sys_vendor"], "Tencent Cloud");
    assert_eq!(firmware("hetzner")["sys_vendor"], "Hetzner");
    assert_eq!(firmware("vultr")["sys_vendor"], "Vultr");
    assert_eq!(firmware("akamai")["sys_vendor"], "Akamai");
    assert_eq!(firmware("akamai:no-image")["sys_vendor"], "Linode");
    assert_eq!(firmware("scaleway")["sys_vendor"], "Scaleway");
    assert_eq!(firmware("upcloud")["sys_vendor"], "UpCloud");
    assert!(firmware("exoscale")["product_name"].starts_with("Exoscale"));
    assert!(firmware("cloudstack")["product_name"].starts_with("CloudStack"));
    for spec in ["openstack", "openstack:legacy-2012", "ovh"] {
        assert_eq!(firmware(spec)["product_name"], "OpenStack Nova", "{spec}");
    }
    assert_eq!(firmware("huawei")["chassis_asset_tag"], "HUAWEICLOUD");
    assert_eq!(firmware("huawei:open-telekom")["chassis_asset_tag"], "OpenTelekomCloud");
    assert!(firmware("ibm")["chassis_vendor"].starts_with("IBM:Cloud Compute Server"));
    assert_eq!(firmware("outscale")["product_name"], "3DS Outscale VM");
    assert_eq!(firmware("yandex").len() + firmware("gcp:cloud-run").len() + firmware("aws:fargate").len(), 0);
}

#[tokio::test]
async fn firmware_and_service_name_the_same_machine() {
    for scenario in Scenario::all() {
        let name = format!("{}:{}", scenario.cloud(), scenario.name());
        let (cloud, firmware) = (scenario.cloud(), scenario.firmware().clone());
        let fake = Fake::start(scenario).await.unwrap();
        fake.clear_faults();
        let get = async |path: &str| read(&fake, path).await;
        let (file, reply) = match cloud {
            Cloud::Aws => ("board_asset_tag", get("/latest/meta-data/instance-id").await),
            Cloud::Azure => (
                "product_uuid",
                get("/metadata/instance/compute/vmId?api-version=2018-10-01&format=text").await,
            ),
            Cloud::DigitalOcean => ("product_serial", get("/metadata/v1/id").await),
            Cloud::Hetzner => ("product_serial", get("/hetzner/v1/metadata/instance-id").await),
            Cloud::Vultr => ("product_serial", get("/v1/instanceid").await),
            Cloud::UpCloud => ("product_uuid", get("/metadata/v1/instance_id").await),
            _ => continue,
        };
        if let (200, Some(content)) = (reply.status, firmware.get(file)) {
            assert_eq!(reply.text(), content, "{name}");
        }
    }
}
