//! The state's file: one JSON object with a sum over its content, readable by its owner alone.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::{fmt, sync::Arc};

use imds::model::metadata::Kept;
use imds::{Error, ErrorKind, Field, Metadata, Reading};
use imds_files::{Attributes, Target, replace};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::machine::{Binding, hex};
use crate::clock::Moment;

/// What stays true of a machine from one boot to the next: everything else may change while it is stopped, its size and
/// its addresses first of all.
pub const KEPT_OVER_BOOTS: [Field; 3] = [Field::Cloud, Field::InstanceId, Field::AccountId];

/// The form of the file. Files of another form are dropped.
const FORMAT: u32 = 1;
/// No state is larger; a larger file is something else.
const LENGTH_LIMIT: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    /// SHA-256 of the content as JSON: a flipped bit must not become a value.
    sum: String,
    content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    machine: String,
    boot: Option<String>,
    saved_at: std::time::SystemTime,
    saved_after: std::time::Duration,
    metadata: Kept,
}

impl Content {
    fn sum(&self) -> Result<String, serde_json::Error> {
        Ok(hex(&Sha256::digest(serde_json::to_vec(self)?)))
    }
}

/// What was read back. Each value is marked: it is from before, and will be asked for again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// The last good values.
    pub metadata: Arc<Metadata>,
    /// Whether they are from this boot.
    pub same_boot: bool,
}

/// Why a state that is there isn't used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// The file system doesn't give it.
    Unreadable(io::Error),
    /// It isn't what was written.
    Corrupt(String),
    /// It is of another machine, or was read at another endpoint.
    OtherMachine,
    /// It is of an earlier boot, and nothing tells this machine from others.
    OtherBoot,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "it can't be read: {error}"),
            Self::Corrupt(why) => write!(f, "it is damaged: {why}"),
            Self::OtherMachine => f.write_str("it is of another machine, or of another endpoint"),
            Self::OtherBoot => f.write_str(
                "it is of an earlier boot, and this machine's firmware doesn't tell it from others",
            ),
        }
    }
}

impl std::error::Error for Refused {}

/// Reads the state back, as far as it may be believed; nothing where there is none, or nothing of it is left.
///
/// # Errors
/// [`Refused`], for the log.
pub fn load(path: &Path, binding: &Binding, now: Moment) -> Result<Option<Restored>, Refused> {
    let text = match read_regular(path, LENGTH_LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Refused::Unreadable(error)),
    };
    understand(&text, binding, now)
}

/// The content of a file of this length at most. Only a regular file is opened: a pipe would have it wait for ever.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

fn understand(text: &[u8], binding: &Binding, now: Moment) -> Result<Option<Restored>, Refused> {
    let corrupt = |error: &dyn fmt::Display| Refused::Corrupt(error.to_string());
    let Written { format, sum, content } = serde_json::from_slice(text).map_err(|error| corrupt(&error))?;
    if format != FORMAT {
        return Err(corrupt(&format!("it has form {format}, and form {FORMAT} is wanted")));
    }
    if content.sum().map_err(|error| corrupt(&error))? != sum {
        return Err(corrupt(&"its sum is another"));
    }
    if content.machine != binding.machine {
        return Err(Refused::OtherMachine);
    }
    let same_boot = content.boot.is_some() && content.boot == binding.boot;
    if !same_boot && !binding.unique {
        return Err(Refused::OtherBoot);
    }
    let saved = Moment { wall: content.saved_at, running: content.saved_after };
    let mut metadata = content.metadata.restore().map_err(|error| corrupt(&error))?;
    if same_boot && saved.running <= now.running {
        if let Some(jump) = saved.jump_to(now) {
            metadata.map_times(|time| jump.apply(time));
        }
    } else {
        metadata = metadata.only(&KEPT_OVER_BOOTS);
    }
    // Nothing can be known from the future.
    metadata.map_times(|time| time.min(now.wall));
    let knows = |(field, reading): (Field, &Reading)| field != Field::Cloud && reading.value().is_some();
    if !metadata.readings().any(knows) {
        return Ok(None);
    }
    Ok(Some(Restored { metadata: Arc::new(doubted(&metadata)), same_boot }))
}

/// The values as those of a read that failed: stale until the service has confirmed them.
fn doubted(metadata: &Metadata) -> Metadata {
    let doubt = Error::new(ErrorKind::Unknown, "the service hasn't answered since the agent started")
        .with_cloud(metadata.cloud());
    let mut doubted = Metadata::new(metadata.cloud().clone());
    for field in Field::ALL {
        doubted.set(*field, Reading::Failed(doubt.clone()));
    }
    doubted.set_protocol(metadata.protocol().map(str::to_owned));
    doubted.map_times(|_| metadata.taken_at());
    doubted.keep_last_good(metadata);
    doubted
}

/// Writes the state: the old file stays whole until the new one is.
///
/// # Errors
/// What the file system refuses. The old state is as it was then.
pub fn save(path: &Path, binding: &Binding, metadata: &Metadata, now: Moment) -> Result<(), Error> {
    let unsayable = |error: serde_json::Error| {
        Error::new(ErrorKind::Internal, "the state has no JSON form").with_source(error)
    };
    let content = Content {
        machine: binding.machine.clone(),
        boot: binding.boot.clone(),
        saved_at: now.wall,
        saved_after: now.running,
        metadata: Kept::of(metadata),
    };
    let sum = content.sum().map_err(unsayable)?;
    let mut text = serde_json::to_vec(&Written { format: FORMAT, sum, content }).map_err(unsayable)?;
    text.push(b'\n');
    prepare_directory(path);
    let target = Target {
        path: path.to_owned(),
        follow_symlinks: false,
        in_place_inode: false,
        check: None,
        attributes: of_its_writer(),
    };
    replace(&target, &text).map(drop)
}

/// Its writer's alone, also where root wrote it before: it would be read to be compared, and can't be.
pub(crate) fn of_its_writer() -> Attributes {
    #[cfg(unix)]
    let uid = Some(rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    let uid = None;
    Attributes { mode: Some(0o600), uid, gid: None }
}

/// Makes the directory, for its owner alone. What goes wrong shows when the file is written.
fn prepare_directory(path: &Path) {
    let Some(directory) = path.parent().filter(|directory| !directory.exists()) else { return };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let _ = builder.create(directory);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use imds::model::{CloudName, Source, Value};
    use proptest::prelude::*;

    use super::*;

    fn moment(wall: u64, running: u64) -> Moment {
        Moment {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
            running: Duration::from_secs(running),
        }
    }

    fn binding(machine: &str, boot: Option<&str>, unique: bool) -> Binding {
        Binding { machine: machine.to_owned(), unique, boot: boot.map(str::to_owned) }
    }

    fn metadata(read_at: SystemTime) -> Metadata {
        let mut metadata = Metadata::new(CloudName::AWS);
        for (field, value) in [
            (Field::Cloud, "aws"),
            (Field::InstanceId, "i-0fedcba9876543210"),
            (Field::AccountId, "012345678901"),
            (Field::InstanceType, "m5.large"),
            (Field::PrivateIpv4, "10.0.0.1"),
        ] {
            let value = Value::Text(value.to_owned());
            metadata.set(field, Reading::Known { value, source: Source::Mock, read_at, trouble: None });
        }
        metadata.set(Field::ResourceGroup, Reading::absent());
        metadata
    }

    /// What a state that was saved at 1000 seconds, of values that were read at 900, gives.
    fn loaded(saved: &Binding, now: &Binding, at: Moment) -> Result<Option<Restored>, Refused> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/state.json");
        save(&path, saved, &metadata(moment(900, 0).wall), moment(1000, 100)).unwrap();
        load(&path, now, at)
    }

    fn known(restored: &Restored) -> Vec<&'static str> {
        let readings = restored.metadata.readings();
        readings.filter(|(_, reading)| reading.value().is_some()).map(|(field, _)| field.name()).collect()
    }

    #[test]
    fn this_boot_knows_everything_and_calls_it_doubtful() {
        let here = binding("m", Some("b"), true);
        let restored = loaded(&here, &here, moment(1060, 160)).unwrap().unwrap();
        assert!(restored.same_boot && restored.metadata.is_stale());
        assert_eq!(known(&restored), ["cloud", "instance_id", "instance_type", "account_id", "private_ipv4"]);
        for (field, reading) in restored.metadata.readings() {
            let error = reading.error().unwrap_or_else(|| panic!("{field} is taken for fresh"));
            assert!(error.message().contains("since the agent started"));
        }
        let Some(Reading::Known { read_at, source, .. }) = restored.metadata.reading(Field::InstanceId)
        else {
            panic!("known")
        };
        assert_eq!((*read_at, source), (moment(900, 0).wall, &Source::Mock));
        assert!(restored.metadata.value(Field::ResourceGroup).is_err_and(|error| !error.is_absent()));
    }

    #[test]
    fn a_new_boot_keeps_ids_and_account_and_another_machine_nothing() {
        let saved = binding("m", Some("b"), true);
        let later = moment(5000, 5);
        let restored = loaded(&saved, &binding("m", Some("c"), true), later).unwrap().unwrap();
        assert_eq!(known(&restored), ["cloud", "instance_id", "account_id"]);
        assert!(!restored.same_boot);
        for boot in [None, Some("b"), Some("c")] {
            let refused = loaded(&saved, &binding("n", boot, true), later).unwrap_err();
            assert!(matches!(refused, Refused::OtherMachine), "{refused}");
        }
    }

    #[test]
    fn without_an_identity_only_the_same_boot_is_believed() {
        let saved = binding("m", Some("b"), false);
        assert!(loaded(&saved, &saved, moment(1060, 160)).unwrap().is_some());
        for boot in [None, Some("c")] {
            let refused = loaded(&saved, &binding("m", boot, false), moment(1060, 160)).unwrap_err();
            assert!(matches!(refused, Refused::OtherBoot), "{refused}");
        }
        let unsaid = binding("m", None, false);
        assert!(loaded(&unsaid, &unsaid, moment(1060, 160)).is_err(), "no boot is no boot in common");
    }

    #[test]
    fn ages_survive_a_clock_that_was_set() {
        let here = binding("m", Some("b"), true);
        let age = |now: Moment| {
            let restored = loaded(&here, &here, now).unwrap().unwrap();
            let Some(Reading::Known { read_at, .. }) = restored.metadata.reading(Field::InstanceId) else {
                panic!("known")
            };
            now.wall.duration_since(*read_at).unwrap().as_secs()
        };
        assert_eq!(age(moment(1060, 160)), 160, "100 s old when it was saved, and 60 s have passed");
        assert_eq!(age(moment(90_001_060, 160)), 160, "set three years ahead");
        assert_eq!(age(moment(260, 160)), 160, "set back");
        let next = binding("m", Some("c"), true);
        let restored = loaded(&here, &next, moment(10, 10)).unwrap().unwrap();
        let Some(Reading::Known { read_at, .. }) = restored.metadata.reading(Field::InstanceId) else {
            panic!("known")
        };
        assert_eq!(*read_at, moment(10, 10).wall, "nothing is known from the future");
    }

    #[test]
    fn nothing_there_is_nothing_known() {
        let here = binding("m", Some("b"), true);
        assert!(load(Path::new("/nonexistent/state.json"), &here, moment(1, 1)).unwrap().is_none());
        for odd in ["/", "/dev/null", "/dev/zero"] {
            assert!(
                matches!(load(Path::new(odd), &here, moment(1, 1)), Err(Refused::Unreadable(_))),
                "{odd}"
            );
        }
    }

    /// `/proc` takes no files, whoever asks; `/dev/full` is a disk without room.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_state_that_cannot_be_written_says_so() {
        let here = binding("m", Some("b"), true);
        for path in ["/proc/state.json", "/proc/new/state.json", "/dev/full"] {
            let error =
                save(Path::new(path), &here, &metadata(moment(900, 0).wall), moment(1, 1)).unwrap_err();
            assert!(error.to_string().contains(path.rsplit_once('/').unwrap().0), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/state.json");
        save(&path, &binding("m", None, true), &metadata(moment(900, 0).wall), moment(1, 1)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    fn written() -> (Vec<u8>, Binding) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let here = binding("m", Some("b"), true);
        save(&path, &here, &metadata(moment(900, 0).wall), moment(1000, 100)).unwrap();
        (fs::read(&path).unwrap(), here)
    }

    #[test]
    fn half_a_file_is_no_state() {
        let (text, here) = written();
        // The last byte is the newline, which says nothing.
        for length in 0..text.len() - 1 {
            let refused = understand(&text[..length], &here, moment(1060, 160));
            assert!(matches!(refused, Err(Refused::Corrupt(_))), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_in_the_file_is_refused(content in prop::collection::vec(any::<u8>(), 0..2000)) {
            let here = binding("m", Some("b"), true);
            prop_assert!(matches!(understand(&content, &here, moment(1, 1)), Err(Refused::Corrupt(_))));
        }

        #[test]
        fn a_changed_byte_never_becomes_a_value(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let (mut text, here) = written();
            let whole = understand(&text, &here, moment(1060, 160)).unwrap().unwrap();
            let place = place.index(text.len());
            text[place] = byte;
            if let Ok(restored) = understand(&text, &here, moment(1060, 160)) {
                prop_assert_eq!(&restored.unwrap().metadata, &whole.metadata);
            }
        }
    }
}
