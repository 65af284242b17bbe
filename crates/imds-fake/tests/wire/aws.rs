//! Amazon EC2.

use imds_fake::{Fake, SECRET_MARKER, Scenario};

use crate::client::{Connection, Reply, ask};

const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aws-ec2-metadata-token";

async fn start(name: &str) -> Fake {
    Fake::start(Scenario::parse(&format!("aws:{name}")).unwrap()).await.unwrap()
}

async fn token(fake: &Fake) -> String {
    let reply = ask(fake.addr(), "PUT", "/latest/api/token", &[(TTL, "21600")]).await;
    assert_eq!(reply.status, 200);
    reply.text().to_owned()
}

async fn get(fake: &Fake, target: &str) -> Reply {
    ask(fake.addr(), "GET", target, &[]).await
}

#[tokio::test]
async fn the_token_protocol_is_kept_to_the_letter() {
    let fake = start("imdsv2-required").await;
    for path in ["/", "/latest/meta-data/instance-id", "/latest/user-data"] {
        assert_eq!(get(&fake, path).await.status, 401, "{path}");
    }
    for ttl in [&[][..], &[(TTL, "0")], &[(TTL, "21601")], &[(TTL, "-1")], &[(TTL, "soon")], &[(TTL, "")]] {
        let reply = ask(fake.addr(), "PUT", "/latest/api/token", ttl).await;
        assert_eq!((reply.status, reply.header("server")), (400, Some("EC2ws")), "{ttl:?}");
    }
    let forwarded = [(TTL, "60"), ("X-Forwarded-For", "10.0.0.1")];
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &forwarded).await.status, 403);
    assert_eq!(ask(fake.addr(), "PUT", "/2021-03-23/api/token", &[(TTL, "60")]).await.status, 403);
    assert_eq!(ask(fake.addr(), "PUT", "/2099-01-01/api/token", &[(TTL, "60")]).await.status, 404);

    let reply = ask(fake.addr(), "PUT", "/latest/api/token", &[(TTL, "60")]).await;
    assert_eq!((reply.status, reply.header(TTL)), (200, Some("60")));
    assert_eq!((reply.header("content-type"), reply.header("server")), (Some("text/plain"), Some("EC2ws")));
    let token = reply.text();
    assert!(token.len() == 56 && token.ends_with("==") && token.contains(SECRET_MARKER), "{token}");

    let reply = ask(fake.addr(), "GET", "/latest/meta-data/instance-id", &[(TOKEN, token)]).await;
    assert_eq!((reply.status, reply.text()), (200, "i-0fedcba9876543210"));
    assert!(reply.header(TTL).unwrap().parse::<u64>().unwrap() <= 60);
    let wrong = ask(fake.addr(), "GET", "/latest/meta-data/instance-id", &[(TOKEN, "invented")]).await;
    assert_eq!(wrong.status, 401);

    fake.revoke_tokens();
    assert_eq!(ask(fake.addr(), "GET", "/latest/meta-data/instance-id", &[(TOKEN, token)]).await.status, 401);
}

#[tokio::test]
async fn asking_for_a_token_with_get_names_the_allowed_methods() {
    let fake = start("plain").await;
    for method in ["GET", "POST", "DELETE"] {
        let reply = ask(fake.addr(), method, "/latest/api/token", &[]).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some("OPTIONS, PUT")), "{method}");
        assert_eq!(reply.header("content-length"), Some("0"));
    }
    let reply = ask(fake.addr(), "POST", "/latest/meta-data/", &[]).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn an_invalid_token_is_refused_even_where_none_is_needed() {
    let fake = start("plain").await;
    let reply = ask(fake.addr(), "GET", "/latest/meta-data/instance-id", &[(TOKEN, "invented")]).await;
    assert_eq!(reply.status, 401);
    assert!(reply.text().contains("<h1>401 - Unauthorized</h1>"), "{}", reply.text());
}

#[tokio::test]
async fn listings_have_slashes_and_no_final_newline() {
    let fake = start("plain").await;
    let rows = [
        ("/latest/", "dynamic\nmeta-data\nuser-data"),
        ("/latest", "dynamic\nmeta-data\nuser-data"),
        ("/latest/dynamic/", "fws/\ninstance-identity/"),
        ("/latest/dynamic/instance-identity/", "document\npkcs7\nrsa2048\nsignature"),
        ("/latest/meta-data/tags/", "instance/"),
        ("/latest/meta-data/tags/instance", "Name\nenv"),
        ("/latest/meta-data/network/interfaces/macs/", "06:1a:2b:3c:4d:5e/"),
        ("/latest/meta-data/public-keys/", "0=ops-key"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
        ("/latest/meta-data/placement/", "availability-zone\navailability-zone-id\nregion"),
        ("/latest/meta-data/iam/security-credentials/", "web-role"),
    ];
    for (path, listing) in rows {
        let reply = get(&fake, path).await;
        assert_eq!((reply.status, reply.text()), (200, listing), "{path}");
        assert_eq!(reply.header("content-type"), Some("text/plain"));
    }
    let versions = get(&fake, "/").await;
    assert!(
        versions.text().starts_with("1.0\n2007-01-19\n") && versions.text().ends_with("2021-07-15\nlatest")
    );
    let top = get(&fake, "/latest/meta-data/").await;
    assert!(
        top.text()
            .starts_with("ami-id\nami-launch-index\nami-manifest-path\nblock-device-mapping/\nevents/\n")
    );
}

#[tokio::test]
async fn values_are_plain_text_with_the_headers_of_the_service() {
    let fake = start("plain").await;
    let reply = get(&fake, "/latest/meta-data/placement/availability-zone-id").await;
    assert_eq!((reply.status, reply.text()), (200, "euw1-az3"));
    assert_eq!((reply.header("accept-ranges"), reply.header("server")), (Some("none"), Some("EC2ws")));
    assert!(reply.header("last-modified").is_some() && reply.header("date").is_some());
    assert_eq!(get(&fake, "/latest/meta-data/placement/availability-zone-id/").await.text(), "euw1-az3");

    let document = get(&fake, "/latest/dynamic/instance-identity/document").await;
    assert_eq!(document.header("content-type"), Some("text/plain"));
    assert!(
        document
            .text()
            .starts_with("{\n  \"accountId\" : \"210987654321\",\n  \"architecture\" : \"x86_64\",")
    );
    assert_eq!(document.json()["pendingTime"], "2031-01-02T03:04:05Z");

    let user_data = get(&fake, "/latest/user-data").await;
    assert_eq!(user_data.header("content-type"), Some("application/octet-stream"));
    assert_eq!(user_data.header("accept-ranges"), Some("bytes"));

    let head = ask(fake.addr(), "HEAD", "/latest/meta-data/instance-id", &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("19"), 0));
}

#[tokio::test]
async fn absent_paths_answer_the_xhtml_page() {
    let fake = start("plain").await;
    let reply = get(&fake, "/latest/meta-data/spot/instance-action").await;
    assert_eq!((reply.status, reply.header("content-type")), (404, Some("text/html")));
    let expected = "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n\t\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  <title>404 - Not Found</title>\n </head>\n <body>\n  <h1>404 - Not Found</h1>\n </body>\n</html>\n";
    assert_eq!(reply.text(), expected);
    for path in [
        "/latest/meta-data/ipv6",
        "/latest/nothing",
        "/2021-07-16/meta-data/",
        "/openstack",
        "/computeMetadata/v1/",
    ] {
        assert_eq!(get(&fake, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn dated_versions_lack_what_came_later() {
    let fake = start("plain").await;
    assert_eq!(get(&fake, "/2021-07-15/meta-data/tags/instance/Name").await.text(), "web-17");
    assert_eq!(get(&fake, "/2021-01-03/meta-data/tags/instance/Name").await.status, 404);
    assert_eq!(get(&fake, "/2019-10-01/meta-data/placement/region").await.status, 404);
    assert_eq!(
        get(&fake, "/2019-10-01/meta-data/placement/").await.text(),
        "availability-zone\navailability-zone-id"
    );
    assert_eq!(get(&fake, "/1.0/meta-data/instance-id").await.text(), "i-0fedcba9876543210");
    assert!(!get(&fake, "/2009-04-04/meta-data/").await.text().contains("tags/"));
}

#[tokio::test]
async fn odd_tags_are_read_by_their_encoded_names() {
    let fake = start("spot-asg").await;
    let rows = [
        ("a%3Db,c%40d", "key=value,list@home"),
        ("a=b,c@d", "key=value,list@home"),
        ("%2Bplus", "plus + and 100 %"),
        ("+plus", "plus + and 100 %"),
        ("aws%3Aautoscaling%3AgroupName", "web-asg-blue"),
        ("empty", ""),
        ("placeholder", "${aws:InstanceId}"),
        ("unicode", "Zoë 東京 🚀"),
    ];
    for (name, value) in rows {
        let reply = get(&fake, &format!("/latest/meta-data/tags/instance/{name}")).await;
        assert_eq!((reply.status, reply.text()), (200, value), "{name}");
    }
}

#[tokio::test]
async fn the_second_interface_lacks_keys_and_is_listed_first() {
    let fake = start("spot-asg").await;
    let macs = "/latest/meta-data/network/interfaces/macs/";
    assert_eq!(get(&fake, macs).await.text(), "02:7f:6e:5d:4c:3b/\n0e:5d:4c:3b:2a:19/");
    assert_eq!(get(&fake, &format!("{macs}02:7f:6e:5d:4c:3b/device-number")).await.text(), "1");
    assert_eq!(get(&fake, &format!("{macs}02:7f:6e:5d:4c:3b/public-ipv4s")).await.status, 404);
    assert_eq!(get(&fake, &format!("{macs}02:7f:6e:5d:4c:3b/ipv6s")).await.status, 404);
    let ipv6s = get(&fake, &format!("{macs}0e%3A5d%3A4c%3A3b%3A2a%3A19/ipv6s")).await;
    assert_eq!(ipv6s.text(), "2001:db8:12:3400::a1b2\n2001:db8:12:3400::a1b3");
}

#[tokio::test]
async fn a_disabled_service_refuses_everything() {
    let fake = start("disabled").await;
    for (method, path) in
        [("PUT", "/latest/api/token"), ("GET", "/latest/meta-data/instance-id"), ("GET", "/")]
    {
        assert_eq!(ask(fake.addr(), method, path, &[(TTL, "60")]).await.status, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn beyond_the_hop_limit_only_the_token_reply_is_lost() {
    let fake = start("hop-limit").await;
    let mut lost = Connection::open(fake.addr()).await;
    lost.send(
        b"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n",
    )
    .await;
    tokio::select! {
        reply = lost.receive(false) => panic!("answered: {reply:?}"),
        reply = get(&fake, "/latest/meta-data/instance-id") => assert_eq!(reply.status, 200),
    }
    let strict = start("hop-limit-v2-required").await;
    assert_eq!(get(&strict, "/latest/meta-data/instance-id").await.status, 401);
}

#[tokio::test]
async fn an_old_clone_has_no_token_service() {
    let fake = start("v1-only").await;
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[(TTL, "60")]).await.status, 404);
    assert_eq!(get(&fake, "/latest/meta-data/instance-id").await.status, 200);
    let off = start("tags-off").await;
    assert_eq!(get(&off, "/latest/meta-data/tags/instance/").await.status, 404);
    assert!(!get(&off, "/latest/meta-data/").await.text().contains("tags"));
}

#[tokio::test]
async fn repeated_values_change_together() {
    let mut scenario = Scenario::parse("aws:plain").unwrap();
    scenario.set("/latest/meta-data/local-ipv4", "10.9.9.9").unwrap();
    scenario.set("dynamic/instance-identity/document/accountId", "000000000042").unwrap();
    scenario.set("meta-data/mac", "06:00:00:00:00:01").unwrap();
    let fake = Fake::start(scenario).await.unwrap();
    fake.set("meta-data/public-ipv4", "192.0.2.200").unwrap();
    fake.set("meta-data/tags/instance/new", "1").unwrap();

    let document = get(&fake, "/latest/dynamic/instance-identity/document").await.json();
    assert_eq!(
        (&document["privateIp"], &document["accountId"]),
        (&"10.9.9.9".into(), &"000000000042".into())
    );
    assert_eq!(document["billingProducts"], serde_json::Value::Null);
    let interface = "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:01";
    assert_eq!(get(&fake, &format!("{interface}/local-ipv4s")).await.text(), "10.9.9.9\n10.20.30.41");
    assert_eq!(get(&fake, &format!("{interface}/owner-id")).await.text(), "000000000042");
    assert_eq!(get(&fake, &format!("{interface}/mac")).await.text(), "06:00:00:00:00:01");
    assert_eq!(get(&fake, &format!("{interface}/ipv4-associations/192.0.2.200")).await.text(), "10.9.9.9");
    assert_eq!(get(&fake, "/latest/meta-data/tags/instance").await.text(), "Name\nenv\nnew");
    assert!(get(&fake, "/latest/meta-data/iam/info").await.text().contains(":000000000042:"));
}

#[tokio::test]
async fn values_come_and_go_while_it_runs() {
    let fake = start("plain").await;
    let path = "/latest/meta-data/spot/instance-action";
    fake.set("meta-data/spot/instance-action", "{\"action\": \"stop\"}").unwrap();
    assert_eq!(get(&fake, path).await.text(), "{\"action\": \"stop\"}");
    fake.remove("meta-data/spot").unwrap();
    assert_eq!(get(&fake, path).await.status, 404);
    assert!(fake.remove("meta-data/spot").unwrap_err().is_path());
    for path in
        ["instance-id", "meta-data/tags", "meta-data/instance-id/below", "compute.vmId", "latest/api/token"]
    {
        assert!(fake.set(path, "x").unwrap_err().is_path(), "{path}");
    }
}

#[tokio::test]
async fn requests_are_recorded_with_their_connection() {
    let fake = start("plain").await;
    let token = token(&fake).await;
    let mut connection = Connection::open(fake.addr()).await;
    connection
        .ask("GET", "/latest/meta-data/mac?x=1", &[(TOKEN, &token), ("User-Agent", "probe")])
        .await
        .unwrap();
    connection.ask("GET", "/latest/meta-data/profile", &[]).await.unwrap();
    let requests = fake.requests();
    let seen: Vec<_> =
        requests.iter().map(|r| (r.method(), r.path(), r.connection(), r.sent_token())).collect();
    let expected = [
        ("PUT", "/latest/api/token", 1, false),
        ("GET", "/latest/meta-data/mac?x=1", 2, true),
        ("GET", "/latest/meta-data/profile", 2, false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(requests[1].header("user-agent"), Some("probe"));
    assert_eq!(requests[1].path_only(), "/latest/meta-data/mac");
    assert_eq!(fake.connections(), 2);
    assert!(fake.peak_connections() <= 2);
}
