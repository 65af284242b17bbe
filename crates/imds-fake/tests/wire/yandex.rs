//! Yandex Cloud: Google's format and EC2's.

use imds_fake::{Fake, Scenario};

use crate::client::ask;

const FLAVOUR: (&str, &str) = ("Metadata-Flavor", "Google");
const GCE: &str = "/computeMetadata/v1/";

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

#[tokio::test]
async fn googles_format_has_the_vendors_own_branch() {
    let fake = fake("yandex").await;
    let get = async |path: &str| ask(fake.addr(), "GET", &format!("{GCE}{path}"), &[FLAVOUR]).await;
    let rows = [
        ("instance/id", "fv4hfouo8bgqa1b2c3d4"),
        ("instance/zone", "projects/b1gia87mbaoma1b2c3d4/zones/ru-central1-d"),
        ("instance/vendor/cloud-id", "b1gia87mbaoma1b2c3d4"),
        ("instance/vendor/folder-id", "b1gt6g8ht345a1b2c3d4"),
        ("instance/vendor/", "cloud-id\nenvironment\nfolder-id\nidentity/\nlabels/\n"),
        ("instance/vendor/labels/", "cost-center\nenv\nteam_name\n"),
        ("instance/vendor/labels/team_name", "front"),
        ("instance/network-interfaces/0/access-configs/0/external-ip", "203.0.113.61"),
        ("instance/network-interfaces/0/network", "fl8lqsms4cdl3a1b2c3d"),
        ("project/", ""),
        ("yandex/folder-id", "b1gt6g8ht345a1b2c3d4"),
        // Slashes at the end make no difference here.
        ("yandex/folder-id/", "b1gt6g8ht345a1b2c3d4"),
        ("instance/disks", "0/\n1/\n"),
    ];
    for (path, page) in rows {
        let reply = get(path).await;
        assert_eq!((reply.status, reply.text()), (200, page), "{path}");
        assert_eq!(
            (reply.header("metadata-flavor"), reply.header("server")),
            (Some("Google"), None),
            "{path}"
        );
    }
    let whole = get("instance/?recursive=true").await.json();
    assert_eq!(whole["vendor"]["labels"]["cost-center"], "42");
    assert_eq!(whole["id"], "fv4hfouo8bgqa1b2c3d4");
    assert_eq!(get("instance/machine-type").await.status, 404);
    assert_eq!(ask(fake.addr(), "GET", &format!("{GCE}instance/id"), &[]).await.status, 403);
    assert!(get("instance/service-accounts/default/token").await.json()["access_token"].is_string());
}

#[tokio::test]
async fn ec2s_format_is_its_first_version() {
    let fake = fake("yandex").await;
    let versions = ask(fake.addr(), "GET", "/", &[FLAVOUR]).await;
    assert!(
        versions.text().starts_with("1.0\n2007-01-19\n") && versions.text().ends_with("2023-05-10\nlatest")
    );
    let rows = [
        ("meta-data/instance-id", "fv4hfouo8bgqa1b2c3d4"),
        ("meta-data/local-ipv4", "10.130.0.27"),
        ("meta-data/network/interfaces/macs/", "d0:0d:12:2f:84:2e/"),
        ("meta-data/network/interfaces/macs/d0:0d:12:2f:84:2e/", "ipv6s\nlocal-hostname\nlocal-ipv4s\nmac"),
    ];
    for (path, page) in rows {
        let reply = ask(fake.addr(), "GET", &format!("/latest/{path}"), &[]).await;
        assert_eq!((reply.status, reply.text()), (200, page), "{path}");
    }
    let document = ask(fake.addr(), "GET", "/latest/vendor/instance-identity/document", &[]).await.json();
    assert_eq!(document["imageId"], "fd8a1rd5b389a1b2c3d4");
    let token =
        ask(fake.addr(), "PUT", "/latest/api/token", &[("X-aws-ec2-metadata-token-ttl-seconds", "60")]).await;
    assert_eq!(token.status, 404);
    assert_eq!(ask(fake.addr(), "GET", "/latest/meta-data/instance-type", &[]).await.status, 404);
}

#[tokio::test]
async fn a_face_that_is_off_answers_400() {
    let (gce, ec2) = (format!("{GCE}instance/id"), "/latest/meta-data/instance-id");
    for (spec, of_gce, of_ec2) in [("yandex:gce-face-off", 400, 200), ("yandex:ec2-face-off", 200, 400)] {
        let fake = fake(spec).await;
        assert_eq!(ask(fake.addr(), "GET", &gce, &[FLAVOUR]).await.status, of_gce, "{spec}");
        assert_eq!(ask(fake.addr(), "GET", ec2, &[]).await.status, of_ec2, "{spec}");
    }
}

#[tokio::test]
async fn both_faces_show_the_same_machine() {
    let fake = fake("yandex:maintenance").await;
    let gce = async |path: &str| ask(fake.addr(), "GET", &format!("{GCE}{path}"), &[FLAVOUR]).await;
    let ec2 = async |path: &str| ask(fake.addr(), "GET", &format!("/latest/{path}"), &[]).await;
    assert_eq!(gce("instance/maintenance-event").await.text(), "MIGRATE_ON_HOST_MAINTENANCE");
    assert_eq!(ec2("meta-data/instance-id").await.text(), "epd9k3m5n7p1q2r3s4t5");
    assert_eq!(ec2("vendor/instance-identity/document").await.json()["instanceId"], "epd9k3m5n7p1q2r3s4t5");
    let document: serde_json::Value =
        serde_json::from_str(gce("instance/vendor/identity/document").await.text()).unwrap();
    assert_eq!(document["instanceId"], "epd9k3m5n7p1q2r3s4t5");
    assert_eq!(ec2("meta-data/local-hostname").await.text(), "gpu-2.ru-central1.internal");
    assert_eq!(ec2("meta-data/public-ipv4").await.status, 404);
    fake.set("meta-data/mac", "d0:0d:00:00:00:01").unwrap();
    assert_eq!(ec2("meta-data/network/interfaces/macs/").await.text(), "d0:0d:00:00:00:01/");
    assert_eq!(gce("instance/network-interfaces/0/mac").await.text(), "d0:0d:00:00:00:01");
    fake.set("instance/vendor/labels/tier", "gold").unwrap();
    assert_eq!(gce("instance/vendor/labels/tier").await.text(), "gold");
    assert!(fake.set("instance/vendor/colour", "red").is_err());
}
