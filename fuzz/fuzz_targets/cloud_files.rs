//! Users' descriptions of clouds: what is wrong is told at its place, and what is accepted opens no secret, is one thing
//! however often it is read, and shows itself in every form.
#![no_main]

use std::sync::Arc;

use imds::machine::{Environment, MemoryFiles};
use imds::model::Class;
use imds::{Client, Config, ErrorKind, Network};
use libfuzzer_sys::fuzz_target;

/// Secrets of built-in clouds, in the vendors' spelling and in others that mean the same.
const SECRETS: [&str; 12] = [
    "/latest/user-data",
    "/latest/meta-data/iam/security-credentials/role",
    "/latest//meta-data/./iam/info",
    "/latest/api/token",
    "/latest/dynamic/instance-identity/pkcs7",
    "/metadata/identity/oauth2/token",
    "/metadata/attested/document",
    "/computeMetadata/v1/instance/service-accounts/default/token",
    "/computeMetadata/v1/instance/attributes/ssh-keys",
    "/opc/v2/instance/metadata/user_data",
    "/openstack/latest/user_data",
    "/latest/%75ser-data",
];

fn config(text: &str) -> Result<Config, imds::Error> {
    let builder =
        Config::builder(Environment::default()).files(Arc::new(MemoryFiles::new())).network(Network::Off);
    builder.describe(text, "own.toml").build()
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match config(text) {
        Ok(config) => config,
        Err(error) => return refused(text, &error),
    };
    let table: toml::Table = text.parse().expect("only TOML is a description");
    let name = table["name"].as_str().expect("a cloud has a name");
    for path in SECRETS {
        assert_eq!(config.path_class(path).expect(path), Class::Secret, "{path}");
    }
    let documents = table.get("documents").and_then(toml::Value::as_table);
    for (_, document) in documents.into_iter().flatten() {
        let path = document.get("path").and_then(toml::Value::as_str).expect("a document has a path");
        let class = imds::path_class(path).expect("a document's path is one");
        assert_eq!(class, Class::Private, "{path} is a secret of a built-in cloud");
    }
    let clouds = config.clouds();
    let own = clouds.iter().find(|cloud| cloud.name.as_str() == name).expect("a described cloud is known");
    assert!(!own.built_in);
    assert!(!own.page().is_empty() && own.export().is_err());
    let details = format!("{:?}", own.details());
    assert!(!details.is_empty());
    for field in &own.fields {
        let _ = own.place_of(*field);
    }
    let again = self::config(text).expect("what was accepted once is accepted again");
    let same = again.clouds().into_iter().find(|cloud| cloud.name.as_str() == name).map(|cloud| cloud.page());
    assert_eq!(same, Some(own.page()));
    // Nothing in it makes a client that can't be made.
    drop(Client::new(config));
});

fn refused(text: &str, error: &imds::Error) {
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    let place = error.path().unwrap_or_default();
    let mut parts = place.strip_prefix("own.toml:").unwrap_or_else(|| panic!("{error:?}")).split(':');
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok());
    let (line, column) = (number(), number());
    let (line, column) = line.zip(column).unwrap_or_else(|| panic!("{error:?}"));
    let lines: Vec<&str> = text.split('\n').collect();
    let within = line.checked_sub(1).and_then(|line| lines.get(line));
    let within = within.unwrap_or_else(|| panic!("line {line} of {}: {error:?}", lines.len()));
    assert!((1..=within.chars().count() + 2).contains(&column), "column {column} of {within:?}: {error:?}");
    assert!(!error.message().is_empty());
}
