//! What a watcher is told, and when.
//!
//! A watcher holds no queue. Whenever there is room to tell it something, what is known *then* is compared with what it was
//! told last: one that is slow misses steps in between and never the latest.

use std::fmt::Write;
use std::sync::Arc;

use imds::{Field, Metadata};
use serde_json::Value as Json;

use super::Announced;
use super::answer::Shown;
use crate::store::View;

/// Told first: how long a client shall pause before it connects again (milliseconds).
const GREETING: &str = "retry: 1000\n\n";
/// A comment that shows either side that the other one is still there.
pub const HEARTBEAT: &str = ": still here\n\n";

/// One watcher.
#[derive(Debug)]
pub struct Watch {
    era: String,
    seen: Vec<Field>,
    denied: Vec<Field>,
    events: bool,
    greeted: bool,
    /// The id of the last event that it heard on an earlier connection.
    last_id: Option<String>,
    told: Option<Told>,
    told_events: Option<Arc<Announced>>,
}

#[derive(Debug)]
struct Told {
    view: Arc<View>,
}

impl Watch {
    pub(crate) fn new(
        era: String,
        seen: Vec<Field>,
        denied: Vec<Field>,
        events: bool,
        last_id: Option<&str>,
    ) -> Self {
        Self {
            era,
            seen,
            denied,
            events,
            greeted: false,
            last_id: last_id.map(str::to_owned),
            told: None,
            told_events: None,
        }
    }

    /// What is to be told now, as server-sent events; nothing where it heard everything that it may hear.
    pub fn next(&mut self, view: &Arc<View>, events: &Arc<Announced>) -> Option<String> {
        let mut text = String::new();
        if !self.greeted {
            self.greeted = true;
            text.push_str(GREETING);
        }
        self.tell_metadata(view, &mut text);
        if self.events {
            let before = self.told_events.replace(Arc::clone(events));
            // How earlier events ended is no news to somebody who never heard of them.
            let over = before.as_ref().map_or(&[][..], |_| &events.over);
            let told = |event: &&Json| {
                before
                    .as_ref()
                    .is_some_and(|before| before.standing.contains(event) || before.over.contains(event))
            };
            for event in events.standing.iter().chain(over).filter(|event| !told(event)) {
                // Writing to a String can't fail.
                let _ = write!(text, "event: event\ndata: {event}\n\n");
            }
        }
        (!text.is_empty()).then_some(text)
    }

    fn tell_metadata(&mut self, view: &Arc<View>, text: &mut String) {
        if self.told.as_ref().is_some_and(|told| told.view.revision == view.revision) {
            return;
        }
        let id = format!("{}-{}", self.era, view.revision);
        let changed = self.changed(view, &id);
        let before = self.told.replace(Told { view: Arc::clone(view) });
        let Some(changed) = changed else { return };
        let Some(metadata) = &view.metadata else {
            // It was there and is gone: another machine, as far as anyone can tell.
            if before.is_some_and(|before| before.view.metadata.is_some()) {
                let data =
                    serde_json::json!({ "revision": view.revision, "changed": changed, "metadata": null });
                let _ = write!(text, "id: {id}\nevent: metadata\ndata: {data}\n\n");
            }
            return;
        };
        let changed = serde_json::json!(changed);
        let seen = metadata.as_ref().clone().only(&self.seen);
        let Ok(shown) = Shown::of(&seen, &self.denied, view.now()) else { return };
        let revision = view.revision;
        let data = format!(r#"{{"revision":{revision},"changed":{changed},"metadata":{shown}}}"#);
        let _ = write!(text, "id: {id}\nevent: metadata\ndata: {data}\n\n");
    }

    /// The fields that may be another than the watcher believes; `None` if there is nothing to tell.
    fn changed(&mut self, view: &View, id: &str) -> Option<Vec<Field>> {
        let last_id = self.last_id.take();
        match &self.told {
            None if last_id.as_deref() == Some(id) => None,
            // What it heard on another connection isn't known any more, so everything may be new to it.
            None if last_id.is_some() => view.metadata.is_some().then(|| self.seen.clone()),
            None => {
                let metadata = view.metadata.as_ref()?;
                Some(self.seen.iter().copied().filter(|field| metadata.value(*field).is_ok()).collect())
            }
            Some(told) => {
                let fields = told.view.changed_to(view);
                let fields: Vec<Field> =
                    fields.into_iter().filter(|field| self.seen.contains(field)).collect();
                let is_stale = |view: &View| view.metadata.as_deref().map(Metadata::is_stale);
                let differs = !fields.is_empty() || is_stale(&told.view) != is_stale(view);
                differs.then_some(fields)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use imds::model::{CloudName, Reading, Source, Value};
    use imds::{Error, ErrorKind};

    use super::*;

    fn view(revision: u64, values: &[(Field, &str)]) -> Arc<View> {
        let mut metadata = Metadata::new(CloudName::AWS);
        for (field, text) in values {
            metadata.set(*field, Reading::known(Value::Text((*text).to_owned()), Source::Mock));
        }
        with(revision, Some(metadata))
    }

    fn with(revision: u64, metadata: Option<Metadata>) -> Arc<View> {
        let view = View { revision, metadata: metadata.map(Arc::new), ..View::default() };
        Arc::new(view)
    }

    fn watcher(last_id: Option<&str>) -> Watch {
        let (seen, denied) = Field::ALL.iter().partition(|field| **field != Field::Mac);
        let mut watch = Watch::new("era".to_owned(), seen, denied, true, last_id);
        watch.greeted = true;
        watch
    }

    fn data(text: &str) -> Json {
        let line = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn changes_are_told_without_what_may_not_be_seen() {
        let none = Arc::default();
        let mut watch = watcher(None);
        assert_eq!(watch.next(&with(1, None), &none), None, "there is nothing yet");
        let first = watch.next(&view(2, &[(Field::Region, "r1"), (Field::Mac, "06:00")]), &none).unwrap();
        assert!(
            first.starts_with("id: era-2\nevent: metadata\ndata: ") && first.ends_with("\n\n"),
            "{first}"
        );
        assert!(!first.contains("06:00"));
        let first = data(&first);
        assert_eq!((&first["revision"], &first["changed"]), (&2.into(), &serde_json::json!(["region"])));
        assert_eq!(first["metadata"]["region"], "r1");
        assert_eq!(first["metadata"]["denied"], serde_json::json!(["mac"]));
        let same = view(3, &[(Field::Region, "r1"), (Field::Mac, "06:01")]);
        assert_eq!(watch.next(&same, &none), None, "only what it may not see changed");
        let newer = data(&watch.next(&view(9, &[(Field::Region, "r2"), (Field::Zone, "z")]), &none).unwrap());
        assert_eq!(newer["changed"], serde_json::json!(["region", "zone"]));
        let gone = data(&watch.next(&with(10, None), &none).unwrap());
        assert_eq!(gone["metadata"], Json::Null);
    }

    #[test]
    fn who_comes_back_hears_only_what_is_new() {
        let none = Arc::default();
        let current = view(5, &[(Field::Region, "r1")]);
        assert_eq!(watcher(Some("era-5")).next(&current, &none), None);
        for other in ["era-4", "earlier-5", "", "nonsense"] {
            let told = data(&watcher(Some(other)).next(&current, &none).unwrap());
            assert_eq!(told["metadata"]["region"], "r1", "{other}");
            assert_eq!(told["changed"].as_array().unwrap().len(), Field::COUNT - 1, "it may have missed any");
        }
    }

    #[test]
    fn values_that_grow_stale_are_told_although_they_are_the_same() {
        let none = Arc::default();
        let mut watch = watcher(None);
        let fresh = view(1, &[(Field::Region, "r1")]);
        watch.next(&fresh, &none).unwrap();
        let mut failed = Metadata::new(CloudName::AWS);
        failed.set(Field::Region, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
        failed.keep_last_good(fresh.metadata.as_ref().unwrap());
        let told = data(&watch.next(&with(2, Some(failed)), &none).unwrap());
        assert_eq!((&told["changed"], &told["metadata"]["stale"]), (&serde_json::json!([]), &true.into()));
    }

    #[test]
    fn an_event_is_told_once_and_again_when_it_changes() {
        let nothing = with(1, None);
        let mut watch = watcher(None);
        let scheduled = serde_json::json!({ "id": "a", "state": "scheduled" });
        let started = serde_json::json!({ "id": "a", "state": "started" });
        let standing = |events: &[&Json], over: &[&Json]| {
            let owned = |events: &[&Json]| events.iter().copied().cloned().collect();
            Arc::new(Announced { standing: owned(events), over: owned(over) })
        };
        let earlier = serde_json::json!({ "id": "b", "state": "cleared" });
        let told = watch.next(&nothing, &standing(&[&scheduled], &[&earlier])).unwrap();
        assert!(told.starts_with("event: event\ndata: {") && !told.contains("cleared"), "{told}");
        assert_eq!(watch.next(&nothing, &standing(&[&scheduled], &[&earlier])), None);
        assert_eq!(data(&watch.next(&nothing, &standing(&[&started], &[&earlier])).unwrap()), started);
        let ended = serde_json::json!({ "id": "a", "state": "cleared" });
        assert_eq!(data(&watch.next(&nothing, &standing(&[], &[&earlier, &ended])).unwrap()), ended);
        assert_eq!(watch.next(&nothing, &standing(&[], &[&ended])), None);
        watch.events = false;
        assert_eq!(watch.next(&nothing, &standing(&[&scheduled], &[])), None, "not for this one");
    }
}
