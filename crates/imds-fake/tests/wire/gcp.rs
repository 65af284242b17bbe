//! Google Compute Engine.

use imds_fake::{Fake, Scenario};
use serde_json::json;

use crate::client::{Connection, Reply, ask};

const V1: &str = "/computeMetadata/v1";
const FLAVOUR: (&str, &str) = ("Metadata-Flavor", "Google");

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("gcp:{name}")).unwrap()).await.unwrap()
}

async fn get(fake: &Fake, path: &str) -> Reply {
    ask(fake.addr(), "GET", &format!("{V1}{path}"), &[FLAVOUR]).await
}

#[tokio::test]
async fn the_root_needs_no_header_and_everything_below_does() {
    let fake = start("plain").await;
    let root = ask(fake.addr(), "GET", "/", &[]).await;
    assert_eq!((root.status, root.header("metadata-flavor")), (200, Some("Google")));
    assert_eq!(root.text(), "0.1/\ncomputeMetadata/\n");
    assert_eq!(ask(fake.addr(), "GET", "/computeMetadata/", &[]).await.text(), "v1/\n");

    let path = "/computeMetadata/v1/instance/id";
    let refused = ask(fake.addr(), "GET", path, &[]).await;
    assert_eq!((refused.status, refused.header("content-type")), (403, Some("text/html; charset=UTF-8")));
    assert!(refused.text().contains(
        "Your client does not have permission to get URL <code>/computeMetadata/v1/instance/id</code> from this server.  \
         Missing Metadata-Flavor:Google header."
    ));
    assert_eq!(ask(fake.addr(), "GET", path, &[FLAVOUR, ("X-Forwarded-For", "10.0.0.1")]).await.status, 403);
    assert_eq!(ask(fake.addr(), "GET", path, &[("X-Google-Metadata-Request", "True")]).await.status, 200);
    assert_eq!(ask(fake.addr(), "POST", path, &[FLAVOUR]).await.status, 405);
    let reply = ask(fake.addr(), "GET", path, &[FLAVOUR]).await;
    assert_eq!(
        (reply.text(), reply.header("content-type")),
        ("9123456789012345678", Some("application/text"))
    );
    assert_eq!(reply.header("server"), Some("Metadata Server for VM"));
    assert_eq!(
        (reply.header("x-xss-protection"), reply.header("x-frame-options")),
        (Some("0"), Some("SAMEORIGIN"))
    );
    assert!(reply.header("etag").unwrap().len() == 16);
}

#[tokio::test]
async fn directories_end_in_a_slash_and_values_do_not() {
    let fake = start("plain").await;
    let moved = ask(fake.addr(), "GET", "/computeMetadata/v1/instance?alt=json", &[FLAVOUR]).await;
    assert_eq!(moved.status, 301);
    assert_eq!(
        moved.header("location"),
        Some("http://169.254.169.254/computeMetadata/v1/instance/?alt=json")
    );
    assert_eq!(get(&fake, "/instance/id/").await.status, 404);
    let missing = get(&fake, "/instance/nothing").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("Error 404 (Not Found)!!1"), "{}", missing.text());
    assert!(
        missing
            .text()
            .contains("The requested URL <code>/computeMetadata/v1/instance/nothing</code> was not found")
    );
    let rows = [
        ("/", "instance/\noslogin/\nproject/\nuniverse/\n"),
        ("/project/", "attributes/\nnumeric-project-id\nproject-id\n"),
        ("/instance/network-interfaces/", "0/\n"),
        ("/instance/network-interfaces/0/access-configs/0/", "external-ip\ntype\n"),
        ("/instance/service-accounts/", "db-sa@example-shop-271828.iam.gserviceaccount.com/\ndefault/\n"),
        ("/instance/service-accounts/default/", "aliases\nemail\nidentity\nscopes\ntoken\n"),
        ("/instance/attributes/", "enable-guest-attributes\nenable-oslogin\nssh-keys\nstartup-script\n"),
    ];
    for (path, listing) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, listing), "{path}");
        assert_eq!(reply.header("content-type"), Some("application/text"));
    }
}

#[tokio::test]
async fn values_have_a_text_and_a_json_form() {
    let fake = start("spot-regional-group").await;
    let rows = [
        ("/project/numeric-project-id", "998877665544"),
        ("/project/numeric-project-id?alt=json", "998877665544"),
        ("/instance/id?alt=json", "7654321098765432109"),
        ("/instance/name?alt=json", "\"web-7\""),
        ("/instance/tags", "[\"http-server\",\"web\"]"),
        ("/instance/tags?alt=text", "http-server\nweb"),
        ("/instance/network-interfaces/0/ipv6s", "2001:db8:400:1:0:5:0:0"),
        ("/instance/network-interfaces/0/mtu", "1460"),
        ("/instance/network-interfaces/0/forwarded-ips/0", "203.0.113.95"),
        ("/instance/network-interfaces/0/forwarded-ips/", "0\n"),
        ("/instance/service-accounts/default/scopes", "https://www.googleapis.com/auth/cloud-platform"),
        (
            "/instance/disks/1/?recursive=true&alt=text",
            "device-name local-nvme-ssd-0\nindex 1\ninterface NVME\nmode READ_WRITE\ntype LOCAL-SSD\n",
        ),
        ("/instance/scheduling/preemptible", "TRUE"),
        ("/universe/universe-domain", "googleapis.com"),
        (
            "/instance/attributes/created-by",
            "projects/998877665544/regions/europe-west4/instanceGroupManagers/web-mig",
        ),
    ];
    for (path, value) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{path}");
    }
    assert_eq!(get(&fake, "/instance/networkInterfaces/0/mtu").await.status, 404);
    assert_eq!(get(&fake, "/instance/?alt=json").await.status, 400);
    assert_eq!(get(&fake, "/instance/name?alt=xml").await.status, 400);
}

#[tokio::test]
async fn recursive_answers_are_one_document_without_tokens() {
    let fake = start("spot-regional-group").await;
    let reply = get(&fake, "/?recursive=true").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert!(reply.text().contains("\"id\":7654321098765432109,"), "a number, all digits kept");
    let root = reply.json();
    assert_eq!(root["instance"]["networkInterfaces"][0]["accessConfigs"][0]["externalIp"], "203.0.113.90");
    assert_eq!(root["instance"]["networkInterfaces"][1]["ip"], "10.190.0.12");
    assert_eq!(
        root["instance"]["scheduling"],
        json!({"automaticRestart": "FALSE", "onHostMaintenance": "TERMINATE", "preemptible": "TRUE"})
    );
    assert_eq!(root["instance"]["serviceAccounts"]["default"].get("token"), None);
    assert_eq!(get(&fake, "/instance/disks/?recursive=TRUE").await.json().as_array().unwrap().len(), 2);

    let large = get(&start("no-external-ip").await, "/?recursive=true").await;
    assert!(large.text().contains("\"id\":17654321098765432109,"), "beyond the signed range too");
}

#[tokio::test]
async fn a_long_poll_wakes_on_change_and_only_then() {
    let fake = start("plain").await;
    let path = "/instance/maintenance-event";
    let etag = get(&fake, path).await.header("etag").unwrap().to_owned();
    assert_eq!(get(&fake, "/instance/maintenance-event?alt=json").await.header("etag"), Some(etag.as_str()));

    let wait = format!("{path}?wait_for_change=true&last_etag={etag}");
    let waiting = get(&fake, &wait);
    let elsewhere = async {
        // Another key's change leaves the poll asleep; this request proves that the server has handled it.
        while fake.requests().iter().all(|request| !request.path().contains("wait_for_change")) {
            tokio::task::yield_now().await;
        }
        fake.set("instance/attributes/unrelated", "x").unwrap();
        assert_eq!(get(&fake, "/instance/attributes/unrelated").await.text(), "x");
        fake.set("instance/maintenance-event", "MIGRATE_ON_HOST_MAINTENANCE").unwrap();
    };
    let (woken, ()) = tokio::join!(waiting, elsewhere);
    assert_eq!((woken.status, woken.text()), (200, "MIGRATE_ON_HOST_MAINTENANCE"));
    assert_ne!(woken.header("etag"), Some(etag.as_str()));

    // A tag that is no longer current, or never was, is answered at once.
    assert_eq!(get(&fake, &wait).await.status, 200);
    assert_eq!(get(&fake, "/instance/?recursive=true&wait_for_change=true&last_etag=NONE").await.status, 200);
    assert_eq!(get(&fake, "/instance/?wait_for_change=true").await.status, 400);
}

#[tokio::test]
async fn a_long_poll_ends_with_its_time_or_its_key() {
    let fake = start("plain").await;
    let unchanged = get(&fake, "/instance/preempted?wait_for_change=true&timeout_sec=0").await;
    assert_eq!((unchanged.status, unchanged.text()), (200, "FALSE"));
    let waiting = get(&fake, "/instance/preempted?wait_for_change=true");
    let removing = async {
        while fake.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        fake.remove("instance/preempted").unwrap();
    };
    let (gone, ()) = tokio::join!(waiting, removing);
    assert_eq!(gone.status, 404);
    fake.set("instance/preempted", "TRUE").unwrap();
    assert_eq!(get(&fake, "/instance/preempted").await.text(), "TRUE");
}

#[tokio::test]
async fn tokens_and_identities_need_an_account() {
    let fake = start("plain").await;
    let token = get(&fake, "/instance/service-accounts/default/token").await.json();
    assert_eq!((&token["token_type"], &token["expires_in"]), (&json!("Bearer"), &json!(3599)));
    assert_eq!(get(&fake, "/instance/service-accounts/default/token/").await.status, 404);
    let identity = "/instance/service-accounts/default/identity";
    let refused = get(&fake, identity).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("non-empty audience parameter required"));
    assert_eq!(get(&fake, &format!("{identity}?audience=https://x.test")).await.status, 200);
    let bare = start("no-external-ip").await;
    assert_eq!(get(&bare, "/instance/service-accounts/default/token").await.status, 404);
    assert_eq!(get(&bare, "/instance/network-interfaces/0/access-configs/0/external-ip").await.status, 404);
    assert_eq!(get(&bare, "/universe/universe-domain").await.status, 404);
    assert_eq!(get(&bare, "/instance/image").await.text(), "");
}

#[tokio::test]
async fn guest_attributes_are_written_where_they_are_enabled() {
    let fake = start("plain").await;
    let target = "/computeMetadata/v1/instance/guest-attributes/my-app/State";
    let mut connection = Connection::open(fake.addr()).await;
    assert_eq!(connection.ask_with("PUT", target, &[FLAVOUR], "ready").await.unwrap().status, 200);
    assert_eq!(get(&fake, "/instance/guest-attributes/my-app/State").await.text(), "ready");
    assert_eq!(connection.ask("DELETE", target, &[FLAVOUR]).await.unwrap().status, 200);
    assert_eq!(get(&fake, "/instance/guest-attributes/my-app/").await.status, 404);
    let off = start("gke").await;
    assert_eq!(get(&off, "/instance/guest-attributes/").await.status, 403);
}

#[tokio::test]
async fn changes_keep_their_kind_and_reach_the_host_name() {
    let mut scenario = Scenario::parse("gcp").unwrap();
    scenario.set("instance/id", "18000000000000000001").unwrap();
    scenario.set("computeMetadata/v1/instance/name", "db-2").unwrap();
    scenario.set("project/project-id", "other-1").unwrap();
    scenario.set("instance/attributes/created-by", "someone").unwrap();
    scenario.set("instance/tags", "[\"a\"]").unwrap();
    scenario.set("instance/attributes/json", "{not json").unwrap();
    scenario.set("project/numeric-project-id", "1234").unwrap();
    for (path, value) in
        [("instance/id", "abc"), ("instance/nothing", "x"), ("meta-data/mac", "x"), ("instance/tags", "[")]
    {
        assert!(scenario.set(path, value).unwrap_err().is_path(), "{path}");
    }
    let fake = Fake::start(scenario).await.unwrap();
    assert_eq!(get(&fake, "/instance/id").await.text(), "18000000000000000001");
    assert_eq!(get(&fake, "/instance/hostname").await.text(), "db-2.us-central1-f.c.other-1.internal");
    assert_eq!(get(&fake, "/instance/attributes/created-by").await.text(), "someone");
    assert_eq!(get(&fake, "/instance/tags").await.text(), "[\"a\"]");
    assert_eq!(get(&fake, "/instance/zone").await.text(), "projects/1234/zones/us-central1-f");
    let accounts = get(&fake, "/instance/service-accounts/").await;
    assert_eq!(accounts.text(), "db-sa@other-1.iam.gserviceaccount.com/\ndefault/\n");
    let exports = fake.exports();
    let host = fake.addr().to_string();
    assert!(exports.contains(&("GCE_METADATA_HOST".into(), host.clone())), "{exports:?}");
    assert!(exports.contains(&("IMDS_URL".into(), format!("http://{host}"))), "{exports:?}");
}
