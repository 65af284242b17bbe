//! What is measured inside one process: readers of a provider, and placeholders in memory.
//!
//! `in-process reads THREADS` and `in-process resolve FORMAT FILE` print one line for each thing that was measured: its name,
//! then every run's nanoseconds (of a read, or of the whole file), separated by tabs.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::fs;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, LiveProvider, Network, Provider};
use imds_fake::{Fake, Scenario};
use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
use imds_template::{Missing, Template, resolve_stream};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["reads", threads] => reads(threads.parse().unwrap()),
        ["resolve", format, file] => resolve(format, file),
        _ => std::process::exit(2),
    }
}

const RUNS: usize = 9;
/// How long all threads read in a run.
const SPAN: Duration = Duration::from_millis(60);
/// How many reads a thread makes between two looks at the clock's verdict.
const BATCH: u64 = 4096;
/// How long the writer pauses between two refreshes.
const PAUSE: Duration = Duration::from_millis(5);

/// Each kind of reader in turn, while the provider is refreshed over HTTP and what is read is replaced as often. The refresh
/// goes on under every kind, so that all have the same company on the cores.
fn reads(threads: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (_fake, provider) = runtime.block_on(provider());
    let metadata = provider.snapshot();
    let pointer = AtomicPtr::new(Arc::as_ptr(&metadata).cast_mut());
    let locked = RwLock::new(Arc::clone(&metadata));
    let exclusive = Mutex::new(Arc::clone(&metadata));
    let refresh = || {
        runtime.block_on(provider.refresh()).unwrap();
        provider.snapshot()
    };
    let mut results: [(&str, Vec<f64>); 5] = [
        ("atomic pointer", Vec::new()),
        ("Reader::snapshot", Vec::new()),
        ("Provider::snapshot", Vec::new()),
        ("RwLock<Arc<_>>", Vec::new()),
        ("Mutex<Arc<_>>", Vec::new()),
    ];
    for _ in 0..RUNS {
        for (name, runs) in &mut results {
            runs.push(match *name {
                "atomic pointer" => run(
                    threads,
                    || {
                        || {
                            black_box(pointer.load(Ordering::Acquire));
                        }
                    },
                    || pointer.store(Arc::as_ptr(&refresh()).cast_mut(), Ordering::Release),
                ),
                "Reader::snapshot" => run(
                    threads,
                    || {
                        let mut reader = provider.reader();
                        move || {
                            black_box(Arc::as_ptr(reader.snapshot()));
                        }
                    },
                    || drop(refresh()),
                ),
                "Provider::snapshot" => run(
                    threads,
                    || {
                        || {
                            black_box(Arc::as_ptr(&provider.snapshot()));
                        }
                    },
                    || drop(refresh()),
                ),
                "RwLock<Arc<_>>" => run(
                    threads,
                    || {
                        || {
                            black_box(Arc::as_ptr(&Arc::clone(&locked.read().unwrap())));
                        }
                    },
                    || {
                        let fresh = refresh();
                        *locked.write().unwrap() = fresh;
                    },
                ),
                _ => run(
                    threads,
                    || {
                        || {
                            black_box(Arc::as_ptr(&Arc::clone(&exclusive.lock().unwrap())));
                        }
                    },
                    || {
                        let fresh = refresh();
                        *exclusive.lock().unwrap() = fresh;
                    },
                ),
            });
        }
    }
    for (name, runs) in &results {
        print(name, runs.iter().copied());
    }
}

async fn provider() -> (Fake, Arc<LiveProvider>) {
    let fake = Fake::start(Scenario::parse("aws:spot-asg").unwrap()).await.unwrap();
    let config = Config::builder(Environment::default())
        .cloud("aws", "the benchmark")
        .endpoint(&fake.url(), "the benchmark")
        .files(Arc::new(MemoryFiles::new()))
        .network(Network::Loopback);
    let provider = LiveProvider::start(Client::new(config.build().unwrap())).await.unwrap();
    (fake, provider)
}

/// Nanoseconds of a core for one read: all threads read at once, while another one writes. Where there are more threads
/// than cores, they share the cores.
fn run<R: FnMut()>(threads: usize, reader: impl Fn() -> R + Sync, write: impl Fn() + Sync) -> f64 {
    let cores = thread::available_parallelism().unwrap().get();
    let done = AtomicBool::new(false);
    let reads = AtomicU64::new(0);
    let begin = Barrier::new(threads + 1);
    let took = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                write();
                thread::sleep(PAUSE);
            }
        });
        for _ in 0..threads {
            scope.spawn(|| {
                let mut read = reader();
                begin.wait();
                let mut own = 0;
                while !done.load(Ordering::Relaxed) {
                    (0..BATCH).for_each(|_| read());
                    own += BATCH;
                }
                reads.fetch_add(own, Ordering::Relaxed);
            });
        }
        begin.wait();
        let begun = Instant::now();
        thread::sleep(SPAN);
        done.store(true, Ordering::Relaxed);
        begun.elapsed()
    });
    took.as_nanos() as f64 * threads.min(cores) as f64 / reads.load(Ordering::Relaxed) as f64
}

/// Placeholders in a whole text, and in a stream where the format has one; and the floors of both.
fn resolve(format: &str, file: &str) {
    let source = fs::read_to_string(file).unwrap();
    let metadata = machine();
    let mut results: Vec<(&str, Vec<f64>)> = Vec::new();
    for _ in 0..RUNS {
        let mut slot = 0;
        let mut timed = |name, work: &dyn Fn()| {
            let begun = Instant::now();
            work();
            let took = begun.elapsed().as_nanos() as f64;
            if results.len() == slot {
                results.push((name, Vec::new()));
            }
            if let Some((_, runs)) = results.get_mut(slot) {
                runs.push(took);
            }
            slot += 1;
        };
        timed("whole", &|| {
            let template = Template::parse(&source, format.parse().unwrap()).unwrap();
            black_box(template.resolve(&metadata, Missing::Error).unwrap());
        });
        if format == "text" {
            timed("stream", &|| {
                let mut sink = std::io::sink();
                resolve_stream(
                    &mut source.as_bytes(),
                    &mut sink,
                    &metadata,
                    Missing::Error,
                    &Default::default(),
                )
                .unwrap();
            });
        }
        timed("memchr", &|| {
            black_box(memchr::memchr_iter(b'$', source.as_bytes()).count());
        });
        timed("memcpy", &|| {
            black_box(source.as_bytes().to_vec());
        });
    }
    for (name, runs) in &results {
        print(name, runs.iter().copied());
    }
}

fn machine() -> Metadata {
    let mut metadata = Metadata::new(CloudName::AWS);
    let id = Value::Text("i-0123456789abcdef0".to_owned());
    metadata.set(Field::InstanceId, Reading::known(id, Source::Mock));
    metadata
}

fn print(name: &str, runs: impl Iterator<Item = f64>) {
    let runs: Vec<String> = runs.map(|nanoseconds| format!("{nanoseconds:.3}")).collect();
    println!("{name}\t{}", runs.join("\t"));
}
