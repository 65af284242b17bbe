//! Alibaba Cloud ECS.

use imds_fake::{Fake, SECRET_MARKER, Scenario};

use crate::client::{Reply, ask};

const TTL: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aliyun-ecs-metadata-token";
const ID: &str = "/latest/meta-data/instance-id";

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("alibaba:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn a_hardened_machine_wants_a_token() {
    let fake = start("hardened").await;
    for path in ["/", ID, "/2016-01-01/meta-data/all", "/latest/user-data"] {
        assert_eq!(get(&fake, path).await.status, 403, "{path}");
    }
    for ttl in [&[][..], &[(TTL, "0")], &[(TTL, "21601")], &[(TTL, "soon")]] {
        assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", ttl).await.status, 400, "{ttl:?}");
    }
    assert_eq!(ask(fake.addr(), "GET", "/latest/api/token", &[(TTL, "60")]).await.status, 405);
    let reply = ask(fake.addr(), "PUT", "/latest/api/token", &[(TTL, "21600")]).await;
    let token = [(TOKEN, reply.text())];
    assert!(reply.status == 200 && reply.text().contains(SECRET_MARKER));
    assert_eq!(ask(fake.addr(), "GET", ID, &token).await.text(), "i-bp14inventedinstance1");
    fake.revoke_tokens();
    assert_eq!(ask(fake.addr(), "GET", ID, &token).await.status, 401);
}

#[tokio::test]
async fn in_normal_mode_a_token_is_optional_but_has_to_be_good() {
    let fake = start("plain").await;
    assert_eq!(get(&fake, ID).await.status, 200);
    assert_eq!(ask(fake.addr(), "GET", ID, &[(TOKEN, "invented")]).await.status, 401);
    let text =
        "summary = \"off\"\ncloud = \"alibaba\"\nbase = \"plain\"\n[alibaba]\nhttp_endpoint = \"disabled\"";
    let off = Fake::start(Scenario::from_toml(text).unwrap()).await.unwrap();
    assert_eq!(get(&off, ID).await.status, 403);
    assert_eq!(ask(off.addr(), "PUT", "/latest/api/token", &[(TTL, "60")]).await.status, 403);
}

#[tokio::test]
async fn the_tree_and_the_bulk_document_say_the_same() {
    let fake = start("plain").await;
    let rows = [
        ("/", "2016-01-01\nlatest"),
        ("/latest/", "dynamic/\nmeta-data/\nuser-data\nvendor-data"),
        ("/latest/dynamic/instance-identity", "document\npkcs7"),
        (
            "/latest/meta-data/instance",
            "instance-name\ninstance-type\nlast-host-landing-time\nmax-netbw-egress\n\
          max-netbw-ingress\nvirtualization-solution\nvirtualization-solution-version",
        ),
        ("/latest/meta-data/instance/instance-type", "ecs.g8i.large"),
        ("/latest/meta-data/dns-conf/nameservers", "100.100.2.136\r\n100.100.2.138"),
        ("/latest/meta-data/network/interfaces/macs/", "00:16:3e:14:59:58/"),
        (
            "/2016-01-01/meta-data/network/interfaces/macs/00:16:3e:14:59:58/private-ipv4s",
            "[\"172.16.101.40\",\"172.16.101.41\"]",
        ),
        ("/latest/meta-data/ram/security-credentials/", "web-role"),
    ];
    for (path, value) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
    }
    let listing = get(&fake, "/latest/meta-data").await.text().to_owned();
    assert_eq!(listing, get(&fake, "/latest/meta-data/").await.text());
    assert!(listing.starts_with("disks/\ndns-conf/\neipv4\nhibernation/\nhostname\n"), "{listing}");
    let all = get(&fake, "/2016-01-01/meta-data/all").await.json();
    assert_eq!(
        all["network"]["interfaces"]["macs"]["00:16:3e:14:59:58"]["vpc-id"],
        "vpc-bp14inventedvpc0001"
    );
    assert_eq!(all.get("ram"), None);
    for path in ["tags/instance/env", "instance/spot/termination-time", "public-ipv4", "ami-id"] {
        assert_eq!(get(&fake, &format!("/latest/meta-data/{path}")).await.status, 404, "{path}");
    }
    assert_eq!(get(&fake, "/2020-01-01/meta-data/").await.status, 404);
}

#[tokio::test]
async fn tags_and_notices_stand_in_the_tree() {
    let fake = start("tags").await;
    assert_eq!(get(&fake, "/latest/meta-data/tags/instance/").await.text(), "acs.owner@x\nenv\nteam:name");
    assert_eq!(get(&fake, "/latest/meta-data/tags/instance/team:name").await.text(), "storage, \"blue\"");
    assert_eq!(get(&fake, "/latest/meta-data/tags/instance/acs.owner@x").await.text(), "a=b");
    for path in ["all", "eipv4"] {
        assert_eq!(get(&fake, &format!("/latest/meta-data/{path}")).await.status, 404, "{path}");
    }
    let fake = start("spot-notice").await;
    let notice = get(&fake, "/latest/meta-data/instance/spot/termination-time").await;
    assert_eq!(notice.text(), "2031-04-07T17:03:00Z");
}

#[tokio::test]
async fn values_change_in_all_places() {
    let fake = start("plain").await;
    fake.set("meta-data/instance-id", "i-changed").unwrap();
    fake.set("meta-data/private-ipv4", "172.16.101.9").unwrap();
    fake.set("meta-data/mac", "00:16:3e:00:00:01").unwrap();
    let identity = get(&fake, "/latest/dynamic/instance-identity/document").await.json();
    assert_eq!(
        (&identity["instance-id"], &identity["mac"]),
        (&"i-changed".into(), &"00:16:3e:00:00:01".into())
    );
    let interface = "/latest/meta-data/network/interfaces/macs/00:16:3e:00:00:01";
    assert_eq!(get(&fake, &format!("{interface}/primary-ip-address")).await.text(), "172.16.101.9");
    assert_eq!(
        get(&fake, &format!("{interface}/private-ipv4s")).await.text(),
        "[\"172.16.101.9\",\"172.16.101.41\"]"
    );
    assert!(fake.set("meta-data/ami-id", "x").is_err());
}
