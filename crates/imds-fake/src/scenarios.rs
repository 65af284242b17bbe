//! The built-in scenarios: one line for each file of the `scenarios` folder.

use std::sync::LazyLock;

use crate::Cloud;

/// All files of the folder, each behind a NUL, its cloud and name, and a newline: unpacked once, when the first is wanted.
static TEXTS: LazyLock<String> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/scenarios.deflate"));
    let unpacked = miniz_oxide::inflate::decompress_to_vec(packed).unwrap_or_default();
    String::from_utf8(unpacked).unwrap_or_default()
});

/// The text of a built-in scenario.
pub(crate) fn text(cloud: Cloud, name: &str) -> Option<&'static str> {
    let key = format!("{}/{name}", cloud.name());
    TEXTS.split('\0').find_map(|file| file.strip_prefix(&*key)?.strip_prefix('\n'))
}

/// Cloud and name of every built-in scenario; `plain` is each cloud's default.
pub(crate) const BUILT_IN: &[(Cloud, &str)] = &[
    (Cloud::Aws, "plain"),
    (Cloud::Aws, "spot-asg"),
    (Cloud::Aws, "spot-notice"),
    (Cloud::Aws, "govcloud"),
    (Cloud::Aws, "local-zone"),
    (Cloud::Aws, "imdsv2-required"),
    (Cloud::Aws, "tags-off"),
    (Cloud::Aws, "disabled"),
    (Cloud::Aws, "hop-limit"),
    (Cloud::Aws, "hop-limit-v2-required"),
    (Cloud::Aws, "xen"),
    (Cloud::Aws, "v1-only"),
    (Cloud::Aws, "fargate"),
    (Cloud::Aws, "ecs-ec2"),
    (Cloud::Azure, "plain"),
    (Cloud::Azure, "vmss-uniform-spot"),
    (Cloud::Azure, "vmss-flex-zone"),
    (Cloud::Azure, "usgov"),
    (Cloud::Azure, "stack"),
    (Cloud::Azure, "stack-2018"),
    (Cloud::Azure, "gone-first"),
    (Cloud::Azure, "throttled-first"),
    (Cloud::Azure, "aks"),
    (Cloud::Azure, "arc"),
    (Cloud::Gcp, "plain"),
    (Cloud::Gcp, "spot-regional-group"),
    (Cloud::Gcp, "gke"),
    (Cloud::Gcp, "no-external-ip"),
    (Cloud::Gcp, "gke-concealed"),
    (Cloud::Gcp, "cloud-run"),
    (Cloud::Oracle, "plain"),
    (Cloud::Oracle, "legacy-v1"),
    (Cloud::Oracle, "ipv6-only"),
    (Cloud::Oracle, "no-tags"),
    (Cloud::Alibaba, "plain"),
    (Cloud::Alibaba, "hardened"),
    (Cloud::Alibaba, "tags"),
    (Cloud::Alibaba, "spot-notice"),
    (Cloud::Tencent, "plain"),
    (Cloud::Tencent, "spot-notice"),
    (Cloud::Tencent, "no-public-ip"),
    (Cloud::DigitalOcean, "plain"),
    (Cloud::DigitalOcean, "private-only"),
    (Cloud::Hetzner, "plain"),
    (Cloud::Hetzner, "private-network"),
    (Cloud::Hetzner, "ipv6-only"),
    (Cloud::Hetzner, "empty-ipv4"),
    (Cloud::Vultr, "plain"),
    (Cloud::Vultr, "public-only"),
    (Cloud::Vultr, "bare-metal"),
    (Cloud::Akamai, "plain"),
    (Cloud::Akamai, "no-image"),
    (Cloud::Scaleway, "plain"),
    (Cloud::Scaleway, "private-nic-only"),
    (Cloud::Scaleway, "many-ips"),
    (Cloud::OpenStack, "plain"),
    (Cloud::OpenStack, "no-ec2"),
    (Cloud::OpenStack, "dhcp-only"),
    (Cloud::OpenStack, "ipv6"),
    (Cloud::OpenStack, "legacy-2012"),
    (Cloud::Ibm, "plain"),
    (Cloud::Ibm, "new-shape"),
    (Cloud::Ibm, "attachments"),
    (Cloud::Ibm, "disabled"),
    (Cloud::UpCloud, "plain"),
    (Cloud::UpCloud, "private-only"),
    (Cloud::Exoscale, "plain"),
    (Cloud::CloudStack, "plain"),
    (Cloud::Huawei, "plain"),
    (Cloud::Huawei, "token-required"),
    (Cloud::Huawei, "open-telekom"),
    (Cloud::Huawei, "spot"),
    (Cloud::Yandex, "plain"),
    (Cloud::Yandex, "gce-face-off"),
    (Cloud::Yandex, "ec2-face-off"),
    (Cloud::Yandex, "maintenance"),
    (Cloud::Ovh, "plain"),
    (Cloud::Ovh, "private-network"),
    (Cloud::Outscale, "plain"),
    (Cloud::Outscale, "tags"),
    (Cloud::Outscale, "tags-instance"),
    (Cloud::Outscale, "identity"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_has_its_line() {
        let files = TEXTS.split('\0').filter(|file| !file.is_empty()).count();
        assert_eq!(files, BUILT_IN.len());
        for (cloud, name) in BUILT_IN {
            assert!(text(*cloud, name).is_some_and(|text| !text.is_empty()), "{cloud}:{name}");
        }
        assert_eq!(text(Cloud::Aws, "pla"), None);
    }
}
