//! From a template and values to content; pure.

use imds::{Field, Metadata, Reading};
use imds_template::{Grammar, ProblemKind, Template, Values, Variables};

use super::{EnvFile, Rendered};

/// What a file shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// This, for certain.
    Certain(String),
    /// This, as far as is known: some values couldn't be had, which. It is better than nothing, and worse than what was
    /// there before.
    Doubtful(String, String),
    /// Nobody can say: values are missing that may come; which.
    Unknown(String),
    /// Nothing: the template is wrong, or a value is missing for good.
    Wrong(String),
}

/// The content of a rendered file.
#[must_use]
pub fn rendered(file: &Rendered, values: &dyn Values, grammar: &Grammar) -> Content {
    let source = match &file.source {
        Ok(source) => source,
        Err(why) => return Content::Wrong(why.clone()),
    };
    let resolved = Template::parse_with(source, file.format, grammar)
        .and_then(|template| template.resolve_reported(values, file.missing));
    match resolved {
        Ok(resolved) => {
            // A default for what couldn't be asked for is a guess; one for what isn't there is what was wanted.
            let doubt = resolved.stand_ins.iter().find(|stand_in| stand_in.cause.is_some());
            match doubt.map(|doubt| format!("{}: {}", doubt.written, doubt.reason)) {
                Some(doubt) => Content::Doubtful(resolved.text, doubt),
                None => Content::Certain(resolved.text),
            }
        }
        Err(errors) => {
            let kind = errors.kind();
            let said = errors.in_file(file.template.display().to_string()).to_string();
            match kind {
                ProblemKind::Unavailable => Content::Unknown(said),
                _ => Content::Wrong(said),
            }
        }
    }
}

/// The paths of the service that a template asks for; none where it doesn't parse.
#[must_use]
pub fn paths(file: &Rendered, grammar: &Grammar) -> Vec<String> {
    let Ok(source) = &file.source else { return Vec::new() };
    match Template::parse_with(source, file.format, grammar) {
        Ok(template) => template.paths_needed().into_iter().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}

/// The content of the file of variables.
#[must_use]
pub fn env_file(file: &EnvFile, metadata: &Metadata) -> Content {
    let variables = Variables::of(metadata, &file.prefix);
    for skipped in variables.skipped() {
        tracing::debug!(path = %file.path.display(), "{skipped}");
    }
    let failed = |field: &Field| matches!(metadata.reading(*field), Some(Reading::Failed(_)));
    match Field::ALL.iter().find(|field| failed(field)) {
        Some(field) => Content::Doubtful(variables.lines(), format!("{field} can't be read")),
        None => Content::Certain(variables.lines()),
    }
}

#[cfg(test)]
mod tests {
    use imds::{CloudName, Error, ErrorKind, Source, Value};
    use imds_files::Attributes;
    use imds_template::{Format, Missing};

    use super::*;

    fn file(source: &str, missing: Missing) -> Rendered {
        Rendered {
            template: "t.tmpl".into(),
            source: Ok(source.to_owned()),
            target: "t".into(),
            format: Format::Text,
            missing,
            attributes: Attributes::default(),
            check: None,
            reload: None,
            time: std::time::Duration::from_secs(1),
        }
    }

    fn metadata() -> Metadata {
        let mut metadata = Metadata::new(CloudName::AWS);
        metadata.set(Field::Region, Reading::known(Value::Text("eu-west-1".to_owned()), Source::Mock));
        metadata.set(Field::Zone, Reading::Failed(Error::new(ErrorKind::TimedOut, "no answer")));
        metadata.set(Field::Hostname, Reading::absent());
        metadata
    }

    fn content(source: &str, missing: Missing) -> Content {
        rendered(&file(source, missing), &metadata(), &Grammar::default())
    }

    #[test]
    fn content_is_certain_only_when_every_value_is() {
        assert_eq!(content("${aws:Region}", Missing::Error), Content::Certain("eu-west-1".to_owned()));
        assert_eq!(content("${cloud:Hostname:-x}", Missing::Error), Content::Certain("x".to_owned()));
        assert_eq!(content("[${cloud:Hostname}]", Missing::Empty), Content::Certain("[]".to_owned()));
        assert!(
            matches!(content("${cloud:AvailabilityZone:-x}", Missing::Error), Content::Doubtful(text, why)
            if text == "x" && why.contains("AvailabilityZone"))
        );
        for missing in [Missing::Error, Missing::Empty, Missing::Keep] {
            assert!(
                matches!(content("${cloud:AvailabilityZone}", missing), Content::Unknown(why) if why.contains("no answer"))
            );
        }
        assert!(
            matches!(content("${cloud:Hostname}", Missing::Error), Content::Wrong(why) if why.starts_with("t.tmpl:1:1: "))
        );
        assert!(matches!(content("${cloud:Colour}", Missing::Keep), Content::Wrong(_)));
        let unread = Rendered { source: Err("can't be read".to_owned()), ..file("", Missing::Error) };
        assert_eq!(
            rendered(&unread, &metadata(), &Grammar::default()),
            Content::Wrong("can't be read".to_owned())
        );
    }

    #[test]
    fn variables_are_certain_only_when_no_field_failed() {
        let env = EnvFile { path: "env".into(), prefix: "M_".to_owned(), mode: 0o600 };
        let mut metadata = metadata();
        assert_eq!(
            env_file(&env, &metadata),
            Content::Doubtful("M_REGION=\"eu-west-1\"\n".to_owned(), "zone can't be read".to_owned())
        );
        metadata.set(Field::Zone, Reading::absent());
        assert_eq!(env_file(&env, &metadata), Content::Certain("M_REGION=\"eu-west-1\"\n".to_owned()));
    }

    #[test]
    fn paths_are_those_of_the_template() {
        let source = "${imds:/latest/meta-data/a} ${imds:/latest/meta-data/b:-x} ${imds:/latest/meta-data/a}";
        assert_eq!(
            paths(&file(source, Missing::Error), &Grammar::default()),
            ["/latest/meta-data/a", "/latest/meta-data/b"]
        );
        assert_eq!(
            paths(&file("${cloud:Colour}", Missing::Error), &Grammar::default()),
            Vec::<String>::new()
        );
    }
}
