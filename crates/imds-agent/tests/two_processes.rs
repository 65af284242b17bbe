//! The executor as the process that it is: started by the worker, with a socket as its standard input.
//!
//! This program has no test harness: it is started again, as the executor (`executor FOLDER`), and as a worker that has one
//! (`worker FOLDER`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it did"
)]

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: processes are looked at as Linux shows them");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use imds::Network;
    use imds_agent::events::Event;
    use imds_agent::executor::protocol::Tried;
    use imds_agent::executor::{self, Plan};
    use imds_agent::hooks::{Action, Hook, Notice};
    use imds_template::Grammar;

    const PATIENCE: Duration = Duration::from_secs(60);

    pub(super) fn main() {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["executor", folder] => return be_executor(folder),
            ["worker", folder] => return be_worker(Path::new(folder)),
            // What runs the tests may only want to know which there are.
            arguments if arguments.contains(&"--list") => return,
            _ => {}
        }
        hooks_are_run_by_another_process();
        the_worker_s_death_ends_the_executor_and_what_it_runs();
        the_executor_s_death_is_heard_by_the_worker();
        what_nobody_says_who_means_well_ends_the_executor();
        nobody_starts_it_by_hand();
        println!("two_processes: 5 tests passed");
    }

    /// The hooks of every executor here: one that says who runs it, and one that takes for ever.
    fn plan(folder: &Path) -> Result<Plan, Vec<String>> {
        let hook = |name: &str, script: &str| Hook {
            name: name.to_owned(),
            kinds: Vec::new(),
            states: Vec::new(),
            action: Action::Command(
                ["/bin/sh", "-c", script, folder.to_str().unwrap_or_default()].map(str::to_owned).to_vec(),
            ),
            timeout: PATIENCE,
            retry_for: PATIENCE,
        };
        let hooks = vec![
            hook("who", "echo $PPID > \"$0/who.new\"; mv \"$0/who.new\" \"$0/who\""),
            hook("long", "echo $$ > \"$0/long.new\"; mv \"$0/long.new\" \"$0/long\"; exec sleep 1000"),
        ];
        Plan::new(Vec::new(), None, None, hooks, Grammar::default(), Network::Loopback)
    }

    fn be_executor(folder: &str) {
        let folder = PathBuf::from(folder);
        if let Err(error) = executor::main(Box::new(move || plan(&folder))) {
            println!("{error}");
            std::process::exit(9);
        }
    }

    /// Has a hook run that takes for ever, and waits to be killed.
    fn be_worker(folder: &Path) {
        let executor = start(folder);
        runtime().block_on(async {
            let (link, child) = executor.link().unwrap();
            fs::write(folder.join("executor"), child.id().to_string()).unwrap();
            let plan = link.plan().await.unwrap().plan;
            let _ = link.hook(plan, 1, &notice()).await;
        });
    }

    fn start(folder: &Path) -> executor::Executor {
        let arguments = ["executor".to_owned(), folder.to_str().unwrap().to_owned()];
        executor::start(&std::env::current_exe().unwrap(), arguments).unwrap()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn notice() -> Notice {
        let event: Event = serde_json::from_str(
            r#"{"id":"e","cloud":"aws","kind":"interruption","state":"scheduled","source":"/events"}"#,
        )
        .unwrap();
        Notice::new(event, None)
    }

    /// Waits until something that another process does is done.
    fn until(what: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if runtime().block_on(async { tokio::time::timeout(PATIENCE, waiting).await }).is_err() {
            panic!("it doesn't come to this: {what}");
        }
    }

    fn pid_in(path: &Path) -> String {
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// A zombie that its new parent hasn't looked at yet is as dead.
    fn is_dead(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_else(|_| ") Z".to_owned());
        stat.rsplit(") ").next().is_some_and(|state| state.starts_with(['Z', 'X']))
    }

    fn ended(mut child: Child) -> i32 {
        let (sender, receiver) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn(move || sender.send(child.wait()));
        let status = receiver.recv_timeout(PATIENCE).unwrap().unwrap();
        waiting.join().unwrap().unwrap();
        status.code().unwrap_or(-1)
    }

    fn hooks_are_run_by_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let executor = start(folder.path());
        let child = runtime().block_on(async {
            let (link, child) = executor.link().unwrap();
            let summary = link.plan().await.unwrap();
            assert_eq!(summary.hooks, 2);
            assert_eq!(link.hook(summary.plan, 0, &notice()).await, Ok(Tried::Done));
            assert_eq!(pid_in(&folder.path().join("who")), child.id().to_string());
            child
        });
        assert_eq!(ended(child), 0, "the socket is closed, and so it ends");
    }

    fn the_worker_s_death_ends_the_executor_and_what_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["worker", folder.path().to_str().unwrap()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        until("the hook runs", || folder.path().join("long").exists());
        let pids = ["executor", "long"].map(|name| pid_in(&folder.path().join(name)));
        assert!(pids.iter().all(|pid| !is_dead(pid)));
        worker.kill().unwrap();
        worker.wait().unwrap();
        until("both are dead", || pids.iter().all(|pid| is_dead(pid)));
    }

    fn the_executor_s_death_is_heard_by_the_worker() {
        let folder = tempfile::tempdir().unwrap();
        let executor = start(folder.path());
        let child = runtime().block_on(async {
            let (link, mut child) = executor.link().unwrap();
            link.plan().await.unwrap();
            child.kill().unwrap();
            tokio::time::timeout(PATIENCE, link.gone()).await.unwrap();
            assert!(link.plan().await.is_err());
            child
        });
        ended(child);
    }

    fn what_nobody_says_who_means_well_ends_the_executor() {
        let folder = tempfile::tempdir().unwrap();
        for words in [
            &b"\xff\xff\xff\xffxxxx"[..],
            b"\0\0\0\x02{}",
            b"\0\0\0\x28{\"id\":1,\"work\":{\"run\":[\"/bin/touch\"]}}   ",
        ] {
            let (mut socket, theirs) = UnixStream::pair().unwrap();
            let child = Command::new(std::env::current_exe().unwrap())
                .args(["executor", folder.path().to_str().unwrap()])
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            socket.write_all(words).unwrap();
            assert_eq!(ended(child), 9, "{words:?}");
        }
    }

    fn nobody_starts_it_by_hand() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["executor", "/nonexistent"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(9));
        assert!(String::from_utf8(output.stdout).unwrap().contains("started by the agent itself"));
    }
}
