//! Requests: reads the documents of a plan, all of a stage at once.

use std::sync::Arc;

use hyper::header::CONTENT_TYPE;
use imds_model::{Error, ErrorKind};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::documents::lookup;
use super::{Documents, Plan, json, records};
use crate::clouds::description::{Document, Format, InterfaceRule};
use crate::clouds::is_built_in;
use crate::detect::probe;
use crate::secrets::{Path, Ruling};
use crate::service::Service;
use crate::task::task;
use crate::transport::{Answer, Deadline};

/// More entries than any listing of tags or interfaces has; the rest of a larger one is an attack or a mistake.
const ENTRY_LIMIT: usize = 1000;
/// Longer than any single value that is asked for.
const PLAIN_LIMIT: usize = 16 * 1024;

/// Reads every document of the plan. What fails, fails alone.
///
/// A page that answers 200 to everything mustn't become a host name or a tag. JSON that holds nothing of the cloud's
/// own is refused as it is read; plain words are believed only from a service that showed itself by a token or a header,
/// or whose identifying document is what it should be.
pub(crate) async fn documents(service: &Arc<Service>, plan: &Plan, deadline: Deadline) -> Documents {
    let description = service.description();
    let mut running = JoinSet::new();
    for name in &plan.documents {
        let Some(document) = description.documents.get(name) else { continue };
        let (service, name) = (Arc::clone(service), *name);
        running.spawn(task(async move { (name, read(&service, name, document, deadline).await) }));
    }
    let mut documents = Documents::new(description, service.cloud().clone());
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((name, content)) => documents.insert(name, content),
            Err(error) => tracing::error!(%error, "reading a document ended early"),
        }
    }
    documents.set_by_imdsd(service.is_asked_through_imdsd());
    let plain = |name: &str| description.documents.get(name).is_some_and(|it| it.format != Format::Json);
    // An identifying document in JSON that was read shows the service by what it holds.
    let shown_by_document = documents
        .read()
        .any(|name| !plain(name) && description.probe.as_ref().is_some_and(|probe| *probe.document == *name));
    if !shown_by_document
        && !service.has_shown_itself()
        && documents.read().any(plain)
        && let Err(error) = probe::identify(service, deadline).await
        && matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge)
    {
        documents.disbelieve(&error);
    }
    documents.refuse(|path| service.is_shut(path));
    documents
}

async fn read(
    service: &Arc<Service>,
    name: &str,
    document: &'static Document,
    deadline: Deadline,
) -> Result<Value, Error> {
    let answer = service.get(&document.path, document, deadline).await.map_err(|error| {
        match (&document.when_absent, error.is_absent()) {
            (Some(remedy), true) => error.with_remedy(remedy.to_string()),
            _ => error,
        }
    })?;
    let content = match document.format {
        Format::Plain => plain(service, &document.path, &answer).map(Value::String)?,
        Format::Json => json(service, document, &answer)?,
        Format::Records => records::parse(&plain(service, &document.path, &answer)?)
            .ok_or_else(|| service.malformed(&document.path, "the answer isn't made of records"))?,
        Format::Tree => tree(service, document, &plain(service, &document.path, &answer)?, deadline).await?,
    };
    resembles(service, name, document, &content)?;
    Ok(content)
}

fn json(service: &Service, document: &Document, answer: &Answer) -> Result<Value, Error> {
    let malformed = || service.malformed(&document.path, "the answer isn't the JSON that it should be");
    let content =
        json::parse(&answer.body, &document.omit).map_err(|error| malformed().with_source(error))?;
    // No cloud's document is a bare number or word, or a list of such lists.
    let is_document = match &content {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().all(|item| item.is_object() || item.is_string()),
        _ => false,
    };
    if is_document { Ok(content) } else { Err(malformed()) }
}

/// Refuses an identifying document that isn't this cloud's: JSON in which not one of the places that fields are read from
/// holds anything, a plain value of another form. JSON that lacks a part, or has one of an unusual form, is read for what
/// it has: it may come from a clone of the service, which the user named.
fn resembles(service: &Service, name: &str, document: &Document, content: &Value) -> Result<(), Error> {
    let cloud = service.description();
    let Some(probe) = cloud.probe.as_ref().filter(|probe| *probe.document == *name) else { return Ok(()) };
    let proves = || {
        probe
            .require
            .iter()
            .all(|(pointer, syntax)| lookup(content, pointer).iter().any(|(value, _)| syntax.fits(value)))
    };
    let resembles = match document.format {
        Format::Json => {
            let places = cloud.fields.iter().flat_map(|(_, rule)| rule.from.iter());
            let places =
                places.map(|place| &**place).chain(cloud.interfaces.iter().map(InterfaceRule::place));
            let places = places.map(Documents::split).filter(|(document, _)| *document == name);
            // The document as a whole is always there.
            let mut pointers = places.map(|(_, pointer)| pointer).filter(|pointer| !pointer.is_empty());
            pointers.any(|pointer| !lookup(content, pointer).is_empty()) || proves()
        }
        Format::Plain | Format::Tree | Format::Records => proves(),
    };
    if resembles {
        return Ok(());
    }
    let why = format!("the answer holds nothing that {} says here", &*cloud.title);
    Err(service.malformed(&document.path, why))
}

/// One value as text. What is no text of a metadata service (a web page, binary data) is refused here, before anyone
/// could take it for a value.
fn plain(service: &Service, path: &str, answer: &Answer) -> Result<String, Error> {
    let html = answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let text = std::str::from_utf8(&answer.body)
        .map_err(|error| service.malformed(path, "the answer isn't text").with_source(error))?;
    if html || is_page(text) {
        return Err(service.malformed(path, "the answer is a web page, not a value"));
    }
    if text.len() > PLAIN_LIMIT || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(service.malformed(path, "the answer is no plain value"));
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Whether it begins as web pages and XML do. A tag may well be `<none>`.
fn is_page(text: &str) -> bool {
    let start = text.trim_start().as_bytes();
    let begins =
        |with: &str| start.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()));
    ["<!doctype", "<html", "<head", "<body", "<?xml"].into_iter().any(begins)
}

/// What was found below a listing.
enum Found {
    /// The leaves that an entry has.
    Leaves(String, Result<Vec<&'static str>, Error>),
    /// What an entry says, or a leaf of it.
    Content(String, Option<&'static str>, Result<String, Error>),
}

/// A listing and what lies below its entries, as one object. A leaf that is absent is left out; any other failure fails
/// the whole, because half a list of tags or interfaces looks like a whole one.
async fn tree(
    service: &Arc<Service>,
    document: &'static Document,
    listing: &str,
    deadline: Deadline,
) -> Result<Value, Error> {
    if listing.trim_start().starts_with(['{', '[']) {
        return Err(service.malformed(&document.path, "the answer is JSON, not a listing"));
    }
    // Where the entries are values themselves, one that ends in a slash is a folder and none of them.
    let values = document.leaves.is_empty();
    let mut entries: Vec<&str> = entries(listing, |line| !(values && line.ends_with('/'))).collect();
    if entries.len() > ENTRY_LIMIT {
        return Err(service.malformed(&document.path, format!("the listing has {} entries", entries.len())));
    }
    let names = entries.clone();
    entries.retain(|entry| document.covered.get(entry).is_none_or(|other| !names.contains(&&**other)));
    let mut running = JoinSet::new();
    let ask = |running: &mut JoinSet<Found>, entry: &str, leaf: Option<&'static str>| {
        let (service, entry) = (Arc::clone(service), entry.to_owned());
        running.spawn(task(async move {
            let content = self::leaf(&service, document, &entry, leaf, deadline).await;
            Found::Content(entry, leaf, content)
        }));
    };
    // Of a single entry everything is asked at once: that takes a round trip less, and rarely a request more.
    let lists_first = document.listed && entries.len() > 1;
    for entry in entries {
        if values {
            ask(&mut running, entry, None);
        } else if lists_first {
            let (service, entry) = (Arc::clone(service), entry.to_owned());
            running.spawn(task(async move {
                let leaves = leaves_of(&service, document, &entry, deadline).await;
                Found::Leaves(entry, leaves)
            }));
        } else {
            document.leaves.iter().for_each(|leaf| ask(&mut running, entry, Some(leaf)));
        }
    }
    let mut object = Map::new();
    while let Some(ended) = running.join_next().await {
        let found = ended.map_err(|error| {
            Error::new(ErrorKind::Internal, "reading a value ended early").with_source(error)
        })?;
        let (entry, leaf, content) = match found {
            Found::Content(entry, leaf, content) => (entry, leaf, content),
            Found::Leaves(entry, leaves) => {
                leaves?.into_iter().for_each(|leaf| ask(&mut running, &entry, Some(leaf)));
                continue;
            }
        };
        match (leaf, content) {
            (None, Ok(text)) => {
                object.insert(entry, Value::String(text));
            }
            (Some(leaf), content) => {
                let members = object.entry(entry).or_insert_with(|| Value::Object(Map::new()));
                match (members, content) {
                    (Value::Object(members), Ok(text)) => {
                        members.insert(leaf.to_owned(), Value::String(text));
                    }
                    (_, Err(error)) if !error.is_absent() => return Err(error),
                    _ => {}
                }
            }
            (None, Err(error)) if error.is_absent() => {}
            (None, Err(error)) => return Err(error),
        }
    }
    Ok(Value::Object(object))
}

/// The entries of a listing, without the slash that some end in.
fn entries(listing: &str, meant: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let lines = listing.lines().map(str::trim).filter(move |line| meant(line));
    lines.map(|line| line.trim_end_matches('/')).filter(|entry| !entry.is_empty())
}

/// The leaves that an entry has, as it lists them; all, where it lists nothing.
async fn leaves_of(
    service: &Arc<Service>,
    document: &'static Document,
    entry: &str,
    deadline: Deadline,
) -> Result<Vec<&'static str>, Error> {
    let wanted = document.leaves.iter().map(|leaf| &**leaf);
    match leaf(service, document, entry, Some(""), deadline).await {
        Ok(listing) => {
            let there: Vec<&str> = entries(&listing, |_| true).collect();
            Ok(wanted.filter(|leaf| there.contains(leaf)).collect())
        }
        Err(error) if error.is_absent() => Ok(wanted.collect()),
        Err(error) => Err(error),
    }
}

async fn leaf(
    service: &Arc<Service>,
    document: &'static Document,
    entry: &str,
    leaf: Option<&str>,
    deadline: Deadline,
) -> Result<String, Error> {
    let mut path = format!("{}{}", &*document.path, segment(entry));
    if let Some(leaf) = leaf {
        path = format!("{path}/{leaf}");
    }
    // A user's description may list a folder in which there are secrets among other things: they aren't asked for.
    if !is_built_in(service.description())
        && Path::parse(&path).is_ok_and(|path| path.judge(service.description()) == Ruling::Secret)
    {
        return Err(Error::new(ErrorKind::Absent, "this is a secret, which isn't asked for").with_path(path));
    }
    let answer = service.get(&path, document, deadline).await?;
    plain(service, &path, &answer)
}

/// Percent-encodes what came from the service as one segment of a path, so that no tag key can lead elsewhere.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'~'
            | b':'
            | b'@'
            | b'='
            | b'+'
            | b',' => {
                encoded.push(byte.into());
            }
            // `.` alone or twice would mean another folder.
            b'.' if !text.trim_matches('.').is_empty() => encoded.push('.'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_segment_whatever_it_holds() {
        for (key, encoded) in [
            ("Name", "Name"),
            ("aws:autoscaling:groupName", "aws:autoscaling:groupName"),
            ("06:1a:2b:3c:4d:5e", "06:1a:2b:3c:4d:5e"),
            ("team.cost:center", "team.cost:center"),
            ("a=b,c@d+e", "a=b,c@d+e"),
            ("a/b c", "a%2Fb%20c"),
            ("..", "%2E%2E"),
            ("?x#y%", "%3Fx%23y%25"),
            ("ü\r\n", "%C3%BC%0D%0A"),
        ] {
            assert_eq!(segment(key), encoded);
        }
    }
}
