//! Features that come from all values of a window at once.

use eyot_signal::spectrum::usable_len;
use eyot_signal::{
    AngleUnit, Counter, Directions, Ewma, Fft, Spectrum, autocorrelation, mad, mean_crossings,
    median, quantile, squared_envelope, uniform_rate,
};

use crate::config::ChannelKind;
use crate::feature::Feature;

/// By how much an interval may differ from the mean one where readings count as evenly spaced.
const EVEN: f64 = 0.1;

/// Room to compute in.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// For what disorders its input.
    copy: Vec<f64>,
    power: Vec<f64>,
    /// For as many values as the last window with a spectrum had.
    fft: Option<Fft<f64, Vec<f64>>>,
}

impl Room {
    /// A feature of the values of a window, in order of time. `times` are in seconds.
    pub(super) fn feature(
        &mut self,
        feature: Feature,
        kind: ChannelKind,
        times: &[f64],
        values: &[f64],
    ) -> Option<f64> {
        match feature {
            Feature::Median => median(self.copied(values)),
            Feature::Quantile(percent) => quantile(self.copied(values), f64::from(percent) / 100.0),
            Feature::Mad => mad(self.copied(values)).map(|(_, mad)| mad),
            Feature::MeanCrossings => mean_crossings(values).map(|count| count as f64),
            Feature::Autocorrelation(lag) => autocorrelation(values, usize::from(lag)),
            Feature::Increase | Feature::Rate | Feature::Resets => {
                let ChannelKind::Counter { modulus } = kind else {
                    return None;
                };
                let modulus = modulus.map(|modulus| modulus as f64);
                let counter = Counter::of(modulus, times, values)?;
                match feature {
                    Feature::Increase => Some(counter.increase()),
                    Feature::Rate => counter.rate(),
                    _ => Some(counter.resets() as f64),
                }
            }
            Feature::CircularMean => directions(kind, values)?.mean(),
            Feature::CircularDispersion => directions(kind, values)?.dispersion(),
            Feature::DominantFrequency => Some(self.spectrum(times, values)?.dominant()?.frequency),
            Feature::SpectralCentroid => self.spectrum(times, values)?.centroid(),
            Feature::SpectralEntropy => self.spectrum(times, values)?.entropy(),
            Feature::BandEnergy { low, high } => {
                let hertz = |milli: u32| f64::from(milli) / 1e3;
                let spectrum = self.spectrum(times, values)?;
                Some(spectrum.band_energy(hertz(low), hertz(high)))
            }
            Feature::CircularStd => directions(kind, values)?.std(),
            Feature::Ewma(weight) => {
                let mut ewma = Ewma::new(f64::from(weight) / 1e3);
                for value in values {
                    ewma.push(*value);
                }
                ewma.mean()
            }
            Feature::EnvelopeFrequency { low, high } => {
                let envelope = self.envelope(times, values, (low, high))?;
                Some(envelope.dominant()?.frequency)
            }
            Feature::EnvelopeEnergy { low, high } => {
                Some(self.envelope(times, values, (low, high))?.total())
            }
            _ => None,
        }
    }

    fn copied(&mut self, values: &[f64]) -> &mut [f64] {
        self.copy.clear();
        self.copy.reserve_exact(values.len());
        self.copy.extend_from_slice(values);
        &mut self.copy
    }

    /// Of the newest power of two of values; `None` if they are too few or not evenly spaced.
    fn spectrum(&mut self, times: &[f64], values: &[f64]) -> Option<Spectrum<'_, f64>> {
        let count = usable_len(values.len())?;
        let from = values.len() - count;
        let rate = uniform_rate(&times[from..], EVEN).ok()?;
        if self.fft.as_ref().map(Fft::len) != Some(count) {
            self.fft = Fft::new(vec![0.0; count / 2]);
        }
        self.power.clear();
        self.power.reserve_exact(count);
        self.power.resize(count, 0.0);
        Spectrum::of(self.fft.as_ref()?, &values[from..], rate, &mut self.power)
    }

    /// Of the squared envelope of a band, in thousandths of 1 Hz.
    fn envelope(
        &mut self,
        times: &[f64],
        values: &[f64],
        (low, high): (u32, u32),
    ) -> Option<Spectrum<'_, f64>> {
        let hertz = |milli: u32| f64::from(milli) / 1e3;
        // Makes the transform of this length, and says whether there can be one.
        self.spectrum(times, values)?;
        let count = usable_len(values.len())?;
        let newest = values.len() - count;
        let rate = uniform_rate(&times[newest..], EVEN).ok()?;
        self.copy.clear();
        self.copy.reserve_exact(2 * count);
        self.copy.resize(2 * count, 0.0);
        let fft = self.fft.as_ref()?;
        let band = (hertz(low), hertz(high));
        let envelope = squared_envelope(fft, &values[newest..], rate, band, &mut self.copy)?;
        Spectrum::of(fft, envelope, rate, &mut self.power)
    }
}

fn directions(kind: ChannelKind, values: &[f64]) -> Option<Directions> {
    let unit = match kind {
        ChannelKind::Degrees => AngleUnit::Degrees,
        ChannelKind::Radians => AngleUnit::Radians,
        ChannelKind::Gauge | ChannelKind::Counter { .. } => return None,
    };
    Some(Directions::of(unit, values))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn of(feature: Feature, kind: ChannelKind, readings: &[(f64, f64)]) -> Option<f64> {
        let (times, values): (Vec<_>, Vec<_>) = readings.iter().copied().unzip();
        Room::default().feature(feature, kind, &times, &values)
    }

    const COUNTER: ChannelKind = ChannelKind::Counter { modulus: None };

    #[test]
    fn a_counter_that_goes_around_has_not_been_reset() {
        // 16 bits: around once, and then begun anew.
        let readings = each_second(&[65_530.0, 65_535.0, 4.0, 30_000.0, 10.0]);
        let around = ChannelKind::Counter {
            modulus: Some(1 << 16),
        };
        let look = |feature, kind| of(feature, kind, &readings);
        let risen = 5.0 + 5.0 + 29_996.0 + 10.0;
        assert_eq!(look(Feature::Increase, around), Some(risen));
        assert_eq!(look(Feature::Resets, around), Some(1.0));
        assert_eq!(look(Feature::Resets, COUNTER), Some(2.0));
    }

    /// Values a second apart.
    fn each_second(values: &[f64]) -> Vec<(f64, f64)> {
        let times = (0..values.len()).map(|second| second as f64);
        times.zip(values.iter().copied()).collect()
    }

    #[test]
    fn a_counter_rises_through_its_resets_and_nothing_else_does() {
        let readings = each_second(&[7.0, 9.0, 1.0, 4.0]);
        for (feature, expected) in [
            (Feature::Increase, 6.0),
            (Feature::Rate, 2.0),
            (Feature::Resets, 1.0),
        ] {
            assert_eq!(of(feature, COUNTER, &readings), Some(expected));
            assert_eq!(of(feature, ChannelKind::Gauge, &readings), None);
        }
        let one = &readings[..1];
        assert_eq!(of(Feature::Increase, COUNTER, one), Some(0.0));
        assert_eq!(of(Feature::Rate, COUNTER, one), None);
    }

    #[test]
    fn directions_have_a_mean_where_the_circle_closes() {
        let degrees = each_second(&[350.0, 20.0, 5.0]);
        let radians: Vec<_> = degrees.iter().map(|(t, v)| (*t, v * TAU / 360.0)).collect();
        let mean = |kind, readings| of(Feature::CircularMean, kind, readings).unwrap();
        assert!((mean(ChannelKind::Degrees, &degrees) - 5.0).abs() < 1e-9);
        assert!((mean(ChannelKind::Radians, &radians) - 5.0 * TAU / 360.0).abs() < 1e-12);
        let spread = of(Feature::CircularDispersion, ChannelKind::Degrees, &degrees).unwrap();
        assert!((0.0..0.05).contains(&spread), "{spread}");
        assert_eq!(
            of(Feature::CircularMean, ChannelKind::Gauge, &degrees),
            None
        );
    }

    #[test]
    fn a_tone_is_found_in_evenly_spaced_readings_alone() {
        // 8 Hz, at 64 Hz, over more than a power of two of readings.
        let tone: Vec<_> = (0..150)
            .map(|n| f64::from(n) / 64.0)
            .map(|t| (t, 3.0 + (TAU * 8.0 * t).sin()))
            .collect();
        let band = |low, high| Feature::BandEnergy { low, high };
        let look = |feature, readings: &[_]| of(feature, ChannelKind::Gauge, readings);
        let near = |feature, expected: f64| {
            let got = look(feature, &tone).unwrap();
            assert!((got - expected).abs() < 1e-6, "{feature}: {got}");
        };
        near(Feature::DominantFrequency, 8.0);
        near(Feature::SpectralCentroid, 8.0);
        near(band(7_000, 9_000), 0.5);
        near(band(10_000, 32_000), 0.0);
        assert!(look(Feature::SpectralEntropy, &tone).unwrap() < 0.3);
        let mut gap = tone.clone();
        gap.remove(100);
        for readings in [&gap[..], &tone[..7]] {
            for feature in [
                Feature::DominantFrequency,
                Feature::SpectralCentroid,
                Feature::SpectralEntropy,
                band(0, 1),
            ] {
                assert_eq!(look(feature, readings), None);
            }
        }
        // A gap before the newest power of two does no harm.
        gap = tone.clone();
        gap.remove(5);
        assert!(look(Feature::DominantFrequency, &gap).is_some());
    }

    #[test]
    fn strikes_are_found_in_what_they_make_ring() {
        // 100 Hz that swells seven times a second, under a slow wave that is much stronger.
        let swell = |t: f64| 1.0 + 0.8 * (TAU * 7.0 * t).cos();
        let readings: Vec<_> = (0..512)
            .map(|n| f64::from(n) / 512.0)
            .map(|t| {
                (
                    t,
                    50.0 * (TAU * 3.0 * t).sin() + swell(t) * (TAU * 100.0 * t).sin(),
                )
            })
            .collect();
        let look = |feature| of(feature, ChannelKind::Gauge, &readings);
        let (low, high) = (80_000, 120_000);
        let struck = look(Feature::EnvelopeFrequency { low, high }).unwrap();
        assert!((struck - 7.0).abs() < 0.05, "{struck}");
        assert_eq!(look(Feature::DominantFrequency).map(f64::round), Some(3.0));
        let energy = |low, high| look(Feature::EnvelopeEnergy { low, high });
        assert!(energy(low, high).unwrap() > 100.0 * energy(150_000, 190_000).unwrap());
        assert_eq!(energy(300_000, 400_000), None, "beyond half of the rate");
    }

    #[test]
    fn a_weighted_mean_begins_with_the_first_reading_of_the_window() {
        let readings = each_second(&[10.0, 20.0, 0.0]);
        let of = |weight| of(Feature::Ewma(weight), ChannelKind::Gauge, &readings);
        assert_eq!(of(500), Some(7.5));
        assert_eq!(of(1_000), Some(0.0));
    }

    #[test]
    fn room_is_used_again_for_windows_of_other_lengths() {
        let mut room = Room::default();
        for count in [8, 64, 32, 8] {
            let times: Vec<_> = (0..count).map(f64::from).collect();
            let values: Vec<_> = times.iter().map(|t| (TAU * t / 4.0).cos()).collect();
            let feature = Feature::DominantFrequency;
            let got = room.feature(feature, ChannelKind::Gauge, &times, &values);
            assert!((got.unwrap() - 0.25).abs() < 1e-9, "{got:?} of {count}");
        }
    }
}
