//! `UpCloud`.

use imds_fake::{Fake, Scenario};

use crate::client::{Reply, ask};

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn the_document_and_its_values_say_the_same() {
    let fake = Fake::start(Scenario::parse("upcloud").unwrap()).await.unwrap();
    let document = get(&fake, "/metadata/v1.json").await;
    assert_eq!((document.status, document.header("content-type")), (200, Some("application/json")));
    let document = document.json();
    assert_eq!((&document["cloud_name"], document.get("droplet_id")), (&"upcloud".into(), None));
    assert!(document["network"]["interfaces"][0]["ip_addresses"][1]["dns"].is_null());
    let rows = [
        ("instance_id", "00322b68-1111-4222-8333-faad61922128"),
        ("hostname", "web.example.test"),
        ("region", "fi-hel2"),
        ("tags", "prod"),
        ("storage/disks/0/size", "10240"),
        (
            "",
            "cloud_name\nhostname\ninstance_id\nnetwork/\nplatform\npublic_keys\nregion\nstorage/\nsubplatform\n\
              tags\nuser_data\nvendor_data",
        ),
    ];
    for (path, value) in rows {
        let reply = get(&fake, &format!("/metadata/v1/{path}")).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
    }
    assert_eq!(get(&fake, "/metadata/v1/public_keys").await.text().lines().count(), 2);
    for path in ["/metadata/v1/id", "/metadata/v1/droplet_id", "/metadata", "/latest/meta-data/"] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "POST", "/metadata/v1.json", &[]).await.status, 405);
}

#[tokio::test]
async fn a_private_server_has_one_interface_and_firmware_follows_it() {
    let mut scenario = Scenario::parse("upcloud:private-only").unwrap();
    scenario.set("instance_id", "00322b68-3333-4222-8333-faad61922128").unwrap();
    assert_eq!(scenario.firmware()["product_uuid"], "00322b68-3333-4222-8333-faad61922128");
    let fake = Fake::start(scenario).await.unwrap();
    let document = get(&fake, "/metadata/v1.json").await.json();
    let interfaces = document["network"]["interfaces"].as_array().unwrap();
    assert_eq!((interfaces.len(), &interfaces[0]["type"]), (1, &"private".into()));
    assert_eq!(get(&fake, "/metadata/v1/tags").await.text(), "");
}
