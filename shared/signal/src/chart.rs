//! EWMA control chart (Roberts, 1959) whose baseline forgets slowly.
//!
//! The statistic is z ← λx + (1 − λ)z. Textbook limits, L·σ·√(λ/(2 − λ)), hold for independent
//! values; sensor series are autocorrelated and their z wanders further. So the chart also
//! measures the spread of z itself and uses the larger of the two.
//!
//! Values are winsorised: one that lies further from the baseline than `clip` standard deviations of
//! the series counts as that far. With `clip` no larger than the control limit L, one value moves z by
//! λLσ at most, which is less than the limit Lσ√(λ/(2 − λ)) for every λ below 1: a single glitch,
//! however large, does not carry a centred statistic over its limit, let alone keep it there.

/// Welford's recurrences with a bounded weight: plain mean and variance over the first `memory`
/// values, exponentially forgetting afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Baseline {
    count: u32,
    mean: f64,
    variance: f64,
}

impl Baseline {
    fn push(&mut self, value: f64, memory: u32) {
        self.count = self.count.saturating_add(1);
        let weight = 1.0 / f64::from(self.count.min(memory.max(1)));
        let delta = value - self.mean;
        self.mean += weight * delta;
        self.variance = (1.0 - weight) * (self.variance + weight * delta * delta);
    }
}

/// What an [`EwmaChart`] has learnt, apart from its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChartState {
    statistic: Option<f64>,
    values: Baseline,
    statistics: Baseline,
}

/// An EWMA control chart over one series, in constant memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EwmaChart {
    lambda: f64,
    memory: u32,
    state: ChartState,
}

impl EwmaChart {
    /// `lambda` in (0, 1] weighs the newest value; `memory` is how many values the baseline
    /// remembers before it starts to forget.
    #[must_use]
    pub fn new(lambda: f64, memory: u32) -> Self {
        Self::resume(lambda, memory, ChartState::default())
    }

    /// A chart that goes on from what another of the same parameters has learnt.
    #[must_use]
    pub fn resume(lambda: f64, memory: u32, state: ChartState) -> Self {
        Self {
            lambda,
            memory,
            state,
        }
    }

    /// What it has learnt.
    #[must_use]
    pub fn state(&self) -> ChartState {
        self.state
    }

    /// Values that the baseline was learnt from.
    #[must_use]
    pub fn learnt(&self) -> u32 {
        self.state.values.count
    }

    /// What the chart expects.
    #[must_use]
    pub fn expected(&self) -> f64 {
        self.state.values.mean
    }

    /// Moves the statistic on by `value` and returns its distance from the baseline in standard
    /// deviations of the statistic, unsigned; 0 while nothing is learnt. `resolution` is the
    /// smallest standard deviation of the series that is taken for real, `clip` the largest
    /// distance from the baseline in standard deviations of the series; infinity does not clip. A
    /// value that is not finite is infinitely far away and does not move the statistic.
    pub fn score(&mut self, value: f64, resolution: f64, clip: f64) -> f64 {
        if !value.is_finite() {
            return f64::INFINITY;
        }
        let state = &mut self.state;
        let Some(old) = state.statistic.filter(|_| state.values.count > 0) else {
            state.statistic = Some(value);
            return 0.0;
        };
        let mean = state.values.mean;
        let sigma = libm::sqrt(state.values.variance)
            .max(resolution)
            .max(libm::fabs(mean) * 1e-3)
            .max(f64::MIN_POSITIVE);
        let near = value.max(mean - clip * sigma).min(mean + clip * sigma);
        let statistic = self.lambda * near + (1.0 - self.lambda) * old;
        state.statistic = Some(statistic);
        let textbook = sigma * libm::sqrt(self.lambda / (2.0 - self.lambda));
        libm::fabs(statistic - mean) / textbook.max(libm::sqrt(state.statistics.variance))
    }

    /// Lets the baseline learn the value last scored; one that is not finite is passed over.
    pub fn learn(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.state.values.push(value, self.memory);
        if let Some(statistic) = self.state.statistic {
            self.state.statistics.push(statistic, self.memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The control limit of these tests, and so the clip.
    const CLIP: f64 = 5.0;

    fn learnt(values: impl IntoIterator<Item = f64>) -> EwmaChart {
        let mut chart = EwmaChart::new(0.2, 1000);
        for value in values {
            chart.score(value, 0.0, CLIP);
            chart.learn(value);
        }
        chart
    }

    #[test]
    fn a_small_lasting_shift_shows_although_no_single_value_is_far_out() {
        let mut chart = learnt((0..200).map(|i| 10.0 + if i % 2 == 0 { 1.0 } else { -1.0 }));
        let scores: Vec<f64> = (0..20)
            .map(|i| chart.score(11.5 + if i % 2 == 0 { 1.0 } else { -1.0 }, 0.0, CLIP))
            .collect();
        assert!(scores[0] < 3.0, "{scores:?}");
        assert!(scores[19] > 4.0, "{scores:?}");
    }

    #[test]
    fn one_glitch_does_not_carry_the_statistic_over_its_limit() {
        let normal = |i: i32| 10.0 + if i % 2 == 0 { 1.0 } else { -1.0 };
        let mut clipped = learnt((0..200).map(normal));
        let mut unclipped = clipped;
        let scores = |chart: &mut EwmaChart, clip| -> Vec<f64> {
            let glitch = core::iter::once(1e6);
            let series = glitch.chain((0..5).map(normal));
            series.map(|value| chart.score(value, 0.0, clip)).collect()
        };
        let far = scores(&mut unclipped, f64::INFINITY);
        assert!(far.iter().all(|score| *score > CLIP), "{far:?}");
        let near = scores(&mut clipped, CLIP);
        assert!(near.iter().all(|score| *score < CLIP), "{near:?}");
    }

    #[test]
    fn two_windows_of_a_large_lasting_shift_do() {
        let mut chart = learnt((0..200).map(|i| 10.0 + if i % 2 == 0 { 1.0 } else { -1.0 }));
        assert!(chart.score(1e6, 0.0, CLIP) < CLIP);
        assert!(chart.score(1e6, 0.0, CLIP) > CLIP);
    }

    #[test]
    fn a_wandering_series_gets_wider_limits() {
        let wave = |i: i32| 10.0 + libm::sin(f64::from(i) / 8.0);
        let mut chart = learnt((0..400).map(wave));
        let worst = (400..500)
            .map(|i| {
                let value = wave(i);
                let score = chart.score(value, 0.0, CLIP);
                chart.learn(value);
                score
            })
            .fold(0.0, f64::max);
        assert!(worst < 2.0, "{worst}");
    }

    #[test]
    fn the_baseline_is_the_plain_mean_and_variance_until_it_forgets() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let chart = learnt(values);
        let mean = values.iter().sum::<f64>() / 8.0;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 8.0;
        assert!((chart.expected() - mean).abs() < 1e-12);
        assert!((chart.state.values.variance - variance).abs() < 1e-12);
    }

    #[test]
    fn a_value_that_is_no_number_does_not_poison_it() {
        let mut chart = learnt([1.0, 2.0, 1.0, 2.0]);
        let untouched = chart;
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(chart.score(value, 0.0, CLIP).is_infinite());
            chart.learn(value);
        }
        assert_eq!(chart, untouched);
    }

    #[test]
    fn a_constant_series_is_judged_by_resolution() {
        let mut chart = learnt([0.0; 50]);
        assert!(chart.score(0.0, 0.1, CLIP) < 1e-12);
        assert!(chart.score(1.0, 0.1, f64::INFINITY) > 3.0);
    }
}
