//! OpenStack's nova, and `OVHcloud`, which runs it as it is.

use imds_fake::{Fake, Scenario};
use serde_json::json;

use crate::client::{Connection, ask};

const MISSING: &str = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>";

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

#[tokio::test]
async fn versions_files_and_their_types() {
    let fake = fake("openstack").await;
    let versions = ask(fake.addr(), "GET", "/openstack", &[]).await;
    assert_eq!(versions.header("content-type"), Some("text/plain; charset=UTF-8"));
    let expected = "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\n\
                    2020-10-14\n2025-04-04\nlatest";
    assert_eq!(versions.text(), expected);
    let rows = [
        (
            "latest",
            "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json",
        ),
        ("2016-06-30", "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json"),
        ("2012-08-10", "meta_data.json\nuser_data"),
    ];
    for (version, files) in rows {
        assert_eq!(ask(fake.addr(), "GET", &format!("/openstack/{version}"), &[]).await.text(), files);
    }
    for (file, content_type) in [
        ("meta_data.json", "application/json"),
        ("vendor_data.json", "application/json"),
        ("network_data.json", "text/plain; charset=UTF-8"),
        ("user_data", "text/plain; charset=UTF-8"),
    ] {
        let reply = ask(fake.addr(), "GET", &format!("/openstack/latest/{file}"), &[]).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(content_type)), "{file}");
    }
    for missing in
        ["/openstack/2099-01-01/meta_data.json", "/openstack/latest/securitykey", "/openstack/content"]
    {
        let reply = ask(fake.addr(), "GET", missing, &[]).await;
        assert_eq!((reply.status, reply.text().starts_with(MISSING)), (404, true), "{missing}");
    }
    assert_eq!(ask(fake.addr(), "GET", "/openstack/content/0000", &[]).await.status, 200);
}

#[tokio::test]
async fn older_versions_know_less_and_the_seed_is_never_the_same() {
    let fake = fake("openstack").await;
    let read = async |version: &str| {
        ask(fake.addr(), "GET", &format!("/openstack/{version}/meta_data.json"), &[]).await.json()
    };
    let newest = read("latest").await;
    assert_eq!(newest["meta"], json!({"role": "webserver", "cost center": "42/b"}));
    assert_eq!(
        (&newest["launch_index"], &newest["project_id"]),
        (&json!(0), &json!("f7ac731cc11f40efbc03a9f9e1d1d21f"))
    );
    assert_ne!(newest["random_seed"], read("latest").await["random_seed"]);
    let havana = read("2013-10-17").await;
    assert_eq!((havana.get("project_id"), havana.get("devices")), (None, None));
    assert!(havana["random_seed"].is_string());
    assert_eq!(read("2012-08-10").await.get("random_seed"), None);
}

#[tokio::test]
async fn paths_are_made_normal_and_all_but_openstack_is_ec2() {
    let fake = fake("openstack").await;
    for path in [
        "/openstack//latest/meta_data.json",
        "/openstack/latest/meta_data.json/",
        "/x/../openstack/./latest/meta_data.json",
    ] {
        assert_eq!(ask(fake.addr(), "GET", path, &[]).await.json()["name"], "web-1", "{path}");
    }
    let rows = [
        ("/latest", "meta-data/\nuser-data"),
        ("/latest/meta-data/instance-id", "i-0000002a"),
        ("/ec2/2009-04-04/meta-data/instance-type/", "m1.large"),
        ("/latest/meta-data/public-ipv4", "198.51.100.44"),
        ("/latest/meta-data/public-keys/", "0=ops"),
        ("/latest/meta-data/public-keys/0", "openssh-key"),
        ("/latest/meta-data/block-device-mapping", "ami\nebs0\nroot"),
        ("/latest/meta-data/security-groups", "default\nweb"),
        ("/latest/user-data", "#cloud-config\n# FAKE-SECRET-user-data\n"),
        (
            "/1.0/meta-data",
            "ami-id\nami-launch-index\nami-manifest-path\nhostname\ninstance-id\nlocal-ipv4\npublic-keys/\nreservation-id\nsecurity-groups",
        ),
    ];
    for (path, page) in rows {
        let reply = ask(fake.addr(), "GET", path, &[]).await;
        assert_eq!((reply.status, reply.text()), (200, page), "{path}");
        assert_eq!(reply.header("server"), None);
    }
    let roots = ask(fake.addr(), "GET", "/", &[]).await;
    assert!(roots.text().starts_with("1.0\n2007-01-19\n") && roots.text().ends_with("\n2009-04-04\nlatest"));
    for missing in [
        "/latest/meta-data/mac",
        "/latest/dynamic",
        "/2009-04-04/meta-data/tags",
        "/2016-09-02/meta-data",
        "/1.0/meta-data/instance-type",
    ] {
        assert_eq!(ask(fake.addr(), "GET", missing, &[]).await.status, 404, "{missing}");
    }
    let token =
        ask(fake.addr(), "PUT", "/latest/api/token", &[("X-aws-ec2-metadata-token-ttl-seconds", "60")]).await;
    assert_eq!(token.status, 404);
}

#[tokio::test]
async fn a_password_is_left_once() {
    let fake = fake("openstack:ipv6").await;
    let path = "/openstack/latest/password";
    assert_eq!(ask(fake.addr(), "GET", path, &[]).await.text(), "");
    let post = async |body: &str| {
        Connection::open(fake.addr()).await.ask_with("POST", path, &[], body).await.unwrap().status
    };
    assert_eq!(post(&"x".repeat(1021)).await, 400);
    assert_eq!(post("encrypted").await, 200);
    assert_eq!(ask(fake.addr(), "GET", path, &[]).await.text(), "encrypted");
    assert_eq!(post("again").await, 409);
    assert_eq!(ask(fake.addr(), "PUT", path, &[]).await.status, 400);
}

#[tokio::test]
async fn scenarios_differ_in_what_is_there() {
    let no_ec2 = fake("openstack:no-ec2").await;
    for path in ["/", "/latest", "/latest/meta-data/instance-id", "/ec2"] {
        assert_eq!(ask(no_ec2.addr(), "GET", path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(ask(no_ec2.addr(), "GET", "/openstack/latest/meta_data.json", &[]).await.status, 200);

    let dhcp = fake("openstack:dhcp-only").await;
    let network = ask(dhcp.addr(), "GET", "/openstack/latest/network_data.json", &[]).await;
    assert_eq!(network.json()["networks"][0]["type"], "ipv4_dhcp");
    assert!(!network.text().contains("192.168.77.19"));
    assert_eq!(ask(dhcp.addr(), "GET", "/latest/meta-data/local-ipv4", &[]).await.text(), "192.168.77.19");
    let public = ask(dhcp.addr(), "GET", "/latest/meta-data/public-ipv4", &[]).await;
    assert_eq!((public.status, public.text()), (200, ""));
    for missing in ["/openstack/latest/user_data", "/latest/user-data", "/latest/meta-data/public-keys"] {
        assert_eq!(ask(dhcp.addr(), "GET", missing, &[]).await.status, 404, "{missing}");
    }

    let legacy = fake("openstack:legacy-2012").await;
    assert_eq!(ask(legacy.addr(), "GET", "/openstack", &[]).await.text(), "2012-08-10\nlatest");
    assert_eq!(ask(legacy.addr(), "GET", "/openstack/latest", &[]).await.text(), "meta_data.json\nuser_data");
    assert_eq!(ask(legacy.addr(), "GET", "/openstack/2018-08-27/meta_data.json", &[]).await.status, 404);
    assert_eq!(ask(legacy.addr(), "GET", "/openstack/latest/network_data.json", &[]).await.status, 404);
    let meta = ask(legacy.addr(), "GET", "/openstack/latest/meta_data.json", &[]).await.json();
    assert_eq!(
        (meta.get("project_id"), &meta["uuid"]),
        (None, &json!("b0fa911b-1111-4222-8333-1c92bff6535c"))
    );
}

#[tokio::test]
async fn what_says_the_same_changes_together() {
    let mut scenario = Scenario::parse("openstack").unwrap();
    scenario.set("meta_data.json/uuid", "11111111-2222-4333-8444-555555555555").unwrap();
    assert_eq!(scenario.firmware()["product_uuid"], "11111111-2222-4333-8444-555555555555");
    scenario.set("meta_data.json/name", "web-2").unwrap();
    scenario.set("openstack/latest/meta_data.json/availability_zone", "az-9").unwrap();
    scenario.set("meta-data/local-ipv4", "10.184.0.245").unwrap();
    scenario.set("meta_data.json/meta/team", "storage").unwrap();
    assert!(scenario.set("meta_data.json/flavor", "x").is_err());
    assert!(scenario.set("elsewhere", "x").is_err());
    let fake = Fake::start(scenario).await.unwrap();
    let meta = ask(fake.addr(), "GET", "/openstack/latest/meta_data.json", &[]).await.json();
    assert_eq!((&meta["hostname"], &meta["meta"]["team"]), (&json!("web-2.novalocal"), &json!("storage")));
    for (item, value) in [
        ("public-hostname", "web-2.novalocal"),
        ("placement/availability-zone", "az-9"),
        ("local-ipv4", "10.184.0.245"),
    ] {
        assert_eq!(ask(fake.addr(), "GET", &format!("/latest/meta-data/{item}"), &[]).await.text(), value);
    }
    let network = ask(fake.addr(), "GET", "/openstack/latest/network_data.json", &[]).await.json();
    assert_eq!(network["networks"][0]["ip_address"], "10.184.0.245");
    fake.set("network_data.json/networks/0/ip_address", "10.184.0.246").unwrap();
    assert_eq!(ask(fake.addr(), "GET", "/latest/meta-data/local-ipv4", &[]).await.text(), "10.184.0.246");
    fake.remove("user_data").unwrap();
    assert_eq!(ask(fake.addr(), "GET", "/latest/user-data", &[]).await.status, 404);
    assert!(fake.remove("user_data").is_err());
}

#[tokio::test]
async fn ovh_has_the_public_address_on_the_interface() {
    let plain = fake("ovh").await;
    let item = async |name: &str| {
        let reply = ask(plain.addr(), "GET", &format!("/latest/meta-data/{name}"), &[]).await;
        (reply.status, reply.text().to_owned())
    };
    assert_eq!(item("local-ipv4").await, (200, "203.0.113.77".to_owned()));
    assert_eq!(item("public-ipv4").await, (200, String::new()));
    assert_eq!(item("instance-type").await, (200, "b3-8".to_owned()));
    let meta = ask(plain.addr(), "GET", "/openstack/latest/meta_data.json", &[]).await.json();
    assert_eq!(meta["availability_zone"], "nova");
    let private = fake("ovh:private-network").await;
    let network = ask(private.addr(), "GET", "/openstack/latest/network_data.json", &[]).await.json();
    assert_eq!(network["services"], json!([{"type": "dns", "address": "213.186.33.99"}]));
    assert_eq!(network["networks"][1]["ip_address"], "10.77.0.12");
    let zone = ask(private.addr(), "GET", "/latest/meta-data/placement/availability-zone", &[]).await;
    assert_eq!(zone.text(), "eu-west-par-a");
}
