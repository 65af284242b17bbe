//! Every cloud, struck by every fault, in everything that a program does with it.
//!
//! Shared by the test `fault_matrix` and the example `fault_pages`, which writes docs/faults.md.
//!
//! `faults` is the table of faults and `clouds` that of clouds: what each does, in the words of the vendors' pages. `expected`
//! says by one rule what has to come of a fault at a cloud; `cells` finds out what does; `watch` looks over its shoulder for
//! panics and secrets; `page` writes it down for people.

mod cells;
mod clouds;
mod expected;
mod faults;
mod page;
mod watch;

pub(crate) use page::page;

use std::sync::Arc;

use cells::{Cell, Operation};
use clouds::{CLOUDS, Struck};
use faults::FAULTS;
use imds_fake::Scenario;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What is worked on at once, in parts of a cell that keeps the processor busy: enough to wait for many silent services
/// together, few enough that none waits for the processor instead.
const AT_ONCE: usize = 48;
/// A cell that does more than wait.
const BUSY: u32 = 4;

/// Works out every cell, in the order of faults, clouds and operations.
pub(crate) async fn run() -> Vec<Cell> {
    watch::begin();
    let machines: Vec<(&'static Struck, Scenario)> =
        CLOUDS.iter().filter_map(|cloud| Some((cloud, Scenario::parse(cloud.scenario).ok()?))).collect();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut order = 0;
    for fault in FAULTS {
        for (cloud, scenario) in &machines {
            for operation in Operation::ALL {
                let (places, scenario, cloud) = (Arc::clone(&places), scenario.clone(), *cloud);
                let places_taken = if fault.is_silent() { 1 } else { BUSY };
                running.spawn(async move {
                    let _place = places.acquire_many(places_taken).await;
                    (order, cells::work_out(fault, cloud, scenario, operation).await)
                });
                order += 1;
            }
        }
    }
    let mut cells = Vec::new();
    while let Some(ended) = running.join_next().await {
        // A panic is caught by `watch`, and leaves its cell out.
        cells.extend(ended);
    }
    cells.sort_by_key(|(order, _)| *order);
    cells.into_iter().map(|(_, cell)| cell).collect()
}

/// What of the table can't be as it is; empty where every cell is there, and as it has to be.
pub(crate) fn complaints(cells: &[Cell]) -> Vec<String> {
    let mut complaints: Vec<String> = cells
        .iter()
        .filter(|cell| !expected::is_expected(cell))
        .map(|Cell { fault, cloud, operation, class }| {
            format!("{} at {}, {operation:?}: {class}", fault.spec, cloud.scenario)
        })
        .collect();
    let wanted = FAULTS.len() * imds_fake::Cloud::ALL.len() * Operation::ALL.len();
    if cells.len() != wanted {
        complaints.push(format!("{} cells of {wanted}", cells.len()));
    }
    complaints.extend(watch::mishaps());
    complaints
}
