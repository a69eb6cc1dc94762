//! Radix-2 transforms in place (Cooley and Tukey, 1965), over a table of twiddle factors.
//!
//! Every factor is computed by itself in `f64` and rounded once, so errors grow with log n alone.

use core::marker::PhantomData;

use crate::real::Real;

/// Shortest transform.
pub const MIN_SAMPLES: usize = 8;

/// How many of `len` samples a transform can take: the largest power of two, or `None` below
/// [`MIN_SAMPLES`].
#[must_use]
pub fn usable_len(len: usize) -> Option<usize> {
    (len >= MIN_SAMPLES).then(|| 1 << len.ilog2())
}

/// A transform of one length, in a table that the caller lends: one number for every two samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Fft<T, S> {
    /// Cosine and sine of 2πk/n by turns, for k below n/4.
    table: S,
    of: PhantomData<T>,
}

impl<T: Real, S: AsRef<[T]>> Fft<T, S> {
    /// For twice as many samples as there are numbers in `table`; `None` unless that is a power of two,
    /// [`MIN_SAMPLES`] or more.
    #[must_use]
    pub fn new(mut table: S) -> Option<Self>
    where
        S: AsMut<[T]>,
    {
        let numbers = table.as_mut();
        let n = numbers.len() * 2;
        if !n.is_power_of_two() || n < MIN_SAMPLES {
            return None;
        }
        for (k, pair) in numbers.chunks_exact_mut(2).enumerate() {
            let angle = core::f64::consts::TAU * k as f64 / n as f64;
            pair[0] = T::from_f64(libm::cos(angle));
            pair[1] = T::from_f64(libm::sin(angle));
        }
        Some(Self {
            table,
            of: PhantomData,
        })
    }

    /// How many samples it transforms.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.as_ref().len() * 2
    }

    /// Cosine and sine of 2πk/n, for k below n/2.
    #[inline]
    fn turn(&self, k: usize) -> (T, T) {
        let table = self.table.as_ref();
        let quarter = table.len() / 2;
        if k < quarter {
            (table[2 * k], table[2 * k + 1])
        } else {
            let k = k - quarter;
            (-table[2 * k + 1], table[2 * k])
        }
    }

    /// Cosine of 2πk/n, for k below n.
    pub(crate) fn cosine(&self, k: usize) -> T {
        let half = self.len() / 2;
        let (cosine, _) = self.turn(k % half);
        if k < half { cosine } else { -cosine }
    }

    /// From [`Fft::len`] real samples to the bins X₀ … Xₙ⸝₂, Xₖ = Σ xⱼ exp(−2πijk/n), in the same place:
    /// X₀ and Xₙ⸝₂, which are real, and then real and imaginary part of each by turns. Other lengths are
    /// left alone.
    pub fn real(&self, data: &mut [T]) {
        let n = self.len();
        if data.len() != n {
            return;
        }
        // Even samples as real parts and odd ones as imaginary parts of a transform of half the length.
        self.complex(data, false);
        let half = T::from_f64(0.5);
        (data[0], data[1]) = (data[0] + data[1], data[0] - data[1]);
        for k in 1..=n / 4 {
            let (a, b) = (2 * k, n - 2 * k);
            let even = (
                half * (data[a] + data[b]),
                half * (data[a + 1] - data[b + 1]),
            );
            let odd = (
                half * (data[a + 1] + data[b + 1]),
                half * (data[b] - data[a]),
            );
            let (cos, sin) = self.turn(k);
            let re = cos * odd.0 + sin * odd.1;
            let im = cos * odd.1 - sin * odd.0;
            (data[b], data[b + 1]) = (even.0 - re, im - even.1);
            (data[a], data[a + 1]) = (even.0 + re, even.1 + im);
        }
    }

    /// Of complex numbers, real and imaginary part by turns: [`Fft::len`] of them or a smaller power of
    /// two. The inverse is not scaled.
    pub(crate) fn complex(&self, data: &mut [T], inverse: bool) {
        let count = data.len() / 2;
        reverse(data, count);
        let mut half = 1;
        while half < count {
            let step = self.len() / (2 * half);
            for k in 0..half {
                let (re, sin) = self.turn(k * step);
                let im = if inverse { sin } else { -sin };
                for at in (k..count).step_by(2 * half) {
                    let (a, b) = (2 * at, 2 * (at + half));
                    let x = re * data[b] - im * data[b + 1];
                    let y = re * data[b + 1] + im * data[b];
                    (data[b], data[b + 1]) = (data[a] - x, data[a + 1] - y);
                    (data[a], data[a + 1]) = (data[a] + x, data[a + 1] + y);
                }
            }
            half *= 2;
        }
    }
}

/// Swaps each complex number with the one at its index read backwards.
fn reverse<T>(data: &mut [T], count: usize) {
    let unused = (count.leading_zeros() + 1) % usize::BITS;
    for index in 0..count {
        let other = index.reverse_bits() >> unused;
        if index < other {
            data.swap(2 * index, 2 * other);
            data.swap(2 * index + 1, 2 * other + 1);
        }
    }
}
