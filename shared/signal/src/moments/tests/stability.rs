//! Moments of many values against exact sums of integers.

use crate::real::Real;
use crate::{HigherMoments, Moments};

/// Sums of whole units, without rounding.
#[derive(Default)]
struct Exact {
    count: i128,
    sum: i128,
    squares: i128,
}

impl Exact {
    fn push(&mut self, units: i64) {
        let units = i128::from(units);
        self.count += 1;
        self.sum += units;
        self.squares += units * units;
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    fn variance(&self) -> f64 {
        let m2 = self.squares * self.count - self.sum * self.sum;
        m2 as f64 / self.count as f64 / (self.count - 1) as f64
    }
}

/// How far the n-th value lies above the offset, in units.
type Shape = fn(u64) -> i64;

/// Noise of ±2¹³ units (splitmix64; Steele, Lea and Flood, 2014).
fn noise(n: u64) -> i64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 50).cast_signed() - (1 << 13)
}

fn alternating(n: u64) -> i64 {
    if n.is_multiple_of(2) { 5001 } else { -4999 }
}

fn rising(n: u64) -> i64 {
    (n / 4096).cast_signed()
}

fn outlier_first(n: u64) -> i64 {
    if n == 0 { 1 << 22 } else { noise(n) }
}

const SHAPES: [Shape; 4] = [noise, alternating, rising, outlier_first];

/// Offset and unit: the unit is the last digit of the largest value.
type Scale = (f64, f64);

/// A billion, with a spread of thousandths.
const WIDE: Scale = (1e9, 1.0 / 8_388_608.0);
const NARROW: Scale = (0.0, 1.0 / 1024.0);
const NARROW_OFFSET: Scale = (4096.0, 1.0 / 1024.0);

fn value<T: Real>(n: u64, (offset, unit): Scale, shape: Shape) -> T {
    T::from_f64(offset + shape(n) as f64 * unit)
}

/// Of values pushed one at a time.
fn pushed<T: Real>(count: u64, scale: Scale, shape: Shape) -> (Exact, Moments<T>) {
    let mut exact = Exact::default();
    exact.push(shape(0));
    let mut moments = Moments::new(T::ZERO, value(0, scale, shape));
    for n in 1..count {
        exact.push(shape(n));
        moments.push(T::from_count(n), value(n, scale, shape));
    }
    (exact, moments)
}

/// `mean` is the error allowed relative to the largest value, `variance` relative to itself.
#[track_caller]
fn check<T: Real>(
    moments: &Moments<T>,
    exact: &Exact,
    (offset, unit): Scale,
    (mean, variance): (f64, f64),
) {
    let summary = moments.summary();
    let off = (summary.mean.to_f64() - offset) - exact.mean() * unit;
    let scale = summary.peak().to_f64();
    assert!(off.abs() <= mean * scale, "mean off by {off} at {scale}");
    let want = exact.variance() * unit * unit;
    let got = moments.variance().unwrap().to_f64();
    let off = got / want - 1.0;
    assert!(off.abs() <= variance, "variance off by {off}");
}

fn doubles(count: u64) {
    for shape in SHAPES {
        let (exact, moments) = pushed::<f64>(count, WIDE, shape);
        check(&moments, &exact, WIDE, (2e-16, 1e-12));
    }
}

#[test]
fn a_million_doubles_lose_nothing() {
    doubles(1_000_000);
}

#[test]
#[ignore = "takes a minute; run with --slow"]
fn a_billion_doubles_lose_nothing() {
    doubles(1_000_000_000);
}

#[test]
fn sixty_five_thousand_floats_lose_nothing() {
    for shape in SHAPES {
        for scale in [NARROW, NARROW_OFFSET] {
            let (exact, moments) = pushed::<f32>(65_536, scale, shape);
            check(&moments, &exact, scale, (1e-7, 1e-6));
        }
    }
}

#[test]
fn slices_and_panes_lose_nothing() {
    for shape in SHAPES {
        let (exact, _) = pushed::<f64>(65_536, WIDE, shape);
        for moments in sliced::<f64>(WIDE, shape) {
            check(&moments, &exact, WIDE, (2e-16, 1e-12));
        }
        for scale in [NARROW, NARROW_OFFSET] {
            for moments in sliced::<f32>(scale, shape) {
                check(&moments, &exact, scale, (1e-7, 1e-6));
            }
        }
    }
}

/// Of one slice, and merged from panes of ten values.
fn sliced<T: Real>(scale: Scale, shape: Shape) -> [Moments<T>; 2] {
    let times: Vec<T> = (0..65_536).map(T::from_count).collect();
    let values: Vec<T> = (0..65_536).map(|n| value(n, scale, shape)).collect();
    let panes = times.chunks(10).zip(values.chunks(10));
    let merged = panes
        .map(|(times, values)| Moments::of(times, values).unwrap())
        .reduce(|mut left, right| {
            left.merge(&right);
            left
        });
    [Moments::of(&times, &values).unwrap(), merged.unwrap()]
}

#[test]
fn higher_moments_of_floats_agree_with_those_of_doubles() {
    for shape in SHAPES {
        let narrow: Vec<f32> = (0..65_536).map(|n| value(n, NARROW, shape)).collect();
        let wide: Vec<f64> = narrow.iter().map(|v| f64::from(*v)).collect();
        let want = HigherMoments::of(&wide, &wide).unwrap();
        let mut pushed = HigherMoments::new(narrow[0], narrow[0]);
        narrow[1..].iter().for_each(|v| pushed.push(*v, *v));
        for got in [HigherMoments::of(&narrow, &narrow).unwrap(), pushed] {
            for (got, want) in [
                (got.skewness(), want.skewness()),
                (got.kurtosis(), want.kurtosis()),
            ] {
                let (got, want) = (f64::from(got.unwrap()), want.unwrap());
                assert!(
                    (got - want).abs() < 1e-5 * want.abs().max(1.0),
                    "{got} {want}"
                );
            }
        }
    }
}
