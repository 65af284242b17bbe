//! From evidence to a verdict. Pure.
//!
//! | evidence | verdict | network asked? |
//! |---|---|---|
//! | certain, for one cloud | it, certain | no |
//! | certain, for several clouds | the first, likely; all are named | no |
//! | strong, for a cloud | it, likely | yes: its service can make it certain |
//! | strong, for no cloud | none, likely | no |
//! | weak or nothing | unknown | yes |

use imds_model::{CloudName, Confidence, Evidence, Outcome, Strength};

/// What evidence alone says, before or after the network was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) outcome: Outcome,
    pub(crate) confidence: Confidence,
    /// Whether the network may still change it.
    pub(crate) open: bool,
}

/// The table above. Clouds that may not be found count for nothing.
pub(crate) fn judge(evidence: &[Evidence], permitted: impl Fn(&CloudName) -> bool) -> Judgement {
    let clouds = |strength: Strength| {
        let mut clouds: Vec<&CloudName> = Vec::new();
        for piece in evidence.iter().filter(|piece| piece.strength == strength) {
            if let Some(Outcome::Cloud(cloud)) = &piece.supports
                && permitted(cloud)
                && !clouds.contains(&cloud)
            {
                clouds.push(cloud);
            }
        }
        clouds
    };
    let found = |cloud: &CloudName, confidence, open| Judgement {
        outcome: Outcome::Cloud(cloud.clone()),
        confidence,
        open,
    };
    match clouds(Strength::Certain).as_slice() {
        [] => {}
        [cloud] => return found(cloud, Confidence::Certain, false),
        [first, ..] => return found(first, Confidence::Likely, false),
    }
    if let Some(first) = clouds(Strength::Strong).first() {
        return found(first, Confidence::Likely, true);
    }
    let none =
        |piece: &&Evidence| piece.supports == Some(Outcome::None) && piece.strength >= Strength::Strong;
    match evidence.iter().find(none) {
        Some(piece) if piece.strength == Strength::Certain => {
            Judgement { outcome: Outcome::None, confidence: Confidence::Certain, open: false }
        }
        Some(_) => Judgement { outcome: Outcome::None, confidence: Confidence::Likely, open: false },
        None => Judgement { outcome: Outcome::Unknown, confidence: Confidence::Likely, open: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imds_model::EvidenceSource;

    #[test]
    fn the_table_holds_row_by_row() {
        let aws = || Some(Outcome::Cloud(CloudName::AWS));
        let gcp = || Some(Outcome::Cloud(CloudName::GCP));
        let none = || Some(Outcome::None);
        use Strength::{Certain, Strong, Weak};
        for (pieces, outcome, confidence, open) in [
            (vec![], "unknown", Confidence::Likely, true),
            (vec![(None, Weak)], "unknown", Confidence::Likely, true),
            (vec![(aws(), Weak)], "unknown", Confidence::Likely, true),
            (vec![(none(), Weak)], "unknown", Confidence::Likely, true),
            (vec![(none(), Strong)], "none", Confidence::Likely, false),
            (vec![(aws(), Weak), (none(), Strong)], "none", Confidence::Likely, false),
            (vec![(none(), Strong), (aws(), Strong)], "aws", Confidence::Likely, true),
            (vec![(aws(), Strong), (gcp(), Strong)], "aws", Confidence::Likely, true),
            (vec![(none(), Strong), (aws(), Strong), (gcp(), Certain)], "gcp", Confidence::Certain, false),
            (vec![(gcp(), Certain), (gcp(), Certain)], "gcp", Confidence::Certain, false),
            (vec![(gcp(), Certain), (aws(), Certain)], "gcp", Confidence::Likely, false),
        ] {
            let evidence: Vec<Evidence> = pieces
                .into_iter()
                .map(|(supports, strength)| Evidence {
                    source: EvidenceSource::Firmware,
                    detail: String::new(),
                    supports,
                    strength,
                })
                .collect();
            let judgement = judge(&evidence, |_| true);
            assert_eq!(
                (judgement.outcome.to_string().as_str(), judgement.confidence, judgement.open),
                (outcome, confidence, open),
                "{evidence:?}"
            );
        }
    }
}
