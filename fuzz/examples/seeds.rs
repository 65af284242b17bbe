//! Writes what the fakes answer as seeds: `cargo run --example seeds -- fuzz/seeds`.
//!
//! One input of the target `documents` for each scenario whose answers no earlier one of its cloud gave, and answers as they
//! are on the wire for `http`.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use imds::machine::{Environment, MemoryFiles};
use imds::{Client, Config, Field, Network};
use imds_fake::{Fake, Recorded, Scenario};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer documents teach nothing more.
const LONGEST: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the seeds")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut known = BTreeSet::new();
        for scenario in Scenario::all() {
            write(&scenario, Path::new(&folder), &mut known).await?;
        }
        Ok(())
    })
}

async fn write(
    scenario: &Scenario,
    folder: &Path,
    known: &mut BTreeSet<(String, BTreeSet<String>)>,
) -> Result<(), Box<dyn Error>> {
    let (cloud, name) = (scenario.cloud().name().to_owned(), scenario.name().to_owned());
    let fake = Fake::start(scenario.clone()).await?;
    let environment: Environment = fake.environment().into_iter().collect();
    let config = Config::builder(environment)
        .files(std::sync::Arc::new(MemoryFiles::new()))
        .network(Network::Loopback)
        .endpoint(&fake.url(), "the seeds")
        .cloud(&cloud, "the seeds")
        .build()?;
    let _ = Client::new(config).read(Field::ALL).await?;
    fake.clear_faults();
    let mut seed = format!("{cloud}:{name}").into_bytes();
    let mut seen = BTreeSet::new();
    for asked in fake.requests() {
        if !seen.insert(asked.path_only().to_owned()) {
            continue;
        }
        // Some are never answered: that is what their scenario is about.
        let Ok(answer) = tokio::time::timeout(PATIENCE, again(&fake, &asked)).await else { continue };
        let answer = answer?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 200") {
            seen.remove(asked.path_only());
            continue;
        }
        seed.push(0xff);
        seed.extend_from_slice(format!("{}\n{body}", asked.path_only()).as_bytes());
        if name == "plain" && asked.method() == "PUT" {
            fs::create_dir_all(folder.join("http"))?;
            fs::write(
                folder.join("http").join(format!("token-{cloud}")),
                [b"\x01\x00", &answer[..]].concat(),
            )?;
        }
    }
    let places: BTreeSet<String> = seen.into_iter().collect();
    if seed.len() <= LONGEST && known.insert((cloud.clone(), places)) {
        fs::create_dir_all(folder.join("documents"))?;
        fs::write(folder.join("documents").join(format!("{cloud}-{name}")), seed)?;
    }
    Ok(())
}

/// The same request once more, on a connection that ends with it.
async fn again(fake: &Fake, asked: &Recorded) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut stream = TcpStream::connect(fake.addr()).await?;
    let mut request = format!("{} {} HTTP/1.1\r\n", asked.method(), asked.path());
    for (name, value) in asked.headers() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("connection: close\r\n\r\n");
    stream.write_all(&[request.as_bytes(), asked.body()].concat()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
