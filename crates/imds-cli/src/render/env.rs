//! `NAME="value"` lines that a POSIX shell and systemd's `EnvironmentFile=` read back to exactly the value.
//!
//! Both know double quotes with a backslash before `"`, `\`, `$` and `` ` `` (sh: POSIX.1 section 2.2.3; systemd:
//! systemd.exec(5), "EnvironmentFile=").

use std::collections::BTreeSet;
use std::fmt::Write as _;

use imds::Field;
use imds::model::{Metadata, Shape, Tags};

use crate::messages::Messages;

/// Lines, and what had to be left out of them.
#[derive(Debug, Default)]
pub(crate) struct Env {
    text: String,
    names: BTreeSet<String>,
    skipped: Vec<String>,
}

impl Env {
    /// The fields that are text, as `IMDS_FIELD`, and the tags.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let mut env = Self::default();
        for field in Field::ALL.iter().filter(|field| field.shape() == Shape::Text) {
            if let Some(value) = metadata.text(*field) {
                env.add(field.name(), variable(*field), value);
            }
        }
        if let Some(tags) = metadata.tags() {
            env.add_tags(tags);
        }
        env
    }

    /// The tags, as `IMDS_TAG_NAME`.
    pub(crate) fn of_tags(tags: &Tags) -> Self {
        let mut env = Self::default();
        env.add_tags(tags);
        env
    }

    /// The lines; the user is told what was left out.
    pub(crate) fn told(self, messages: &Messages) -> String {
        for skipped in &self.skipped {
            messages.warning(skipped, None);
        }
        self.text
    }

    fn add_tags(&mut self, tags: &Tags) {
        for (key, value) in tags {
            let name: String = key
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                .collect();
            self.add(&format!("the tag {key:?}"), format!("IMDS_TAG_{name}"), value);
        }
    }

    fn add(&mut self, what: &str, name: String, value: &str) {
        if self.names.contains(&name) {
            self.skipped.push(format!("{what} is left out, because the name {name} is taken"));
        } else if value.chars().any(|c| c.is_control() && c != '\t') {
            self.skipped.push(format!("{what} is left out, because it holds control characters"));
        } else {
            // Writing to a string can't fail.
            let _ = writeln!(self.text, "{name}={}", quoted(value));
            self.names.insert(name);
        }
    }
}

/// `IMDS_INSTANCE_ID`.
fn variable(field: Field) -> String {
    format!("IMDS_{}", field.name().to_ascii_uppercase())
}

fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted() {
        assert_eq!(quoted(r#"a "b" \c $d `e` 'f'"#), r#""a \"b\" \\c \$d \`e\` 'f'""#);
        assert_eq!(quoted(""), r#""""#);
    }

    #[test]
    fn names_are_taken_once_and_control_characters_are_left_out() {
        let tags = [("Cost.Center", "1"), ("cost-center", "2"), ("tab", "a\tb"), ("two", "a\nb"), ("é", "")];
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let env = Env::of_tags(&tags);
        assert_eq!(env.text, "IMDS_TAG_COST_CENTER=\"1\"\nIMDS_TAG_TAB=\"a\tb\"\nIMDS_TAG__=\"\"\n");
        assert_eq!(env.skipped.len(), 2);
        assert!(env.skipped[0].contains("cost-center") && env.skipped[0].contains("IMDS_TAG_COST_CENTER"));
        assert!(env.skipped[1].contains("two"));
    }

    /// A value must never steer this program itself when the lines become its environment.
    #[test]
    fn no_field_takes_the_name_of_one_of_our_variables() {
        const RESERVED: [&str; 6] =
            ["IMDS_URL", "IMDS_SYSROOT", "IMDS_FORCE_CLOUD", "IMDS_NETWORK", "IMDS_TIMEOUT", "IMDS_LOG"];
        for field in Field::ALL {
            let name = variable(*field);
            assert!(!RESERVED.contains(&&*name) && !name.starts_with("IMDS_TAG_"), "{name}");
        }
    }
}
