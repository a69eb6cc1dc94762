//! Demodulation of a band, for the shocks of worn bearings.

use super::Fft;
use crate::moments::Moments;
use crate::real::Real;

/// Squared envelope of a band of the newest [`Fft::len`] samples, at `rate` Hz: their bins from `low` Hz,
/// included, to `high` Hz, excluded, doubled, transformed back (the analytic signal after Hilbert) and
/// squared; unit². `storage` holds twice as many numbers as samples; the envelope takes the first half.
///
/// Its spectrum shows how often a resonance inside the band is struck: the fault frequencies of a bearing
/// (Randall and Antoni, 2011, who square because the root would add harmonics of its own). `None` if there
/// are fewer samples, less storage, or no bin between 0 Hz and half of the rate inside the band.
#[must_use]
pub fn squared_envelope<'a, T: Real, S: AsRef<[T]>>(
    fft: &Fft<T, S>,
    samples: &[T],
    rate: T,
    (low, high): (T, T),
    storage: &'a mut [T],
) -> Option<&'a mut [T]> {
    let n = fft.len();
    let samples = &samples[samples.len().checked_sub(n)?..];
    let data = storage.get_mut(..2 * n)?;
    let count = T::from_count(n as u64);
    let inside = |bin: usize| {
        let frequency = T::from_count(bin as u64) * rate / count;
        (1..n / 2).contains(&bin) && frequency >= low && frequency < high
    };
    if !(0..n).any(inside) {
        return None;
    }
    let mean = Moments::of(samples, samples)?.summary().mean;
    for (to, sample) in data.chunks_exact_mut(2).zip(samples) {
        to[0] = *sample - mean;
        to[1] = T::ZERO;
    }
    fft.complex(data, false);
    let scale = T::TWO / count;
    for (bin, value) in data.chunks_exact_mut(2).enumerate() {
        let factor = if inside(bin) { scale } else { T::ZERO };
        value[0] = value[0] * factor;
        value[1] = value[1] * factor;
    }
    fft.complex(data, true);
    for i in 0..n {
        let (re, im) = (data[2 * i], data[2 * i + 1]);
        data[i] = re * re + im * im;
    }
    Some(&mut data[..n])
}
