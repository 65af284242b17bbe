//! What is wrong between this machine and its metadata, and the remedy (feature `doctor`).
//!
//! [`examine`] looks at the machine, asks the service step by step, and judges what it saw: plain facts go into one table of
//! diagnoses, and findings come out.
//!
//! ```no_run
//! # async fn example() -> Result<(), imds::Error> {
//! use imds::machine::{Environment, Sysroot};
//! use imds::{Client, Config, doctor};
//! let client = Client::new(Config::builder(Environment::of_this_process()).build()?);
//! for finding in doctor::examine(&client, &Sysroot::new("/")).await.findings {
//!     println!("{}: {:?}", finding.cause, finding.remedy);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `process`, `neighbours`, `routes` | readers of the machine |
//! | `asking`, `step` | the service, asked step by step over the client's own transport |
//! | `facts` | all that was seen, as plain values |
//! | `rules` | the table: facts → findings, pure |
//! | `finding`, `report` | what is handed over |

mod asking;
mod facts;
mod finding;
mod neighbours;
mod process;
mod report;
mod routes;
mod rules;
mod step;

use std::time::Instant;

use imds_model::{CloudName, Error, ErrorKind, Outcome, Verdict};

use crate::Client;
use crate::agent::Sockets;
use crate::machine::Files;
use crate::transport::Deadline;
use asking::Asking;
use facts::{Asked, Facts};
pub use finding::{Finding, Severity};
use neighbours::Neighbours;
use process::Process;
pub use report::Report;
use routes::Table;
pub use step::{Step, StepName, StepOutcome};

/// Every diagnosis that there is: its id, and what it means.
pub fn diagnoses() -> impl Iterator<Item = (&'static str, &'static str)> {
    rules::all()
}

/// Finds out whether the metadata of this client's machine can be read, and if not, why.
///
/// Asks the service itself, never an agent, within the client's timeout. `process` are the files of the machine that this process
/// runs on (`/proc`, `/run`), which the client's own evidence need not be read from.
pub async fn examine(client: &Client, process: &dyn Files) -> Report {
    let started = Instant::now();
    let with_agents = client.configuration();
    let mut config = with_agents.clone();
    config.agents = Sockets::default();
    let client = Client::new(config);
    let config = client.configuration();
    let deadline = Deadline::after(config.timeout());
    let verdict = client.detect().await;
    let mut asking = Asking::default();
    let mut asked = None;
    match &verdict.outcome {
        Outcome::Cloud(cloud) => {
            asking.steps.push(Step::ok(StepName::Detect, detected(&verdict), verdict.elapsed));
            asked = ask(&client, cloud, &verdict, process, deadline, &mut asking).await;
        }
        Outcome::None => {
            let error = Error::new(ErrorKind::NoCloud, "this machine is in no cloud");
            asking.steps.push(Step::failed(StepName::Detect, error.clone(), verdict.elapsed));
            asking.failure = Some((StepName::Detect, error));
        }
        Outcome::Unknown => {
            let error = Error::new(ErrorKind::Unknown, "whether this machine is in a cloud can't be said");
            asking.steps.push(Step::failed(StepName::Detect, error.clone(), verdict.elapsed));
            asking.anybody(&client, process, deadline).await;
            asking.failure.get_or_insert((StepName::Detect, error));
        }
    }
    let instance_id = match (asking.instance_id, verdict.cloud()) {
        (Some(id), _) => Some(id),
        (None, Some(cloud)) => asking::id_by_firmware(&client, cloud, &verdict).await,
        (None, None) => None,
    };
    let address =
        asking.routes.first().map_or_else(|| "169.254.169.254".to_owned(), |it| it.address.to_string());
    let facts = Facts {
        forced_by: config.forced.as_ref().map(|(_, origin)| origin.clone()),
        network: config.network,
        node_elsewhere: client
            .node_elsewhere()
            .map(|(node, how)| (how.of.to_string(), node.title.to_string())),
        instance_id,
        routes: asking.routes,
        default_interface: Table::read(process).default_interface().map(str::to_owned),
        connection: asking.connection,
        packets_left: asking.packets_left,
        token_trouble: asking.token_trouble,
        failure: asking.failure,
        tags_off: asking.tags_off,
        seconds_ahead: asking.seconds_ahead,
        guarded: asking.guarded,
        process: Process::look(process, config.machine.environment()),
        neighbours: Neighbours::look(with_agents, process, verdict.cloud(), &address).await,
        service: asked,
        verdict,
    };
    let findings = rules::diagnose(&facts);
    let error = facts.failure.map(|(_, error)| error);
    let protocol = facts.service.and_then(|service| service.spoken).filter(|_| error.is_none());
    let mut report = Report::new(facts.verdict.outcome, error, asking.steps, findings);
    report.instance_id = facts.instance_id;
    report.protocol = protocol;
    report.elapsed = started.elapsed();
    report
}

/// Asks the service of a cloud, and tells which that is.
async fn ask(
    client: &Client,
    cloud: &CloudName,
    verdict: &Verdict,
    process: &dyn Files,
    deadline: Deadline,
    asking: &mut Asking,
) -> Option<Asked> {
    let config = client.configuration();
    let description = asking::description_of(client, cloud)?;
    let mut asked = Asked {
        name: description.name.to_string(),
        title: description.title.to_string(),
        disabled_by: description.service.as_ref().and_then(|it| config.disabled_by(it)).map(str::to_owned),
        ..Asked::default()
    };
    match client.service_here(cloud) {
        Ok(service) => {
            let endpoint = service.exchange().endpoint();
            asked.authority = endpoint.authority().to_owned();
            asked.looked_up = endpoint.name().map(|(name, _)| name.to_owned());
            asked.elsewhere = !service.is_at_home() && service.description().name == description.name;
            asking.service(client, &service, verdict, process, deadline).await;
            asked.spoken = service.spoken();
        }
        Err(error) => {
            asking.steps.push(Step::failed(StepName::Connect, error.clone(), std::time::Duration::ZERO));
            asking.failure = Some((StepName::Connect, error));
        }
    }
    Some(asked)
}

fn detected(verdict: &Verdict) -> String {
    let deciding = verdict.evidence.iter().filter(|piece| piece.supports.as_ref() == Some(&verdict.outcome));
    match deciding.max_by_key(|piece| piece.strength) {
        Some(piece) => format!("{}: {}", verdict.outcome, piece.detail),
        None => verdict.outcome.to_string(),
    }
}
