//! `imds fake` and `--fake`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::harness::{Folder, Imds, imds};

/// A running `imds fake`, and what it said to export. Killed when dropped.
struct Running {
    child: Child,
    exports: Vec<(String, String)>,
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(arguments: &[&str], exports: usize) -> Self {
        let line = [&["fake", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut command = Imds::with(&line).command();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let exports = (0..exports).map(|_| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let (name, value) = line.trim_end().strip_prefix("export ").unwrap().split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        });
        let exports = exports.collect();
        Self { child, exports, _stdout: stdout }
    }

    fn ask(&self, line: &str) -> crate::harness::Ran {
        let asked = Imds::new(line);
        self.exports.iter().fold(asked, |asked, (name, value)| asked.env(name, value)).run()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn its_exports_point_clients_at_it() {
    let running = Running::start(&["aws"], 2);
    let names: Vec<&str> = running.exports.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "IMDS_URL"]);
    assert_eq!(running.ask("get instance_id cloud").result(), (0, "i-0fedcba9876543210\naws\n"));
}

#[test]
fn values_and_faults_are_set_from_the_command_line() {
    let running = Running::start(
        &[
            "azure",
            "--set",
            "compute.vmId=11111111-2222-4333-8444-555555555555",
            "--fault",
            "404:/metadata/loadbalancer",
        ],
        1,
    );
    assert_eq!(running.ask("get instance_id").result(), (0, "11111111-2222-4333-8444-555555555555\n"));
    assert_eq!(running.ask("get public_ipv4").code, 4);
}

/// What curl does: a request to a URL without a path, its status and its body.
fn curl(method: &str, url: &str, path: &str, body: &str) -> (u16, String) {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn it_is_changed_and_watched_while_it_runs() {
    let running = Running::start(&["aws", "--control", "127.0.0.1:0"], 3);
    let (name, control) = running.exports.last().unwrap();
    assert_eq!(name, "IMDS_FAKE_CONTROL");
    let (status, _) = curl("POST", control, "/faults", "{\"kind\": \"403\", \"path\": \"/latest/dynamic\"}");
    assert_eq!(status, 201);
    assert_eq!(running.ask("get region").code, 5);
    let (status, requests) = curl("GET", control, "/requests", "");
    assert!(status == 200 && requests.contains("/latest/dynamic/instance-identity/document"), "{requests}");
    assert_eq!(curl("DELETE", control, "/faults", "").0, 200);
    assert_eq!(curl("POST", control, "/set", "{\"meta-data/placement/region\": \"eu-north-1\"}").0, 200);
    assert_eq!(running.ask("get region").result(), (0, "eu-north-1\n"));
    assert_eq!(curl("POST", control, "/events", "{\"kind\": \"interruption\"}").0, 200);
    let notice = running.ask("raw /latest/meta-data/spot/instance-action");
    assert!(notice.stdout.contains("\"action\":\"terminate\""), "{}", notice.stdout);
}

#[test]
fn it_is_controlled_from_this_machine_only() {
    let ran = imds("fake aws --listen 127.0.0.1:0 --control 0.0.0.0:0");
    assert_eq!(ran.result(), (2, ""));
    assert!(ran.stderr.contains("--control") && ran.stderr.contains("loopback only"), "{}", ran.stderr);
}

#[test]
fn its_help_names_every_fault_and_request() {
    let help = imds("fake --help").stdout;
    let known = "loud".parse::<imds_fake::Fault>().unwrap_err().to_string();
    let known = known.split_once("a status, ").unwrap().1;
    for kind in known.split(", ").map(|kind| kind.split('=').next().unwrap()) {
        assert!(help.contains(kind), "{kind}: {help}");
    }
    for path in ["/faults/ID", "/requests", "/set", "/expire-tokens", "/events"] {
        assert!(help.contains(path), "{path}");
    }
}

#[test]
fn a_scenario_of_ones_own_is_served() {
    let folder = Folder::new();
    let path = folder.write(
        "mine.toml",
        "cloud = \"gcp\"\nbase = \"plain\"\nsummary = \"mine\"\n[set]\n\"instance/name\" = \"mine-1\"\n",
    );
    let running = Running::start(&["--scenario-file", &path], 3);
    assert_eq!(running.ask("get instance_name").result(), (0, "mine-1\n"));
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_in_order() {
    for signal in ["-TERM", "-INT"] {
        let mut running = Running::start(&["digitalocean"], 1);
        let id = running.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(running.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn it_says_where_it_listens_and_what_it_serves() {
    // A port that is taken: the message about that is all there is to see.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = imds(&format!("fake aws --listen {address}"));
    assert_eq!(ran.result(), (2, ""));
    assert!(
        ran.stderr.contains(&address) && ran.stderr.contains("hint: --listen 127.0.0.1:0"),
        "{}",
        ran.stderr
    );
}

#[test]
fn scenarios_are_listed() {
    let all = imds("fake --list-scenarios");
    assert_eq!(all.code, 0);
    assert!(all.stdout.lines().any(|line| line.starts_with("azure:vmss-uniform-spot  ")), "{}", all.stdout);
    let gcp = imds("fake gcp --list-scenarios");
    assert!(
        gcp.stdout.lines().all(|line| line.starts_with("gcp:")) && gcp.stdout.contains("gcp:gke"),
        "{}",
        gcp.stdout
    );
}

#[test]
fn what_isnt_known_is_answered_with_what_is() {
    for (line, known) in [
        ("fake amazon", "aws, azure, gcp, oracle"),
        ("fake azure:nope", "vmss-uniform-spot"),
        ("fake", "<CLOUD[:SCENARIO]>"),
        ("fake aws --set nothing", "PATH=VALUE"),
        ("fake aws --set nothing/there=x", "nothing/there"),
        ("fake aws --fault loud", "known: a status"),
        ("fake --scenario-file /no/such/file", "/no/such/file"),
        ("show --fake amazon", "aws, azure, gcp, oracle"),
        ("show --fake aws --endpoint http://127.0.0.1:1", "cannot be used with"),
        ("fake aws --listen nowhere", "--listen"),
    ] {
        let ran = imds(line);
        assert_eq!(ran.result(), (2, ""), "{line}");
        assert!(ran.stderr.contains(known), "{line}: {}", ran.stderr);
    }
}

#[test]
fn a_fake_machine_is_not_disturbed_by_this_one() {
    let mut asked = Imds::new("get --fake azure cloud region");
    for (name, value) in [
        ("IMDS_URL", "http://127.0.0.1:1"),
        ("IMDS_FORCE_CLOUD", "gcp"),
        ("IMDS_NETWORK", "off"),
        ("IMDS_SYSROOT", "/no/such/directory"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"),
        ("GCE_METADATA_HOST", "127.0.0.1:1"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ] {
        asked = asked.env(name, value);
    }
    let ran = asked.run();
    assert_eq!((ran.result(), &*ran.stderr), ((0, "azure\nwesteurope\n"), ""));
}
