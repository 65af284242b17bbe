//! The sandbox, for real: a child enters it and tries what a worker that was taken over would try.
//!
//! This program has no test harness, because a harness has threads, and a sandbox is entered by a process with one. Started
//! with `child`, it is that process; otherwise it is the test. As root everything is tried; as another user the parts that
//! take root are left out, and it says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its child answers on stdout"
)]

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: the sandbox is Linux's");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use imds::machine::{Environment, MemoryFiles};
    use imds::{Client, Config, Field, Network};
    use imds_agent::sandbox::{Account, Calls, Options, Part, enter};
    use imds_fake::{Fake, Scenario};
    use serde_json::{Value as Json, json};

    /// A user that owns nothing.
    const NOBODY: u32 = 65_534;

    pub(super) fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if arguments.first().is_some_and(|first| first == "child") {
            return child(&serde_json::from_str(arguments.get(1).unwrap()).unwrap());
        }
        // What runs the tests may only want to know which there are.
        if arguments.iter().any(|argument| argument == "--list") {
            return;
        }
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            println!(
                "sandbox: not root, so that nobody becomes another user here, and no capability is given up"
            );
        }
        a_worker_in_the_sandbox_serves_and_asks_and_nothing_else("listed", is_root);
        a_worker_in_the_sandbox_serves_and_asks_and_nothing_else("but_dangerous", is_root);
        switched_off_it_only_changes_the_user(is_root);
        a_user_that_one_cant_become_is_an_error(is_root);
        println!("sandbox: 4 tests passed");
    }

    struct House {
        folder: tempfile::TempDir,
        runtime: tokio::runtime::Runtime,
        fake: Fake,
    }

    impl House {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["state", "other"] {
                fs::create_dir(folder.path().join(name)).unwrap();
            }
            if rustix::process::geteuid().is_root() {
                for name in ["state", "other"] {
                    chown(folder.path().join(name), Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
            fs::write(folder.path().join("other/secret"), "x").unwrap();
            fs::set_permissions(folder.path().join("other/secret"), fs::Permissions::from_mode(0o644))
                .unwrap();
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let fake = runtime.block_on(Fake::start(Scenario::parse("aws").unwrap())).unwrap();
            Self { folder, runtime, fake }
        }

        /// What a child says that is told to do this.
        fn child(&self, order: &Json) -> Json {
            let mut order = order.clone();
            order["folder"] = json!(self.folder.path());
            order["url"] = json!(self.fake.url());
            order["port"] = json!(self.fake.addr().port());
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["child", &order.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = String::new();
            let mut stdout = child.stdout.take().unwrap();
            let (sender, receiver) = std::sync::mpsc::channel();
            let reader = std::thread::spawn(move || {
                stdout.read_to_string(&mut said).unwrap();
                sender.send(said).unwrap();
            });
            if order["serve"] == true {
                assert_eq!(self.call(), "served");
            }
            let said = receiver.recv_timeout(Duration::from_secs(60)).expect("the child answers");
            reader.join().unwrap();
            let status = child.wait().unwrap();
            assert!(status.success(), "{status}: {said}");
            serde_json::from_str(said.lines().last().expect("the child says something"))
                .expect("the child says JSON")
        }

        /// Calls at the child's socket, once it is there.
        fn call(&self) -> String {
            let path = self.folder.path().join("socket");
            self.runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(60), async {
                    loop {
                        let path = path.clone();
                        let said = tokio::task::spawn_blocking(move || {
                            let mut stream = UnixStream::connect(path).ok()?;
                            let mut said = String::new();
                            stream.read_to_string(&mut said).ok()?;
                            Some(said)
                        });
                        if let Some(said) = said.await.unwrap() {
                            return said;
                        }
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                })
                .await
                .expect("the child serves")
            })
        }
    }

    fn a_worker_in_the_sandbox_serves_and_asks_and_nothing_else(calls: &str, is_root: bool) {
        let house = House::new();
        let user = is_root.then_some(NOBODY);
        let said = house.child(&json!({ "enabled": true, "user": user, "calls": calls, "serve": true }));
        let is =
            |name: &str, expected: &Json| assert_eq!(&said[name], expected, "{name} with {calls}: {said}");
        // What it is for works.
        is("asked", &json!("i-0fedcba9876543210"));
        is("wrote_state", &json!(true));
        is("read_sys_or_proc", &json!(true));
        is("threads", &json!(true));
        // The rest doesn't.
        for name in ["execed", "became_root", "changed_root", "changed_name"] {
            is(name, &json!(false));
        }
        let landlock = Part::is_in_force(&part(&said["in_force"]["landlock"]));
        if landlock {
            for name in ["read_shadow", "read_other", "wrote_other", "listened", "connected_elsewhere"] {
                is(name, &json!(false));
            }
        } else {
            println!("sandbox: this kernel has no Landlock: {}", said["in_force"]["landlock"]);
            if is_root {
                is("read_shadow", &json!(false));
            }
        }
        is("no_new_privileges", &json!("1"));
        if is_root {
            is("uids", &json!("65534 65534 65534 65534"));
            is("groups", &json!("65534"));
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                is(set, &json!("0000000000000000"));
            }
        }
        if calls == "listed" {
            is("netlink", &json!(false));
        }
        let seccomp = part(&said["in_force"]["system_calls"]);
        assert!(seccomp.is_in_force(), "{said}");
    }

    fn switched_off_it_only_changes_the_user(is_root: bool) {
        let house = House::new();
        let user = is_root.then_some(NOBODY);
        let said = house.child(&json!({ "enabled": false, "user": user, "calls": "listed", "serve": false }));
        assert_eq!(said["in_force"]["landlock"], json!({ "state": "off" }), "{said}");
        assert_eq!((&said["execed"], &said["read_other"]), (&json!(true), &json!(true)), "{said}");
        if is_root {
            assert_eq!(
                (&said["uids"], &said["read_shadow"]),
                (&json!("65534 65534 65534 65534"), &json!(false)),
                "{said}"
            );
        }
    }

    fn a_user_that_one_cant_become_is_an_error(is_root: bool) {
        if is_root {
            println!("sandbox: root can become everybody, so that nobody is refused here");
            return;
        }
        let said =
            House::new().child(&json!({ "enabled": true, "user": 1, "calls": "listed", "serve": false }));
        assert!(said["error"].as_str().unwrap().contains("can't become user 1"), "{said}");
    }

    fn part(json: &Json) -> Part {
        let detail = json["detail"].as_str().unwrap_or_default().to_owned();
        match json["state"].as_str().unwrap() {
            "full" => Part::Full(detail),
            "partial" => Part::Partial(detail),
            "off" => Part::Off,
            _ => Part::Missing(detail),
        }
    }

    /// The process in the sandbox: does what it is told and says what came of it.
    fn child(order: &Json) {
        let folder = PathBuf::from(order["folder"].as_str().unwrap());
        let user = order["user"].as_u64().map(|user| u32::try_from(user).unwrap());
        let listener = (order["serve"] == true).then(|| UnixListener::bind(folder.join("socket")).unwrap());
        if listener.is_some() {
            fs::set_permissions(folder.join("socket"), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options {
            enabled: order["enabled"] == true,
            account: user.map(|uid| Account { uid, gid: uid, groups: vec![uid] }),
            write: vec![folder.join("state")],
            connect: vec![u16::try_from(order["port"].as_u64().unwrap()).unwrap()],
            calls: if order["calls"] == "listed" { Calls::Listed } else { Calls::ButDangerous },
            ..Options::default()
        };
        let in_force = match enter(&options) {
            Ok(in_force) => in_force,
            Err(error) => return println!("{}", json!({ "error": error.to_string() })),
        };
        let mut said = tried(&folder, &elsewhere);
        said["in_force"] = serde_json::to_value(&in_force).unwrap();
        said["line"] = json!(in_force.to_string());
        said["asked"] = json!(ask(order["url"].as_str().unwrap()));
        if let Some(listener) = listener {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"served").unwrap();
        }
        println!("{said}");
    }

    fn tried(folder: &Path, elsewhere: &TcpListener) -> Json {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let of_status = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let root = rustix::process::Uid::ROOT;
        json!({
            "read_shadow": fs::read("/etc/shadow").is_ok(),
            "read_other": fs::read(folder.join("other/secret")).is_ok(),
            "wrote_other": fs::write(folder.join("other/new"), "x").is_ok(),
            "wrote_state": fs::write(folder.join("state/new"), "x").is_ok()
                && fs::rename(folder.join("state/new"), folder.join("state/old")).is_ok()
                && fs::metadata(folder.join("state/old")).is_ok_and(|found| found.len() == 1 && found.uid() != u32::MAX),
            "read_sys_or_proc": !status.is_empty(),
            "execed": Command::new("/bin/true").status().is_ok(),
            "became_root": !rustix::process::geteuid().is_root()
                && rustix::thread::set_thread_res_uid(root, root, root).is_ok(),
            // Other ways to the kernel.
            "changed_root": rustix::process::chroot("/").is_ok(),
            "changed_name": rustix::system::sethostname(b"x").is_ok(),
            "listened": TcpListener::bind("127.0.0.1:0").is_ok(),
            "connected_elsewhere": std::net::TcpStream::connect(elsewhere.local_addr().unwrap()).is_ok(),
            "netlink": rustix::net::socket(rustix::net::AddressFamily::NETLINK, rustix::net::SocketType::RAW, None).is_ok(),
            "threads": std::thread::spawn(|| 7).join().is_ok_and(|seven| seven == 7),
            "no_new_privileges": of_status("NoNewPrivs"),
            "uids": of_status("Uid"),
            "groups": of_status("Groups"),
            "CapInh": of_status("CapInh"),
            "CapPrm": of_status("CapPrm"),
            "CapEff": of_status("CapEff"),
            "CapBnd": of_status("CapBnd"),
            "CapAmb": of_status("CapAmb"),
        })
    }

    /// What the service says, asked as the worker asks it.
    fn ask(url: &str) -> String {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let config = Config::builder(Environment::default())
                .files(std::sync::Arc::new(MemoryFiles::new()))
                .network(Network::Loopback)
                .endpoint(url, "--endpoint")
                .cloud("aws", "--cloud")
                .build()
                .unwrap();
            match Client::new(config).read(&[Field::InstanceId]).await {
                Ok(metadata) => metadata.text(Field::InstanceId).unwrap_or("nothing").to_owned(),
                Err(error) => error.to_string(),
            }
        })
    }
}
