//! 3DS Outscale: EC2's tree without tokens, and tags whose keys may hold anything.

use crate::harness::{client_of, fake, machine, read_all, told};
use imds::machine::MemoryFiles;
use imds::{Field, Outcome};

#[tokio::test]
async fn a_tag_s_key_is_one_segment_and_one_that_cannot_be_asked_for_is_left_out() {
    for (spec, root) in [
        ("outscale:tags", "/latest/meta-data/tags/"),
        ("outscale:tags-instance", "/latest/meta-data/tags/instance/"),
    ] {
        let fake = fake(spec).await;
        fake.set("meta-data/tags/a b&c=d?é", "odd").unwrap();
        let metadata = read_all(&fake).await;
        assert_eq!(metadata.tag("a b&c=d?é"), Some("odd"), "{spec}: {metadata:?}");
        assert_eq!(metadata.tag("Name"), Some("front-1"), "{spec}");
        assert_eq!(metadata.tag("team/name"), None, "{spec}: it is listed, and answers 404");
        let asked: Vec<String> = fake.requests().iter().map(|request| request.path().to_owned()).collect();
        assert!(asked.contains(&format!("{root}team%2Fname")), "{spec}: {asked:?}");
        assert!(asked.iter().all(|path| path != "/latest/meta-data/tags/instance"), "{spec}: {asked:?}");
    }
}

#[tokio::test]
async fn the_name_alone_is_found_in_either_layout() {
    for spec in ["outscale:tags", "outscale:tags-instance"] {
        let fake = fake(spec).await;
        let metadata = told(&fake).read(&[Field::InstanceName]).await.unwrap();
        assert_eq!(metadata.text(Field::InstanceName), Some("front-1"), "{spec}");
    }
}

#[tokio::test]
async fn no_token_is_asked_for() {
    let fake = fake("outscale").await;
    read_all(&fake).await;
    assert!(fake.requests().iter().all(|request| request.method() == "GET"));
}

#[tokio::test]
async fn an_older_machine_type_is_nobody_s_own() {
    let fake = fake("outscale:identity").await;
    fake.set("meta-data/instance-type", "m4.large").unwrap();
    // It has EC2's own identity document, and yet neither its tokens nor its name.
    let verdict =
        client_of(machine(MemoryFiles::new(), &[]).endpoint(&fake.url(), "--endpoint")).detect().await;
    assert_eq!(verdict.outcome, Outcome::Unknown, "{verdict:?}");
}
