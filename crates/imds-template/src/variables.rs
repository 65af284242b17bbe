//! Metadata as environment variables, and as `NAME="value"` lines that a POSIX shell and systemd's `EnvironmentFile=` read
//! back to exactly the value.
//!
//! Both know double quotes with a backslash before `"`, `\`, `$` and `` ` `` (sh: POSIX.1 section 2.2.3; systemd:
//! systemd.exec(5), "EnvironmentFile=").

use std::collections::BTreeSet;

use imds_model::{Field, Metadata, Shape, Tags};

/// What names of variables start with, unless the user wants it otherwise.
pub const PREFIX: &str = "IMDS_";

/// Variables that configure our own programs. A value must never steer it when it becomes its environment.
const RESERVED: [&str; 10] = [
    "IMDS_URL",
    "IMDS_SYSROOT",
    "IMDS_FORCE_CLOUD",
    "IMDS_NETWORK",
    "IMDS_TIMEOUT",
    "IMDS_LOG",
    "IMDS_INTERFACE",
    "IMDS_SOURCE_ADDRESS",
    "IMDS_FWMARK",
    "IMDS_API_VERSION",
];

/// Variables with their values, and what had to be left out of them.
///
/// ```
/// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
/// use imds_template::{PREFIX, Variables};
/// let mut metadata = Metadata::new(CloudName::AWS);
/// metadata.set(Field::InstanceName, Reading::known(Value::Text("my $web".into()), Source::Mock));
/// assert_eq!(Variables::of(&metadata, PREFIX).lines(), "IMDS_INSTANCE_NAME=\"my \\$web\"\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    prefix: String,
    variables: Vec<(String, String)>,
    names: BTreeSet<String>,
    skipped: Vec<String>,
}

impl Variables {
    fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..Self::default() }
    }

    /// The fields that are text, as `IMDS_FIELD`, and the tags, as `IMDS_TAG_NAME`.
    #[must_use]
    pub fn of(metadata: &Metadata, prefix: &str) -> Self {
        let mut variables = Self::new(prefix);
        for field in Field::ALL.iter().filter(|field| field.shape() == Shape::Text) {
            if let Some(value) = metadata.text(*field) {
                variables.add(field.name(), variable(prefix, *field), value);
            }
        }
        if let Some(tags) = metadata.tags() {
            variables.add_tags(tags);
        }
        variables
    }

    /// The tags, as `IMDS_TAG_NAME`.
    #[must_use]
    pub fn of_tags(tags: &Tags) -> Self {
        let mut variables = Self::new(PREFIX);
        variables.add_tags(tags);
        variables
    }

    /// The lines of a file.
    #[must_use]
    pub fn lines(&self) -> String {
        self.variables.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect()
    }

    /// Names and values, unquoted, in the order of the fields.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.variables
    }

    /// What was left out, and why: a sentence for each.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    fn add_tags(&mut self, tags: &Tags) {
        for (key, value) in tags {
            let name: String = key
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                .collect();
            self.add(&format!("the tag {key:?}"), format!("{}TAG_{name}", self.prefix), value);
        }
    }

    fn add(&mut self, what: &str, name: String, value: &str) {
        if self.names.contains(&name) {
            self.skipped.push(format!("{what} is left out, because the name {name} is taken"));
        } else if value.chars().any(|c| c.is_control() && c != '\t') {
            self.skipped.push(format!("{what} is left out, because it holds control characters"));
        } else if value.chars().any(is_refused_by_systemd) {
            self.skipped
                .push(format!("{what} is left out, because it holds characters that systemd refuses"));
        } else if RESERVED.contains(&&*name) {
            self.skipped.push(format!("{what} is left out, because {name} configures imds itself"));
        } else {
            self.names.insert(name.clone());
            self.variables.push((name, value.to_owned()));
        }
    }
}

/// `IMDS_INSTANCE_ID`.
fn variable(prefix: &str, field: Field) -> String {
    format!("{prefix}{}", field.name().to_ascii_uppercase())
}

/// A byte order mark, or one of Unicode's noncharacters: systemd refuses the whole file for one of them (systemd.exec(5)).
fn is_refused_by_systemd(c: char) -> bool {
    let code = u32::from(c);
    code == 0xfeff || (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
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
        let env = Variables::of_tags(&tags);
        assert_eq!(env.lines(), "IMDS_TAG_COST_CENTER=\"1\"\nIMDS_TAG_TAB=\"a\tb\"\nIMDS_TAG__=\"\"\n");
        assert_eq!(env.skipped.len(), 2);
        assert!(env.skipped[0].contains("cost-center") && env.skipped[0].contains("IMDS_TAG_COST_CENTER"));
        assert!(env.skipped[1].contains("two"));
    }

    #[test]
    fn what_systemd_refuses_is_left_out() {
        let refused = ["\u{feff}", "\u{fdd0}", "\u{fdef}", "\u{fffe}", "\u{ffff}", "\u{10ffff}"];
        let taken = ["\u{fdcf}", "\u{fdf0}", "\u{fffd}", "\u{10000}", "\u{10fffd}", "é"];
        let tags = refused.iter().chain(&taken).enumerate();
        let tags: Tags = tags.map(|(i, value)| (format!("{i:02}"), format!("a{value}"))).collect();
        let env = Variables::of_tags(&tags);
        let values: Vec<&str> = env.variables.iter().map(|(_, value)| &value[1..]).collect();
        assert_eq!(values, taken);
        assert_eq!(env.skipped.len(), refused.len());
    }

    #[test]
    fn a_prefix_that_would_make_one_of_our_variables_loses_that_field() {
        let mut metadata = Metadata::new(imds_model::CloudName::AWS);
        for field in [Field::Cloud, Field::Region] {
            let value = imds_model::Value::Text("x".to_owned());
            metadata.set(field, imds_model::Reading::known(value, imds_model::Source::Mock));
        }
        let env = Variables::of(&metadata, "IMDS_FORCE_");
        assert_eq!(env.variables, [("IMDS_FORCE_REGION".to_owned(), "x".to_owned())]);
        assert!(env.skipped[0].contains("IMDS_FORCE_CLOUD"), "{:?}", env.skipped);
    }

    #[test]
    fn no_field_takes_the_name_of_one_of_our_variables() {
        for field in Field::ALL {
            let name = variable(PREFIX, *field);
            assert!(!RESERVED.contains(&&*name) && !name.starts_with("IMDS_TAG_"), "{name}");
        }
    }
}
