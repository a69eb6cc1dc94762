//! Fusing what the detectors found into one score with its contributions.

use crate::detect::Finding;
use crate::effect::{Contribution, Detector, ModelScore, Score};

/// Fuses the findings about one window. The fused score is the largest of the statistical
/// detectors' and the model's; each (channel, feature) contributes its loudest finding.
#[must_use]
pub fn fuse(findings: &[Finding], model: ModelScore, limit: usize) -> Score {
    let statistical = findings
        .iter()
        .filter(|finding| finding.detector != Detector::Model)
        .map(|finding| finding.score)
        .reduce(f64::max);
    let modelled = match &model {
        ModelScore::Scored { score, .. } => Some(*score),
        ModelScore::None | ModelScore::Degraded { .. } => None,
    };
    Score {
        fused: statistical.into_iter().chain(modelled).reduce(f64::max),
        statistical,
        model,
        contributions: contributions(findings, limit),
    }
}

fn contributions(findings: &[Finding], limit: usize) -> Vec<Contribution> {
    let mut loudest: Vec<&Finding> = Vec::new();
    for finding in findings {
        match loudest
            .iter_mut()
            .find(|f| (f.channel, f.feature) == (finding.channel, finding.feature))
        {
            Some(known) if known.score < finding.score => *known = finding,
            Some(_) => {}
            None => loudest.push(finding),
        }
    }
    // Ties keep the order of channel and feature, so that equal inputs give equal records.
    loudest.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then((a.channel, a.feature).cmp(&(b.channel, b.feature)))
    });
    loudest.truncate(limit);
    loudest.retain(|finding| finding.score > 0.0);
    let total: f64 = loudest.iter().map(|finding| finding.score).sum();
    loudest
        .into_iter()
        .map(|finding| Contribution {
            channel: finding.channel,
            feature: finding.feature,
            detector: finding.detector,
            score: finding.score,
            share: finding.score / total,
            value: finding.value,
            expected: finding.expected,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Feature;
    use crate::scorer::ModelId;

    fn finding(channel: u16, detector: Detector, score: f64) -> Finding {
        Finding {
            channel,
            feature: Feature::Mean,
            detector,
            score,
            value: 1.0,
            expected: 0.0,
        }
    }

    #[test]
    fn the_largest_part_wins_and_shares_add_up() {
        let findings = [
            finding(0, Detector::RobustZ, 0.5),
            finding(0, Detector::Ewma, 1.5),
            finding(1, Detector::Model, 0.5),
        ];
        let id = ModelId {
            name: "m".into(),
            version: "1".into(),
        };
        let model = ModelScore::Scored {
            model: id,
            score: 0.9,
        };
        let score = fuse(&findings, model, 5);
        assert_eq!(score.fused, Some(1.5));
        assert_eq!(
            score.contributions.len(),
            2,
            "one for each feature of a channel"
        );
        assert_eq!(score.contributions[0].detector, Detector::Ewma);
        assert!((score.contributions[0].share - 0.75).abs() < 1e-12);
        assert!((score.contributions.iter().map(|c| c.share).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn silence_is_not_a_score_of_zero() {
        let score = fuse(&[], ModelScore::None, 5);
        assert_eq!((score.fused, score.statistical), (None, None));
        assert!(score.contributions.is_empty());
    }
}
