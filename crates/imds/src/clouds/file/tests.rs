//! What files may say, and how their mistakes are told.

use super::*;

const LAB: &str = r#"
name = "lab"
title = "The lab"

[service]
ipv4 = "192.0.2.1"

[documents]
machine = { path = "/v1/machine", format = "json" }

[fields]
instance_id = "machine#/id"
"#;

fn described(texts: &[&str]) -> Result<Clouds, Error> {
    let texts: Vec<Described> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| Described::Text((*text).to_owned(), format!("{}.toml", ["a", "b", "c"][index])))
        .collect();
    add(Clouds::default(), &texts)
}

/// The lab with this in the place of that.
fn lab(old: &str, new: &str) -> String {
    assert!(LAB.contains(old), "{old}");
    LAB.replacen(old, new, 1)
}

fn refusal(text: &str) -> (String, String, String) {
    let error = described(&[text]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    let remedy = error.remedy().unwrap_or_default().to_owned();
    (error.path().unwrap_or_default().to_owned(), error.message().to_owned(), remedy)
}

#[test]
fn a_mistake_is_told_with_its_place_and_remedy() {
    let header = "name = \"lab\"\n";
    for (text, place, message, remedy) in [
        // What isn't TOML, and what isn't of the shape.
        (lab("name = \"lab\"", "name = lab"), "a.toml:2:8", "", ""),
        (lab("title", "titel"), "a.toml:3:1", "\"titel\" isn't known here", "did you mean title?"),
        (lab("title = \"The lab\"", ""), "a.toml:1:1", "title", ""),
        (lab("title = \"The lab\"", "title = 5"), "a.toml:3:9", "invalid type: integer `5`", ""),
        (
            lab("format = \"json\"", "format = \"jsn\""),
            "a.toml:9:44",
            "\"jsn\" isn't known",
            "did you mean json?",
        ),
        (lab("ipv4", "ip4"), "a.toml:6:1", "\"ip4\"", "did you mean ipv4?"),
        (
            lab("\"machine#/id\"", "{ from = \"machine#/id\", transform = \"upper\" }"),
            "a.toml:12:51",
            "upper",
            "known here",
        ),
        (lab("\"machine#/id\"", "{ form = \"machine#/id\" }"), "a.toml:12:17", "form", "did you mean from?"),
        // Names.
        (lab(header, "name = \"none\"\n"), "a.toml:2:8", "detection", ""),
        (lab(header, "name = \"My Lab\"\n"), "a.toml:2:8", "no cloud name", ""),
        (lab(header, "name = \"tag\"\n"), "a.toml:2:8", "placeholders", ""),
        (lab(header, "name = \"aws\"\n"), "a.toml:2:8", "built-in", "overrides = true"),
        (lab(header, "name = \"ecs\"\noverrides = true\n"), "a.toml:2:8", "node of aws", ""),
        (
            lab(header, "name = \"awz\"\noverrides = true\n"),
            "a.toml:3:13",
            "nothing to override",
            "did you mean aws?",
        ),
        (
            lab(header, "name = \"lab\"\nbased_on = \"openstak\"\n"),
            "a.toml:3:12",
            "openstak",
            "did you mean openstack?",
        ),
        // References that lead nowhere.
        (lab("machine#/id", "machin#/id"), "a.toml:12:15", "no document \"machin\"", ""),
        (
            lab("instance_id =", "instance_ip ="),
            "a.toml:12:15",
            "no field is called \"instance_ip\"",
            "did you mean instance_id?",
        ),
        (lab("machine#/id", "machine#id"), "a.toml:12:15", "no pointer", "write /id"),
        (lab("/v1/machine", "v1/machine"), "a.toml:9:20", "start with a slash", ""),
        (
            lab("\"machine#/id\"", "{ derive = \"{regoin}\" }"),
            "a.toml:12:26",
            "regoin",
            "did you mean region?",
        ),
        (lab("\"machine#/id\"", "{ derive = \"x-{instance_id}\" }"), "a.toml:12:1", "made of itself", ""),
        (
            lab("\"machine#/id\"", "{ from = \"machine\", function = \"aws_disks\" }"),
            "a.toml:12:46",
            "functions",
            "transforms",
        ),
        // What can't be sent, and what would take every machine.
        (lab("192.0.2.1", "192.0.2"), "a.toml:6:8", "no IPv4 address", ""),
        (lab("ipv4 = \"192.0.2.1\"", "port = 80"), "a.toml:5:2", "it needs `ipv4`", ""),
        (
            LAB.to_owned() + "[[firmware]]\nwhen = {}\nstrength = \"certain\"\n",
            "a.toml:14:1",
            "every machine",
            "",
        ),
        (
            LAB.to_owned() + "[[firmware]]\nwhen = { sys_vendr = \"x\" }\nstrength = \"weak\"\n",
            "a.toml:14:22",
            "sys_vendr",
            "did you mean sys_vendor?",
        ),
        (
            LAB.to_owned()
                + "[[firmware]]\nwhen = { \"../../../../etc/shadow\" = \"x\" }\nstrength = \"weak\"\n",
            "a.toml:14:37",
            "no file",
            "",
        ),
        (
            LAB.to_owned() + "[probe]\ndocument = \"machine\"\nrequire = {}\n",
            "a.toml:15:1",
            "would be taken",
            "",
        ),
    ] {
        let (found, what, hint) = refusal(&text);
        assert_eq!(found, place, "{text}\n{what}");
        assert!(what.contains(message), "{text}\n{what}");
        assert!(hint.contains(remedy) && !hint.is_empty(), "{text}\n{hint}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = lab("machine#/id", "nothing#/id").replace("192.0.2.1", "here");
    let (place, what, _) = refusal(&(text + "regoin = \"machine\"\n"));
    assert_eq!(place, "a.toml:6:8");
    for part in [
        "\"here\" is no IPv4 address",
        "a.toml:12:15: there is no document",
        "a.toml:13:10: no field is called \"regoin\"",
    ] {
        assert!(what.contains(part), "{what}");
    }
}

#[test]
fn secrets_of_any_built_in_cloud_are_no_places() {
    let with = |path: &str, place: &str| lab("/v1/machine", path).replace("machine#/id", place);
    for (path, place, message) in [
        ("/latest/user-data", "machine#/id", "gives a secret"),
        ("/latest/./meta-data/%69am/security-credentials/x", "machine#/id", "gives a secret"),
        ("/metadata/identity/oauth2/token?resource=x", "machine#/access_token", "gives a secret"),
        ("/metadata/instance", "machine#/compute/userData", "\"userData\" of machine is a secret"),
        ("/Metadata/instance/compute", "machine#/CUSTOMDATA", "is a secret"),
        ("/metadata/v1.json", "machine#/user_data", "is a secret"),
    ] {
        let (_, what, _) = refusal(&with(path, place));
        assert!(what.contains(message), "{path}: {what}");
        // Whatever name it goes by.
        let aws = with(path, place).replace("name = \"lab\"", "name = \"aws\"\noverrides = true");
        assert!(refusal(&aws).1.contains(message), "{path}");
    }
    let plain = with("/metadata/instance", "machine").replace("format = \"json\"", "format = \"plain\"");
    assert!(refusal(&plain).1.contains("JSON only"));
    let own = with("/v1/keys", "machine#/id") + "[secrets]\npaths = [\"/*/keys/**\"]\n";
    assert!(refusal(&own).1.contains("gives a secret"));
}

#[test]
fn members_that_are_secret_are_omitted_without_being_told() {
    let text = lab("/v1/machine", "/metadata/instance").replace("machine#/id", "machine#/compute/vmId");
    let clouds = described(&[&text]).unwrap();
    let omitted = &clouds.find("lab").unwrap().documents.get("machine").unwrap().omit;
    for member in ["userData", "customData", "publicKeys", "adminUsername"] {
        assert!(omitted.iter().any(|omitted| &**omitted == member), "{member}: {omitted:?}");
    }
}

#[test]
fn what_takes_the_place_of_a_built_in_cloud_keeps_its_secrets() {
    let text = lab("name = \"lab\"", "name = \"digitalocean\"\noverrides = true");
    let clouds = described(&[&text]).unwrap();
    let own = clouds.find("digitalocean").unwrap();
    let built_in = crate::clouds::find("digitalocean").unwrap();
    assert!(built_in.secrets.paths.iter().all(|path| own.secrets.paths.contains(path)));
    assert!(own.secrets.members.get("/metadata/v1.json").is_some());
    assert_eq!(clouds.iter().filter(|cloud| &*cloud.name == "digitalocean").count(), 1);
}

#[test]
fn one_cloud_is_built_on_another() {
    let other = "name = \"cellar\"\ntitle = \"The cellar\"\nbased_on = \"lab\"\n[fields]\nregion = \"machine#/room\"\n";
    let clouds = described(&[LAB, other]).unwrap();
    let cellar = clouds.find("cellar").unwrap();
    assert_eq!(cellar.service.as_ref().unwrap().ipv4.as_deref(), Some("192.0.2.1"));
    assert!(cellar.fields.get("instance_id").is_some() && cellar.fields.get("region").is_some());
    // Functions of a built-in cloud come with it.
    let own = "name = \"my-azure\"\ntitle = \"Mine\"\nbased_on = \"azure\"\n";
    assert!(described(&[own]).unwrap().find("my-azure").unwrap().fields.get("image_id").is_some());
}

#[test]
fn a_name_is_described_once() {
    let error = described(&[LAB, &lab("The lab", "Another")]).unwrap_err();
    assert_eq!(error.path(), Some("b.toml:2:8"));
    assert!(error.message().contains("described by a.toml already"), "{error}");
    // The same file by two ways is one.
    assert_eq!(described(&[LAB, LAB]).unwrap().iter().filter(|cloud| &*cloud.name == "lab").count(), 1);
}

#[test]
fn reading_the_same_text_again_takes_no_memory() {
    let first = described(&[LAB]).unwrap().find("lab").unwrap();
    for _ in 0..3 {
        assert!(std::ptr::eq(first, described(&[LAB]).unwrap().find("lab").unwrap()));
    }
    let other = described(&[&lab("The lab", "Another lab")]).unwrap().find("lab").unwrap();
    assert!(!std::ptr::eq(first, other));
}

#[test]
fn no_text_can_do_harm() {
    for text in [
        "",
        "\u{feff}",
        "=",
        "[[[",
        "name",
        "\0",
        "a.b.c = 1",
        "\"\"\"",
        "[fields]\n[fields]",
        "fields = 1",
        "🦀 = 1",
    ] {
        assert_eq!(described(&[text]).unwrap_err().kind(), ErrorKind::Usage, "{text:?}");
    }
    let deep = format!("name = {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(described(&[&deep]).unwrap_err().kind(), ErrorKind::Usage);
}
