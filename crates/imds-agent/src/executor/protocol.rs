//! What can be said over the socket, and how much of it.
//!
//! A frame is four bytes of length, the most significant first, and as many of JSON. Whoever says more than the limit, or
//! anything that isn't in the lists below, isn't listened to any further.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use imds::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Fingerprint;
use crate::hooks::Notice;

/// The largest frame: all metadata of a machine, with every tag that it can have, is far smaller.
pub const LIMIT: u32 = 4 * 1024 * 1024;

/// What the worker can ask for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Which answer is this request's.
    pub id: u64,
    /// What.
    pub work: Work,
}

/// What the executor can do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Say what the plan is.
    Tell,
    /// Read the configuration again, from where it was read at first.
    Reload,
    /// Bring every file up to date with these values.
    Files {
        /// The plan that the values are for: another one needs others.
        plan: Fingerprint,
        /// The values.
        values: Box<Values>,
        /// What has to be done beside.
        debts: Debts,
    },
    /// Take away files with another machine's values: this machine has none.
    TakeAway {
        /// The plan whose files they are.
        plan: Fingerprint,
        /// Which of its files.
        targets: Vec<String>,
    },
    /// Try a hook once.
    Hook {
        /// The plan in which the number counts.
        plan: Fingerprint,
        /// The hook's place in the configuration, from 0.
        number: usize,
        /// What happened.
        notice: Box<Notice>,
    },
}

/// What is known, for files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// The document of `show --format json --sources`.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// What the service says at the paths that templates ask for.
    pub paths: BTreeMap<String, PathValue>,
}

/// What files need beside their values. Names of files count only where the plan has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debts {
    /// Files with another machine's values: nothing in them is worth keeping.
    pub foreign: Vec<String>,
    /// Files whose readers weren't told of their last change.
    pub unreloaded: Vec<String>,
    /// Nobody knows which those are: all.
    pub all_unreloaded: bool,
}

/// What the service says at a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathValue {
    /// This.
    Value(String),
    /// There is nothing, or it couldn't be asked.
    Failed(Error),
}

/// What the executor answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The request's.
    pub id: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The plan.
    Plan(Summary),
    /// What became of each file.
    Files(Vec<FileOutcome>),
    /// What became of one try of a hook.
    Hook(Tried),
    /// The configuration can't be used; the plan is what it was. All that is wrong with it.
    Invalid(Vec<String>),
    /// It isn't done, because it may not or can't be; why.
    Refused(String),
}

/// What the worker has to know of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Which plan it is.
    pub plan: Fingerprint,
    /// How many files, or kinds of them, there are to write.
    pub files: usize,
    /// The paths of the service that templates ask for.
    pub paths: Vec<String>,
    /// How many hooks there are.
    pub hooks: usize,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOutcome {
    /// The file, or the directory of files.
    pub path: String,
    /// What.
    pub what: FileChange,
}

/// What can become of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It has new content, and what reads it was told.
    Changed,
    /// It had it already.
    Unchanged,
    /// It stays as it is, because values are missing that may come; which.
    Kept(String),
    /// It stays as it is, because something is wrong.
    Failed(String),
    /// It has new content, but what reads it couldn't be told.
    NotReloaded(String),
    /// It had another machine's values, and this machine's can't be had; why.
    TakenAway(String),
}

impl FileChange {
    /// Whether another try makes sense although no value changes.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NotReloaded(_))
    }
}

/// What became of one try of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tried {
    /// It worked.
    Done,
    /// It didn't, but may the next time.
    Again {
        /// Why.
        why: String,
        /// How long the other side wants to be left alone.
        after: Option<Duration>,
    },
    /// It didn't, and won't.
    Hopeless(String),
}

/// Sends a frame.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for one that is too large, and what the socket says.
pub async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), what: &T) -> io::Result<()> {
    let text = serde_json::to_vec(what)?;
    let length = u32::try_from(text.len()).ok().filter(|length| *length <= LIMIT);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "too large for one frame"))?;
    let mut frame = Vec::with_capacity(text.len() + 4);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&text);
    to.write_all(&frame).await?;
    to.flush().await
}

/// Receives a frame; nothing once the other side is gone.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for one that is too large or isn't what is expected, and what the socket says.
pub async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length);
    if length > LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
    }
    let mut text = Vec::new();
    // Grows with what arrives, so that a length alone costs nothing.
    from.take(u64::from(length)).read_to_end(&mut text).await?;
    if text.len() as u64 != u64::from(length) {
        return Ok(None);
    }
    let read = serde_json::from_slice(&text);
    Ok(Some(read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_one_by_one_and_the_end_is_an_end() {
        let (mut one, mut other) = tokio::io::duplex(1 << 20);
        for id in 0..3 {
            send(&mut one, &Request { id, work: Work::Tell }).await.unwrap();
        }
        drop(one);
        for expected in 0..3 {
            assert_eq!(receive::<Request>(&mut other).await.unwrap().unwrap().id, expected);
        }
        assert!(receive::<Request>(&mut other).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_too_large_or_isnt_in_the_list_is_refused() {
        let frame = |text: &[u8]| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat();
        for bytes in [
            (LIMIT + 1).to_be_bytes().to_vec(),
            u32::MAX.to_be_bytes().to_vec(),
            frame(b"{"),
            frame(b""),
            frame(br#"{"id":1,"work":{"run":["/bin/sh"]}}"#),
            frame(br#"{"id":1,"work":"tell","more":1}"#),
            frame(br#"{"id":1,"work":{"hook":{"plan":"x","number":-1,"notice":{}}}}"#),
            frame(b"\xff"),
        ] {
            let error = receive::<Request>(&mut &bytes[..]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        let huge = "x".repeat(LIMIT as usize);
        assert_eq!(send(&mut Vec::new(), &huge).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        for cut in [&[0, 0][..], &[0, 0, 0, 9, b'{'][..]] {
            assert!(receive::<Request>(&mut &*cut).await.unwrap().is_none(), "half a frame is none");
        }
    }
}
