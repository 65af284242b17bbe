//! Files: metadata in the store, an executor at the other end of a pipe, files in a directory.

#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imds::machine::{Environment, MemoryFiles};
use imds::{
    Client, CloudName, Config, Error, ErrorKind, Field, Metadata, Network, Reading, Source, Tags, Value,
};
use imds_agent::executor::protocol::{Debts, FileChange, FileOutcome, Summary};
use imds_agent::executor::{Link, Plan, serve};
use imds_agent::files::values::gather;
use imds_agent::files::{EnvFile, Follow, Pace, Record, Rendered, ValueFiles, follow};
use imds_agent::store::Store;
use imds_fake::{Fake, Scenario};
use imds_files::Attributes;
use imds_template::{Format, Grammar, Missing};

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory, what is written there, and an executor that writes it.
struct House {
    folder: tempfile::TempDir,
    link: Link,
    plan: Summary,
    client: Client,
}

#[derive(Clone, Default)]
struct Wanted {
    files: Vec<Rendered>,
    env_file: Option<EnvFile>,
    values: Option<ValueFiles>,
}

impl House {
    async fn of(wanted: impl FnOnce(&Path) -> Wanted) -> Self {
        Self::with(wanted, |builder| builder).await
    }

    async fn with(
        wanted: impl FnOnce(&Path) -> Wanted,
        configure: impl FnOnce(imds::ConfigBuilder) -> imds::ConfigBuilder,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wanted = wanted(folder.path());
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let plan = move || {
            let Wanted { files, env_file, values } = wanted.clone();
            Plan::new(files, env_file, values, Vec::new(), Grammar::default(), Network::Loopback)
        };
        tokio::spawn(async move { serve(theirs, Box::new(plan)).await });
        let link = Link::new(ours);
        let plan = link.plan().await.unwrap();
        let config = Config::builder(Environment::default())
            .files(Arc::new(MemoryFiles::new()))
            .network(Network::Loopback);
        let client = Client::new(configure(config).build().unwrap());
        Self { folder, link, plan, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().mode() & 0o7777
    }

    async fn update(&self, metadata: &Metadata) -> Vec<FileOutcome> {
        let values = gather(&self.client, metadata, &self.plan.paths).await;
        self.link.files(self.plan.plan, values, Debts::default()).await.unwrap()
    }

    /// What became of the first file.
    async fn change(&self, metadata: &Metadata) -> FileChange {
        self.update(metadata).await.remove(0).what
    }
}

fn rendered(folder: &Path, name: &str, source: &str) -> Rendered {
    Rendered {
        template: folder.join(format!("{name}.tmpl")),
        source: Ok(source.to_owned()),
        target: folder.join(name),
        format: Format::for_path(name),
        missing: Missing::Error,
        attributes: Attributes::default(),
        check: None,
        reload: None,
        time: PATIENCE,
    }
}

/// Says in a file that it ran, with its last argument.
fn note(folder: &Path, name: &str) -> Option<Vec<String>> {
    let script = "echo \"${1##*.}\" >> \"$0\"";
    Some(["/bin/sh", "-c", script, folder.join(name).to_str().unwrap()].map(str::to_owned).to_vec())
}

fn shell(script: &str) -> Option<Vec<String>> {
    Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
}

fn metadata(region: &str) -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    let mut set = |field, value: Value| metadata.set(field, Reading::known(value, Source::Mock));
    set(Field::Cloud, Value::Text("aws".to_owned()));
    set(Field::Region, Value::Text(region.to_owned()));
    set(Field::InstanceId, Value::Text("i-0".to_owned()));
    metadata
}

fn failed(mut metadata: Metadata, field: Field) -> Metadata {
    metadata.set(field, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
    metadata
}

#[tokio::test]
async fn a_file_is_checked_replaced_and_reloaded_and_only_when_it_changes() {
    let house = House::of(|folder| Wanted {
        files: vec![Rendered {
            check: note(folder, "checks"),
            reload: note(folder, "reloads"),
            ..rendered(folder, "app.json", r#"{"region": "${aws:Region}"}"#)
        }],
        ..Wanted::default()
    })
    .await;
    assert_eq!(house.change(&metadata("eu-west-1")).await, FileChange::Changed);
    assert_eq!(house.read("app.json"), r#"{"region": "eu-west-1"}"#);
    assert_eq!(house.mode("app.json"), 0o600, "nobody said who may read it");
    assert_eq!(house.change(&metadata("eu-west-1")).await, FileChange::Unchanged);
    assert_eq!(house.change(&metadata("eu-north-1")).await, FileChange::Changed);
    assert_eq!((&*house.read("checks"), &*house.read("reloads")), ("json\njson\n", "\n\n"));
    let names = fs::read_dir(house.folder.path()).unwrap().count();
    assert_eq!(names, 3, "no temporary file is left");
}

#[tokio::test]
async fn modes_and_owners_are_those_of_the_configuration_and_a_link_isnt_followed() {
    let house = House::of(|folder| {
        let attributes = Attributes { mode: Some(0o640), ..Attributes::default() };
        let one = Rendered { attributes, ..rendered(folder, "a.txt", "${aws:Region}") };
        Wanted { files: vec![one, rendered(folder, "link.txt", "${aws:Region}")], ..Wanted::default() }
    })
    .await;
    fs::write(house.path("elsewhere"), "x").unwrap();
    symlink("elsewhere", house.path("link.txt")).unwrap();
    let outcomes = house.update(&metadata("eu-west-1")).await;
    assert_eq!((house.mode("a.txt"), &outcomes[0].what), (0o640, &FileChange::Changed));
    assert!(matches!(&outcomes[1].what, FileChange::Failed(why) if why.contains("symbolic link")));
    assert_eq!(house.read("elsewhere"), "x");
    fs::set_permissions(house.path("a.txt"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(
        house.change(&metadata("eu-west-1")).await,
        FileChange::Changed,
        "the mode had become another"
    );
    assert_eq!(house.mode("a.txt"), 0o640);
}

#[tokio::test]
async fn what_a_check_refuses_never_gets_there() {
    let house = House::of(|folder| Wanted {
        files: vec![Rendered {
            check: shell("grep -q eu-west \"$0\""),
            reload: note(folder, "reloads"),
            ..rendered(folder, "a.txt", "${aws:Region}")
        }],
        ..Wanted::default()
    })
    .await;
    house.update(&metadata("eu-west-1")).await;
    let change = house.change(&metadata("us-east-1")).await;
    assert!(matches!(&change, FileChange::Failed(why) if why.contains("/bin/sh failed")), "{change:?}");
    assert_eq!((&*house.read("a.txt"), &*house.read("reloads")), ("eu-west-1", "\n"));
}

#[tokio::test]
async fn a_check_that_takes_too_long_is_a_refusal() {
    let house = House::of(|folder| Wanted {
        files: vec![Rendered {
            check: shell("sleep 1000"),
            time: Duration::from_millis(50),
            ..rendered(folder, "a.txt", "${aws:Region}")
        }],
        ..Wanted::default()
    })
    .await;
    let change = house.change(&metadata("eu-west-1")).await;
    assert!(matches!(&change, FileChange::Failed(why) if why.contains("took longer")), "{change:?}");
    assert!(!house.path("a.txt").exists());
}

#[tokio::test]
async fn a_reload_that_fails_is_told_and_tried_with_the_next_update_once_for_all_files() {
    let house = House::of(|folder| {
        let script = format!("echo x >> '{0}/tries'; [ $(wc -l < '{0}/tries') -ge 2 ]", folder.display());
        let with = |name| Rendered { reload: shell(&script), ..rendered(folder, name, "${aws:Region}") };
        Wanted { files: vec![with("a.txt"), with("b.txt")], ..Wanted::default() }
    })
    .await;
    let outcomes = house.update(&metadata("eu-west-1")).await;
    assert!(outcomes.iter().all(|it| matches!(it.what, FileChange::NotReloaded(_))), "{outcomes:?}");
    assert_eq!(house.read("tries"), "x\n");
    let outcomes = house.update(&metadata("eu-west-1")).await;
    assert!(outcomes.iter().all(|it| it.what == FileChange::Unchanged), "{outcomes:?}");
    assert_eq!(house.read("tries"), "x\nx\n");
    house.update(&metadata("eu-west-1")).await;
    assert_eq!(house.read("tries"), "x\nx\n", "it has worked");
}

#[tokio::test]
async fn when_a_value_cant_be_had_the_old_file_stays() {
    let house = House::of(|folder| Wanted {
        files: vec![
            rendered(folder, "plain.txt", "${aws:Region}"),
            rendered(folder, "default.txt", "${aws:Region:-nowhere}"),
            Rendered { source: Err("can't be read".to_owned()), ..rendered(folder, "unread.txt", "") },
        ],
        env_file: Some(EnvFile { path: folder.join("env"), prefix: "IMDS_".to_owned(), mode: 0o644 }),
        ..Wanted::default()
    })
    .await;
    let without = || failed(metadata(""), Field::Region);
    // Nothing is there yet: what is known is better than nothing.
    let outcomes = house.update(&without()).await;
    assert!(matches!(&outcomes[0].what, FileChange::Kept(why) if why.contains("no answer")), "{outcomes:?}");
    assert!(matches!(&outcomes[2].what, FileChange::Failed(why) if why == "can't be read"));
    assert!(!house.path("plain.txt").exists());
    assert_eq!(house.read("default.txt"), "nowhere");
    assert_eq!(house.read("env"), "IMDS_CLOUD=\"aws\"\nIMDS_INSTANCE_ID=\"i-0\"\n");

    house.update(&metadata("eu-west-1")).await;
    let outcomes = house.update(&without()).await;
    for outcome in [&outcomes[0], &outcomes[1], &outcomes[3]] {
        assert!(matches!(outcome.what, FileChange::Kept(_)), "{outcome:?}");
    }
    assert_eq!((&*house.read("plain.txt"), &*house.read("default.txt")), ("eu-west-1", "eu-west-1"));
    assert!(house.read("env").contains("IMDS_REGION=\"eu-west-1\"\n"));
    assert_eq!(house.mode("env"), 0o644);
}

#[tokio::test]
async fn values_have_files_of_their_own_with_modes_by_class() {
    let house = House::of(|folder| Wanted {
        values: Some(ValueFiles { directory: folder.join("values"), mode: None }),
        ..Wanted::default()
    })
    .await;
    let with_tags = |tags: &[(&str, &str)]| {
        let mut metadata = metadata("eu-west-1");
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        metadata.set(Field::Tags, Reading::known(Value::Tags(tags), Source::Mock));
        metadata
    };
    let tags = with_tags(&[
        ("Name", "web"),
        ("a b", ""),
        ("../up", "x"),
        (".hidden", "x"),
        ("a/b", "x"),
        ("..", "x"),
    ]);
    assert_eq!(house.change(&tags).await, FileChange::Changed);
    assert_eq!((&*house.read("values/region"), house.mode("values/region")), ("eu-west-1", 0o644));
    assert_eq!((&*house.read("values/instance_id"), house.mode("values/instance_id")), ("i-0", 0o640));
    assert_eq!((&*house.read("values/tags/Name"), house.mode("values/tags/Name")), ("web", 0o640));
    assert_eq!(house.read("values/tags/a b"), "");
    let count = |name: &str| fs::read_dir(house.path(name)).unwrap().count();
    assert_eq!(
        (count("values/tags"), count("values"), count("")),
        (2, 4, 1),
        "no tag leads out of its directory"
    );
    assert_eq!(house.change(&tags).await, FileChange::Unchanged);

    // What can't be read stays, and what isn't there any more goes.
    let gone = failed(with_tags(&[("Name", "web")]), Field::Region);
    assert_eq!(house.change(&gone).await, FileChange::Changed);
    assert!(house.path("values/region").exists() && !house.path("values/tags/a b").exists());
    assert_eq!(house.change(&failed(metadata("eu-west-1"), Field::Tags)).await, FileChange::Unchanged);
    assert!(house.path("values/tags/Name").exists());
    assert_eq!(house.change(&metadata("eu-west-1")).await, FileChange::Changed);
    assert!(!house.path("values/tags/Name").exists());
}

#[tokio::test]
async fn a_directory_that_is_a_link_isnt_written_into() {
    let house = House::of(|folder| Wanted {
        values: Some(ValueFiles { directory: folder.join("values"), mode: None }),
        ..Wanted::default()
    })
    .await;
    fs::create_dir(house.path("elsewhere")).unwrap();
    symlink("elsewhere", house.path("values")).unwrap();
    assert!(matches!(house.change(&metadata("eu-west-1")).await, FileChange::Failed(_)));
    assert_eq!(fs::read_dir(house.path("elsewhere")).unwrap().count(), 0);
}

#[tokio::test]
async fn paths_of_the_service_are_asked_by_the_worker() {
    let fake = Fake::start(Scenario::parse("aws").unwrap()).await.unwrap();
    let house = House::with(
        |folder| Wanted {
            files: vec![
                rendered(folder, "a.txt", "${imds:/latest/meta-data/placement/region}"),
                rendered(folder, "b.txt", "${imds:/latest/user-data}"),
            ],
            ..Wanted::default()
        },
        |builder| builder.endpoint(&fake.url(), "--endpoint").cloud("aws", "--cloud"),
    )
    .await;
    assert_eq!(house.plan.paths, ["/latest/meta-data/placement/region", "/latest/user-data"]);
    let outcomes = house.update(&metadata("x")).await;
    assert_eq!(outcomes[0].what, FileChange::Changed, "{outcomes:?}");
    assert!(!house.read("a.txt").is_empty());
    assert!(
        !outcomes[1].what.eq(&FileChange::Changed) && !house.path("b.txt").exists(),
        "a secret is never rendered"
    );
    assert!(fake.requests().iter().all(|request| !request.path().contains("user-data")));
}

#[tokio::test]
async fn files_follow_the_store_and_several_changes_are_one() {
    let house = House::of(|folder| Wanted {
        files: vec![Rendered {
            reload: note(folder, "reloads"),
            ..rendered(folder, "a.txt", "${aws:Region}")
        }],
        ..Wanted::default()
    })
    .await;
    let store = Arc::new(Store::default());
    let say = |metadata: Metadata| store.update(|view| view.metadata = Some(Arc::new(metadata)));
    let pace = Pace { debounce: Duration::from_millis(30), ..Pace::default() };
    let following = tokio::spawn(follow(Follow {
        store: Arc::clone(&store),
        client: house.client.clone(),
        link: house.link.clone(),
        plan: house.plan.clone(),
        record: Record::forgetful(),
        pace,
    }));
    say(metadata("eu-west-1"));
    until(|| house.path("reloads").exists()).await;
    assert_eq!(house.read("a.txt"), "eu-west-1");
    // Read again, and nothing is another.
    say(metadata("eu-west-1"));
    for region in ["a-1", "b-1", "c-1"] {
        say(metadata(region));
        tokio::task::yield_now().await;
    }
    until(|| house.read("a.txt") == "c-1" && house.read("reloads").len() == 2).await;
    following.abort();
}

#[tokio::test]
async fn after_trouble_files_are_tried_again_by_themselves() {
    let house = House::of(|folder| {
        let allowed = folder.join("allowed");
        Wanted {
            files: vec![Rendered {
                check: shell(&format!("echo x >> '{0}.tried'; test -e '{0}'", allowed.display())),
                ..rendered(folder, "a.txt", "${aws:Region}")
            }],
            ..Wanted::default()
        }
    })
    .await;
    let store = Arc::new(Store::default());
    store.update(|view| view.metadata = Some(Arc::new(metadata("eu-west-1"))));
    let pace = Pace {
        first_retry: Duration::from_millis(5),
        longest_retry: Duration::from_millis(10),
        ..Pace::default()
    };
    let following = tokio::spawn(follow(Follow {
        store,
        client: house.client.clone(),
        link: house.link.clone(),
        plan: house.plan.clone(),
        record: Record::forgetful(),
        pace,
    }));
    until(|| house.path("allowed.tried").exists()).await;
    assert!(!house.path("a.txt").exists());
    fs::write(house.path("allowed"), "").unwrap();
    until(|| house.path("a.txt").exists()).await;
    following.abort();
}

/// Waits until something that another process does is done.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("it doesn't come to this");
    }
}
