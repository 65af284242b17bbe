//! `imds detect --explain`: what was looked at, what it said, what follows.

use std::fmt::Write as _;

use imds::model::{Confidence, Evidence, EvidenceSource, Outcome, Strength, Verdict};

use crate::messages::visible;

/// The verdict as a report.
pub(crate) fn explanation(verdict: &Verdict) -> String {
    let mut text = String::from("Evidence, in the order in which it was found\n");
    let mut source: Option<EvidenceSource> = None;
    for piece in &verdict.evidence {
        // Writing to a string can't fail, here and below.
        if source.replace(piece.source) != Some(piece.source) {
            let _ = writeln!(text, "\n  {}", heading(piece.source));
        }
        let _ = writeln!(
            text,
            "    {} {}{}",
            mark(piece, &verdict.outcome),
            visible(&piece.detail),
            weight(piece)
        );
    }
    if verdict.evidence.is_empty() {
        text.push_str("\n  nothing was found\n");
    }
    let _ = write!(text, "\nConclusion\n\n  {}\n  {}\n", conclusion(verdict), effort(verdict));
    text
}

fn heading(source: EvidenceSource) -> &'static str {
    match source {
        EvidenceSource::Told => "What was said",
        EvidenceSource::Firmware => "Firmware",
        EvidenceSource::Kernel => "Kernel",
        EvidenceSource::Environment => "Environment",
        EvidenceSource::File => "Files and devices",
        EvidenceSource::Probe => "Metadata services",
    }
}

/// `+` speaks for the outcome, `-` for another, and `.` only explains.
fn mark(piece: &Evidence, outcome: &Outcome) -> char {
    match &piece.supports {
        None => '.',
        Some(supported) if supported == outcome => '+',
        Some(_) => '-',
    }
}

fn weight(piece: &Evidence) -> String {
    let Some(supported) = &piece.supports else { return String::new() };
    let what = match supported {
        Outcome::Cloud(cloud) => cloud.as_str(),
        Outcome::None => "no cloud",
        Outcome::Unknown => "doubt",
    };
    match piece.strength {
        Strength::Weak => format!(" [weak sign of {what}]"),
        Strength::Strong => format!(" [strong sign of {what}]"),
        Strength::Certain => format!(" [decides for {what}]"),
    }
}

fn conclusion(verdict: &Verdict) -> String {
    match (&verdict.outcome, verdict.confidence) {
        (Outcome::Cloud(cloud), Confidence::Certain) => format!("{cloud}, certain"),
        (Outcome::Cloud(cloud), Confidence::Likely) => {
            format!("{cloud}, likely; --verify has the service confirm it")
        }
        (Outcome::None, Confidence::Certain) => "none, certain: this machine is in no cloud".to_owned(),
        (Outcome::None, Confidence::Likely) => {
            "none, likely: if this machine is in a cloud after all, name it with --cloud".to_owned()
        }
        (Outcome::Unknown, _) => {
            "unknown: nothing decisive was found, and no service identified itself; --cloud names the cloud"
                .to_owned()
        }
    }
}

fn effort(verdict: &Verdict) -> String {
    let sent = match verdict.requests {
        0 => "no request was sent".to_owned(),
        1 => "1 request was sent".to_owned(),
        several => format!("{several} requests were sent"),
    };
    format!("{sent}; it took {:.1} ms", verdict.elapsed.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use imds::model::CloudName;

    use super::*;

    #[test]
    fn a_report_says_what_follows_from_what() {
        let piece = |source, detail: &str, supports, strength| Evidence {
            source,
            detail: detail.to_owned(),
            supports,
            strength,
        };
        let aws = || Some(Outcome::Cloud(CloudName::AWS));
        let evidence = vec![
            piece(EvidenceSource::Firmware, "sys_vendor is \"Amazon EC2\"", aws(), Strength::Certain),
            piece(EvidenceSource::Firmware, "bios_vendor is \"Xen\"", Some(Outcome::None), Strength::Weak),
            piece(EvidenceSource::Probe, "nobody was asked", None, Strength::Weak),
        ];
        let outcome = Outcome::Cloud(CloudName::AWS);
        let verdict = Verdict::new(outcome, Confidence::Certain, evidence, 0, Duration::from_micros(420));
        assert_eq!(
            explanation(&verdict),
            "\
Evidence, in the order in which it was found

  Firmware
    + sys_vendor is \"Amazon EC2\" [decides for aws]
    - bios_vendor is \"Xen\" [weak sign of no cloud]

  Metadata services
    . nobody was asked

Conclusion

  aws, certain
  no request was sent; it took 0.4 ms
"
        );
    }
}
