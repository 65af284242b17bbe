//! The table as a page for people.

use super::cells::{Cell, Operation};
use super::faults::{FAULTS, Fault};

const BEGINNING: &str = "\
# Faults

What a metadata service can do wrong, and what becomes of it. Every row was worked out on a fake service of each of the twenty
clouds by `cargo run -p imds --all-features --example fault_pages`, which writes this page; a test works it out anew and holds
every cell to a rule: the right value or an error of the right kind, within the deadline, with the cloud's name, a path and a
remedy, without a secret and without another cloud's name.

To see one yourself: `imds fake aws --fault 503:/latest/meta-data/tags:2`, or while it runs through its
[control API](fake.md). `:1` behind a fault is the number of requests that it strikes; without one it lasts.

| fault | what the service does | what you see |
|---|---|---|
";

const TABLE: &str = "
## What comes of it

- **detect**: a machine without firmware has to be recognised by asking. `value` is the right cloud; `unknown` is never `none`.
- **show**, **get**: everything, and the instance id alone, of a cloud that was told.
- **refresh**: a provider has read everything, then the fault comes. `kept` says that every value stays as it was, marked with its
  age and this error. Once the fault is over, all is as before.

`partly`: the instance id is there, some of the rest has this error. `absent`: the service says that there is no such value.
`cloud NAME`: that is who answers. The other words are the kinds of errors, as in `\"errors\"` of `imds show --json`. What stands first in a
cell holds for all clouds that aren't named behind it.

| fault | detect | show | get | refresh |
|---|---|---|---|---|
";

/// docs/faults.md.
pub(crate) fn page(cells: &[Cell]) -> String {
    let mut text = BEGINNING.to_owned();
    for Fault { spec, what, seen, .. } in FAULTS {
        text.push_str(&format!("| `{spec}` | {what} | {seen} |\n"));
    }
    text.push_str(TABLE);
    for fault in FAULTS {
        let of_fault = |operation| {
            let struck = cells.iter().filter(|cell| cell.fault.spec == fault.spec);
            in_short(struck.filter(|cell| cell.operation == operation))
        };
        text.push_str(&format!("| `{}` | {} |\n", fault.spec, Operation::ALL.map(of_fault).join(" | ")));
    }
    text
}

/// What came of it at most clouds, and where something else did.
fn in_short<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in cells {
        let class = cell.class.to_string();
        match groups.iter_mut().find(|(known, _)| *known == class) {
            Some((_, clouds)) => clouds.push(cell.cloud.scenario),
            None => groups.push((class, vec![cell.cloud.scenario])),
        }
    }
    // Stable: of groups of a size, the one that comes first by its clouds stays first.
    groups.sort_by_key(|(_, clouds)| std::cmp::Reverse(clouds.len()));
    let say = |(at, (class, clouds)): (usize, &(String, Vec<&str>))| match at {
        0 => class.clone(),
        _ => format!("{}: {class}", clouds.join(", ")),
    };
    groups.iter().enumerate().map(say).collect::<Vec<_>>().join("; ")
}
