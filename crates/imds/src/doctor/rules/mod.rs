//! The table of diagnoses, and how it is read.
//!
//! | module | holds |
//! |---|---|
//! | [`told`] | what the user or the environment decided |
//! | [`way`] | routes, interfaces, filters: why there is no connection |
//! | [`service`] | what the service says, or doesn't |
//! | [`beside`] | what doesn't keep the metadata away |
//!
//! A row is a pure function of the facts. Rows stand in the order in which they explain: the first error is the cause that a
//! person is told.

mod beside;
#[cfg(test)]
mod example;
mod service;
mod told;
mod way;

use super::facts::Facts;
use super::finding::{Finding, Severity};

/// One diagnosis.
struct Rule {
    id: &'static str,
    /// What it means, for the page that lists all.
    about: &'static str,
    find: fn(&Facts) -> Option<Finding>,
}

/// All of them, those that explain others first.
const RULES: &[&[Rule]] = &[told::RULES, way::RULES, service::RULES, beside::RULES];

/// What there is to say where nothing above explains a failure.
const UNEXPLAINED: Rule = Rule {
    id: "unexplained",
    about: "Something else went wrong; the error says what.",
    find: service::unexplained,
};

/// Every diagnosis that holds, the gravest first. Pure.
pub(super) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let apply = |rule: &Rule| (rule.find)(facts).map(|finding| Finding { id: rule.id, ..finding });
    let mut findings: Vec<Finding> = RULES.iter().copied().flatten().filter_map(apply).collect();
    if !findings.iter().any(|finding| finding.severity == Severity::Error) {
        findings.extend(apply(&UNEXPLAINED));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Every diagnosis that there is: its id and what it means.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    RULES.iter().copied().flatten().chain([&UNEXPLAINED]).map(|rule| (rule.id, rule.about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_words_and_no_two_are_the_same() {
        let ids: Vec<&str> = all().map(|(id, _)| id).collect();
        let distinct: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        for (id, about) in all() {
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{id}");
            assert!(about.ends_with('.') && !about.contains('|'), "{id}: {about}");
        }
    }

    #[test]
    fn where_all_is_well_there_is_nothing_to_say() {
        assert_eq!(diagnose(&example::working()), []);
    }
}
