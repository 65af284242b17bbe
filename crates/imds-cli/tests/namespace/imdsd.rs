//! A stand-in for systemd-imdsd (v261), by the description of its interface `io.systemd.InstanceMetadata`: it answers on a unix
//! socket, one call a connection, and asks the service itself as the real one does: data URL, key and suffix put together,
//! with the vendor's token and header.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use imds_fake::{Fake, Scenario};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// A row of systemd's table of vendors (hwdb.d/40-imds.hwdb).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vendor {
    name: &'static str,
    data_path: &'static str,
    suffix: Option<&'static str>,
    header: Option<(&'static str, &'static str)>,
    token_path: Option<&'static str>,
}

pub(crate) const AMAZON: Vendor = Vendor {
    name: "amazon-ec2",
    data_path: "/latest",
    suffix: None,
    header: None,
    token_path: Some("/latest/api/token"),
};

pub(crate) const MICROSOFT: Vendor = Vendor {
    name: "microsoft-azure",
    data_path: "/metadata",
    suffix: Some("?api-version=2025-04-07&format=text"),
    header: Some(("Metadata", "true")),
    token_path: None,
};

pub(crate) const GOOGLE: Vendor = Vendor {
    name: "google-gcp",
    data_path: "/computeMetadata/v1",
    suffix: None,
    header: Some(("Metadata-Flavor", "Google")),
    token_path: None,
};

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As described.
    Willing,
    /// Every `Get` ends with this error, as polkit has it or the network.
    Refusing(&'static str),
    /// It accepts calls and says nothing.
    Silent,
}

/// It, and the service behind it. Both end with the value; the directory of its socket goes with it.
pub(crate) struct Imdsd {
    directory: tempfile::TempDir,
    calls: Arc<AtomicU32>,
    _fake: Fake,
    _runtime: Runtime,
}

impl Imdsd {
    pub(crate) fn start(spec: &str, vendor: Vendor, mood: Mood) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fake = runtime.block_on(Fake::start(Scenario::parse(spec).unwrap())).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("io.systemd.InstanceMetadata")).unwrap();
        let service: SocketAddr = fake.url().strip_prefix("http://").unwrap().parse().unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        // It ends with the test's process; a connection has a thread of its own, as the real one has a process.
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let counted = Arc::clone(&counted);
                thread::spawn(move || serve(connection, vendor, mood, service, &counted));
            }
        });
        Self { directory, calls, _fake: fake, _runtime: runtime }
    }

    /// The directory that holds its socket.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How many values it was asked for.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// A directory without a socket.
pub(crate) fn nobody() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    (directory, path)
}

fn serve(connection: UnixStream, vendor: Vendor, mood: Mood, service: SocketAddr, calls: &AtomicU32) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    loop {
        let mut message = Vec::new();
        if reader.read_until(0, &mut message).unwrap_or(0) == 0 || message.pop() != Some(0) {
            return;
        }
        let call: Value = serde_json::from_slice(&message).unwrap();
        let method = call.get("method").and_then(Value::as_str).unwrap_or_default();
        let parameters = call.get("parameters").cloned().unwrap_or_default();
        let reply = match (method, mood) {
            (_, Mood::Silent) => {
                // Until the caller goes.
                let _ = reader.read(&mut [0]);
                return;
            }
            ("io.systemd.InstanceMetadata.GetVendorInfo", _) => json!({ "parameters": {
                "vendor": vendor.name,
                "dataUrl": format!("http://169.254.169.254{}", vendor.data_path),
                "dataUrlSuffix": vendor.suffix,
                "addressIPv4": [[169, 254, 169, 254]],
            } }),
            ("io.systemd.InstanceMetadata.Get", Mood::Refusing(error)) => {
                json!({ "error": error, "parameters": {} })
            }
            ("io.systemd.InstanceMetadata.Get", Mood::Willing) => {
                calls.fetch_add(1, Ordering::Relaxed);
                get(&parameters, vendor, service)
            }
            _ => json!({ "error": "org.varlink.service.MethodNotFound", "parameters": { "method": method } }),
        };
        if writer.write_all(format!("{reply}\0").as_bytes()).is_err() {
            return;
        }
    }
}

fn get(parameters: &Value, vendor: Vendor, service: SocketAddr) -> Value {
    let key = parameters.get("key").and_then(Value::as_str).unwrap_or_default();
    if !key.starts_with('/') || !key.is_ascii() || key.chars().any(|c| c.is_ascii_control()) {
        return json!({ "error": "org.varlink.service.InvalidParameter", "parameters": { "parameter": "key" } });
    }
    let url = format!("{}{key}{}", vendor.data_path, vendor.suffix.unwrap_or_default());
    // An HTTP client keeps the fragment to itself.
    let path = url.split('#').next().unwrap_or_default();
    let token = vendor.token_path.map(|path| {
        ask(service, "PUT", path, &[("X-aws-ec2-metadata-token-ttl-seconds", "900")]).1.unwrap_or_default()
    });
    let token = token.map(|token| String::from_utf8(token).unwrap());
    let headers: Vec<(&str, &str)> = vendor
        .header
        .into_iter()
        .chain(token.as_deref().map(|token| ("X-aws-ec2-metadata-token", token)))
        .collect();
    match ask(service, "GET", path, &headers) {
        (200..=299, Some(body)) => json!({ "parameters": { "data": base64(&body), "interface": 2 } }),
        (404, _) => json!({ "error": "io.systemd.InstanceMetadata.KeyNotFound", "parameters": {} }),
        (403, _) => json!({ "error": "io.systemd.InstanceMetadata.NotAvailable", "parameters": {} }),
        _ => json!({ "error": "io.systemd.System", "parameters": { "errno": 5 } }),
    }
}

/// One request, and its status and body.
fn ask(service: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Option<Vec<u8>>) {
    let mut stream = TcpStream::connect(service).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(answer.get(..end).unwrap()).into_owned();
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, answer.get(end + 4..).map(<[u8]>::to_vec))
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            let index = (number >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= three.len() { char::from(*DIGITS.get(index).unwrap()) } else { '=' });
        }
    }
    text
}
