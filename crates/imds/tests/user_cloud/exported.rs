//! Built-in descriptions as they are printed, read back in their own place.

use imds::{CloudSummary, Config, Field};
use imds_fake::{Fake, Scenario};

use crate::fakes::{client, told};
use crate::json;

/// What is known of a cloud. A user's omits whatever any built-in cloud omits at the same path, and so may omit more.
fn without_omissions(cloud: &CloudSummary) -> serde_json::Value {
    let mut details = serde_json::to_value(cloud.details()).unwrap();
    for document in details.pointer_mut("/documents").unwrap().as_array_mut().unwrap() {
        document.as_object_mut().unwrap().remove("omits");
    }
    details
}

#[tokio::test]
async fn every_exported_cloud_reads_back_and_does_what_it_did() {
    let mut compared = Vec::new();
    for cloud in imds::clouds().into_iter().chain(imds::nodes()) {
        let Ok(text) = cloud.export() else { continue };
        let name = cloud.name.as_str();
        let origin = format!("{name}.toml");
        let config = Config::builder(Default::default()).describe(&text, &origin).build();
        let again = config.unwrap_or_else(|error| panic!("{error}")).cloud_named(name, "test").unwrap();
        assert!(!again.built_in, "{name}");
        assert_eq!(without_omissions(&again), without_omissions(&cloud), "{name}");
        if cloud.fields.is_empty() || cloud.node_of.is_some() {
            continue;
        }
        for scenario in Scenario::all().into_iter().filter(|scenario| scenario.cloud().name() == name) {
            let what = format!("{name}:{}", scenario.name());
            let fake = Fake::start(scenario).await.unwrap();
            let built_in = client(told(name, &fake.url(), &[])).read(Field::ALL).await.unwrap();
            let read_back = client(told(name, &fake.url(), &[]).describe(&text, &origin));
            let read_back = read_back.read(Field::ALL).await.unwrap();
            assert_eq!(json(&read_back), json(&built_in), "{what}");
            compared.push(what);
        }
    }
    assert!(compared.iter().any(|what| what == "digitalocean:plain"), "{compared:?}");
}

#[test]
fn what_needs_code_is_refused_with_the_names_of_its_functions() {
    let azure = imds::clouds().into_iter().find(|cloud| cloud.name.as_str() == "azure").unwrap();
    let error = azure.export().unwrap_err();
    assert!(error.message().contains("azure_image") && error.message().contains("azure_disks"), "{error}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("based_on = \"azure\"")), "{error:?}");
}

/// What can't be copied can be built on: the same cloud at another name, with its code.
#[tokio::test]
async fn a_cloud_with_code_can_be_built_on() {
    let fake = crate::fakes::fake("azure:plain", &[]).await;
    let text =
        "name = \"sovereign\"\ntitle = \"Sovereign\"\nbased_on = \"azure\"\n[otel]\nprovider = \"azure\"\n";
    let own = client(told("sovereign", &fake.url(), &[]).describe(text, "sovereign.toml"));
    let own = own.read(Field::ALL).await.unwrap();
    let built_in = client(told("azure", &fake.url(), &[])).read(Field::ALL).await.unwrap();
    for field in Field::ALL.iter().filter(|field| !matches!(field, Field::Cloud | Field::Platform)) {
        assert_eq!(own.value(*field).ok(), built_in.value(*field).ok(), "{field}");
    }
    assert_eq!(own.text(Field::Cloud), Some("sovereign"));
}
