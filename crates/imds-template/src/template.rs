//! A template: a source with its placeholders, parsed once, resolved as often as need be.

use std::ops::Range;

use imds_model::Field;

use crate::format::{self, Edit, Fragment, ParseError, Scalar, WriteError};
use crate::placeholder::{Piece, Scan};
use crate::position::Locator;
use crate::resolve::{Decision, decide};
use crate::{
    Errors, Format, Grammar, Key, Missing, Placeholder, Problem, ProblemKind, Resolved, StandIn, Values,
};

/// A source and the placeholders in it.
///
/// ```
/// use imds_model::{CloudName, Field, Metadata, Reading, Source, Value};
/// use imds_template::{Format, Missing, Template};
///
/// let source = r#"{"host": "${cloud:InstanceId}", "team": "${tag:team:-nobody}"} // ours"#;
/// let template = Template::parse(source, Format::Json).unwrap();
/// assert_eq!(template.fields_needed(), [Field::InstanceId, Field::Tags]);
///
/// let mut metadata = Metadata::new(CloudName::AWS);
/// metadata.set(Field::InstanceId, Reading::known(Value::Text("i-0abc".into()), Source::Mock));
/// assert_eq!(
///     template.resolve(&metadata, Missing::Error).unwrap(),
///     r#"{"host": "i-0abc", "team": "nobody"} // ours"#,
/// );
/// ```
#[derive(Debug)]
pub struct Template<'s> {
    source: &'s str,
    format: Format,
    /// None in text, which is one itself.
    scalars: Vec<Scalar>,
    pieces: Vec<At>,
    placeholders: Vec<Placeholder>,
}

/// Something in a scalar that isn't to be copied as it is.
#[derive(Debug)]
struct At {
    /// The index of the scalar.
    scalar: usize,
    /// The bytes of its text; in text, of the source.
    range: Range<usize>,
    /// The index of the placeholder; none for an escape.
    placeholder: Option<usize>,
}

impl<'s> Template<'s> {
    /// Finds the placeholders in a source.
    ///
    /// # Errors
    /// [`ProblemKind::Parse`] when the source doesn't parse, a placeholder has no end, or a key is unknown; all such
    /// placeholders are listed.
    pub fn parse(source: &'s str, format: Format) -> Result<Self, Errors> {
        Self::parse_with(source, format, &Grammar::default())
    }

    /// As [`Template::parse`], with the names of more clouds.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_with(source: &'s str, format: Format, grammar: &Grammar) -> Result<Self, Errors> {
        let mut locator = Locator::new(source);
        let mut scan = Scan::new(grammar);
        let (mut placeholders, mut pieces) = (Vec::new(), Vec::new());
        let mut keep = |scalar, range, piece| {
            let placeholder = match piece {
                Piece::Escape => None,
                Piece::Placeholder(placeholder) => {
                    placeholders.push(placeholder);
                    Some(placeholders.len() - 1)
                }
            };
            pieces.push(At { scalar, range, placeholder });
        };
        let mut scalars = Vec::new();
        if let Some(rules) = Rules::of(format) {
            scalars = (rules.scalars)(source).map_err(|error| {
                Problem::new(ProblemKind::Parse, locator.locate(error.offset), error.message)
                    .with_remedy(error.remedy)
            })?;
            for (index, scalar) in scalars.iter().enumerate() {
                let locate = |offset| locator.locate(scalar.origins.source(offset));
                scan.text(&scalar.text, locate, |range, piece| keep(index, range, piece));
            }
        } else {
            scan.text(source, |offset| locator.locate(offset), |range, piece| keep(0, range, piece));
        }
        match Errors::of(scan.problems) {
            Some(errors) => Err(errors),
            None => Ok(Self { source, format, scalars, pieces, placeholders }),
        }
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &'s str {
        self.source
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The placeholders, in the order of their places.
    #[must_use]
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// The fields that have to be read, each once, in the order of output. With no [`Template::paths_needed`] either,
    /// nothing has to be asked.
    #[must_use]
    pub fn fields_needed(&self) -> Vec<Field> {
        let needed = |field: &Field| self.placeholders.iter().any(|one| one.field() == Some(*field));
        Field::ALL.iter().copied().filter(needed).collect()
    }

    /// The paths of the service that have to be asked, each once, in the order of their places.
    #[must_use]
    pub fn paths_needed(&self) -> Vec<&str> {
        let mut seen = std::collections::HashSet::new();
        let paths = self.placeholders.iter().filter_map(|placeholder| match placeholder.key() {
            Key::Path(path) => Some(path.as_str()),
            Key::Field { .. } | Key::Tag(_) => None,
        });
        paths.filter(|path| seen.insert(*path)).collect()
    }

    /// The source with its placeholders resolved.
    ///
    /// # Errors
    /// Every placeholder that has no value ([`ProblemKind::Unresolved`]) or whose value couldn't be asked for
    /// ([`ProblemKind::Unavailable`]), all at once; a value that the format can't hold; [`ProblemKind::Usage`] for
    /// [`Missing::Drop`] in text.
    pub fn resolve(&self, values: &dyn Values, missing: Missing) -> Result<String, Errors> {
        self.resolve_reported(values, missing).map(|resolved| resolved.text)
    }

    /// As [`Template::resolve`], and says which placeholders had no value and what came of them.
    ///
    /// # Errors
    /// As [`Template::resolve`].
    pub fn resolve_reported(&self, values: &dyn Values, missing: Missing) -> Result<Resolved, Errors> {
        let Some(rules) = Rules::of(self.format) else {
            return self.resolve_text(values, missing);
        };
        let mut problems = Vec::new();
        let mut stand_ins = Vec::new();
        let mut edits = Vec::new();
        let mut dropped = Vec::new();
        for pieces in self.pieces.chunk_by(|one, next| one.scalar == next.scalar) {
            let Some(scalar) = pieces.first().and_then(|piece| self.scalars.get(piece.scalar)) else {
                continue;
            };
            let resolution = self.fragments(scalar, pieces, values, missing, &mut stand_ins, &mut problems);
            let problem = if resolution.dropped && scalar.entry.is_some() {
                dropped.push(scalar);
                continue;
            } else if resolution.dropped {
                WriteError::new(
                    "a placeholder here has no value, and there is no entry that could be dropped",
                )
            } else if resolution.fragments.is_empty() {
                continue;
            } else {
                match (rules.render)(self.source, scalar, &resolution.fragments) {
                    Ok(new) => {
                        edits.extend(new);
                        continue;
                    }
                    Err(error) => error,
                }
            };
            let place = pieces.iter().find_map(|piece| self.placeholder(piece)).map(Placeholder::position);
            let place = place.unwrap_or_else(|| Locator::new(self.source).locate(scalar.span.start));
            problems.push(
                Problem::new(ProblemKind::Unresolved, place, problem.message).with_remedy(problem.remedy),
            );
        }
        if let Some(errors) = Errors::of(problems) {
            return Err(errors);
        }
        let Some(first) = dropped.first() else {
            return Ok(Resolved { text: edit(self.source, edits), stand_ins });
        };
        edits.extend((rules.removals)(self.source, &dropped));
        let text = edit(self.source, edits);
        // Taking entries out is the one thing that could break a file in a place that nobody looked at.
        if !(rules.rest_stays)(self.source, &dropped, &text) {
            let place = Locator::new(self.source).locate(first.span.start);
            let message = "without the entries that have no value, the others wouldn't say what they say";
            let remedy = Some("take them out by hand, or give them defaults".to_owned());
            return Err(Problem::new(ProblemKind::Unresolved, place, message).with_remedy(remedy).into());
        }
        Ok(Resolved { text, stand_ins })
    }

    /// Of text, in one go.
    fn resolve_text(&self, values: &dyn Values, missing: Missing) -> Result<Resolved, Errors> {
        if missing == Missing::Drop {
            return Err(format::text::no_entries().into());
        }
        let (mut problems, mut stand_ins) = (Vec::new(), Vec::new());
        let mut text = String::with_capacity(self.source.len());
        let mut done = 0;
        for piece in &self.pieces {
            text.push_str(self.source.get(done..piece.range.start).unwrap_or_default());
            done = piece.range.end;
            let written = self.source.get(piece.range.clone()).unwrap_or_default();
            let Some(placeholder) = self.placeholder(piece) else {
                text.push_str(written.get(1..).unwrap_or_default());
                continue;
            };
            match decide(placeholder, values, missing, &mut stand_ins) {
                Ok(Decision::Text(new)) => text.push_str(&new),
                Ok(Decision::Keep | Decision::Drop) => text.push_str(written),
                Err(problem) => problems.push(problem),
            }
        }
        text.push_str(self.source.get(done..).unwrap_or_default());
        match Errors::of(problems) {
            Some(errors) => Err(errors),
            None => Ok(Resolved { text, stand_ins }),
        }
    }

    fn placeholder(&self, piece: &At) -> Option<&Placeholder> {
        self.placeholders.get(piece.placeholder?)
    }

    /// What becomes of the pieces of one scalar.
    fn fragments(
        &self,
        scalar: &Scalar,
        pieces: &[At],
        values: &dyn Values,
        missing: Missing,
        stand_ins: &mut Vec<StandIn>,
        problems: &mut Vec<Problem>,
    ) -> Resolution {
        let mut resolution = Resolution::default();
        for piece in pieces {
            let written = scalar.text.get(piece.range.clone()).unwrap_or_default();
            let decision = match self.placeholder(piece) {
                Some(placeholder) => decide(placeholder, values, missing, stand_ins),
                None => Ok(Decision::Text(written.get(1..).unwrap_or_default().to_owned())),
            };
            match decision {
                Ok(Decision::Text(new)) if new != written => {
                    resolution.fragments.push(Fragment { range: piece.range.clone(), new });
                }
                Ok(Decision::Text(_) | Decision::Keep) => {}
                Ok(Decision::Drop) => resolution.dropped = true,
                Err(problem) => problems.push(problem),
            }
        }
        resolution
    }
}

#[derive(Default)]
struct Resolution {
    fragments: Vec<Fragment>,
    dropped: bool,
}

/// The source with all these edits in place. Where ranges overlap, their union goes.
pub(crate) fn edit(source: &str, mut edits: Vec<Edit>) -> String {
    format::sort(&mut edits);
    let mut result = String::with_capacity(source.len());
    let mut done = 0;
    for edit in edits {
        result.push_str(source.get(done..edit.range.start).unwrap_or_default());
        result.push_str(&edit.text);
        done = done.max(edit.range.end);
    }
    result.push_str(source.get(done..).unwrap_or_default());
    result
}

type Render = fn(&str, &Scalar, &[Fragment]) -> Result<Vec<Edit>, WriteError>;

/// What a structured format does; text has no such rules.
struct Rules {
    scalars: fn(&str) -> Result<Vec<Scalar>, ParseError>,
    render: Render,
    removals: fn(&str, &[&Scalar]) -> Vec<Edit>,
    rest_stays: fn(&str, &[&Scalar], &str) -> bool,
}

impl Rules {
    const fn for_format<F: format::Format>() -> Self {
        Self { scalars: F::scalars, render: F::render, removals: F::removals, rest_stays: F::rest_stays }
    }

    const fn of(format: Format) -> Option<Self> {
        match format {
            Format::Json => Some(Self::for_format::<format::json::Json>()),
            Format::Yaml => Some(Self::for_format::<format::yaml::Yaml>()),
            Format::Toml => Some(Self::for_format::<format::toml::Toml>()),
            Format::Env => Some(Self::for_format::<format::env::Env>()),
            Format::Text => None,
        }
    }
}
