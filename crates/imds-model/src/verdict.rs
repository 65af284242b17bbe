//! The answer of detection.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::CloudName;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This cloud.
    Cloud(CloudName),
    /// No cloud.
    None,
    /// It can't be said: nothing decisive was found and the network gave no definite answer.
    Unknown,
}

impl Outcome {
    /// The cloud, where one was found.
    #[must_use]
    pub fn cloud(&self) -> Option<&CloudName> {
        match self {
            Self::Cloud(cloud) => Some(cloud),
            Self::None | Self::Unknown => None,
        }
    }
}

/// One word: the cloud's name, `none` or `unknown`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cloud(cloud) => cloud.as_str(),
            Self::None => "none",
            Self::Unknown => "unknown",
        })
    }
}

/// How sure the verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Told by the user, decisive firmware, or a service that identified itself strictly.
    Certain,
    /// Everything else: one strong sign, or signs that contradict each other.
    Likely,
}

/// Where a piece of evidence was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// The user, the configuration or the boot loader said so.
    Told,
    /// A firmware table (DMI/SMBIOS) or the hypervisor's own files.
    Firmware,
    /// The kernel: its release or command line.
    Kernel,
    /// A variable of the environment.
    Environment,
    /// A file or device of the machine.
    File,
    /// An answer, or its lack, of a metadata service.
    Probe,
}

impl fmt::Display for EvidenceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Told => "told",
            Self::Firmware => "firmware",
            Self::Kernel => "kernel",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Probe => "probe",
        })
    }
}

/// How much a piece of evidence weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Names nothing alone.
    Weak,
    /// Enough for `likely`.
    Strong,
    /// Enough alone.
    Certain,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Weak => "weak",
            Self::Strong => "strong",
            Self::Certain => "certain",
        })
    }
}

/// One thing that was looked at and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where it was found.
    pub source: EvidenceSource,
    /// What was seen, in words; never a secret.
    pub detail: String,
    /// What it speaks for; nothing where it only explains.
    pub supports: Option<Outcome>,
    /// How much it weighs.
    pub strength: Strength,
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Evidence", 4)?;
        object.serialize_field("source", &self.source)?;
        object.serialize_field("detail", &self.detail)?;
        object.serialize_field("supports", &self.supports.as_ref().map(ToString::to_string))?;
        object.serialize_field("strength", &self.strength)?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            source: EvidenceSource,
            detail: String,
            supports: Option<String>,
            strength: Strength,
        }
        let written = Written::deserialize(deserializer)?;
        let supports = match written.supports.as_deref() {
            None => None,
            Some("none") => Some(Outcome::None),
            Some("unknown") => Some(Outcome::Unknown),
            Some(cloud) => Some(Outcome::Cloud(CloudName::new(cloud).map_err(serde::de::Error::custom)?)),
        };
        Ok(Self { source: written.source, detail: written.detail, supports, strength: written.strength })
    }
}

/// The answer to "where am I running?", with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// What was found.
    pub outcome: Outcome,
    /// How sure that is. An unknown outcome is always `likely`.
    pub confidence: Confidence,
    /// What was looked at, in order.
    pub evidence: Vec<Evidence>,
    /// How many requests were sent to find out.
    pub requests: u32,
    /// How long it took.
    pub elapsed: Duration,
}

impl Verdict {
    /// Puts a verdict together.
    #[must_use]
    pub fn new(
        outcome: Outcome,
        confidence: Confidence,
        evidence: Vec<Evidence>,
        requests: u32,
        elapsed: Duration,
    ) -> Self {
        Self { outcome, confidence, evidence, requests, elapsed }
    }

    /// The cloud, where one was found.
    #[must_use]
    pub fn cloud(&self) -> Option<&CloudName> {
        self.outcome.cloud()
    }

    /// Whether asking again can't change the answer while the machine runs: a certain one. Rented metal of a known
    /// maker can turn out to be a cloud's, so a likely `none` isn't definite.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        self.confidence == Confidence::Certain && self.outcome != Outcome::Unknown
    }
}

/// The stable form of `imds detect --format json`.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let outcome = match self.outcome {
            Outcome::Cloud(_) => "cloud",
            Outcome::None => "none",
            Outcome::Unknown => "unknown",
        };
        let mut object = serializer.serialize_struct("Verdict", 6)?;
        object.serialize_field("outcome", outcome)?;
        object.serialize_field("cloud", &self.cloud())?;
        object.serialize_field("confidence", &self.confidence)?;
        object.serialize_field("evidence", &self.evidence)?;
        object.serialize_field("requests", &self.requests)?;
        // Microseconds are the finest thing worth saying; more digits would only be noise.
        object.serialize_field("elapsed_ms", &((self.elapsed.as_micros() as f64) / 1000.0))?;
        object.end()
    }
}

/// Reads the stable form back; members that aren't known are passed over.
impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        #[derive(Deserialize)]
        struct Written {
            outcome: String,
            cloud: Option<CloudName>,
            confidence: Confidence,
            #[serde(default)]
            evidence: Vec<Evidence>,
            requests: u32,
            elapsed_ms: f64,
        }
        let written = Written::deserialize(deserializer)?;
        let outcome = match (written.outcome.as_str(), written.cloud) {
            ("cloud", Some(cloud)) => Outcome::Cloud(cloud),
            ("none", None) => Outcome::None,
            ("unknown", None) => Outcome::Unknown,
            _ => return Err(D::Error::custom("outcome and cloud don't fit together")),
        };
        let elapsed = Duration::try_from_secs_f64(written.elapsed_ms / 1000.0).map_err(D::Error::custom)?;
        Ok(Self::new(outcome, written.confidence, written.evidence, written.requests, elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_reads_back_what_it_wrote() {
        for outcome in [Outcome::Cloud(CloudName::GCP), Outcome::None, Outcome::Unknown] {
            let evidence = Evidence {
                source: EvidenceSource::Firmware,
                detail: "sys_vendor is Google".to_owned(),
                supports: Some(outcome.clone()),
                strength: Strength::Strong,
            };
            let explaining = Evidence { supports: None, source: EvidenceSource::Told, ..evidence.clone() };
            let evidence = vec![evidence, explaining];
            let verdict = Verdict::new(outcome, Confidence::Likely, evidence, 2, Duration::from_micros(1234));
            let text = serde_json::to_string(&verdict).unwrap();
            assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
        }
        let contradictory =
            r#"{"outcome":"none","cloud":"aws","confidence":"likely","requests":0,"elapsed_ms":0}"#;
        assert!(serde_json::from_str::<Verdict>(contradictory).is_err());
    }
}
