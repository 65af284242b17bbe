//! Exoscale.

use imds_fake::{Fake, Scenario};

use crate::client::{Reply, ask};

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", path, &[]).await
}

#[tokio::test]
async fn the_tree_is_small_and_flat() {
    let fake = Fake::start(Scenario::parse("exoscale").unwrap()).await.unwrap();
    let rows = [
        ("/", "1.0\nlatest"),
        (
            "/1.0/meta-data/",
            "availability-zone\ncloud-identifier\ninstance-id\nlocal-hostname\nlocal-ipv4\npublic-hostname\npublic-ipv4\n\
             public-keys\nservice-offering\nvm-id",
        ),
        ("/1.0/meta-data/service-offering", "standard.medium"),
        ("/latest/meta-data/availability-zone", "ch-gva-2"),
    ];
    for (path, value) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
    }
    assert_eq!(get(&fake, "/1.0/meta-data/public-keys").await.text().lines().count(), 2);
    for path in
        ["/latest/meta-data/mac", "/latest/instance-id", "/2009-04-04/meta-data/", "/latest/meta-data/tags/"]
    {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[]).await.status, 405);
    fake.set("1.0/meta-data/instance-id", "00000000-1111-4222-8333-944455556666").unwrap();
    assert_eq!(get(&fake, "/1.0/meta-data/vm-id").await.text(), "00000000-1111-4222-8333-944455556666");
    assert!(fake.set("meta-data/mac", "x").is_err());
    let exports: Vec<String> =
        fake.exports().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(exports, [format!("IMDS_URL={}", fake.url()), "IMDS_FORCE_CLOUD=exoscale".to_owned()]);
}
