//! What an agent tells as it happens: server-sent events.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use imds_model::{Error, ErrorKind, Field, Metadata, Source};
use serde_json::{Map, Value as Json};

use super::answer;

/// More than any one notice has.
const NOTICE_LIMIT: usize = 1024 * 1024;
/// An agent that has nothing to say shows signs of life much more often than that.
const SILENCE: Duration = Duration::from_secs(90);

/// Something that an agent told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// What is known is another than before.
    #[non_exhaustive]
    Metadata {
        /// The agent's count of what it knew.
        revision: u64,
        /// The fields whose value may be another than in the notice before.
        changed: Vec<Field>,
        /// All that is known; nothing if the machine turned out to be another.
        metadata: Option<Box<Metadata>>,
    },
    /// An event that is announced for this machine, as the agent normalised it.
    Event(Map<String, Json>),
}

/// Notices of an agent, as they come.
#[derive(Debug)]
pub struct Watching {
    body: Incoming,
    socket: PathBuf,
    unread: Vec<u8>,
    notices: VecDeque<Notice>,
    last_id: Option<String>,
}

impl Watching {
    pub(super) fn new(answer: Response<Incoming>, socket: PathBuf, last_id: Option<String>) -> Self {
        Self { body: answer.into_body(), socket, unread: Vec::new(), notices: VecDeque::new(), last_id }
    }

    /// The id of the last notice about metadata: from there on another [`Agent::watch_since`](super::Agent::watch_since)
    /// goes on.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Waits for the next notice. Nothing once the agent ends the stream. Cancel-safe.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] for an agent that shows no sign of life any more, [`ErrorKind::TooLarge`] and
    /// [`ErrorKind::Malformed`] for what no agent says.
    pub async fn next(&mut self) -> Result<Option<Notice>, Error> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(Some(notice));
            }
            let Ok(frame) = tokio::time::timeout(SILENCE, self.body.frame()).await else {
                return Err(self.about(Error::new(ErrorKind::TimedOut, "the agent shows no sign of life")));
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) if error.is_incomplete_message() || error.is_body_write_aborted() => {
                    return Ok(None);
                }
                Some(Err(error)) => return Err(self.about(answer::malformed(&error.to_string()))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.unread.extend_from_slice(&data);
                        self.take_notices().map_err(|error| self.about(error))?;
                    }
                }
            }
        }
    }

    fn about(&self, error: Error) -> Error {
        error.with_path(self.socket.display().to_string())
    }

    /// Moves whole notices out of what was read.
    fn take_notices(&mut self) -> Result<(), Error> {
        while let Some(end) = self.unread.windows(2).position(|window| window == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let source = Source::Agent(self.socket.display().to_string());
            let (id, notice) = parse(&String::from_utf8_lossy(&block), &source)?;
            self.last_id = id.or(self.last_id.take());
            self.notices.extend(notice);
        }
        match self.unread.len() > NOTICE_LIMIT {
            true => Err(Error::new(ErrorKind::TooLarge, "a notice is larger than any real one")),
            false => Ok(()),
        }
    }
}

/// A block of the stream: its id and what it tells. Comments, and names that aren't known here, tell nothing.
fn parse(block: &str, agent: &Source) -> Result<(Option<String>, Option<Notice>), Error> {
    let (mut id, mut name, mut data) = (None, "", String::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = Some(value.to_owned()),
            "event" => name = value,
            "data" => data.push_str(value),
            _ => {}
        }
    }
    let object = || {
        serde_json::from_str::<Map<String, Json>>(&data)
            .map_err(|error| answer::malformed(&error.to_string()))
    };
    let notice = match name {
        "event" => Some(Notice::Event(object()?)),
        "metadata" => {
            let object = object()?;
            let names = object.get("changed").and_then(Json::as_array).into_iter().flatten();
            let metadata = match object.get("metadata") {
                Some(Json::Object(metadata)) => {
                    Some(Box::new(answer::from_object(metadata, SystemTime::now(), agent)?))
                }
                _ => None,
            };
            Some(Notice::Metadata {
                revision: object.get("revision").and_then(Json::as_u64).unwrap_or_default(),
                changed: names.filter_map(|name| name.as_str()?.parse().ok()).collect(),
                metadata,
            })
        }
        _ => None,
    };
    Ok((id, notice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_and_what_is_not_known_is_passed_over() {
        let source = Source::Agent("/s".to_owned());
        let read = |block: &str| parse(block, &source);
        let block = "id: a-7\nevent: metadata\ndata: {\"revision\":7,\"changed\":[\"region\",\"moon\"],\n\
                     data:\"metadata\":{\"cloud\":\"aws\",\"region\":\"r\"}}\n\n";
        let (id, notice) = read(block).unwrap();
        let Some(Notice::Metadata { revision, changed, metadata }) = notice else { panic!("{notice:?}") };
        assert_eq!((id.as_deref(), revision, &*changed), (Some("a-7"), 7, &[Field::Region][..]));
        assert_eq!(metadata.unwrap().text(Field::Region), Some("r"));
        assert!(matches!(read(": still here\n\n"), Ok((None, None))));
        assert!(matches!(read("retry: 1000\n\n"), Ok((None, None))));
        assert!(matches!(read("event: eclipse\ndata: x\n\n"), Ok((None, None))));
        assert!(matches!(read("event: event\ndata: {\"id\":\"e\"}\n\n"), Ok((None, Some(Notice::Event(_))))));
        assert!(read("event: event\ndata: [\n\n").is_err());
        assert!(read("event: metadata\ndata: {\"metadata\":{\"cloud\":\"none\"}}\n\n").is_err());
    }
}
