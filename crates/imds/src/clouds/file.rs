//! Clouds that the user describes, in TOML of the built-in ones' own shape.
//!
//! [`check`] knows what such a file may say, [`secrecy`] what it can't open, [`place`] where in it something is said. What is read lives as long as the
//! process, like the built-in descriptions: a text that was read before isn't kept twice, so that reading the same files
//! again and again (a daemon that reloads) takes no memory.

mod check;
mod place;
mod secrecy;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use imds_model::field::nearest;
use imds_model::{Error, ErrorKind};
use toml::de::DeTable;

use super::description::{Description, Mistake};
use super::reading::{self, Unreadable};
use super::{CLOUDS, Clouds, NODES};

/// No description is longer; a longer file is something else.
const LENGTH_LIMIT: u64 = 1024 * 1024;
/// So many mistakes of a file are told at once.
const TOLD: usize = 8;
/// What helps where nothing better is known.
const REMEDY: &str =
    "`imds clouds --export NAME` prints a description that can be read, and docs/cloud-files.md explains it";

/// What was given to be read.
#[derive(Clone, Debug)]
pub(crate) enum Described {
    /// A text, and where it comes from.
    Text(String, String),
    /// A file, or a directory whose `*.toml` are meant.
    Path(PathBuf),
}

/// Everything that was wrong with a file, the first place first.
#[derive(Debug)]
struct Wrong {
    /// The byte at which it starts.
    offset: usize,
    what: String,
    remedy: Option<String>,
}

/// These clouds with those that are described, in the order in which they were given.
///
/// # Errors
/// [`ErrorKind::Usage`], with `FILE:LINE:COLUMN` and the remedy, for what can't be read or can't be meant.
pub(crate) fn add(mut known: Clouds, described: &[Described]) -> Result<Clouds, Error> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for one in described {
        match one {
            Described::Text(text, origin) => texts.push((text.clone(), origin.clone())),
            Described::Path(path) => texts.extend(read(path)?),
        }
    }
    let mut added: Vec<(&'static Description, &(String, String))> = Vec::new();
    for given in &texts {
        // The same file by two ways (a setting and an option) is one.
        if added.iter().any(|(_, earlier)| earlier.0 == given.0) {
            continue;
        }
        let (text, origin) = given;
        let described = |name: &str| {
            added.iter().find(|(cloud, _)| *cloud.name == *name).map(|(_, (_, origin))| origin.as_str())
        };
        let description = understand(&known, described, text).map_err(|wrong| told(text, origin, &wrong))?;
        known = known.with(description);
        added.push((description, given));
    }
    Ok(known)
}

/// The texts at a path, each with its file.
fn read(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let unreadable = |path: &Path, error: io::Error| {
        Error::new(ErrorKind::Usage, format!("the cloud's description can't be read: {error}"))
            .with_path(path.display().to_string())
            .with_remedy("name a TOML file, or a directory of such files")
    };
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(|error| unreadable(path, error))?;
        // Editors leave hidden files beside the one that they edit.
        let hidden =
            |file: &Path| file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml") && !hidden(file));
        files.sort();
    }
    let text_of = |file: PathBuf| {
        let mut text = String::new();
        let read =
            fs::File::open(&file).and_then(|open| open.take(LENGTH_LIMIT + 1).read_to_string(&mut text));
        match read {
            Ok(length) if length as u64 > LENGTH_LIMIT => {
                Err(unreadable(&file, io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 1 MiB")))
            }
            Ok(_) => Ok((text, file.display().to_string())),
            Err(error) => Err(unreadable(&file, error)),
        }
    };
    files.into_iter().map(text_of).collect()
}

/// Reads a description, and holds it to everything that a user's has to keep.
fn understand<'o>(
    known: &Clouds,
    described: impl Fn(&str) -> Option<&'o str>,
    text: &str,
) -> Result<&'static Description, Vec<Wrong>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(by_parser).collect());
    }
    let own: Description = reading::read(document.clone()).map_err(|error| vec![unreadable(error)])?;
    let mut mistakes = check::own(&own, known);
    if let Some(origin) = described(&own.name) {
        mistakes.push(mistake(&["name"], format!("{:?} is described by {origin} already", &*own.name)));
    }
    let built_in = CLOUDS.iter().chain(NODES.iter()).find(|cloud| cloud.name == own.name);
    let base = match own.based_on.as_deref().map(|base| (base, known.find(base))) {
        Some((_, Some(base))) => Some(base),
        Some((base, None)) => {
            let near = nearest(base, known.iter().map(|cloud| &*cloud.name));
            mistakes.push(mistake(&["based_on"], format!("no cloud is called {base:?}")).hint(near));
            None
        }
        None => None,
    };
    let mut whole = own.clone();
    if let Some(base) = base {
        whole = whole.on(base);
    }
    if let Some(built_in) = built_in {
        whole.keep_secrets_of(built_in);
    }
    // What its base has is missing without it.
    if own.based_on.is_none() || base.is_some() {
        mistakes.extend(whole.mistakes().into_iter().map(check::Finding::from));
        mistakes.extend(secrecy::secrets(&mut whole));
    }
    if !mistakes.is_empty() {
        let wrong = mistakes.into_iter().map(|finding| {
            let check::Finding { mistake: Mistake { at, about, what }, remedy } = finding;
            Wrong { offset: place::find(document.get_ref(), &at, about.as_deref()), what, remedy }
        });
        return Err(wrong.collect());
    }
    Ok(keep(text, base, whole))
}

fn mistake(at: &[&str], what: String) -> check::Finding {
    check::Finding::from(Mistake::new(at, what))
}

/// What the parser says.
fn by_parser(error: &toml::de::Error) -> Wrong {
    let offset = error.span().map_or(0, |span| span.start);
    Wrong { offset, what: error.message().replace('\n', ", "), remedy: None }
}

/// What isn't of the shape, with what is near.
fn unreadable(Unreadable { offset, what, unknown }: Unreadable) -> Wrong {
    let remedy = unknown.map(|(word, known)| match nearest(&word, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known here: {}", known.join(", ")),
    });
    Wrong { offset, what, remedy }
}

/// All of it as one error, at the place of the first.
fn told(text: &str, origin: &str, wrong: &[Wrong]) -> Error {
    let mut wrong: Vec<&Wrong> = wrong.iter().collect();
    wrong.sort_by_key(|wrong| wrong.offset);
    let place = |wrong: &Wrong| format!("{origin}:{}", place::position(text, wrong.offset));
    let mut message = String::new();
    for (index, one) in wrong.iter().take(TOLD).enumerate() {
        match index {
            0 => message.push_str(&one.what),
            _ => message.push_str(&format!("; {}: {}", place(one), one.what)),
        }
    }
    if wrong.len() > TOLD {
        message.push_str(&format!("; and {} more", wrong.len() - TOLD));
    }
    let remedy = wrong.iter().find_map(|wrong| wrong.remedy.clone()).unwrap_or_else(|| REMEDY.to_owned());
    let error = Error::new(ErrorKind::Usage, message).with_remedy(remedy);
    wrong.first().map_or(error.clone(), |first| error.with_path(place(first)))
}

/// A description that was kept, and what it was made of.
#[derive(Debug)]
struct Kept {
    text: String,
    base: Option<&'static Description>,
    description: &'static Description,
}

/// Everything that was ever read.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The description for the life of the process. The same text on the same base is kept once.
fn keep(text: &str, base: Option<&'static Description>, description: Description) -> &'static Description {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |kept: &&Kept| {
        kept.text == text
            && match (kept.base, base) {
                (Some(one), Some(other)) => std::ptr::eq(one, other),
                (None, None) => true,
                _ => false,
            }
    };
    if let Some(known) = kept.iter().find(same) {
        return known.description;
    }
    let description: &'static Description = Box::leak(Box::new(description));
    kept.push(Kept { text: text.to_owned(), base, description });
    description
}

#[cfg(test)]
mod tests;
