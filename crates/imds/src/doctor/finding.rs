//! What is wrong, and what to do about it.

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It keeps this machine from its metadata.
    Error,
    /// There is metadata, but less safely, later or for fewer programs than there could be.
    Warning,
    /// Worth knowing.
    Note,
}

/// One diagnosis that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its stable name: one of [`diagnoses`](super::diagnoses).
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, as a sentence without its full stop.
    pub cause: String,
    /// Commands that put it right, the best one first. Empty where no command does.
    pub remedy: Vec<String>,
    /// What to do where no command does it, or what to mind beside the commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// What was seen that speaks for it; never a secret.
    pub evidence: Vec<String>,
}

impl Finding {
    fn new(severity: Severity, cause: impl Into<String>) -> Self {
        Self { id: "", severity, cause: cause.into(), remedy: Vec::new(), advice: None, evidence: Vec::new() }
    }

    pub(super) fn error(cause: impl Into<String>) -> Self {
        Self::new(Severity::Error, cause)
    }

    pub(super) fn warning(cause: impl Into<String>) -> Self {
        Self::new(Severity::Warning, cause)
    }

    pub(super) fn note(cause: impl Into<String>) -> Self {
        Self::new(Severity::Note, cause)
    }

    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.remedy.push(command.into());
        self
    }

    pub(super) fn commands(mut self, commands: impl IntoIterator<Item = String>) -> Self {
        self.remedy.extend(commands);
        self
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    pub(super) fn evidence(mut self, seen: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(seen);
        self
    }

    /// The commands that a remedy names between backticks, for this instance; one without commands is the advice.
    pub(super) fn remedied_by(self, remedy: &str, instance_id: &str) -> Self {
        let spoken = remedy.split('`').skip(1).step_by(2);
        let is_command = |text: &&str| {
            let mut words = text.split_whitespace();
            words.next().is_some_and(|word| !word.ends_with(':')) && words.next().is_some()
        };
        let with_id = |command: &str| {
            let words = command.split(' ').map(|word| if word == "ID" { instance_id } else { word });
            words.collect::<Vec<_>>().join(" ")
        };
        let commands: Vec<String> = spoken.filter(is_command).map(with_id).collect();
        match commands.is_empty() {
            true => self.advice(remedy),
            false => self.commands(commands),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_out_of_a_remedy() {
        let of = |remedy: &str| Finding::error("x").remedied_by(remedy, "i-1").remedy;
        assert_eq!(
            of("off; `aws ec2 modify --instance-id ID --http-endpoint enabled`, or `aws IDS x`"),
            ["aws ec2 modify --instance-id i-1 --http-endpoint enabled", "aws IDS x"]
        );
        assert!(of("switch it on (`metadata: yes`), with the feature `tls`").is_empty());
        assert!(of("an odd ` backtick").is_empty());
    }
}
