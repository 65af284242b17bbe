//! Where programs run that aren't on a plain virtual machine: containers of ECS, servers with Azure Arc, pods of GKE,
//! Cloud Run.

use imds_fake::{Fake, SECRET_MARKER, Scenario};

use crate::client::ask;

const GOOGLE: (&str, &str) = ("Metadata-Flavor", "Google");
const METADATA: (&str, &str) = ("Metadata", "true");

async fn fake(spec: &str) -> Fake {
    Fake::start(Scenario::parse(spec).unwrap()).await.unwrap()
}

fn variable(fake: &Fake, name: &str) -> Option<String> {
    fake.environment().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The path of a variable that holds a URL of the fake.
fn path_of(fake: &Fake, name: &str) -> String {
    variable(fake, name).unwrap().strip_prefix(&fake.url()).unwrap().to_owned()
}

#[tokio::test]
async fn a_task_on_fargate_sees_its_own_endpoint_only() {
    let fake = fake("aws:fargate").await;
    let root = path_of(&fake, "ECS_CONTAINER_METADATA_URI_V4");
    let get = async |path: &str| ask(fake.addr(), "GET", path, &[]).await;
    let container = get(&root).await;
    assert_eq!((container.status, container.header("content-type")), (200, Some("application/json")));
    let container = container.json();
    assert_eq!(container["Networks"][0]["IPv4Addresses"][0], "10.20.40.72");
    let task = get(&format!("{root}/task")).await.json();
    assert_eq!((&task["LaunchType"], &task["AvailabilityZone"]), (&"FARGATE".into(), &"eu-west-1b".into()));
    assert_eq!(task["Containers"][0], container);
    assert!(task["TaskARN"].as_str().unwrap().starts_with("arn:aws:ecs:eu-west-1:210987654321:task/shop/"));
    assert_eq!(get(&format!("{root}/stats")).await.json()["id"], container["DockerId"]);
    let of_task = get(&format!("{root}/task/stats")).await.json();
    assert_eq!(of_task[container["DockerId"].as_str().unwrap()]["name"], "app");
    assert_eq!(get(&format!("{root}/taskWithTags")).await.json()["TaskTags"]["team"], "shop");

    for path in [
        "/",
        "/latest/meta-data/instance-id",
        "/latest/dynamic/instance-identity/document",
        &format!("{root}/x"),
    ] {
        let reply = get(path).await;
        assert_eq!(
            (reply.status, reply.text(), reply.header("server")),
            (404, "404 page not found\n", None),
            "{path}"
        );
    }
    assert_eq!(ask(fake.addr(), "PUT", "/latest/api/token", &[]).await.status, 404);
    let unknown = get("/v4/bad/task").await;
    assert_eq!((unknown.status, unknown.json().is_string()), (404, true));

    let credentials = variable(&fake, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").unwrap();
    assert!(get(&credentials).await.json()["SecretAccessKey"].as_str().unwrap().contains(SECRET_MARKER));
    assert_eq!(get("/v2/credentials/none").await.json()["code"], "InvalidIdInRequest");
    fake.set(&format!("{root}/task/Family"), "shop-admin").unwrap();
    assert_eq!(get(&format!("{root}/task")).await.json()["Family"], "shop-admin");
    assert!(fake.set(&format!("{root}/task/Colour"), "red").is_err());
}

#[tokio::test]
async fn a_task_on_ec2_sees_both() {
    let fake = fake("aws:ecs-ec2").await;
    let root = path_of(&fake, "ECS_CONTAINER_METADATA_URI_V4");
    let task = ask(fake.addr(), "GET", &format!("{root}/taskWithTags"), &[]).await.json();
    assert_eq!((&task["Cluster"], &task["LaunchType"]), (&"default".into(), &"EC2".into()));
    assert_eq!(task["ContainerInstanceTags"]["pool"], "spot");
    let id = ask(fake.addr(), "GET", "/latest/meta-data/instance-id", &[]).await;
    assert_eq!((id.text(), id.header("server")), ("i-0fedcba9876543210", Some("EC2ws")));
}

#[tokio::test]
async fn variables_point_at_the_fake_and_are_exported() {
    let fargate = fake("aws:fargate").await;
    let exports = fargate.exports();
    for variable in fargate.environment() {
        assert!(!variable.1.contains('{'), "{variable:?}");
        assert!(exports.contains(&variable), "{variable:?}");
    }
    assert!(exports.iter().any(|(name, _)| name == "IMDS_URL"));
    assert_eq!(fake("aws").await.environment(), []);
    let text = "summary = \"x\"\ncloud = \"gcp\"\nbase = \"cloud-run\"\n[environment]\nK_SERVICE = \"\"\nX = \"{url}/y\"";
    let own = Fake::start(Scenario::from_toml(text).unwrap()).await.unwrap();
    assert_eq!(variable(&own, "K_SERVICE"), None);
    assert_eq!(variable(&own, "K_REVISION").as_deref(), Some("shop-api-00042-xyz"));
    assert_eq!(variable(&own, "X"), Some(format!("{}/y", own.url())));
}

#[tokio::test]
async fn arc_answers_for_a_server_that_is_elsewhere() {
    let fake = fake("azure:arc").await;
    assert_eq!(variable(&fake, "IMDS_ENDPOINT"), Some(fake.url()));
    let get = async |path: &str| ask(fake.addr(), "GET", path, &[METADATA]).await;
    let instance = get("/metadata/instance?api-version=2020-06-01").await;
    assert_eq!((instance.status, instance.header("server")), (200, None));
    let compute = &instance.json()["compute"];
    assert_eq!(compute["provider"], "Microsoft.HybridCompute");
    assert!(
        compute["resourceId"]
            .as_str()
            .unwrap()
            .ends_with("/providers/Microsoft.HybridCompute/machines/plant-srv-4")
    );
    assert_eq!(compute["tagsList"][0]["value"], "plant a");
    let newer = get("/metadata/instance?api-version=2023-11-15").await;
    assert_eq!((newer.status, &newer.json()["newest-versions"][0]), (400, &"2020-06-01".into()));
    for missing in ["scheduledevents", "loadbalancer", "attested/document"] {
        let reply = get(&format!("/metadata/{missing}?api-version=2020-06-01")).await;
        assert!([400, 404].contains(&reply.status), "{missing}: {}", reply.status);
    }
    assert_eq!(ask(fake.addr(), "GET", "/metadata/instance?api-version=2020-06-01", &[]).await.status, 400);
    let machine = Scenario::parse("azure:arc").unwrap();
    assert_eq!(machine.firmware()["sys_vendor"], "Dell Inc.");
    assert_eq!(machine.firmware().get("chassis_asset_tag"), None);
}

#[tokio::test]
async fn arc_gives_tokens_to_those_who_read_its_file() {
    let fake = fake("azure:arc").await;
    let endpoint = path_of(&fake, "IDENTITY_ENDPOINT");
    let target = format!("{endpoint}?api-version=2020-06-01&resource=https%3A%2F%2Fmanagement.azure.com");
    let challenge = ask(fake.addr(), "GET", &target, &[METADATA]).await;
    let realm = challenge.header("www-authenticate").unwrap();
    assert_eq!(challenge.status, 401);
    assert!(
        realm.starts_with("Basic realm=/var/opt/azcmagent/tokens/") && realm.ends_with(".key"),
        "{realm}"
    );
    assert!(realm.contains(SECRET_MARKER));
    let answer = async |key: &str| {
        ask(fake.addr(), "GET", &target, &[METADATA, ("Authorization", &format!("Basic {key}"))]).await
    };
    assert_eq!(answer("wrong").await.status, 401);
    assert!(
        answer("FAKE-SECRET-challenge").await.json()["access_token"]
            .as_str()
            .unwrap()
            .contains(SECRET_MARKER)
    );
}

#[tokio::test]
async fn pods_of_gke_see_a_part() {
    let fake = fake("gcp:gke-concealed").await;
    let get = async |path: &str| ask(fake.addr(), "GET", path, &[GOOGLE]).await;
    let rows = [
        ("/", "computeMetadata/\n"),
        ("/computeMetadata/v1/", "instance/\nproject/\n"),
        ("/computeMetadata/v1/instance/", "attributes/\nservice-accounts/\nzone\n"),
        ("/computeMetadata/v1/instance/attributes/cluster-name", "shop"),
        ("/computeMetadata/v1/project/numeric-project-id", "998877665544"),
    ];
    for (path, page) in rows {
        let reply = get(path).await;
        assert_eq!((reply.status, reply.text()), (200, page), "{path}");
        let headers = (reply.header("server"), reply.header("metadata-flavor"));
        assert_eq!(headers, (Some("GKE Metadata Server"), Some("Google")), "{path}");
    }
    for missing in ["instance/id", "instance/name", "instance/machine-type", "instance/attributes/kube-env"] {
        assert_eq!(get(&format!("/computeMetadata/v1/{missing}")).await.status, 404, "{missing}");
    }
    for headers in [&[][..], &[("X-Google-Metadata-Request", "True")]] {
        for path in ["/", "/computeMetadata/v1/project/project-id"] {
            let reply = ask(fake.addr(), "GET", path, headers).await;
            let words = "GKE Metadata Server encountered an error: Missing required header \"Metadata-Flavor\": \"Google\"\n";
            assert_eq!(
                (reply.status, reply.text(), reply.header("metadata-flavor")),
                (403, words, None),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn cloud_run_has_a_region_and_a_long_id() {
    let fake = fake("gcp:cloud-run").await;
    let get =
        async |path: &str| ask(fake.addr(), "GET", &format!("/computeMetadata/v1/{path}"), &[GOOGLE]).await;
    let id = get("instance/id").await;
    assert_eq!(id.header("server"), Some("Metadata Server for Serverless"));
    assert!(id.text().len() > 64 && id.text().chars().all(|c| c.is_ascii_hexdigit()), "{}", id.text());
    assert_eq!(get("instance/region").await.text(), "projects/998877665544/regions/europe-west4");
    assert_eq!(get("instance/name").await.status, 404);
    let refused = ask(fake.addr(), "GET", "/", &[]).await;
    assert_eq!((refused.status, refused.header("metadata-flavor")), (403, None));
    assert_eq!(variable(&fake, "K_SERVICE").as_deref(), Some("shop-api"));
    assert!(Scenario::parse("gcp:cloud-run").unwrap().firmware().is_empty());
}
