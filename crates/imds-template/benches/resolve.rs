//! How fast templates are resolved, beside what can't be done without: `cargo bench -p imds-template`.
//!
//! | source | floor |
//! |---|---|
//! | 100 MB of text, as a whole and as a stream | a search for every `$` with `memchr`; the same and a copy |
//! | 10 MB of JSON, YAML, TOML | another parser that reads the same source |
//! | 100 MB of text from a file | `envsubst`, if the machine has it |
//!
//! One byte of a hundred belongs to a placeholder. Every time is the best of some runs; peak memory is that of a process
//! that does nothing else, without what it needs to start and, for whole sources, without the source itself.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails by panicking")]

use std::fmt::Write as _;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufWriter, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
use imds_template::{Format, Grammar, Missing, Template, resolve_stream};

const TEXT: usize = 100_000_000;
const STRUCTURED: usize = 10_000_000;

/// How many bytes stand for one that belongs to a placeholder.
const SHARE: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--peak") => peak(arguments.get(1).unwrap()),
        Some("--stream") => stream(&mut io::stdin(), &mut io::stdout()),
        // Without `--bench` it runs as a test: nothing is measured.
        _ if arguments.iter().any(|argument| argument == "--bench") => everything(),
        _ => {}
    }
}

fn everything() {
    println!("| what | ours | floor | | ratio | peak memory |");
    println!("|---|--:|--:|---|--:|--:|");
    let idle = peak_of("idle");
    let text = text("${cloud:InstanceId}");
    let whole = best(5, || resolve(&text, Format::Text).len());
    let streamed = best(5, || stream(&mut text.as_bytes(), &mut io::sink()));
    let searched = best(5, || memchr::memchr_iter(b'$', text.as_bytes()).count());
    let copied = best(5, || (memchr::memchr_iter(b'$', text.as_bytes()).count(), text.as_bytes().to_vec()));
    let whole_peak = peak_of("text").saturating_sub(idle + text.len());
    row("text, 100 MB, whole", whole, copied, "memchr and a copy", whole_peak, Some(TEXT));
    row("text, 100 MB, stream", streamed, searched, "memchr", peak_of("stream").saturating_sub(idle), None);
    drop(text);
    for format in [Format::Json, Format::Yaml, Format::Toml] {
        let source = structured(format);
        let ours = best(5, || resolve(&source, format).len());
        let peak = peak_of(format.name()).saturating_sub(idle + source.len());
        let title = format!("{format}, 10 MB");
        let (parsed, parser) = match format {
            Format::Json => {
                (best(5, || serde_json::from_str::<serde_json::Value>(&source).unwrap()), "serde_json::Value")
            }
            Format::Yaml => {
                (best(3, || yaml_serde::from_str::<yaml_serde::Value>(&source).unwrap()), "yaml_serde::Value")
            }
            _ => (best(5, || toml_span::parse(&source).unwrap()), "toml_span::Value"),
        };
        row(&title, ours, parsed, parser, peak, Some(STRUCTURED));
    }
    against_envsubst();
}

/// Both as a process that reads a file, with its standard output thrown away.
fn against_envsubst() {
    let directory = std::env::temp_dir().join(format!("imds-template-bench-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let run = |command: &mut Command, placeholder: &str| {
        let path = directory.join("source");
        std::fs::write(&path, text(placeholder)).unwrap();
        let mut run = || {
            let input = File::open(&path).unwrap();
            Some(command.stdin(input).stdout(Stdio::null()).status().ok()?.success())
        };
        (run() == Some(true)).then(|| best(3, run))
    };
    let variable = "${CLOUD_INSTANCEID}";
    let ours = run(Command::new(std::env::current_exe().unwrap()).arg("--stream"), "${cloud:InstanceId}");
    let theirs = run(Command::new("envsubst").arg(variable).env("CLOUD_INSTANCEID", ID), variable);
    std::fs::remove_dir_all(&directory).unwrap();
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => row("text, 100 MB, process", ours, theirs, "envsubst", 0, None),
        _ => println!("\nenvsubst isn't here: not compared"),
    }
}

fn row(what: &str, ours: Duration, floor: Duration, of: &str, peak: usize, size: Option<usize>) {
    let ratio = ours.as_secs_f64() / floor.as_secs_f64();
    let memory = match (peak, size) {
        (0, _) => String::new(),
        (peak, Some(size)) => format!("{:.1} × source", peak as f64 / size as f64),
        (peak, None) => format!("{:.1} MB", peak as f64 / 1e6),
    };
    println!("| {what} | {:.1} ms | {:.1} ms | {of} | {ratio:.2} | {memory} |", millis(ours), millis(floor));
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn best<T>(runs: usize, mut run: impl FnMut() -> T) -> Duration {
    let time = |_| {
        let begun = Instant::now();
        let result = run();
        let took = begun.elapsed();
        drop(black_box(result));
        took
    };
    (0..runs).map(time).min().unwrap_or_default()
}

const ID: &str = "i-0123456789abcdef0";

fn machine() -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    metadata.set(Field::InstanceId, Reading::known(Value::Text(ID.to_owned()), Source::Mock));
    metadata
}

fn resolve(source: &str, format: Format) -> String {
    Template::parse(source, format).unwrap().resolve(&machine(), Missing::Error).unwrap()
}

fn stream(input: &mut dyn Read, output: &mut dyn io::Write) {
    let mut output = BufWriter::with_capacity(256 * 1024, output);
    resolve_stream(input, &mut output, &machine(), Missing::Error, &Grammar::default()).unwrap();
}

/// Lines of text with a `$` now and then that means nothing.
fn text(placeholder: &str) -> String {
    let mut source = String::with_capacity(TEXT + 4096);
    let mut placeholders = 0;
    while source.len() < TEXT {
        source.push_str("location /static { root /srv/www; expires 30d; set $cache public; } # as it was\n");
        if placeholders * SHARE < source.len() {
            placeholders += placeholder.len();
            writeln!(source, "server_name {placeholder}.internal;").unwrap();
        }
    }
    source
}

/// A list of things with a few strings and numbers each.
fn structured(format: Format) -> String {
    let mut source = String::with_capacity(STRUCTURED + 4096);
    let placeholder = "${cloud:InstanceId}";
    let mut placeholders = 0;
    if format == Format::Json {
        source.push_str("[\n");
    }
    for number in 0.. {
        let due = placeholders * SHARE < source.len();
        placeholders += if due { placeholder.len() } else { 0 };
        let host = if due { placeholder } else { "db.example.com" };
        match format {
            Format::Json => write!(
                source,
                "  {{\"name\": \"check-{number}\", \"host\": \"{host}\", \"port\": 5432, \"labels\": [\"a\", \"b\"], \"note\": \"line\\none\"}}"
            ),
            Format::Yaml => write!(
                source,
                "- name: check-{number}\n  host: {host}\n  port: 5432 # as it was\n  labels: [a, 'b']\n  note: |\n    line\n    one\n"
            ),
            _ => write!(
                source,
                "[[check]]\nname = \"check-{number}\"\nhost = '{host}'\nport = 5432 # as it was\nlabels = [\"a\", 'b']\nnote = \"line\\none\"\n"
            ),
        }
        .unwrap();
        if source.len() >= STRUCTURED {
            break;
        }
        if format == Format::Json {
            source.push_str(",\n");
        }
    }
    if format == Format::Json {
        source.push_str("\n]\n");
    }
    source
}

/// The peak memory, in bytes, of a process that does this and nothing else.
fn peak_of(what: &str) -> usize {
    let output = Command::new(std::env::current_exe().unwrap()).args(["--peak", what]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Does it, and prints the peak of the resident memory as the kernel counts it. 0 where it doesn't say.
fn peak(what: &str) {
    match what {
        "idle" => {}
        "text" => drop(black_box(resolve(&text("${cloud:InstanceId}"), Format::Text))),
        "stream" => stream(&mut Endless { line: 0, left: TEXT }, &mut io::sink()),
        format => {
            let format = format.parse().unwrap();
            drop(black_box(resolve(&structured(format), format)));
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    println!("{}", peak.unwrap_or(0_usize) * 1024);
}

/// The same kind of text, made while it is read: so that the source itself takes no memory.
struct Endless {
    line: usize,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = if self.line.is_multiple_of(24) {
            "server_name ${cloud:InstanceId}.internal;\n"
        } else {
            "location /static { root /srv/www; expires 30d; set $cache public; } # as it was\n"
        };
        if self.left < line.len() || buffer.len() < line.len() {
            // The buffers that it is read into are larger than a line, but for their ends.
            let length = buffer.len().min(self.left);
            buffer.iter_mut().take(length).for_each(|byte| *byte = b'\n');
            self.left -= length;
            return Ok(length);
        }
        self.line += 1;
        self.left -= line.len();
        for (byte, from) in buffer.iter_mut().zip(line.bytes()) {
            *byte = from;
        }
        Ok(line.len())
    }
}
