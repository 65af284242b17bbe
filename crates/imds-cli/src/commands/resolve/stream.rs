//! Text from stdin that is too long to be kept, resolved while it goes by.
//!
//! The library's stream is read and written by a thread of its own, which hands what it has to the caller, and asks there
//! for what it doesn't know: stdin can block, and the service is asked by the runtime. What was printed can't be taken back
//! when a later placeholder turns out to have no value; the exit code says so then.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, BufWriter, Cursor, Read, Write};
use std::thread;

use imds::Client;
use imds::model::ErrorKind;
use imds_template::{Grammar, Key, Lookup, Missing, StandIn, StreamError, Values, resolve_stream};
use tokio::sync::{mpsc, oneshot};

use super::answers::{Answers, Needs};
use super::document::{Asked, identity};
use super::inputs::Input;
use super::{Order, Report, report};
use crate::exit::Ending;
use crate::messages::Messages;
use crate::output::Output;

/// So much is handed over at once.
const PIECE: usize = 256 * 1024;
/// So many pieces may wait for stdout.
const WAITING: usize = 4;

/// What the thread has to say.
enum Event {
    /// It needs a value.
    Asks(Key, oneshot::Sender<Lookup>),
    /// This is to be printed.
    Prints(Vec<u8>),
    /// It is done.
    Ends(Result<Vec<StandIn>, StreamError>),
}

/// Resolves what was read of stdin and what follows.
pub(super) async fn run(
    order: &Order<'_>,
    input: &Input,
    start: Vec<u8>,
    client: &Client,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let mut report = Report::new(messages);
    let mut answers = Answers::new(client);
    // The start tells most of what will be needed, so that one read is enough for most. Its last placeholder may be cut,
    // and whatever is wrong with it will be found again.
    let asked = Asked::default();
    let _ = resolve_stream(&mut start.as_slice(), &mut io::sink(), &asked, Missing::Error, &order.grammar);
    answers.fetch(&Needs::of(&asked.keys()), messages).await?;

    let (sender, mut events) = mpsc::channel(WAITING);
    let (missing, grammar) = (order.missing(), order.grammar.clone());
    thread::spawn(move || read(start, missing, &grammar, &sender));
    let mut ended = None;
    while let Some(event) = events.recv().await {
        match event {
            Event::Asks(key, answer) => {
                answers.fetch(&Needs::of(std::slice::from_ref(&key)), messages).await?;
                // A thread that doesn't listen any more has died, and that ends the loop.
                let _ = answer.send(answers.lookup(&key));
            }
            // Who reads stdout may have seen enough; the thread isn't waited for then.
            Event::Prints(piece) => output.bytes(&piece)?,
            Event::Ends(result) => ended = Some(result),
        }
    }
    match ended {
        Some(Ok(stand_ins)) => report::tell(input, &stand_ins, order.dialect(), messages),
        Some(Err(error)) => {
            report.trouble(input, error.into())?;
            messages.warning("what was printed isn't complete", None);
        }
        None => return Err(imds::Error::new(ErrorKind::Internal, "the stream ended without a result").into()),
    }
    Ok(report.code())
}

/// The thread.
fn read(start: Vec<u8>, missing: Missing, grammar: &Grammar, sender: &mpsc::Sender<Event>) {
    let mut reader = Cursor::new(start).chain(io::stdin().lock());
    let mut writer = BufWriter::with_capacity(PIECE, Printer(sender.clone()));
    let values = Asking { sender: sender.clone(), known: RefCell::default() };
    let result = resolve_stream(&mut reader, &mut writer, &values, missing, grammar);
    let flushed = writer.flush();
    let result = result.and_then(|stand_ins| match flushed {
        Ok(()) => Ok(stand_ins),
        Err(error) => Err(StreamError::Write(error)),
    });
    // Nobody listens only when nobody wants it any more.
    let _ = sender.blocking_send(Event::Ends(result));
}

/// Hands over what is to be printed.
struct Printer(mpsc::Sender<Event>);

impl Write for Printer {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Event::Prints(piece.to_vec())).map_err(gone)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Asks for values, each once.
struct Asking {
    sender: mpsc::Sender<Event>,
    known: RefCell<HashMap<String, Lookup>>,
}

impl Values for Asking {
    fn lookup(&self, key: &Key) -> Lookup {
        let identity = identity(key);
        if let Some(known) = self.known.borrow().get(&identity) {
            return known.clone();
        }
        let (answer, answered) = oneshot::channel();
        let lookup = match self.sender.blocking_send(Event::Asks(key.clone(), answer)) {
            Ok(()) => answered.blocking_recv().ok(),
            Err(_) => None,
        };
        let lookup = lookup.unwrap_or_else(|| {
            Lookup::Failed(imds::Error::new(ErrorKind::Internal, "nobody answers any more"))
        });
        self.known.borrow_mut().insert(identity, lookup.clone());
        lookup
    }
}
