//! Tencent Cloud CVM.

use imds_fake::{Fake, Scenario};

use crate::client::{Reply, ask};

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("tencent:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn the_tree_lists_directories_with_slashes_and_macs_in_upper_case() {
    let fake = start("plain").await;
    let rows = [
        ("/", "1.0\n2017-09-19\nlatest\nmeta-data"),
        ("/latest/", "meta-data/\nuser-data"),
        ("/latest/meta-data/placement/", "region\nzone"),
        ("/latest/meta-data/placement/zone", "ap-guangzhou-3"),
        ("/2017-09-19/meta-data/instance-id", "ins-1nv3nt3d"),
        ("/meta-data/instance-id", "ins-1nv3nt3d"),
        ("/latest/meta-data/network/interfaces/macs/", "52:54:00:AB:CD:01/"),
        ("/latest/meta-data/network/interfaces/macs/52:54:00:AB:CD:01/vpc-id", "vpc-1nv3nt3d"),
        ("/latest/meta-data/network/interfaces/macs/52:54:00:AB:CD:01/local-ipv4s/", "172.17.0.17/"),
        ("/latest/meta-data/runcmd", ""),
    ];
    for (path, value) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
        assert_eq!(reply.header("content-type"), Some("text/plain"), "{path}");
    }
    for path in [
        "/latest/meta-data/spot/termination-time",
        "/latest/meta-data/network/interfaces/macs/52:54:00:ab:cd:01/vpc-id",
        "/2016-01-01/meta-data/",
        "/latest/meta-data/tags/",
    ] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[]).await.status, 405);
}

#[tokio::test]
async fn notices_come_and_public_addresses_go() {
    let fake = start("spot-notice").await;
    let notice = get(&fake, "/latest/meta-data/spot/termination-time").await;
    assert_eq!(notice.text(), "2031-08-18 12:05:33");
    let fake = start("no-public-ip").await;
    let interface = "network/interfaces/macs/52:54:00:AB:CD:01";
    for path in ["public-ipv4", &format!("{interface}/public-ipv4s")] {
        assert_eq!(get(&fake, &format!("/latest/meta-data/{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_address_changes_in_all_places() {
    let fake = start("plain").await;
    fake.set("meta-data/local-ipv4", "172.17.0.99").unwrap();
    fake.set("latest/meta-data/mac", "52:54:00:AB:CD:FF").unwrap();
    let interface = "/latest/meta-data/network/interfaces/macs/52:54:00:AB:CD:FF";
    for path in ["primary-local-ipv4", "local-ipv4s/172.17.0.99/local-ipv4"] {
        assert_eq!(get(&fake, &format!("{interface}/{path}")).await.text(), "172.17.0.99", "{path}");
    }
    assert!(fake.set("placement/zone", "x").is_err());
    assert!(fake.set("meta-data/placement", "x").is_err());
}
