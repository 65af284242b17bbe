//! The values that placeholders ask for: all of them in one read.

use std::collections::HashMap;

use imds::model::{ErrorKind, Metadata, Reading};
use imds::{Client, Error, Field};
use imds_template::{Key, Lookup, Values};
use tokio::task::JoinSet;

use crate::messages::Messages;

/// So many paths are asked for at the same time.
const AT_ONCE: usize = 8;

/// What has to be asked for.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Fields, each once.
    pub(super) fields: Vec<Field>,
    /// Paths of the service, each once.
    pub(super) paths: Vec<String>,
}

impl Needs {
    /// What these keys need.
    pub(super) fn of(keys: &[Key]) -> Self {
        let mut needs = Self::default();
        for key in keys {
            needs.add_all(match key {
                Key::Path(path) => Self { fields: Vec::new(), paths: vec![path.clone()] },
                key => Self { fields: key.field().into_iter().collect(), paths: Vec::new() },
            });
        }
        needs
    }

    /// Adds what others need.
    pub(super) fn add_all(&mut self, more: Self) {
        for field in more.fields {
            if !self.fields.contains(&field) {
                self.fields.push(field);
            }
        }
        for path in more.paths {
            if !self.paths.contains(&path) {
                self.paths.push(path);
            }
        }
    }
}

/// What was answered.
pub(super) struct Answers<'c> {
    client: &'c Client,
    reads: Vec<(Vec<Field>, Result<Metadata, Error>)>,
    paths: HashMap<String, Result<String, Error>>,
}

impl<'c> Answers<'c> {
    /// Nothing yet.
    pub(super) fn new(client: &'c Client) -> Self {
        Self { client, reads: Vec::new(), paths: HashMap::new() }
    }

    /// Asks for what isn't known yet. Asks nobody where that is nothing.
    ///
    /// # Errors
    /// `ErrorKind::Usage` for settings that can't be used. Whatever else goes wrong is an answer.
    pub(super) async fn fetch(&mut self, needs: &Needs, messages: &Messages) -> Result<(), Error> {
        let mut fields = needs.fields.clone();
        fields.retain(|field| self.read(*field).is_none());
        let mut trouble = None;
        if !fields.is_empty() {
            let read = self.client.read(&fields).await;
            match &read {
                Err(error) if matches!(error.kind(), ErrorKind::Usage | ErrorKind::Internal) => {
                    return Err(error.clone());
                }
                Err(error) => trouble = Some(error.clone()),
                Ok(metadata) => {
                    tell_doubts(metadata, messages);
                    trouble = metadata.failure().filter(|failure| !failure.is_absent()).cloned();
                }
            }
            self.reads.push((fields, read));
        }
        let mut paths = needs.paths.clone();
        paths.retain(|path| !self.paths.contains_key(path));
        match trouble {
            // Who couldn't be asked a moment ago needn't be asked again.
            Some(error) => self.paths.extend(paths.into_iter().map(|path| (path, Err(error.clone())))),
            None => self.ask(paths).await,
        }
        for warning in self.client.warnings() {
            messages.warning(&warning, None);
        }
        Ok(())
    }

    async fn ask(&mut self, paths: Vec<String>) {
        let mut paths = paths.into_iter();
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < AT_ONCE
                && let Some(path) = paths.next()
            {
                let client = self.client.clone();
                asked.spawn(async move {
                    let answer = client.raw(&path, false).await;
                    (path, answer)
                });
            }
            match asked.join_next().await {
                Some(Ok((path, answer))) => drop(self.paths.insert(path, as_text(answer))),
                // A task that died leaves its path unanswered, and that is an error of ours.
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    fn read(&self, field: Field) -> Option<&Result<Metadata, Error>> {
        self.reads.iter().find(|(fields, _)| fields.contains(&field)).map(|(_, read)| read)
    }

    /// Whether all these have values.
    pub(super) fn know_all(&self, keys: &[Key]) -> bool {
        keys.iter().all(|key| matches!(self.lookup(key), Lookup::Value(_)))
    }
}

impl Values for Answers<'_> {
    fn lookup(&self, key: &Key) -> Lookup {
        let unasked = || Lookup::Failed(Error::new(ErrorKind::Internal, "nobody was asked for this"));
        let Some(field) = key.field() else {
            let Key::Path(path) = key else { return unasked() };
            return match self.paths.get(path) {
                Some(Ok(text)) => Lookup::Value(text.clone()),
                Some(Err(error)) => Lookup::Failed(error.clone()),
                None => unasked(),
            };
        };
        match self.read(field) {
            Some(Ok(metadata)) => metadata.lookup(key),
            Some(Err(error)) => Lookup::Failed(error.clone()),
            None => unasked(),
        }
    }
}

/// What the service answered, if a placeholder can stand for it.
fn as_text(answer: Result<Vec<u8>, Error>) -> Result<String, Error> {
    match answer {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::Malformed, "what the service answers isn't text")),
        // Here is no such option as the library's remedy names.
        Err(error) if error.kind() == ErrorKind::Secret => {
            let refusal = Error::new(ErrorKind::Secret, error.message())
                .with_path(error.path().unwrap_or_default())
                .with_remedy("secrets are never rendered; have the program that needs it ask for it itself");
            Err(match error.cloud() {
                Some(cloud) => refusal.with_cloud(cloud),
                None => refusal,
            })
        }
        Err(error) => Err(error),
    }
}

/// What should be known about values that are used all the same.
fn tell_doubts(metadata: &Metadata, messages: &Messages) {
    for warning in metadata.warnings() {
        messages.warning(warning, None);
    }
    for (field, reading) in metadata.readings() {
        if let Reading::Known { source, trouble: Some(trouble), .. } = reading {
            messages.doubtful(field.name(), source, trouble);
        }
    }
}
