//! Directions: means and spreads that do not break where the circle closes. Mardia and Jupp (2000).

use crate::real::Real;
use crate::sum::Sum;

/// What angles are given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum AngleUnit {
    /// 360 to the turn.
    Degrees,
    /// 2π to the turn.
    Radians,
}

impl AngleUnit {
    /// A whole turn.
    #[must_use]
    pub fn turn<T: Real>(self) -> T {
        T::from_f64(match self {
            Self::Degrees => 360.0,
            Self::Radians => core::f64::consts::TAU,
        })
    }

    /// One of this unit, in radians.
    fn radians<T: Real>(self) -> T {
        T::from_f64(match self {
            Self::Degrees => core::f64::consts::PI / 180.0,
            Self::Radians => 1.0,
        })
    }
}

/// The shorter way from `b` to `a`, in (−½ turn, ½ turn]; NaN if either is not finite.
#[must_use]
pub fn angle_difference<T: Real>(a: T, b: T, unit: AngleUnit) -> T {
    let turn = unit.turn::<T>();
    let half = turn / T::TWO;
    let way = (a - b) % turn;
    if way > half {
        way - turn
    } else if way <= -half {
        way + turn
    } else {
        way
    }
}

/// The sum of directions as unit vectors. Mergeable. NaN for good after an angle that is not finite.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Directions<T = f64> {
    unit: AngleUnit,
    count: u64,
    cosines: Sum<T>,
    sines: Sum<T>,
}

impl<T: Real> Directions<T> {
    /// Of nothing yet.
    #[must_use]
    pub const fn new(unit: AngleUnit) -> Self {
        Self {
            unit,
            count: 0,
            cosines: Sum::ZERO,
            sines: Sum::ZERO,
        }
    }

    /// Of some angles.
    #[must_use]
    pub fn of(unit: AngleUnit, angles: &[T]) -> Self {
        let mut directions = Self::new(unit);
        for angle in angles {
            directions.push(*angle);
        }
        directions
    }

    /// Adds an angle. Costs a sine and a cosine.
    pub fn push(&mut self, angle: T) {
        self.count += 1;
        // Within one turn first, which is exact, so that many turns cost no digits.
        let angle = angle % self.unit.turn() * self.unit.radians();
        self.cosines.add(angle.cos());
        self.sines.add(angle.sin());
    }

    /// Adds the directions of another, given in the same unit.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.cosines.merge(other.cosines);
        self.sines.merge(other.sines);
    }

    /// Length R of the mean vector, in [0, 1]; `None` of nothing.
    fn resultant(&self) -> Option<T> {
        let (x, y) = (self.cosines.value(), self.sines.value());
        let length = (x * x + y * y).sqrt() / T::from_count(self.count);
        let length = if length > T::ONE { T::ONE } else { length };
        (self.count > 0).then_some(length)
    }

    /// The mean direction in [0, 1 turn), in the unit of the angles; `None` of nothing or of directions
    /// that cancel out but for rounding.
    #[must_use]
    pub fn mean(&self) -> Option<T> {
        let nothing = T::from_f64(8.0) * T::EPSILON;
        self.resultant().filter(|length| {
            let cancelled = *length < nothing;
            !cancelled
        })?;
        let mean = self.sines.value().atan2(self.cosines.value()) / self.unit.radians();
        let turn = self.unit.turn();
        let mean = if mean < T::ZERO { mean + turn } else { mean };
        Some(if mean >= turn { T::ZERO } else { mean })
    }

    /// 1 − R, in [0, 1] (no unit): 0 if all directions are one, 1 if they cancel out; what
    /// `scipy.stats.circvar` gives. `None` of nothing.
    #[must_use]
    pub fn dispersion(&self) -> Option<T> {
        Some(T::ONE - self.resultant()?)
    }

    /// Circular standard deviation √(−2 ln R), in the unit of the angles: close to the plain one for narrow
    /// spreads, without bound for wide ones; what `scipy.stats.circstd` gives. `None` of nothing. Spreads
    /// below 0.05° (`f32`) or 10⁻⁶° (`f64`) drown in the rounding of R.
    #[must_use]
    pub fn std(&self) -> Option<T> {
        let twice = T::TWO * self.resultant()?.ln();
        // Not −0 for R = 1.
        Some((T::ZERO - twice).sqrt() / self.unit.radians())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn turning_all_turns_the_mean_and_nothing_else(
            angles in prop::collection::vec(-80.0..80.0_f64, 1..100), by in -2000.0..2000.0_f64, cut in 0.0..1.0_f64,
        ) {
            let still = Directions::of(AngleUnit::Degrees, &angles);
            let turned: Vec<_> = angles.iter().map(|a| a + by).collect();
            let (left, right) = turned.split_at((angles.len() as f64 * cut) as usize);
            let mut merged = Directions::of(AngleUnit::Degrees, left);
            merged.merge(&Directions::of(AngleUnit::Degrees, right));
            let radians: Vec<_> = turned.iter().map(|a| a.to_radians()).collect();
            let radians = Directions::of(AngleUnit::Radians, &radians);
            let (x, y) = angles.iter().fold((0.0, 0.0), |(x, y), a| {
                let (sin, cos) = a.to_radians().sin_cos();
                (x + cos, y + sin)
            });
            let (mean, r) = (y.atan2(x).to_degrees(), x.hypot(y) / angles.len() as f64);
            for (got, scale) in [(still, 1.0), (merged, 1.0), (radians, 180.0 / core::f64::consts::PI)] {
                let moved = if got == still { 0.0 } else { by };
                let got_mean = got.mean().unwrap() * scale;
                prop_assert!((0.0..360.0).contains(&got_mean));
                prop_assert!(angle_difference(got_mean, mean + moved, AngleUnit::Degrees).abs() < 1e-9);
                prop_assert!((got.dispersion().unwrap() - (1.0 - r)).abs() < 1e-12);
                let std = (-2.0 * r.min(1.0).ln()).sqrt().to_degrees();
                prop_assert!((got.std().unwrap() * scale - std).abs() < 1e-4);
            }
        }

        #[test]
        fn the_difference_is_the_shorter_way(a in -1e4..1e4_f64, b in -1e4..1e4_f64) {
            let got = angle_difference(a, b, AngleUnit::Degrees);
            prop_assert!(got > -180.0 && got <= 180.0);
            let turns = (a - b - got) / 360.0;
            prop_assert!((turns - turns.round()).abs() < 1e-9);
        }
    }

    #[test]
    fn they_are_those_of_scipy() {
        // scipy.stats.circmean, circvar, circstd; high=360
        let got = Directions::of(AngleUnit::Degrees, &[350.0, 5.0, 20.0, 355.0, 10.0_f64]);
        assert!((got.mean().unwrap() - 3.991392890242656).abs() < 1e-12);
        assert!((got.dispersion().unwrap() - 0.017276918244733208).abs() < 1e-15);
        assert!((got.std().unwrap() - 10.696956557405516).abs() < 1e-12);
        let got = Directions::of(AngleUnit::Degrees, &[350.0, 5.0, 20.0, 355.0, 10.0_f32]);
        assert!((f64::from(got.mean().unwrap()) - 3.991392890242656).abs() < 1e-4);
        assert!((f64::from(got.std().unwrap()) - 10.696956557405516).abs() < 1e-3);
    }

    #[test]
    fn the_mean_of_north_is_north() {
        let mean = |angles: &[f64]| Directions::of(AngleUnit::Degrees, angles).mean();
        assert_eq!(mean(&[359.0, 1.0]), Some(0.0));
        assert_eq!(mean(&[0.0]), Some(0.0));
        assert_eq!(angle_difference(1.0, 359.0, AngleUnit::Degrees), 2.0);
        assert_eq!(angle_difference(180.0, 0.0, AngleUnit::Degrees), 180.0);
        assert_eq!(angle_difference(0.0, 180.0, AngleUnit::Degrees), 180.0);
    }

    #[test]
    fn directions_that_cancel_out_have_no_mean_and_one_has_no_spread() {
        let opposite = Directions::of(AngleUnit::Degrees, &[0.0, 180.0]);
        assert_eq!(opposite.mean(), None);
        assert!(opposite.dispersion().unwrap() > 0.999_999 && opposite.std().unwrap() > 400.0);
        let one = Directions::of(AngleUnit::Radians, &[0.0]);
        assert_eq!(
            (one.mean(), one.dispersion(), one.std()),
            (Some(0.0), Some(0.0), Some(0.0))
        );
        let none = Directions::<f64>::new(AngleUnit::Radians);
        assert_eq!(
            (none.mean(), none.dispersion(), none.std()),
            (None, None, None)
        );
    }

    #[test]
    fn a_nan_makes_all_nan() {
        let got = Directions::of(AngleUnit::Degrees, &[1.0, f64::NAN]);
        for value in [got.mean(), got.dispersion(), got.std()] {
            assert!(value.unwrap().is_nan());
        }
        assert!(angle_difference(1.0, f64::INFINITY, AngleUnit::Degrees).is_nan());
    }
}
