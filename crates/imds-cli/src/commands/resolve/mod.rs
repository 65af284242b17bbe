//! `imds resolve`: placeholders in configuration files.
//!
//! Everything is found out before anything is written: `inputs` says which files are meant and where their results go,
//! `content` reads them, `document` finds their placeholders, `answers` asks for all their values in one read, and only
//! when every file is resolved the first result goes out. `report` says what went wrong and what stands in, `list` is
//! `--list`, `host` is what `--dialect` asks the machine, and `stream` is for text from stdin that is too long to be kept.

mod answers;
mod content;
mod document;
mod host;
mod inputs;
mod list;
mod report;
mod stream;

use std::io;

use imds::{Config, Error};
use imds_files::{Produce, Target, Written};
use imds_template::{Format, Grammar, Missing, StandIn};

use crate::args::{Dialect, MissingPolicy, Resolve};
use crate::exit::{DONE, Ending, Failure};
use crate::messages::Messages;
use crate::output::Output;
use crate::settings::Session;

use answers::{Answers, Needs};
use content::Content;
use document::{Document, Text};
use inputs::Input;
use report::Report;

pub(super) use list::list;

/// What is to be done, understood but not begun.
pub(super) struct Order<'a> {
    arguments: &'a Resolve,
    inputs: Vec<Input>,
    grammar: Grammar,
    /// The clouds whose names and secret paths count.
    known: Config,
}

/// Understands the options, and finds the files. Contacts nothing.
///
/// # Errors
/// `ErrorKind::Usage`, naming the option or the file.
pub(super) fn prepare(arguments: &Resolve, known: Config) -> Result<Order<'_>, Error> {
    let grammar = Grammar::default().with_clouds(known.clouds().into_iter().map(|cloud| cloud.name));
    Ok(Order { arguments, inputs: inputs::find(arguments)?, grammar, known })
}

impl Order<'_> {
    fn missing(&self) -> Missing {
        match self.arguments.missing {
            MissingPolicy::Error => Missing::Error,
            MissingPolicy::Keep => Missing::Keep,
            MissingPolicy::Empty => Missing::Empty,
            MissingPolicy::Drop => Missing::Drop,
        }
    }

    fn dialect(&self) -> Option<Dialect> {
        self.arguments.dialect
    }

    /// Whether results go to stdout as they are: such a one needn't be kept as a whole.
    fn prints(&self) -> bool {
        let to_stdout = self.inputs.iter().all(|input| input.target.is_none());
        to_stdout && !self.arguments.diff && !self.arguments.list
    }

    /// Whether the only result goes into a file of its own: text needn't be kept as a whole then, either. Of several, one
    /// could be written where another is read from, and so could one that is written in place.
    fn writes_beside(&self) -> bool {
        let beside = |input: &Input| {
            input.file.is_some() && input.target.as_ref().is_some_and(|target| !target.in_place_inode)
        };
        !self.arguments.diff && !self.arguments.list && matches!(&*self.inputs, [only] if beside(only))
    }

    /// Reads the inputs.
    fn load(&self) -> Result<Vec<Content>, Error> {
        let in_pieces = self.prints() || self.writes_beside();
        let load = |input: &Input| Content::load(input, in_pieces && input.format == Format::Text);
        self.inputs.iter().map(load).collect()
    }

    /// Finds the placeholders; nothing if that went wrong anywhere, which the report knows then.
    fn parse<'s>(
        &'s self,
        contents: &'s [Content],
        report: &mut Report<'_>,
    ) -> Result<Option<Vec<Document<'s>>>, Failure> {
        let mut documents = Vec::new();
        for (input, content) in self.inputs.iter().zip(contents) {
            match Document::parse(content, input.format, self) {
                Ok(document) => documents.push(document),
                Err(trouble) => report.trouble(input, trouble)?,
            }
        }
        Ok((documents.len() == contents.len()).then_some(documents))
    }
}

pub(super) async fn run(
    order: &Order<'_>,
    session: &Session,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let mut contents = order.load()?;
    if let ([input], [Content::Start(start)]) = (&*order.inputs, &mut *contents) {
        let start = std::mem::take(start);
        return stream::run(order, input, start, &session.client, messages, output).await;
    }
    let mut report = Report::new(messages);
    let Some(documents) = order.parse(&contents, &mut report)? else { return Ok(report.code()) };
    let mut needs = Needs::default();
    for document in &documents {
        needs.add_all(document.needs());
    }
    let mut answers = Answers::new(&session.client);
    answers.fetch(&needs, messages).await?;
    if order.prints() {
        return print(order, &documents, &answers, messages, output);
    }
    let mut results = Vec::new();
    for ((input, content), document) in order.inputs.iter().zip(&contents).zip(&documents) {
        let resolved = match document {
            // Resolved once to see whether it can be, and once more while it is written.
            Document::Text { text, .. } if order.writes_beside() => text
                .resolve(&mut io::sink(), &answers, order.missing())
                .map(|stand_ins| {
                    (Outcome::Again(Again { text, answers: &answers, missing: order.missing() }), stand_ins)
                })
                .map_err(Into::into),
            _ => {
                document.resolve(&answers, order.missing()).map(|(whole, told)| (Outcome::Whole(whole), told))
            }
        };
        match resolved {
            Ok((result, stand_ins)) => results.push((input, content, result, stand_ins)),
            Err(trouble) => report.trouble(input, trouble)?,
        }
    }
    if report.has_failed() {
        return Ok(report.code());
    }
    for (input, _, _, stand_ins) in &results {
        report::tell(input, stand_ins, order.dialect(), messages);
    }
    if order.arguments.diff {
        for (input, content, result, _) in &results {
            if let Outcome::Whole(whole) = result {
                output.text(&difference(input, content, whole)?)?;
            }
        }
        return Ok(DONE);
    }
    // All or none: a check that refuses the last leaves the first as it was.
    let files: Vec<(&Target, &dyn Produce)> = results
        .iter()
        .filter_map(|(input, _, result, _)| Some((input.target.as_ref()?, result as &dyn Produce)))
        .collect();
    for ((target, _), written) in files.iter().zip(imds_files::replace_all(&files)?) {
        if let Written::Changed { warning: Some(warning) } = written {
            messages.warning(&format!("{}: {warning}", target.path.display()), None);
        }
    }
    Ok(DONE)
}

/// A result: whole, or to be had again.
enum Outcome<'a> {
    Whole(Vec<u8>),
    Again(Again<'a>),
}

/// Text that is resolved each time it is written.
struct Again<'a> {
    text: &'a Text<'a>,
    answers: &'a Answers<'a>,
    missing: Missing,
}

impl Produce for Outcome<'_> {
    fn produce(&self, writer: &mut dyn io::Write) -> io::Result<()> {
        match self {
            Self::Whole(whole) => writer.write_all(whole),
            Self::Again(Again { text, answers, missing }) => {
                // It resolved a moment ago; a file that was changed since may not.
                text.resolve(writer, *answers, *missing).map(|_| ()).map_err(io::Error::other)
            }
        }
    }
}

/// What would change: in the target, or where there is none in the source itself.
fn difference(input: &Input, content: &Content, result: &[u8]) -> Result<String, Error> {
    match &input.target {
        Some(target) => Ok(imds_files::diff(imds_files::current(target)?.as_deref(), result, &target.path)),
        None => Ok(imds_files::diff(Some(content.bytes()), result, &input.path())),
    }
}

/// The only result, to stdout. Text isn't kept as a whole: it is resolved once to see whether it can be (where that isn't
/// certain anyway), and once more while it is printed.
fn print(
    order: &Order<'_>,
    documents: &[Document<'_>],
    answers: &Answers<'_>,
    messages: &Messages,
    output: &mut Output,
) -> Ending {
    let mut report = Report::new(messages);
    for (input, document) in order.inputs.iter().zip(documents) {
        let told = |stand_ins: &[StandIn]| report::tell(input, stand_ins, order.dialect(), messages);
        let Document::Text { text, keys, .. } = document else {
            match document.resolve(answers, order.missing()) {
                Ok((result, stand_ins)) => {
                    told(&stand_ins);
                    output.bytes(&result)?;
                }
                Err(trouble) => report.trouble(input, trouble)?,
            }
            continue;
        };
        if !answers.know_all(keys) {
            match text.resolve(&mut io::sink(), answers, order.missing()) {
                Ok(stand_ins) => told(&stand_ins),
                Err(error) => {
                    report.trouble(input, error.into())?;
                    continue;
                }
            }
        }
        if let Err(error) = output.written(|writer| text.resolve(writer, answers, order.missing()))? {
            report.trouble(input, error.into())?;
        }
    }
    Ok(report.code())
}
