//! Apache CloudStack.

use imds_fake::{Fake, Scenario};

use crate::client::{Reply, ask};

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn items_answer_in_the_newer_and_the_older_form() {
    let fake = Fake::start(Scenario::parse("cloudstack").unwrap()).await.unwrap();
    for (item, value) in [
        ("service-offering", "Medium Instance"),
        ("availability-zone", "zone-a"),
        ("local-ipv4", "10.1.1.84"),
        ("public-hostname", "203.0.113.130"),
        ("vm-id", "8e2c3b4a-1111-4222-8333-944455556666"),
    ] {
        for path in [format!("/latest/meta-data/{item}"), format!("/latest/{item}")] {
            let reply = get(&fake, &path).await;
            assert_eq!((reply.status, reply.text()), (200, value), "{path}");
        }
    }
    let listing = get(&fake, "/latest/meta-data/").await;
    assert!(listing.text().starts_with("availability-zone\ncloud-identifier\ninstance-id\n"));
    for path in ["/latest/meta-data/mac", "/latest/nothing", "/1.0/meta-data/", "/"] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[]).await.status, 405);
    fake.set("meta-data/public-ipv4", "203.0.113.131").unwrap();
    assert_eq!(get(&fake, "/latest/public-hostname").await.text(), "203.0.113.131");
    fake.remove("meta-data/vm-id").unwrap();
    assert_eq!(get(&fake, "/latest/vm-id").await.status, 404);
}
