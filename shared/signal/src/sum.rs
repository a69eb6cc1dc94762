//! Sums that keep what rounding would lose.

use crate::real::Real;

/// A running sum in two numbers: twice the digits of `T`, so that neither a billion terms nor a large
/// offset wears it out. Dekker (1971), with the error of each addition after Knuth (TAOCP 2, 4.2.2).
/// A NaN or infinite term makes it NaN or infinite for good.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sum<T> {
    high: T,
    /// What `high` is short of, less than half of its last digit.
    low: T,
}

impl<T: Real> Sum<T> {
    /// Nothing.
    pub const ZERO: Self = Self::new(T::ZERO);

    /// One term.
    #[must_use]
    pub const fn new(term: T) -> Self {
        Self {
            high: term,
            low: T::ZERO,
        }
    }

    /// Adds a term.
    #[inline]
    pub fn add(&mut self, term: T) {
        let (high, error) = two_sum(self.high, term);
        let low = self.low + error;
        self.high = high + low;
        self.low = low - (self.high - high);
    }

    /// Adds the terms of another sum.
    #[inline]
    pub fn merge(&mut self, other: Self) {
        self.add(other.low);
        self.add(other.high);
    }

    /// The sum, rounded once.
    #[inline]
    #[must_use]
    pub fn value(self) -> T {
        self.high
    }

    /// `term` less the sum, rounded after the leading digits have cancelled.
    #[inline]
    #[must_use]
    pub fn below(self, term: T) -> T {
        (term - self.high) - self.low
    }

    /// The same for another sum.
    #[inline]
    #[must_use]
    pub fn below_sum(self, other: Self) -> T {
        (other.high - self.high) + (other.low - self.low)
    }
}

/// The rounded sum and its rounding error, without a comparison of the two.
#[inline]
fn two_sum<T: Real>(a: T, b: T) -> (T, T) {
    let sum = a + b;
    let of_b = sum - a;
    let error = (a - (sum - of_b)) + (b - of_b);
    (sum, error)
}

/// Lanes of the sums over slices: enough for compilers to see vectors in them. A fixed number, added up
/// in a fixed order, so that the result is the same whatever vectors the target has.
pub(crate) const LANES: usize = 16;
/// Rounds of all lanes between two visits to the compensated sums.
const ROUNDS: usize = 64;

/// Sums of `K` terms that `term` makes of each index of `M` slices, which have one length.
#[inline]
pub(crate) fn sums<T: Real, const M: usize, const K: usize>(
    inputs: [&[T]; M],
    term: impl Fn([T; M]) -> [T; K],
) -> [Sum<T>; K] {
    let len = inputs.iter().map(|slice| slice.len()).min().unwrap_or(0);
    if len < 2 * LANES {
        // Lanes would cost more than they save.
        let mut totals = [T::ZERO; K];
        for index in 0..len {
            let terms = term(inputs.map(|slice| slice[index]));
            for (total, term) in totals.iter_mut().zip(terms) {
                *total += term;
            }
        }
        return totals.map(Sum::new);
    }
    let mut totals = [Sum::ZERO; K];
    let mut start = 0;
    while start < len {
        let end = len.min(start + LANES * ROUNDS);
        let block = inputs.map(|slice| slice[start..end].as_chunks::<LANES>());
        let mut lanes = [[T::ZERO; LANES]; K];
        let rounds = (end - start) / LANES;
        let chunks = block.map(|(chunks, _)| &chunks[..rounds]);
        for round in 0..rounds {
            for lane in 0..LANES {
                let terms = term(chunks.map(|chunk| chunk[round][lane]));
                for k in 0..K {
                    lanes[k][lane] += terms[k];
                }
            }
        }
        for lane in 0..(end - start) % LANES {
            let terms = term(block.map(|(_, rest)| rest[lane]));
            for k in 0..K {
                lanes[k][lane] += terms[k];
            }
        }
        for (total, lanes) in totals.iter_mut().zip(lanes) {
            total.add(folded(lanes));
        }
        start = end;
    }
    totals
}

/// The sum of the lanes, in halves.
#[inline]
fn folded<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
    }
    lanes[0]
}

/// Smallest and largest value; NaN is passed over, and (∞, −∞) comes of nothing.
#[inline]
pub(crate) fn extremes<T: Real>(values: &[T]) -> (T, T) {
    let smaller = |a: T, b: T| if b < a { b } else { a };
    let larger = |a: T, b: T| if b > a { b } else { a };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut low = [T::INFINITY; LANES];
    let mut high = [-T::INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            low[lane] = smaller(low[lane], chunk[lane]);
            high[lane] = larger(high[lane], chunk[lane]);
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        low[lane] = smaller(low[lane], value);
        high[lane] = larger(high[lane], value);
    }
    (
        low.into_iter().fold(T::INFINITY, smaller),
        high.into_iter().fold(-T::INFINITY, larger),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Exact sum in units of 2⁻⁴⁰.
    fn exact(values: &[f64]) -> f64 {
        let unit = 2.0_f64.powi(40);
        let total: i128 = values.iter().map(|v| (v * unit) as i128).sum();
        total as f64 / unit
    }

    proptest! {
        #[test]
        fn a_sum_is_exact_to_the_last_digit(values in prop::collection::vec((-1e9..1e9_f64).prop_map(f64::round), 1..500)) {
            let values: Vec<f64> = values.into_iter().map(|v| v + 1.0 / 1024.0).collect();
            let mut sum = Sum::ZERO;
            for value in &values {
                sum.add(*value);
            }
            prop_assert_eq!(sum.value(), exact(&values));
        }

        #[test]
        fn lanes_add_up_to_the_sum(values in prop::collection::vec(-1e3..1e3_f64, 0..700)) {
            let [sum, squares] = sums([&values[..]], |[v]| [v, v * v]);
            prop_assert!((sum.value() - values.iter().sum::<f64>()).abs() < 1e-8);
            prop_assert!((squares.value() - values.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-4);
            let (low, high) = extremes(&values);
            prop_assert_eq!(low, values.iter().copied().fold(f64::INFINITY, f64::min));
            prop_assert_eq!(high, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
    }

    #[test]
    fn small_terms_under_a_large_one_are_kept() {
        let mut sum = Sum::new(1e16_f32);
        let mut halves = [Sum::<f32>::ZERO; 2];
        for i in 0..65_536 {
            sum.add(0.1);
            halves[i % 2].add(0.1);
        }
        sum.add(-1e16);
        halves[0].merge(halves[1]);
        let want = f64::from(0.1_f32) * 65_536.0;
        assert!((f64::from(sum.value()) - want).abs() < 300.0, "{sum:?}");
        assert!((f64::from(halves[0].value()) / want - 1.0).abs() < 1e-7);
    }
}
