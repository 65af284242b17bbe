//! Hours of an agent's life in as many minutes: a service that misbehaves, callers who come, watch and vanish, settings that
//! are read anew; and a check that neither memory nor descriptors grow.
//!
//! ```sh
//! cargo build --release -p imds-cli && cargo run --release -p imds-agent --example soak -- target/release/imds
//! ```
//!
//! | argument | means |
//! |---|---|
//! | the first | the `imds` command whose agent is watched |
//! | `--seconds N` | how long it lasts (default 1800) |
//! | `--seed N` | what happens, and when (default 1) |
//! | `--report FILE` | where the page is written, beside what is printed |
//!
//! Three processes: this one with the fake service, the callers and the samples; the agent; and a program that holds a
//! [`LiveProvider`](imds::LiveProvider) of the library. Only the latter two are measured. Everything is on loopback and in a
//! temporary directory. Exits by 1 where the trend isn't flat, or where at the end the two don't know what the service says.
//!
//! | module | holds |
//! |---|---|
//! | [`weather`] | what goes wrong with the service |
//! | [`callers`] | who asks the agent, and how they behave |
//! | [`provider`] | the program with the library |
//! | [`sample`] | memory and descriptors, and whether they grow |
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a program for developers, which prints its figures")]

mod callers;
mod provider;
mod sample;
mod weather;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use imds_fake::{Fake, Scenario};
use rustix::process::{Pid, Signal, kill_process};

use sample::Series;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The time between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// How long the processes may take to know again what the service says once nothing is wrong with it.
const RECOVERY: Duration = Duration::from_secs(90);
/// What the service says at the end, and nobody said before.
const LAST_WORD: &str = "the-last-word";

struct Options {
    command: PathBuf,
    time: Duration,
    seed: u64,
    report: Option<PathBuf>,
}

/// What happened, for the page: a soak in which nothing happened proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    faults: AtomicU64,
    answers: AtomicU64,
    watches: AtomicU64,
    events: AtomicU64,
    walked_away: AtomicU64,
    reloads: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let [mode, url] = arguments.as_slice()
        && mode == "--provider"
    {
        return runtime.block_on(provider::run(url)).map(|()| ExitCode::SUCCESS);
    }
    runtime.block_on(soak(options(&arguments)?))
}

fn options(arguments: &[String]) -> Outcome<Options> {
    let mut arguments = arguments.iter();
    let command = arguments.next().ok_or("name the imds command")?.into();
    let mut options = Options { command, time: Duration::from_secs(1800), seed: 1, report: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--seconds" => options.time = Duration::from_secs(value.parse()?),
            "--seed" => options.seed = value.parse()?,
            "--report" => options.report = Some(value.into()),
            _ => return Err(format!("{name} is no option").into()),
        }
    }
    Ok(options)
}

/// A process that ends with its owner.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Outcome<Self> {
        command.env_clear().env("IMDS_NETWORK", "loopback").stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    fn must_live(&mut self, who: &str) -> Outcome<()> {
        match self.0.try_wait()? {
            Some(status) => Err(format!("the {who} ended by itself: {status}").into()),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn soak(options: Options) -> Outcome<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut scenario = Scenario::parse("aws:plain")?;
    scenario.set("meta-data/tags/instance/Name", "first")?;
    let fake = Arc::new(Fake::start(scenario).await?);
    let socket = folder.path().join("imds.sock");
    let config = write_config(folder.path(), &socket, &fake.url())?;
    let log = std::fs::File::create(folder.path().join("agent.log"))?;
    let mut agent =
        Running::start(Command::new(&options.command).args(["agent", "--config"]).arg(&config).stderr(log))?;
    let mut program =
        Running::start(Command::new(std::env::current_exe()?).args(["--provider", &fake.url()]))?;

    let counts = Arc::new(Counts::default());
    let mut seeds = fastrand::Rng::with_seed(options.seed);
    let weather = tokio::spawn(weather::rage(Arc::clone(&fake), seeds.fork(), Arc::clone(&counts)));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..callers::CROWD {
        crowd.spawn(callers::live(socket.clone(), seeds.fork(), Arc::clone(&counts)));
    }
    let reloads = tokio::spawn(reload(agent.id(), config.clone(), seeds.fork(), Arc::clone(&counts)));

    let started = Instant::now();
    let (mut of_agent, mut of_program) = (Series::default(), Series::default());
    let mut ticks = tokio::time::interval(EVERY);
    while started.elapsed() < options.time {
        ticks.tick().await;
        agent.must_live("agent")?;
        program.must_live("program")?;
        of_agent.take(agent.id(), started.elapsed())?;
        of_program.take(program.id(), started.elapsed())?;
    }
    weather.abort();
    reloads.abort();
    crowd.shutdown().await;

    fake.clear_faults();
    fake.set("meta-data/tags/instance/Name", LAST_WORD)?;
    let mut faults = recovery(&socket, &mut agent, &mut program).await?;
    faults.extend(of_agent.growth("agent"));
    faults.extend(of_program.growth("program with the library"));
    let page = page(&options, &counts, &fake, [("agent", &of_agent), ("program", &of_program)], &faults);
    println!("{page}");
    if let Some(report) = &options.report {
        std::fs::write(report, &page)?;
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_config(folder: &Path, socket: &Path, url: &str) -> Outcome<PathBuf> {
    let (socket, state) = (socket.display(), folder.join("state.json"));
    let state = state.display();
    // Refreshes come as fast as they can, so that minutes are as good as hours.
    let text = format!(
        "[agent]\nsocket = \"{socket}\"\nstate = \"{state}\"\n[metadata]\ncloud = \"aws\"\nendpoint = \"{url}\"\n\
         [refresh]\nslow = \"1s\"\nfirst_retry = \"250ms\"\n[events]\nenabled = true\n[limits]\nidle = \"5s\"\n"
    );
    let path = folder.join("agent.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Has the agent read its configuration now and then; every third time it holds a mistake.
async fn reload(agent: u32, config: PathBuf, mut rng: fastrand::Rng, counts: Arc<Counts>) -> Option<()> {
    let good = std::fs::read_to_string(&config).ok()?;
    let agent = Pid::from_raw(i32::try_from(agent).ok()?)?;
    loop {
        tokio::time::sleep(Duration::from_millis(rng.u64(5_000..15_000))).await;
        let text = match rng.u8(..3) {
            0 => format!("{good}\n[nonsense]\n"),
            1 => good.replace("250ms", "500ms"),
            _ => good.clone(),
        };
        std::fs::write(&config, text).ok()?;
        kill_process(agent, Signal::HUP).ok()?;
        Counts::add(&counts.reloads);
    }
}

/// What is wrong with what the two know, once the service is itself again.
async fn recovery(socket: &Path, agent: &mut Running, program: &mut Running) -> Outcome<Vec<String>> {
    let started = Instant::now();
    while started.elapsed() < RECOVERY {
        agent.must_live("agent")?;
        program.must_live("program")?;
        if callers::get(socket, "/v1/tags/Name").await.is_ok_and(|answer| answer.ends_with(LAST_WORD)) {
            return Ok(Vec::new());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(vec![format!(
        "{}s after the last fault the agent doesn't know what the service says",
        RECOVERY.as_secs()
    )])
}

fn page(
    options: &Options,
    counts: &Counts,
    fake: &Fake,
    series: [(&str, &Series); 2],
    faults: &[String],
) -> String {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut page = String::from(
        "# A soak\n\nThe agent and a program with the library, while the service misbehaves, callers come, watch and vanish, \
         and the\nconfiguration is read anew, right and wrong. Written by \
         [`soak`](../crates/imds-agent/examples/soak/main.rs), which fails when memory\nor descriptors grow.\n\n",
    );
    let _ = writeln!(
        page,
        "| | |\n|---|---|\n| machine | {} |\n| command | `soak target/release/imds --seconds {} --seed {}` |\n| outcome | {} |",
        sample::machine(),
        options.time.as_secs(),
        options.seed,
        if faults.is_empty() { "flat".to_owned() } else { faults.join("; ") },
    );
    for (what, number) in [
        ("faults put on the service", count(&counts.faults)),
        ("requests that the service heard", fake.requests().len() as u64),
        ("answers that callers took", count(&counts.answers)),
        ("watches", count(&counts.watches)),
        ("events that watchers heard", count(&counts.events)),
        ("callers who went away in the middle", count(&counts.walked_away)),
        ("SIGHUPs", count(&counts.reloads)),
    ] {
        let _ = writeln!(page, "| {what} | {number} |");
    }
    for (who, series) in series {
        let _ = write!(page, "\n## {who}\n\n{series}");
    }
    page
}
