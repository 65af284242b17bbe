//! What is wrong with a file, and where.

use std::fmt;

use imds::{Error, ErrorKind};

/// Everything that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    file: String,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, from 1; 0 where the file itself is meant.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What can be done.
    pub remedy: Option<String>,
}

impl Invalid {
    /// Problems, in the order of their places; the same thing is said once.
    pub(super) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        Self { file: file.to_owned(), problems }
    }

    /// The problems, the first place first.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn place(&self, problem: &Problem) -> String {
        match problem.line {
            0 => self.file.clone(),
            line => format!("{}:{line}:{}", self.file, problem.column),
        }
    }

    /// One error for each, with `FILE:LINE:COLUMN` as its path, or `FILE` where it can't be read at all.
    pub fn errors(&self) -> impl Iterator<Item = Error> {
        self.problems.iter().map(|problem| {
            let error = Error::new(ErrorKind::Usage, problem.message.clone());
            let error = error.with_path(self.place(problem));
            match &problem.remedy {
                Some(remedy) => error.with_remedy(remedy.clone()),
                None => error,
            }
        })
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let between = if index == 0 { "" } else { "\n" };
            write!(f, "{between}{}: {}", self.place(problem), problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// Line and column of a byte of a text, both from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let column = line.trim_start_matches('\u{feff}').chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_in_characters() {
        let text = "a = 1\n# é\nüb = 2\n";
        for (needle, place) in [("a", (1, 1)), ("1", (1, 5)), ("b", (3, 2)), ("2", (3, 6))] {
            assert_eq!(position(text, text.find(needle).unwrap()), place, "{needle}");
        }
        assert_eq!(position(text, 999), (4, 1));
    }
}
