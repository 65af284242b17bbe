//! A web page, in a real browser on the same machine, that wants the metadata.
//!
//! Chromium runs in a network namespace with nothing but loopback in it, because it asks for more than a test wants it to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::folder::Folder;
use crate::running::Running;

/// A browser needs seconds to start, on a busy machine many.
const PATIENCE: Duration = Duration::from_secs(90);
/// In every answer of the server that a page may read.
const CARELESS: &str = "CARELESS";

/// Runs this test inside a network namespace of its own. Whether it is in one now: `false` means that it ran there, or that
/// it couldn't and said so.
fn is_isolated(test: &str) -> bool {
    let links = std::fs::read_to_string("/proc/net/dev").unwrap();
    let others = links.lines().skip(2).filter(|line| !line.trim_start().starts_with("lo:")).count();
    if others == 0 {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    for flag in ["-n", "-rn"] {
        let possible = Command::new("unshare").args([flag, "ip", "link", "set", "lo", "up"]).output();
        if !possible.is_ok_and(|output| output.status.success()) {
            continue;
        }
        let mut command = Command::new("unshare");
        command.args([flag, "sh", "-c", "ip link set lo up && exec \"$@\"", "isolated"]);
        command.arg(&own).args(["--exact", test, "--nocapture"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return false;
    }
    eprintln!("SKIPPED {test}: no network namespace can be made here, and a browser isn't let out");
    false
}

/// Chromium, if it is installed.
fn chromium(test: &str) -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        eprintln!("SKIPPED {test}: no Chromium is installed (apt-get install chromium)");
    }
    found
}

/// A browser that shows a page, killed when dropped with all its processes.
struct Browser {
    child: Child,
    _profile: Folder,
}

impl Browser {
    fn at(chromium: &str, url: &str) -> Self {
        let profile = Folder::new();
        let mut command = Command::new(chromium);
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP evil.example 127.0.0.1, EXCLUDE localhost",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
        // In a group of its own, to end it with its children.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A server that lets everybody read everything, and hears reports.
struct Careless {
    address: SocketAddr,
    reports: mpsc::UnboundedReceiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Careless {
    async fn start(page: impl Fn(SocketAddr) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let page = Arc::new(page(address));
        let (told, reports) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut visits = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                visits.spawn(Self::answer(stream, Arc::clone(&page), told.clone()));
            }
        });
        Self { address, reports, task }
    }

    async fn answer(mut stream: TcpStream, page: Arc<String>, told: mpsc::UnboundedSender<String>) {
        let mut request = Vec::new();
        let (head, mut body) = loop {
            if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
                break (String::from_utf8_lossy(&request[..at]).into_owned(), request.split_off(at + 4));
            }
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while body.len() < length && stream.read_buf(&mut body).await.unwrap_or(0) > 0 {}
        let (kind, content) = match head.split(' ').nth(1).unwrap() {
            "/" => ("text/html; charset=utf-8", page.as_str()),
            path if path.starts_with("/report") => {
                let _ = told.send(String::from_utf8(body).unwrap());
                ("text/plain", "thanks")
            }
            "/v1/watch" => ("text/event-stream", "data: CARELESS\n\n"),
            _ => ("text/plain", CARELESS),
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nAccess-Control-Allow-Origin: *\r\n\
             Access-Control-Allow-Headers: *\r\nAccess-Control-Allow-Private-Network: true\r\nConnection: close\r\n\r\n\
             {content}",
            content.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    async fn report(&mut self) -> String {
        timeout(PATIENCE, self.reports.recv()).await.expect("the page reported nothing").unwrap()
    }

    async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// What each try of a page came to, by target.
type Found = HashMap<String, HashMap<String, String>>;

#[tokio::test]
async fn a_page_of_another_origin_reads_nothing() {
    const TEST: &str = "browser::a_page_of_another_origin_reads_nothing";
    let Some(chromium) = chromium(TEST) else { return };
    if !is_isolated(TEST) {
        return;
    }
    let agent = Running::with("", "127.0.0.1:0").await;
    let mut other = Careless::start(|_| String::new()).await;
    let targets = format!(
        "[[\"api\", \"http://{}\"], [\"by another name\", \"http://evil.example:{}\"], [\"metrics\", \"http://{}\"], \
         [\"careless\", \"http://{}\"]]",
        agent.api,
        agent.api.port(),
        agent.metrics,
        other.address
    );
    let report = format!("http://{}/report", other.address);
    let page = include_str!("page.html").replace("TARGETS", &targets).replace("REPORT", &report);
    let site = Careless::start(|_| page.clone()).await;
    let _browser = Browser::at(chromium, &format!("http://127.0.0.1:{}/", site.address.port()));
    let found: Found = serde_json::from_str(&other.report().await).unwrap();
    let careless = &found["careless"];
    // What would be read if it could be: the tries work.
    for how in ["fetch", "fetch with the header", "post", "xhr", "xhr with the header", "events", "metrics"] {
        assert!(
            careless[how].starts_with("read:") && careless[how].contains(CARELESS),
            "{how}: {careless:?}"
        );
    }
    for target in ["api", "by another name", "metrics"] {
        for (how, came) in &found[target] {
            assert!(!came.starts_with("read:") && !came.starts_with("open"), "{target}, {how}: {came}");
            for known in ["us-east-1", "i-0a1b2c3d4e5f67890", "imds_"] {
                assert!(!came.contains(known), "{target}, {how}: {came}");
            }
            let loads = ["image", "script", "style"].contains(&how.as_str());
            assert!(!loads || came == "refused" || came == "no answer", "{target}, {how}: {came}");
        }
        assert_eq!(found[target].len(), careless.len());
    }
}

#[tokio::test]
async fn a_page_whose_name_is_pointed_at_the_agent_reads_nothing() {
    const TEST: &str = "browser::a_page_whose_name_is_pointed_at_the_agent_reads_nothing";
    let Some(chromium) = chromium(TEST) else { return };
    if !is_isolated(TEST) {
        return;
    }
    let mut other = Careless::start(|_| String::new()).await;
    let report = format!("http://{}/report", other.address);
    let page = include_str!("rebound.html").replace("REPORT", &report);
    let site = Careless::start(|_| page.clone()).await;
    let address = site.address;
    let _browser = Browser::at(chromium, &format!("http://evil.example:{}/", address.port()));
    other.report().await;
    // What the name points at is another server from now on.
    site.end().await;
    let agent = Running::with("", &address.to_string()).await;
    assert_eq!(agent.api, address);
    let found: Json = serde_json::from_str(&other.report().await).unwrap();
    assert_eq!((&found["before"]["status"], &found["before"]["body"]), (&200.into(), &CARELESS.into()));
    for asked in ["after", "plain", "events"] {
        let answer = &found[asked];
        let body = answer["body"].as_str().unwrap();
        assert_eq!(answer["status"], 403, "{found}");
        assert!(
            body.contains("another host") && !body.contains("us-east-1") && !body.contains("i-0a1b"),
            "{found}"
        );
    }
}
