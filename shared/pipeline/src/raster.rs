//! The readings of a window at evenly spaced instants, as models want them that see more than features.

use crate::grid::{Align, between};
use crate::time::{Span, Timestamp};

/// So many instants, evenly spaced from the window's start on, and what a channel has there.
///
/// Only the window's own readings count, so that a window gives the same whatever was kept of what came before it: before the
/// first of them and behind the last, the nearest one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raster {
    /// How many; at least 1.
    pub points: u16,
    /// What it has between readings.
    pub align: Align,
    /// How far away the readings may be that this comes from.
    pub max_age: Span,
}

impl Raster {
    /// What a window from `start` to `end` with these readings, sorted by time, has at each instant.
    pub(crate) fn values<T>(
        self,
        readings: &[T],
        reading: impl Fn(&T) -> (Timestamp, f64),
        start: Timestamp,
        end: Timestamp,
    ) -> impl Iterator<Item = Option<f64>> {
        let (points, length) = (i64::from(self.points), (end - start).0);
        let mut passed = 0;
        (0..points).map(move |point| {
            // In two parts, since windows of months have too many nanoseconds to be multiplied.
            let into = length / points * point + length % points * point / points;
            let at = start + Span(into);
            while readings
                .get(passed)
                .is_some_and(|next| reading(next).0 <= at)
            {
                passed += 1;
            }
            let before = passed.checked_sub(1).map(|last| reading(&readings[last]));
            let after = readings.get(passed).map(&reading);
            if before.is_some() && after.is_some() {
                return between(before, after, at, self.align, self.max_age);
            }
            let (time, value) = before.or(after)?;
            ((at - time).0.abs() <= self.max_age.0).then_some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn readings(of: &[(i64, f64)]) -> Vec<(Timestamp, f64)> {
        let at = |(ms, value): &(i64, f64)| (START + Span::from_millis(*ms), *value);
        of.iter().map(at).collect()
    }

    fn of(align: Align, max_age: i64, of: &[(i64, f64)]) -> Vec<Option<f64>> {
        let raster = Raster {
            points: 4,
            align,
            max_age: Span::from_millis(max_age),
        };
        let (readings, end) = (readings(of), START + Span::from_secs(4));
        raster
            .values(&readings, |reading| *reading, START, end)
            .collect()
    }

    #[test]
    fn a_window_is_seen_at_evenly_spaced_instants_from_its_start_on() {
        let three = [(500, 1.0), (1_500, 3.0), (2_000, 9.0)];
        let all = |values: [f64; 4]| values.map(Some).to_vec();
        assert_eq!(of(Align::Last, 1_000, &three), all([1.0, 1.0, 9.0, 9.0]));
        assert_eq!(of(Align::Linear, 1_000, &three), all([1.0, 2.0, 9.0, 9.0]));
        assert_eq!(of(Align::Nearest, 1_000, &three), all([1.0, 1.0, 9.0, 9.0]));
        // What is too far away does not count.
        let near = [Some(1.0), Some(2.0), Some(9.0), None];
        assert_eq!(of(Align::Linear, 500, &three), near);
        assert_eq!(of(Align::Linear, 1_000, &[]), [None; 4]);
    }

    #[test]
    fn windows_of_months_do_not_overflow() {
        let raster = Raster {
            points: u16::MAX,
            align: Align::Last,
            max_age: Span(i64::MAX),
        };
        let days = Span::from_secs(90 * 86_400);
        let readings = readings(&[(0, 1.0)]);
        let first = raster.values(&readings, |r| *r, START, START + days);
        assert_eq!(first.flatten().count(), usize::from(u16::MAX));
    }

    proptest! {
        /// Against a search through all readings for each instant.
        #[test]
        fn the_last_and_the_nearest_are_those_that_a_search_finds(
            mut times in prop::collection::vec(0_i64..4_000, 1..12),
            max_age in 0_i64..2_000,
        ) {
            times.sort_unstable();
            times.dedup();
            let held: Vec<_> = times.iter().map(|ms| (*ms, *ms as f64)).collect();
            for align in [Align::Last, Align::Nearest] {
                let naive = (0..4).map(|point| {
                    let at = point * 1_000;
                    let before = times.iter().filter(|ms| **ms <= at);
                    let last = before.max().or(times.first());
                    let nearest = times.iter().min_by_key(|ms| ((**ms - at).abs(), **ms));
                    let ms = *if align == Align::Last { last } else { nearest }?;
                    ((ms - at).abs() <= max_age).then_some(ms as f64)
                });
                prop_assert_eq!(of(align, max_age, &held), naive.collect::<Vec<_>>());
            }
        }
    }
}
