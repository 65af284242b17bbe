//! Microsoft Azure.

use imds_fake::{Fake, Scenario};
use serde_json::{Value, json};

use crate::client::{Connection, Reply, ask};

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("azure:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, target: &str) -> Reply {
    ask(fake.addr(), "GET", target, &[("Metadata", "true")]).await
}

async fn instance(fake: &Fake, version: &str) -> Value {
    let reply = get(fake, &format!("/metadata/instance?api-version={version}")).await;
    assert_eq!(reply.status, 200, "{version}");
    reply.json()
}

#[tokio::test]
async fn requests_without_the_header_or_forwarded_are_refused() {
    let fake = start("plain").await;
    let target = "/metadata/instance?api-version=2021-02-01";
    for headers in [&[][..], &[("Metadata", "false")]] {
        let reply = ask(fake.addr(), "GET", target, headers).await;
        assert_eq!(reply.status, 400);
        assert_eq!(reply.text(), "{ \"error\": \"Bad request: . Required metadata header not specified\" }");
    }
    let forwarded = [("Metadata", "true"), ("X-Forwarded-For", "10.0.0.1")];
    assert_eq!(ask(fake.addr(), "GET", target, &forwarded).await.status, 400);
    assert_eq!(ask(fake.addr(), "GET", target, &[("metadata", "True")]).await.status, 200);
    let reply = ask(fake.addr(), "POST", target, &[("Metadata", "true")]).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn an_unknown_version_is_answered_with_the_newest() {
    let fake = start("plain").await;
    for target in [
        "/metadata/instance",
        "/metadata/instance?api-version=2022-01-01",
        "/metadata/loadbalancer?api-version=2020-09-01",
    ] {
        let reply = get(&fake, target).await;
        assert_eq!(reply.status, 400, "{target}");
        assert_eq!(
            reply.json(),
            json!({
                "error": "Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds",
                "newest-versions": ["2025-04-07", "2024-07-17", "2024-03-15"]
            })
        );
    }
    let versions = get(&fake, "/metadata/versions").await.json();
    let versions = versions["apiVersions"].as_array().unwrap();
    assert_eq!(
        (versions.len(), &versions[0], &versions[34]),
        (35, &json!("2017-03-01"), &json!("2025-04-07"))
    );

    let stack = start("stack").await;
    let reply = get(&stack, "/metadata/instance?api-version=2021-12-13").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["newest-versions"], json!(["2019-11-01", "2019-08-01", "2019-06-04"]));
    assert_eq!(get(&stack, "/metadata/loadbalancer?api-version=2020-10-01").await.status, 400);
    let old = start("stack-2018").await;
    let compute = &instance(&old, "2018-10-01").await["compute"];
    assert_eq!((&compute["tags"], compute.get("tagsList")), (&json!("line:3;site:plant a"), None));
}

#[tokio::test]
async fn each_version_has_the_fields_of_its_time() {
    let fake = start("vmss-uniform-spot").await;
    // Field, the last version without it, the first with it.
    let rows = [
        ("/compute/tagsList", "2019-06-01", "2019-06-04"),
        ("/compute/storageProfile", "2019-04-30", "2019-06-01"),
        ("/compute/priority", "2020-10-01", "2020-12-01"),
        ("/compute/osProfile", "2020-06-01", "2020-07-15"),
        ("/compute/osProfile/disablePasswordAuthentication", "2020-09-01", "2020-10-01"),
        ("/compute/physicalZone", "2023-07-01", "2023-11-15"),
        ("/compute/resourceId", "2019-02-01", "2019-03-11"),
        ("/compute/azEnvironment", "2018-04-02", "2018-10-01"),
        ("/compute/userData", "2020-12-01", "2021-01-01"),
        ("/compute/virtualMachineScaleSet", "2021-02-01", "2021-03-01"),
        ("/compute/storageProfile/dataDisks/1/isUltraDisk", "2021-03-01", "2021-05-01"),
        ("/compute/storageProfile/resourceDisk", "2021-01-01", "2021-02-01"),
        ("/compute/storageProfile/imageReference/exactVersion", "2021-12-13", "2023-07-01"),
        ("/compute/zone", "2017-10-01", "2017-12-01"),
        ("/compute/subscriptionId", "2017-04-02", "2017-08-01"),
    ];
    for (pointer, before, since) in rows {
        assert_eq!(instance(&fake, before).await.pointer(pointer), None, "{pointer} in {before}");
        assert!(instance(&fake, since).await.pointer(pointer).is_some(), "{pointer} in {since}");
    }
    let oldest = instance(&fake, "2017-04-02").await;
    assert_eq!(oldest["compute"]["vmId"], "c0ffee00-1234-4abc-8def-0123456789ab");
    assert_eq!(oldest["network"]["interface"][0]["macAddress"], "000D3A1B2C3D");
}

#[tokio::test]
async fn routes_follow_keys_and_indexes_and_leaves_are_text() {
    let fake = start("vmss-uniform-spot").await;
    let at = async |path: &str, query: &str| {
        get(&fake, &format!("/metadata/instance/{path}?api-version=2021-02-01{query}")).await
    };
    let leaf = at("compute/vmSize", "&format=text").await;
    assert_eq!((leaf.status, leaf.text()), (200, "Standard_D4s_v5"));
    assert_eq!(leaf.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(at("compute/vmSize", "").await.status, 400);
    assert_eq!(at("compute/vmSize", "&format=json").await.status, 400);
    assert_eq!(at("compute/vmSize", "&format=xml").await.status, 400);
    assert_eq!(at("compute/vmSize", "&format=text&format=text").await.status, 400);
    assert_eq!(
        at("network/interface/1/ipv4/ipAddress/0/publicIpAddress", "&format=text").await.text(),
        "203.0.113.77"
    );
    assert_eq!(at("network/interface/1/ipv6", "").await.json(), json!({"ipAddress": []}));
    assert_eq!(at("compute/tagsList/0", "").await.json(), json!({"name": "cost;center", "value": "a;b:c"}));
    assert_eq!(at("", "&format=text").await.text(), "compute/\nnetwork/");
    for missing in ["compute/nothing", "network/interface/2", "network/interface/01", "compute/vmSize/x"] {
        assert_eq!(at(missing, "").await.status, 404, "{missing}");
    }
    let whole = get(&fake, "/metadata/instance?api-version=2021-02-01&extended=true").await;
    assert_eq!(whole.header("content-type"), Some("application/json; charset=utf-8"));
}

#[tokio::test]
async fn the_load_balancer_is_there_or_says_why_not() {
    let target = "/metadata/loadbalancer?api-version=2020-10-01";
    let spot = get(&start("vmss-uniform-spot").await, target).await.json();
    assert_eq!(
        spot["loadbalancer"]["publicIpAddresses"],
        json!([{"frontendIpAddress": "203.0.113.50", "privateIpAddress": "10.40.1.7"}])
    );
    let none = get(&start("vmss-flex-zone").await, target).await;
    assert_eq!(none.status, 404);
    assert!(none.json()["error"].as_str().unwrap().starts_with("No load balancer metadata is found."));
}

#[tokio::test]
async fn scheduled_events_can_be_approved() {
    let fake = start("vmss-uniform-spot").await;
    let target = "/metadata/scheduledevents?api-version=2020-07-01";
    let before = get(&fake, target).await.json();
    assert_eq!(
        (&before["DocumentIncarnation"], &before["Events"][0]["EventStatus"]),
        (&json!(7), &json!("Scheduled"))
    );
    let mut connection = Connection::open(fake.addr()).await;
    let mut post = async |body: &str| {
        connection.ask_with("POST", target, &[("Metadata", "true")], body).await.unwrap().status
    };
    assert_eq!(post("not json").await, 400);
    assert_eq!(post("{\"StartRequests\":[]}").await, 400);
    assert_eq!(post("{\"StartRequests\":[{\"EventId\":\"unknown\"}]}").await, 400);
    let id = "4d7e0b51-2c1a-4a5b-9b7e-0f6c1d2e3a4b";
    assert_eq!(post(&format!("{{\"StartRequests\":[{{\"EventId\":\"{id}\"}}]}}")).await, 200);
    let after = get(&fake, target).await.json();
    assert_eq!(
        (&after["DocumentIncarnation"], &after["Events"][0]["EventStatus"]),
        (&json!(8), &json!("Started"))
    );
    assert_eq!(after["Events"][0]["NotBefore"], "");

    let older = get(&fake, "/metadata/scheduledevents?api-version=2019-04-01").await.json();
    assert_eq!(older["Events"][0].get("DurationInSeconds"), None);
    assert_eq!(get(&fake, "/metadata/scheduledevents?api-version=2021-02-01").await.status, 400);
    let plain = start("plain").await;
    assert_eq!(get(&plain, target).await.json()["Events"], json!([]));
    plain.set("scheduledevents", "{\"DocumentIncarnation\": 2, \"Events\": [{}]}").unwrap();
    assert_eq!(get(&plain, target).await.json()["DocumentIncarnation"], 2);
}

#[tokio::test]
async fn identity_needs_a_resource() {
    let fake = start("plain").await;
    let reply = get(&fake, "/metadata/identity/oauth2/token?api-version=2018-02-01").await;
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_request")));
    let target =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
    let token = get(&fake, target).await.json();
    assert_eq!(
        (&token["resource"], &token["token_type"]),
        (&json!("https://vault.azure.net"), &json!("Bearer"))
    );
    assert!(
        get(&fake, "/metadata/identity/info?api-version=2018-02-01").await.json()["tenantId"].is_string()
    );
    let attested = get(&fake, "/metadata/attested/document?api-version=2021-02-01&nonce=1234567890").await;
    assert_eq!(attested.json()["encoding"], "pkcs7");
}

#[tokio::test]
async fn some_scenarios_recover_by_themselves() {
    let target = "/metadata/instance?api-version=2021-02-01";
    let gone = start("gone-first").await;
    assert_eq!(get(&gone, target).await.status, 410);
    assert_eq!(get(&gone, target).await.status, 410);
    assert_eq!(get(&gone, target).await.status, 200);
    let throttled = start("throttled-first").await;
    let reply = get(&throttled, target).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")));
    assert_eq!(get(&throttled, target).await.status, 200);
}

#[tokio::test]
async fn changes_reach_every_place_that_repeats_a_value() {
    let mut scenario = Scenario::parse("azure").unwrap();
    for (path, value) in [
        ("compute.vmId", "11111111-2222-4333-8444-555555555555"),
        ("compute/resourceGroupName", "rg-new"),
        ("/metadata/instance/compute/name", "shop-2"),
        ("compute.subscriptionid", "99999999-0000-4000-8000-000000000000"),
        ("network.interface.0.ipv4.ipAddress.0.privateIpAddress", "10.50.0.9"),
        ("tags.env", "test"),
        ("tags.new.name", "a b"),
    ] {
        scenario.set(path, value).unwrap();
    }
    assert_eq!(scenario.firmware()["product_uuid"], "11111111-2222-4333-8444-555555555555");
    let fake = Fake::start(scenario).await.unwrap();
    let compute = &instance(&fake, "2021-02-01").await["compute"];
    assert_eq!(
        compute["resourceId"],
        "/subscriptions/99999999-0000-4000-8000-000000000000/resourceGroups/rg-new/providers/Microsoft.Compute/virtualMachines/shop-2"
    );
    assert_eq!(compute["tags"], "env:test;owner:shop team;new.name:a b");
    assert_eq!(compute["tagsList"][2], json!({"name": "new.name", "value": "a b"}));
    let balancer = get(&fake, "/metadata/loadbalancer?api-version=2020-10-01").await.json();
    assert_eq!(balancer["loadbalancer"]["publicIpAddresses"][0]["privateIpAddress"], "10.50.0.9");

    fake.remove("compute.priority").unwrap();
    assert_eq!(instance(&fake, "2021-02-01").await["compute"].get("priority"), None);
    fake.set("compute.priority", "Spot").unwrap();
    assert_eq!(instance(&fake, "2021-02-01").await["compute"]["priority"], "Spot");
    for path in ["compute.vmIdd", "nothing", "network.interface.7.macAddress", "meta-data/instance-id"] {
        assert!(fake.set(path, "x").unwrap_err().is_path(), "{path}");
    }
    assert!(fake.set("compute.tagsList", "no json").is_err());
    assert!(fake.set("compute.plan", "no json").is_err());
    fake.remove("instance").unwrap();
    assert_eq!(get(&fake, "/metadata/instance?api-version=2021-02-01").await.status, 404);
}
