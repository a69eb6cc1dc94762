//! Features across channels that are sampled at the same times.

use crate::moments::Moments;
use crate::real::Real;
use crate::sum::sums;

/// Pearson's correlation (1895) of two series, in [−1, 1] (no unit). Pairs are by index: times have to be
/// aligned before. `None` for fewer than two pairs, slices of two lengths, or if either is constant; NaN
/// with a NaN among the values. [`Moments::of`] the two series is its mergeable state.
#[must_use]
pub fn correlation<T: Real>(a: &[T], b: &[T]) -> Option<T> {
    Moments::of(a, b)?.correlation()
}

/// Euclidean length of a vector, in the unit of its components; 0 of none. Squares have to fit. NaN with a
/// NaN among the components.
#[must_use]
pub fn magnitude<T: Real>(components: &[T]) -> T {
    let squares = components.iter().map(|c| *c * *c);
    squares.fold(T::ZERO, |sum, square| sum + square).sqrt()
}

/// [`magnitude`] at every sample of some channels, into `to`. `None`, and nothing written, unless there
/// are channels, all as long as `to`.
pub fn magnitudes<T: Real>(channels: &[&[T]], to: &mut [T]) -> Option<()> {
    let (first, rest) = alike(channels)?;
    if first.len() != to.len() {
        return None;
    }
    for (to, value) in to.iter_mut().zip(first) {
        *to = *value * *value;
    }
    for channel in rest {
        for (to, value) in to.iter_mut().zip(*channel) {
            *to += *value * *value;
        }
    }
    for to in to {
        *to = to.sqrt();
    }
    Some(())
}

/// Root mean square of the magnitude over all samples, in the unit of the channels. `None` unless there are
/// channels of one length, one sample or more; NaN with a NaN among the values.
#[must_use]
pub fn rms_magnitude<T: Real>(channels: &[&[T]]) -> Option<T> {
    let (first, _) = alike(channels)?;
    let count = T::from_count(first.len() as u64);
    let squares = channels.iter().map(|channel| {
        let [squares] = sums([*channel], |[value]| [value * value]);
        squares.value() / count
    });
    let mean = squares.fold(T::ZERO, |sum, mean| sum + mean);
    (!first.is_empty()).then(|| mean.sqrt())
}

/// The first channel and the rest; `None` unless all have its length.
fn alike<'a, 'b, T>(channels: &'b [&'a [T]]) -> Option<(&'a [T], &'b [&'a [T]])> {
    let (first, rest) = channels.split_first()?;
    let alike = rest.iter().all(|channel| channel.len() == first.len());
    alike.then_some((*first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn correlation_is_that_of_the_definition(pairs in prop::collection::vec((-1e3..1e3_f64, -1e3..1e3_f64), 2..100), offset in -1e6..1e6_f64) {
            let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let n = a.len() as f64;
            let mean = |all: &[f64]| all.iter().sum::<f64>() / n;
            let about = |all: &[f64]| { let m = mean(all); all.iter().map(|v| v - m).collect::<Vec<_>>() };
            let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let (x, y) = (about(&a), about(&b));
            let want = dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt();
            let moved: Vec<_> = a.iter().map(|v| v + offset).collect();
            prop_assert!((correlation(&moved, &b).unwrap() - want).abs() < 1e-6);
        }

        #[test]
        fn magnitudes_are_those_of_the_vectors(vectors in prop::collection::vec((-1e3..1e3_f64, -1e3..1e3_f64, -1e3..1e3_f64), 1..100)) {
            let axis = |of: fn(&(f64, f64, f64)) -> f64| vectors.iter().map(of).collect::<Vec<_>>();
            let (x, y, z) = (axis(|v| v.0), axis(|v| v.1), axis(|v| v.2));
            let channels = [&x[..], &y[..], &z[..]];
            let mut to = vec![0.0; x.len()];
            prop_assert_eq!(magnitudes(&channels, &mut to), Some(()));
            for (got, (x, y, z)) in to.iter().zip(&vectors) {
                prop_assert!((got - x.hypot(*y).hypot(*z)).abs() < 1e-9);
                prop_assert_eq!(*got, magnitude(&[*x, *y, *z]));
            }
            let want = (to.iter().map(|m| m * m).sum::<f64>() / x.len() as f64).sqrt();
            prop_assert!((rms_magnitude(&channels).unwrap() - want).abs() < 1e-9);
        }
    }

    #[test]
    fn correlation_is_that_of_numpy() {
        // numpy.corrcoef
        let a = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let b = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0];
        assert!((correlation(&a, &b).unwrap() - 0.20965531907301216).abs() < 1e-15);
        let line = a.map(|v| 1e9 - 3.0 * v);
        assert!((correlation(&a, &line).unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_suffice_has_none() {
        assert_eq!(correlation(&[1.0], &[2.0]), None);
        assert_eq!(correlation(&[1.0, 2.0], &[2.0]), None);
        assert_eq!(correlation(&[1.0, 2.0], &[0.1, 0.1]), None);
        assert_eq!(magnitude::<f64>(&[]), 0.0);
        assert_eq!(rms_magnitude::<f64>(&[]), None);
        assert_eq!(rms_magnitude::<f64>(&[&[], &[]]), None);
        assert_eq!(rms_magnitude(&[&[1.0][..], &[1.0, 2.0]]), None);
        assert_eq!(rms_magnitude(&[&[3.0_f32][..], &[4.0]]), Some(5.0));
        let mut to = [7.0; 2];
        assert_eq!(magnitudes(&[&[1.0][..]], &mut to), None);
        assert_eq!(magnitudes(&[], &mut to), None);
        assert_eq!(to, [7.0; 2]);
    }

    #[test]
    fn a_nan_makes_it_nan() {
        let (a, b) = ([1.0, f64::NAN, 2.0], [1.0, 2.0, 3.0]);
        assert!(correlation(&a, &b).unwrap().is_nan());
        assert!(magnitude(&a).is_nan() && rms_magnitude(&[&a, &b]).unwrap().is_nan());
    }
}
