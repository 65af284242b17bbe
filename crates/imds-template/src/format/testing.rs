//! What the tests of the structured formats share: fills and drops the placeholders `${…}` of a source.

use super::{Edit, Format, Fragment, ParseError, Scalar};

/// The placeholders of a scalar, in tests: everything from `${` to `}`.
pub(crate) fn fragments(scalar: &Scalar, value: &str) -> Vec<Fragment> {
    let mut result = Vec::new();
    let mut done = 0;
    while let Some(start) = scalar.text[done..].find("${").map(|at| done + at) {
        let Some(end) = scalar.text[start..].find('}').map(|at| start + at + 1) else { break };
        result.push(Fragment { range: start..end, new: value.to_owned() });
        done = end;
    }
    result
}

/// The source with the edits in place; they have to be in order and apart.
pub(crate) fn edited(source: &str, edits: &[Edit]) -> String {
    let mut result = String::new();
    let mut done = 0;
    for edit in edits {
        assert!(edit.range.start >= done, "{edits:?}");
        result.push_str(&source[done..edit.range.start]);
        result.push_str(&edit.text);
        done = edit.range.end;
    }
    result + &source[done..]
}

/// The source with a value in each placeholder's place.
pub(crate) fn filled<F: Format>(source: &str, value: &str) -> Result<String, ParseError> {
    let mut edits = Vec::new();
    for scalar in F::scalars(source)? {
        let fragments = fragments(&scalar, value);
        if !fragments.is_empty() {
            edits.extend(F::render(source, &scalar, &fragments).unwrap());
        }
    }
    Ok(edited(source, &edits))
}

/// The source without the entries that hold a placeholder.
pub(crate) fn dropped<F: Format>(source: &str) -> String {
    let scalars = F::scalars(source).unwrap();
    let all: Vec<&Scalar> = scalars.iter().collect();
    assert!(all.iter().all(|scalar| scalar.entry.is_some()), "{source}");
    edited(source, &F::removals(source, &all))
}
