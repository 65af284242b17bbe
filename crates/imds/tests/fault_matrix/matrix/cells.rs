//! One cell: a machine, a fault, and something that a program does.

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imds::machine::MemoryFiles;
use imds::{Client, Config, Error, Field, LiveProvider, Metadata, Network, Outcome, Provider, Reading};
use imds_fake::{Fake, SECRET_MARKER, Scenario};
use serde_json::Value;

use super::clouds::Struck;
use super::faults::Fault;

/// How much later than its deadline something may end on a busy machine.
const GRACE: Duration = Duration::from_secs(2);

/// How long a running provider may take until everything is right again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// Find the cloud by asking, without firmware.
    Detect,
    /// Read everything of a cloud that was told.
    Show,
    /// Read the instance id of a cloud that was told.
    Get,
    /// Refresh what a running provider read before the fault came.
    Refresh,
}

impl Operation {
    pub(crate) const ALL: [Self; 4] = [Self::Detect, Self::Show, Self::Get, Self::Refresh];
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// The right value, or the right cloud.
    Value,
    /// The service has no such value.
    Absent,
    /// It can't be said whether there is a cloud.
    Unknown,
    /// Another cloud's name.
    Named(String),
    /// This error.
    Failed(&'static str),
    /// This error, and every value is what it was.
    Kept(&'static str),
    /// The instance's id is there, and of the rest some couldn't be read, for this error.
    Partly(&'static str),
    /// This error, and some of the values are absent now.
    SomeGone(&'static str),
    /// What must not be.
    Wrong(String),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Class::Value => f.write_str("value"),
            Class::Absent => f.write_str("absent"),
            Class::Unknown => f.write_str("unknown"),
            Class::Named(cloud) => write!(f, "cloud {cloud}"),
            Class::Failed(kind) => f.write_str(kind),
            Class::Kept(kind) => write!(f, "kept, {kind}"),
            Class::Partly(kind) => write!(f, "partly, {kind}"),
            Class::SomeGone(kind) => write!(f, "some absent, {kind}"),
            Class::Wrong(what) => write!(f, "WRONG: {what}"),
        }
    }
}

/// A cell of the table.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) fault: &'static Fault,
    pub(crate) cloud: &'static Struck,
    pub(crate) operation: Operation,
    pub(crate) class: Class,
}

/// Strikes a machine of its own and sees what comes of it.
pub(crate) async fn work_out(
    fault: &'static Fault,
    cloud: &'static Struck,
    scenario: Scenario,
    operation: Operation,
) -> Cell {
    let class = match strike(fault, cloud, scenario, operation).await {
        Ok(class) => class,
        Err(what) => Class::Wrong(what),
    };
    Cell { fault, cloud, operation, class }
}

async fn strike(
    fault: &Fault,
    cloud: &Struck,
    scenario: Scenario,
    operation: Operation,
) -> Result<Class, String> {
    let fake = Fake::start(scenario).await.map_err(|error| error.to_string())?;
    let client = client(fault, cloud, &fake, operation)?;
    let injected = fault.spec.parse::<imds_fake::Fault>().map_err(|error| error.to_string())?;
    let expected = expected(cloud)?;
    if operation == Operation::Refresh {
        return refresh(&fake, client, injected, (cloud, fault.timeout), &expected).await;
    }
    fake.inject(injected);
    let started = Instant::now();
    let class = match operation {
        Operation::Detect => detect(&client, cloud).await?,
        Operation::Get => {
            let metadata = client.read(&[Field::InstanceId]).await;
            read(&metadata, cloud, |metadata| get(metadata, &expected))?
        }
        Operation::Show | Operation::Refresh => {
            let metadata = client.read(Field::ALL).await;
            read(&metadata, cloud, |metadata| show(metadata, &expected))?
        }
    };
    in_time(started, fault.timeout)?;
    free_of_secrets(&format!("{client:?}"))?;
    Ok(class)
}

fn client(fault: &Fault, cloud: &Struck, fake: &Fake, operation: Operation) -> Result<Client, String> {
    let environment = fake.environment().into_iter().collect();
    let builder = Config::builder(environment)
        .files(Arc::new(MemoryFiles::new()))
        .network(Network::Loopback)
        .endpoint(&fake.url(), "--endpoint")
        .timeout(fault.timeout)
        .probe_timeout(fault.timeout);
    let builder = if operation == Operation::Detect { builder } else { builder.cloud(cloud.name, "--cloud") };
    builder.build().map(Client::new).map_err(|error| error.to_string())
}

/// The values of this machine, as held by hand to the scenario's documents and the vendor's page.
fn expected(cloud: &Struck) -> Result<Value, String> {
    let name = match cloud.scenario.split_once(':') {
        Some((cloud, name)) => format!("{cloud}-{name}.json"),
        None => format!("{}-plain.json", cloud.scenario),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected").join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn in_time(started: Instant, timeout: Duration) -> Result<(), String> {
    let elapsed = started.elapsed();
    if elapsed > timeout + GRACE {
        return Err(format!("{elapsed:?} with a timeout of {timeout:?}"));
    }
    Ok(())
}

fn free_of_secrets(text: &str) -> Result<(), String> {
    match text.contains(SECRET_MARKER) {
        true => Err(format!("a secret is shown: {text}")),
        false => Ok(()),
    }
}

async fn detect(client: &Client, cloud: &Struck) -> Result<Class, String> {
    let verdict = client.detect().await;
    free_of_secrets(&format!("{verdict:?}"))?;
    Ok(match &verdict.outcome {
        Outcome::Cloud(found) if found.as_str() == cloud.name => Class::Value,
        Outcome::Cloud(found) => Class::Named(found.to_string()),
        Outcome::Unknown => Class::Unknown,
        // A service that doesn't answer, or wrongly, is no proof that there is none.
        other => Class::Wrong(other.to_string()),
    })
}

/// An error as it is seen, and whose it is.
fn judged(error: &Error, cloud: &Struck) -> Result<&'static str, String> {
    let mut text = format!("{error} {error:?} {:?}", error.remedy());
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(" {inner} {inner:?}"));
        cause = inner.source();
    }
    free_of_secrets(&text)?;
    match error.cloud() {
        Some(named) if named.as_str() != cloud.name => Err(format!("an error of {named}: {error}")),
        None => Err(format!("an error that names no cloud: {error}")),
        _ if error.path().is_none() => Err(format!("an error that names no path: {error}")),
        _ if error.remedy().is_none() && !error.is_absent() => Err(format!("no remedy: {error}")),
        _ => Ok(error.kind().name()),
    }
}

fn read(
    metadata: &Result<Metadata, Error>,
    cloud: &Struck,
    look: impl FnOnce(&Metadata) -> Result<Class, String>,
) -> Result<Class, String> {
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(error) => return judged(error, cloud).map(Class::Failed),
    };
    free_of_secrets(&format!("{metadata:?} {:?} {}", metadata.warnings(), json(metadata)?))?;
    if metadata.cloud().as_str() != cloud.name {
        return Err(format!("metadata of {}", metadata.cloud()));
    }
    for (_, reading) in metadata.readings() {
        if let Reading::Failed(error) = reading {
            judged(error, cloud)?;
        }
    }
    look(metadata)
}

fn json(metadata: &Metadata) -> Result<Value, String> {
    serde_json::to_value(metadata.document(false)).map_err(|error| error.to_string())
}

fn get(metadata: &Metadata, expected: &Value) -> Result<Class, String> {
    match metadata.reading(Field::InstanceId) {
        Some(Reading::Known { .. })
            if metadata.text(Field::InstanceId) == expected["instance_id"].as_str() =>
        {
            Ok(Class::Value)
        }
        Some(Reading::Absent { .. }) => Ok(Class::Absent),
        Some(Reading::Failed(error)) => Ok(Class::Failed(error.kind().name())),
        other => Err(format!("{other:?}")),
    }
}

fn show(metadata: &Metadata, expected: &Value) -> Result<Class, String> {
    let shown = json(metadata)?;
    if shown == *expected {
        return Ok(Class::Value);
    }
    let members = shown.as_object().ok_or("no object")?;
    for (name, value) in members.iter().filter(|(name, _)| *name != "errors") {
        if expected.get(name) != Some(value) {
            return Err(format!("{name} is {value}, and not {:?}", expected.get(name)));
        }
    }
    match metadata.reading(Field::InstanceId) {
        Some(Reading::Failed(error)) => Ok(Class::Failed(error.kind().name())),
        Some(Reading::Absent { .. }) => match metadata.failure() {
            None => Ok(Class::Absent),
            Some(error) => Ok(Class::Failed(error.kind().name())),
        },
        _ => match metadata.readings().find_map(|(_, reading)| reading.error()) {
            Some(error) => Ok(Class::Partly(error.kind().name())),
            None => Err(format!("values are missing without a word: {shown}")),
        },
    }
}

/// A provider that runs, with everything read.
async fn running(client: &Client, expected: &Value) -> Result<Arc<LiveProvider>, String> {
    let ending = Instant::now() + PATIENCE;
    // The deadline may be so short that a busy machine misses it.
    loop {
        let provider = LiveProvider::start(client.clone()).await.map_err(|error| error.to_string());
        if let Ok(provider) = &provider
            && json(&provider.snapshot())? == *expected
        {
            return Ok(Arc::clone(provider));
        }
        if Instant::now() > ending {
            return Err(format!("it doesn't start: {provider:?}"));
        }
    }
}

/// Refreshes until everything is as it was. A token that couldn't be had isn't asked for again at once.
async fn recovered(provider: &LiveProvider, whole: &Value) -> Result<(), String> {
    let ending = Instant::now() + PATIENCE;
    while provider.refresh().await.is_err()
        || json(&provider.snapshot())? != *whole
        || !provider.is_available()
    {
        if Instant::now() > ending {
            return Err(format!("it doesn't recover: {}", json(&provider.snapshot())?));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn refresh(
    fake: &Fake,
    client: Client,
    fault: imds_fake::Fault,
    (cloud, timeout): (&Struck, Duration),
    expected: &Value,
) -> Result<Class, String> {
    let provider = running(&client, expected).await?;
    let before = provider.snapshot();
    fake.inject(fault);
    let started = Instant::now();
    let result = provider.refresh().await;
    in_time(started, timeout)?;
    let now = provider.snapshot();
    free_of_secrets(&format!("{provider:?} {}", json(&now)?))?;
    let class = compared(&before, &now, cloud)?;
    if let Err(error) = &result {
        judged(error, cloud)?;
        if !now.is_stale() || provider.is_available() {
            return Err(format!("nothing says that the values are old: {error}"));
        }
    }
    fake.clear_faults();
    recovered(&provider, expected).await?;
    Ok(class)
}

/// What became of the values that there were.
fn compared(before: &Metadata, now: &Metadata, cloud: &Struck) -> Result<Class, String> {
    let (mut gone, mut error) = (false, None);
    for (field, old) in before.readings().filter(|(_, reading)| reading.value().is_some()) {
        let reading = now.reading(field);
        match (old.value(), reading.and_then(Reading::value)) {
            (old, new) if old == new => {}
            (_, Some(new)) if is_empty(new) => gone = true,
            (_, None) if matches!(reading, Some(Reading::Absent { .. })) => gone = true,
            (old, new) => return Err(format!("{field} was {old:?} and is {new:?}")),
        }
        error = error.or(reading.and_then(Reading::error));
    }
    Ok(match (gone, error) {
        (false, None) => Class::Value,
        (true, None) => Class::Absent,
        (false, Some(error)) => Class::Kept(judged(error, cloud)?),
        (true, Some(error)) => Class::SomeGone(judged(error, cloud)?),
    })
}

/// Whether a list or map has nothing in it.
fn is_empty(value: &imds::model::Value) -> bool {
    serde_json::to_value(value).is_ok_and(|value| {
        value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty)
    })
}
