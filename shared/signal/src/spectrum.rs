//! Power spectra of evenly sampled series, and what is read off them.
//!
//! A spectrum is taken of a power of two of samples, at least [`MIN_SAMPLES`]: the newest ones, the rest
//! is left out. Padding with zeros would blur the entropy and the bands. Samples have to be evenly spaced,
//! without gaps; [`uniform_rate`] judges that. A NaN among the samples makes every power NaN.

use crate::moments::Moments;
use crate::real::Real;
use crate::sum::Sum;

pub use self::envelope::squared_envelope;
pub use self::fft::{Fft, MIN_SAMPLES, usable_len};
pub use self::uniform::{Uneven, uniform_rate};

mod envelope;
mod fft;
mod uniform;

/// One-sided power spectrum: the mean is taken off, a periodic Hann window laid over (Harris, 1978), and
/// power is scaled so that all bins together are the mean square of the windowed samples over that of the
/// window. So do Welch (1967) with one segment and `scipy.signal.periodogram` with `window='hann'`, whose
/// density this is times the width of a bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spectrum<'a, T> {
    /// Bins from 0 to half of the rate, both included.
    power: &'a [T],
    width: T,
}

/// The largest peak of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak<T> {
    /// Hz.
    pub frequency: T,
    /// Power of the highest bin, unit².
    pub power: T,
}

impl<'a, T: Real> Spectrum<'a, T> {
    /// Of the newest [`Fft::len`] samples, at `rate` Hz, in `storage` for as many. `None` if there are
    /// fewer samples, less storage, or no rate above 0.
    #[must_use]
    pub fn of<S: AsRef<[T]>>(
        fft: &Fft<T, S>,
        samples: &[T],
        rate: T,
        storage: &'a mut [T],
    ) -> Option<Self> {
        let n = fft.len();
        let samples = &samples[samples.len().checked_sub(n)?..];
        let data = storage.get_mut(..n).filter(|_| rate > T::ZERO)?;
        let mean = Moments::of(samples, samples)?.summary().mean;
        let half = T::from_f64(0.5);
        for (i, (to, sample)) in data.iter_mut().zip(samples).enumerate() {
            *to = (*sample - mean) * (half - half * fft.cosine(i));
        }
        fft.real(data);
        let count = T::from_count(n as u64);
        // Over n times the sum of the squared window, 3n/8.
        let scale = T::from_f64(8.0 / 3.0) / count / count;
        let middle = data[1];
        data[0] = data[0] * data[0] * scale;
        for bin in 1..n / 2 {
            let (re, im) = (data[2 * bin], data[2 * bin + 1]);
            data[bin] = T::TWO * (re * re + im * im) * scale;
        }
        data[n / 2] = middle * middle * scale;
        Some(Self {
            power: &data[..=n / 2],
            width: rate / count,
        })
    }

    /// Power by bin, unit²; the first is 0 Hz.
    #[must_use]
    pub const fn power(&self) -> &'a [T] {
        self.power
    }

    /// Hz from one bin to the next.
    #[must_use]
    pub const fn bin_width(&self) -> T {
        self.width
    }

    /// The energy of a band: power of the bins from `low` Hz, included, to `high` Hz, excluded; unit².
    #[must_use]
    pub fn band_energy(&self, low: T, high: T) -> T {
        let inside = |(f, _): &(T, T)| *f >= low && *f < high;
        add(self.bins(0).filter(inside).map(|(_, power)| power))
    }

    /// Power of all bins above 0 Hz, unit².
    #[must_use]
    pub fn total(&self) -> T {
        add(self.above_zero().map(|(_, power)| power))
    }

    /// The strongest frequency above 0 Hz, the lowest of equals: the vertex of the parabola through the
    /// logarithms of the highest bin and its neighbours (Gasior and Gonzalez, 2004), which errs by less than
    /// 0.02 bins on a pure tone away from both ends. `None` of a constant.
    #[must_use]
    pub fn dominant(&self) -> Option<Peak<T>> {
        let total = self.total_if_any()?;
        if total.is_nan() {
            let (frequency, power) = (T::NAN, T::NAN);
            return Some(Peak { frequency, power });
        }
        let mut best = 1;
        for bin in 2..self.power.len() {
            if self.power[bin] > self.power[best] {
                best = bin;
            }
        }
        let shift = match self.power[best - 1..] {
            [left, middle, right, ..] if left > T::ZERO && right > T::ZERO && middle >= left => {
                let (left, right) = ((left / middle).ln(), (right / middle).ln());
                let bend = left + right;
                if bend < T::ZERO {
                    (left - right) / (bend + bend)
                } else {
                    T::ZERO
                }
            }
            _ => T::ZERO,
        };
        Some(Peak {
            frequency: (T::from_count(best as u64) + shift) * self.width,
            power: self.power[best],
        })
    }

    /// Mean frequency above 0 Hz weighted by power, Hz (Peeters, 2004, over power). `None` of a constant.
    #[must_use]
    pub fn centroid(&self) -> Option<T> {
        let total = self.total_if_any()?;
        Some(add(self.above_zero().map(|(f, power)| f * power)) / total)
    }

    /// Shannon's entropy of the shares of power above 0 Hz, over that of as many equal ones, in [0, 1] (no
    /// unit): near 0 for a tone, near 1 for white noise (Inouye et al., 1991). `None` of a constant.
    #[must_use]
    pub fn entropy(&self) -> Option<T> {
        let total = self.total_if_any()?;
        let term = |(_, power): (T, T)| {
            let share = power / total;
            if share == T::ZERO {
                T::ZERO
            } else {
                -(share * share.ln())
            }
        };
        let bins = T::from_count(self.power.len() as u64 - 1);
        Some(add(self.above_zero().map(term)) / bins.ln())
    }

    fn total_if_any(&self) -> Option<T> {
        Some(self.total()).filter(|total| *total != T::ZERO)
    }

    fn above_zero(&self) -> impl Iterator<Item = (T, T)> {
        self.bins(1)
    }

    /// Frequency and power from a bin on.
    fn bins(&self, from: usize) -> impl Iterator<Item = (T, T)> {
        let bins = self.power.iter().enumerate().skip(from);
        bins.map(|(bin, power)| (T::from_count(bin as u64) * self.width, *power))
    }
}

fn add<T: Real>(terms: impl Iterator<Item = T>) -> T {
    let mut sum = Sum::ZERO;
    terms.for_each(|term| sum.add(term));
    sum.value()
}

#[cfg(test)]
mod tests;
