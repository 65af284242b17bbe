//! What is known of events, on disk, so that a restart tells nothing twice and forgets no hook.
//!
//! The file is small, written on every change, and worth nothing: whatever is wrong with it, the agent goes on without it.

use std::io;

use imds_files::Target;
use serde::{Deserialize, Serialize};

use super::{Event, Keeping};
use crate::state::read_regular;

/// More than any machine's events take.
const LIMIT: u64 = 4 * 1024 * 1024;

/// What was known.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Events that weren't over.
    pub(super) known: Vec<Event>,
    /// Changes that hooks hadn't heard.
    pub(super) owed: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    machine: String,
    boot: String,
    known: Vec<Event>,
    owed: Vec<Event>,
}

/// Reads it. Nothing is kept of another machine, or of one that may be another. What hooks weren't told before another boot
/// isn't known either: if the service still says it, they hear it then; if not, it is too late for them.
///
/// # Errors
/// Why the file can't be used.
pub(super) fn load(keeping: &Keeping) -> Result<Kept, String> {
    let text = match read_regular(&keeping.path, LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error.to_string()),
    };
    let written: Written = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if written.version != 1 {
        return Err(format!("its version is {}", written.version));
    }
    if written.machine != keeping.machine {
        return Err("they are another machine's".to_owned());
    }
    let Written { mut known, owed, .. } = written;
    if written.boot == keeping.boot {
        return Ok(Kept { known, owed });
    }
    if !keeping.unique {
        return Err(
            "they are of an earlier boot, and this machine's firmware doesn't tell it from others".to_owned()
        );
    }
    known.retain(|event| !owed.iter().any(|owed| owed.source == event.source && owed.id == event.id));
    Ok(Kept { known, owed: Vec::new() })
}

/// Writes it.
///
/// # Errors
/// Why it can't be written.
pub(super) fn store(keeping: &Keeping, known: &[Event], owed: Vec<Event>) -> Result<(), String> {
    let written = Written {
        version: 1,
        machine: keeping.machine.clone(),
        boot: keeping.boot.clone(),
        known: known.to_vec(),
        owed,
    };
    let text = serde_json::to_vec(&written).map_err(|error| error.to_string())?;
    let target = Target {
        path: keeping.path.clone(),
        follow_symlinks: false,
        in_place_inode: false,
        check: None,
        attributes: crate::state::of_its_writer(),
    };
    imds_files::replace(&target, &text).map(|_| ()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;

    #[test]
    fn whatever_is_wrong_with_the_file_the_agent_goes_on_without() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            path: folder.path().join("events"),
            machine: "m".into(),
            boot: "b".into(),
            unique: true,
        };
        assert!(load(&keeping).unwrap().known.is_empty(), "no file is nothing known");
        for text in
            ["", "{", "[]", "{\"version\":2,\"machine\":\"m\",\"boot\":\"b\",\"known\":[],\"owed\":[]}"]
        {
            std::fs::write(&keeping.path, text).unwrap();
            assert!(load(&keeping).is_err(), "{text}");
            assert!(Board::open(keeping.clone()).snapshot().events.is_empty());
        }
        let directory = Keeping { path: folder.path().to_owned(), ..keeping.clone() };
        assert!(load(&directory).is_err() && store(&directory, &[], Vec::new()).is_err());
        store(&keeping, &[], Vec::new()).unwrap();
        assert!(load(&keeping).unwrap().owed.is_empty());
    }

    /// Nobody writes to it, so that whoever opens it to read waits for ever.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_in_the_place_of_the_file_keeps_nobody_waiting() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping {
            path: folder.path().join("events"),
            machine: "m".into(),
            boot: "b".into(),
            unique: true,
        };
        mknodat(CWD, &keeping.path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(load(&keeping).is_err_and(|why| why.contains("no regular file")));
    }
}
