//! The metadata as it is answered, made once for all who may see the same of it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hyper::body::Bytes;
use imds::Metadata;

use super::Refusal;

/// The last body for each set of classes that a caller may see.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    public: ArcSwapOption<Kept>,
    private: ArcSwapOption<Kept>,
    both: ArcSwapOption<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// What it was made of. Held, so that no other snapshot can come to lie at its address.
    metadata: Arc<Metadata>,
    body: Bytes,
}

impl Rendered {
    /// The body for callers who may see the public fields, the private ones or both, made anew only for another snapshot. A
    /// stale one tells its age and so is made each time.
    ///
    /// # Errors
    /// As `make` says.
    pub(super) fn body(
        &self,
        (public, private): (bool, bool),
        metadata: &Arc<Metadata>,
        make: impl FnOnce() -> Result<String, Refusal>,
    ) -> Result<Bytes, Refusal> {
        let place = match (public, private) {
            (true, true) => &self.both,
            (true, false) => &self.public,
            (false, _) => &self.private,
        };
        if metadata.is_stale() {
            return make().map(Bytes::from);
        }
        if let Some(kept) = &*place.load()
            && Arc::ptr_eq(&kept.metadata, metadata)
        {
            return Ok(kept.body.clone());
        }
        let body = Bytes::from(make()?);
        place.store(Some(Arc::new(Kept { metadata: Arc::clone(metadata), body: body.clone() })));
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use imds::model::{CloudName, Reading, Source, Value};
    use imds::{Error, ErrorKind, Field};

    use super::*;

    #[test]
    fn it_is_made_once_for_each_snapshot_and_each_kind_of_caller() {
        let rendered = Rendered::default();
        let made = Cell::new(0);
        let body = |classes, metadata: &Arc<Metadata>| {
            let make = || {
                made.set(made.get() + 1);
                Ok(format!("{classes:?} {}", made.get()))
            };
            rendered.body(classes, metadata, make).unwrap()
        };
        let first = Arc::new(Metadata::new(CloudName::AWS));
        let all = body((true, true), &first);
        assert_eq!(body((true, true), &first), all);
        let public = body((true, false), &first);
        let private = body((false, true), &first);
        assert_eq!(made.get(), 3);
        assert_eq!((body((true, false), &first), body((false, true), &first)), (public, private));
        assert_eq!(made.get(), 3);
        let next = Arc::new(Metadata::new(CloudName::AWS));
        assert_ne!(body((true, true), &next), all);
    }

    #[test]
    fn what_tells_its_age_is_made_each_time() {
        let mut old = Metadata::new(CloudName::AWS);
        old.set(Field::Region, Reading::known(Value::Text("eu-west-1".to_owned()), Source::Mock));
        let mut stale = Metadata::new(CloudName::AWS);
        stale.set(Field::Region, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
        stale.keep_last_good(&old);
        let (rendered, stale) = (Rendered::default(), Arc::new(stale));
        assert_eq!(rendered.body((true, true), &stale, || Ok("1".to_owned())).unwrap(), "1");
        assert_eq!(rendered.body((true, true), &stale, || Ok("2".to_owned())).unwrap(), "2");
    }
}
