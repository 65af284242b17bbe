//! Metadata as environment variables, with a warning for each that had to be left out.

use imds::model::{Metadata, Tags};
pub(crate) use imds_template::PREFIX;
use imds_template::Variables;

use crate::messages::Messages;

/// Variables with their values.
#[derive(Debug)]
pub(crate) struct Env(Variables);

impl Env {
    /// The fields that are text, as `IMDS_FIELD`, and the tags.
    pub(crate) fn of(metadata: &Metadata, prefix: &str) -> Self {
        Self(Variables::of(metadata, prefix))
    }

    /// The tags, as `IMDS_TAG_NAME`.
    pub(crate) fn of_tags(tags: &Tags) -> Self {
        Self(Variables::of_tags(tags))
    }

    /// The lines; the user is told what was left out.
    pub(crate) fn told(self, messages: &Messages) -> String {
        self.tell(messages);
        self.0.lines()
    }

    /// The variables, unquoted; the user is told what was left out.
    pub(crate) fn variables(self, messages: &Messages) -> Vec<(String, String)> {
        self.tell(messages);
        self.0.pairs().to_vec()
    }

    fn tell(&self, messages: &Messages) {
        for skipped in self.0.skipped() {
            messages.warning(skipped, None);
        }
    }
}
