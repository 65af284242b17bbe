//! 3DS Outscale.

use imds_fake::{Fake, Scenario};

use crate::client::ask;

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_tree_is_ec2s_without_tokens() {
    let fake = fake("outscale").await;
    let rows = [
        ("/latest/meta-data/instance-id", "i-5d6e7f80"),
        ("/latest/meta-data/instance-type", "tinav5.c2r4p2"),
        ("/latest/meta-data/placement/availability-zone", "eu-west-2a"),
        ("/latest/meta-data/network/interfaces/macs/", "aa:54:aa:08:c5:b9/"),
        ("/latest/", "meta-data/\nuser-data"),
    ];
    for (path, page) in rows {
        let reply = ask(fake.addr(), "GET", path, &[]).await;
        assert_eq!((reply.status, reply.text(), reply.header("server")), (200, page, None), "{path}");
    }
    let token =
        ask(fake.addr(), "PUT", "/latest/api/token", &[("X-aws-ec2-metadata-token-ttl-seconds", "60")]).await;
    assert_eq!(token.status, 404);
    for missing in
        ["/latest/meta-data/tags/", "/latest/dynamic/instance-identity/document", "/latest/meta-data/system"]
    {
        assert_eq!(ask(fake.addr(), "GET", missing, &[]).await.status, 404, "{missing}");
    }
    fake.set("meta-data/mac", "aa:54:aa:00:00:01").unwrap();
    let listing = ask(fake.addr(), "GET", "/latest/meta-data/network/interfaces/macs", &[]).await;
    assert_eq!(listing.text(), "aa:54:aa:00:00:01/");
}

#[tokio::test]
async fn tags_have_any_names_in_either_layout() {
    let tags = fake("outscale:tags").await;
    let get = async |path: &str| {
        let reply = ask(tags.addr(), "GET", &format!("/latest/meta-data/{path}"), &[]).await;
        (reply.status, reply.text().to_owned())
    };
    assert_eq!(get("tags/").await, (200, "Name\ncost center\nosc.fcu.eip.auto-attach\nteam/name".to_owned()));
    assert_eq!(get("tags/cost%20center").await, (200, "42/b".to_owned()));
    for unreadable in ["tags/team/name", "tags/team%2Fname", "tags/team", "tags/instance/Name"] {
        assert_eq!(get(unreadable).await.0, 404, "{unreadable}");
    }
    let (_, listing) = get("").await;
    assert!(listing.ends_with("security-groups\ntags/"), "{listing}");
    tags.remove("meta-data/tags/Name").unwrap();
    assert_eq!(get("tags/Name").await.0, 404);
    tags.remove("meta-data/tags").unwrap();
    assert_eq!(get("tags/").await.0, 404);

    let nested = fake("outscale:tags-instance").await;
    for (path, page) in
        [("tags/", "instance/"), ("tags/instance/", "Name\nteam/name"), ("tags/instance/Name", "front-1")]
    {
        let reply = ask(nested.addr(), "GET", &format!("/latest/meta-data/{path}"), &[]).await;
        assert_eq!((reply.status, reply.text()), (200, page), "{path}");
    }
}

#[tokio::test]
async fn an_identity_document_makes_it_no_ec2() {
    let fake = fake("outscale:identity").await;
    let document = ask(fake.addr(), "GET", "/latest/dynamic/instance-identity/document", &[]).await;
    assert_eq!((document.json()["region"].as_str(), document.header("server")), (Some("eu-west-2"), None));
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[]).await.status, 404);
}
