//! Hetzner Cloud.

use imds_fake::{Fake, Scenario};

use crate::client::{Reply, ask};

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("hetzner:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn the_whole_is_yaml_and_its_values_are_text() {
    let fake = start("plain").await;
    let whole = get(&fake, "/hetzner/v1/metadata").await;
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    for lines in [
        "availability-zone: fsn1-dc14\nhostname: web-1\ninstance-id: 45678901\nlocal-ipv4: ''\nnetwork-config:\n  version: 1\n",
        "\n    mac_address: 96:00:02:aa:bb:cc\n",
        "\npublic-ipv4: 203.0.113.44\npublic-keys:\n- ssh-ed25519 ",
        "\nregion: eu-central\nvendor_data: \"#cloud-config\\n",
    ] {
        assert!(whole.text().contains(lines), "{lines}\nis not in\n{}", whole.text());
    }
    assert!(!whole.text().contains("private-networks"));
    let rows = [
        ("hostname", "web-1"),
        ("instance-id", "45678901"),
        ("availability-zone", "fsn1-dc14"),
        ("region", "eu-central"),
        ("local-ipv4", ""),
        ("private-networks", "[]\n"),
    ];
    for (name, value) in rows {
        let reply = get(&fake, &format!("/hetzner/v1/metadata/{name}")).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{name}");
    }
    assert_eq!(get(&fake, "/hetzner/v1/metadata/public-keys").await.json().as_array().unwrap().len(), 1);
    for path in ["/hetzner/v1/metadata/server-type", "/hetzner/v1/nothing", "/metadata/v1.json", "/"] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[]).await.status, 405);
}

#[tokio::test]
async fn unset_user_data_is_204() {
    let fake = start("plain").await;
    let unset = get(&fake, "/hetzner/v1/userdata").await;
    assert_eq!((unset.status, unset.text()), (204, ""));
    fake.set("userdata", "FAKE-SECRET").unwrap();
    assert_eq!(get(&fake, "/hetzner/v1/userdata").await.text(), "FAKE-SECRET");
    fake.remove("hetzner/v1/userdata").unwrap();
    assert_eq!(get(&fake, "/hetzner/v1/userdata").await.status, 204);
}

#[tokio::test]
async fn ec2_is_imitated_without_tokens() {
    let fake = start("plain").await;
    assert_eq!(get(&fake, "/latest/meta-data/instance-id").await.text(), "45678901");
    assert_eq!(get(&fake, "/2009-04-04/meta-data/public-ipv4").await.text(), "203.0.113.44");
    let listing = get(&fake, "/latest/meta-data/").await;
    assert_eq!(listing.text(), "hostname\ninstance-id\nlocal-ipv4\nplacement/\npublic-ipv4");
}

#[tokio::test]
async fn networks_differ_between_machines() {
    let fake = start("private-network").await;
    let networks = get(&fake, "/hetzner/v1/metadata/private-networks").await;
    assert_eq!(networks.text().matches("- ip: ").count(), 2);
    assert_eq!(get(&fake, "/hetzner/v1/metadata/local-ipv4").await.text(), "10.0.0.2");
    let fake = start("ipv6-only").await;
    assert_eq!(get(&fake, "/hetzner/v1/metadata/public-ipv4").await.status, 404);
    assert!(!get(&fake, "/hetzner/v1/metadata").await.text().contains("public-ipv4"));
    let fake = start("empty-ipv4").await;
    let address = get(&fake, "/hetzner/v1/metadata/public-ipv4").await;
    assert_eq!((address.status, address.text()), (200, ""));
}

#[tokio::test]
async fn changes_show_in_the_whole_and_in_the_firmware() {
    let mut scenario = Scenario::parse("hetzner").unwrap();
    scenario.set("instance-id", "45000000").unwrap();
    scenario.set("metadata/hostname", "42").unwrap();
    assert!(scenario.set("server-type", "cx22").is_err());
    assert_eq!(scenario.firmware()["product_serial"], "45000000");
    let fake = Fake::start(scenario).await.unwrap();
    let whole = get(&fake, "/hetzner/v1/metadata").await;
    assert!(whole.text().contains("\nhostname: \"42\"\ninstance-id: 45000000\n"), "{}", whole.text());
}
