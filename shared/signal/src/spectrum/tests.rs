//! Transforms against the plain sum, spectra against scipy and against signals that are known.

use core::f64::consts::TAU;

use proptest::prelude::*;

use super::*;

fn fft<T: Real>(n: usize) -> Fft<T, Vec<T>> {
    Fft::new(vec![T::ZERO; n / 2]).unwrap()
}

/// Bin `k` by definition.
fn plain(values: &[f64], k: usize) -> (f64, f64) {
    let n = values.len();
    let terms = values.iter().enumerate().map(|(j, v)| {
        let angle = -TAU * ((j * k) % n) as f64 / n as f64;
        (v * angle.cos(), v * angle.sin())
    });
    terms.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
}

fn transformed<T: Real>(values: &[f64]) -> Vec<f64> {
    let mut data: Vec<T> = values.iter().map(|v| T::from_f64(*v)).collect();
    fft(values.len()).real(&mut data);
    data.into_iter().map(Real::to_f64).collect()
}

fn tone(n: usize, rate: f64, frequency: f64) -> Vec<f64> {
    (0..n)
        .map(|i| (TAU * frequency * i as f64 / rate).sin())
        .collect()
}

proptest! {
    #[test]
    fn transforms_are_the_plain_sum(power in 3_u32..9, values in prop::collection::vec(-1.0..1.0_f64, 256)) {
        let n = 1 << power;
        let values = &values[..n];
        for (got, near) in [(transformed::<f64>(values), 1e-13), (transformed::<f32>(values), 1e-5)] {
            let near = near * n as f64;
            prop_assert!((got[0] - plain(values, 0).0).abs() < near);
            prop_assert!((got[1] - plain(values, n / 2).0).abs() < near);
            for k in 1..n / 2 {
                let (re, im) = plain(values, k);
                prop_assert!((got[2 * k] - re).abs() < near && (got[2 * k + 1] - im).abs() < near, "{}", k);
            }
        }
    }

    #[test]
    fn tones_are_found_between_bins(bin in 4.0..120.0_f64, amplitude in 0.01..100.0_f64) {
        let (n, rate) = (256, 1000.0);
        let width = rate / n as f64;
        let samples: Vec<_> = tone(n, rate, bin * width).iter().map(|v| 5.0 + amplitude * v).collect();
        let mut storage = vec![0.0; n];
        let spectrum = Spectrum::of(&fft(n), &samples, rate, &mut storage).unwrap();
        let peak = spectrum.dominant().unwrap();
        prop_assert!((peak.frequency / width - bin).abs() < 0.02, "{} {}", peak.frequency / width, bin);
        let power = amplitude * amplitude / 2.0;
        prop_assert!((spectrum.total() / power - 1.0).abs() < 0.01);
        let near = spectrum.band_energy((bin - 3.0) * width, (bin + 3.0) * width);
        prop_assert!(near > 0.99 * power);
        prop_assert!(spectrum.entropy().unwrap() < 0.35);
        prop_assert!((spectrum.centroid().unwrap() / width - bin).abs() < 0.5);
    }
}

#[test]
fn a_long_transform_of_floats_keeps_its_digits() {
    let n = 65_536;
    let values: Vec<f64> = tone(n, 1.0, 1000.0 / n as f64);
    let narrow = transformed::<f32>(&values);
    let wide = transformed::<f64>(&values);
    let error: f64 = narrow.iter().zip(&wide).map(|(a, b)| (a - b).powi(2)).sum();
    let energy: f64 = wide.iter().map(|v| v * v).sum();
    assert!(
        (error / energy).sqrt() < 1e-6,
        "{}",
        (error / energy).sqrt()
    );
    let peak = wide[2001].abs();
    assert!((peak - 32_768.0).abs() < 1e-9, "{peak}");
}

const SAMPLES: [f64; 16] = [
    3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0, 8.0, 9.0, 7.0, 9.0, 3.0,
];

#[test]
fn power_is_that_of_scipy() {
    // f, p = scipy.signal.periodogram(samples, 16, 'hann'), whose bins are 1 Hz wide; then
    // sum(p[2:5]), sum(f[1:] * p[1:]) / sum(p[1:]), scipy.stats.entropy(p[1:]) / log(8)
    let mut storage = [0.0; 16];
    let spectrum = Spectrum::of(&fft(16), &SAMPLES, 16.0, &mut storage).unwrap();
    assert_eq!((spectrum.bin_width(), spectrum.power().len()), (1.0, 9));
    for (got, want) in spectrum.power().iter().zip([
        0.08823689685645102,
        0.40031185356643706,
        0.7961875406407335,
        0.3666094550834234,
        0.35751141276719517,
        1.390628022898552,
        0.7514725118761242,
        0.6507160819792446,
        0.10356255922609088,
    ]) {
        assert!((got - want).abs() < 1e-14, "{got} instead of {want}");
    }
    assert!((spectrum.band_energy(2.0, 5.0) - 1.520308408491352).abs() < 1e-14);
    assert!((spectrum.centroid().unwrap() - 4.435966717339737).abs() < 1e-14);
    assert!((spectrum.entropy().unwrap() - 0.911201091501179).abs() < 1e-14);
}

#[test]
fn the_envelope_is_that_of_numpy() {
    // x = numpy.fft.fft(samples - mean); x[:3] = x[6:] = 0; abs(numpy.fft.ifft(2 * x)) ** 2
    let mut storage = [0.0; 32];
    let got = squared_envelope(&fft(16), &SAMPLES, 16.0, (3.0, 6.0), &mut storage).unwrap();
    for (got, want) in got.iter().zip([
        2.638132955912887,
        3.3714273450671035,
        3.860796026871895,
        4.001256322580788,
        3.865066030276668,
        3.6358688480258956,
        3.485305840089918,
        3.466779592649761,
        3.4894689541085238,
        3.3870097142325535,
        3.038252492556244,
        2.4658116815078905,
        1.8504778102095396,
        1.4488398431820655,
        1.4587913909895616,
        1.9092981537691807,
    ]) {
        assert!((got - want).abs() < 1e-13, "{got} instead of {want}");
    }
}

fn struck<T: Real>() {
    // A resonance at 3 kHz that is struck 107 times a second, under a hum ten times as strong.
    let (n, rate) = (4096, 20_000.0);
    let samples: Vec<T> = (0..n + 100)
        .map(|i| {
            let time = i as f64 / rate;
            let since = time % (1.0 / 107.0);
            let shock = (-since * 800.0).exp() * (TAU * 3000.0 * since).sin();
            T::from_f64(shock + 10.0 * (TAU * 50.0 * time).sin())
        })
        .collect();
    let (rate, band) = (
        T::from_f64(rate),
        (T::from_f64(2000.0), T::from_f64(4000.0)),
    );
    let mut storage = vec![T::ZERO; 2 * n];
    let fft = fft(n);
    let envelope = squared_envelope(&fft, &samples, rate, band, &mut storage).unwrap();
    let envelope = envelope.to_vec();
    let spectrum = Spectrum::of(&fft, &envelope, rate, &mut storage).unwrap();
    let found = spectrum.dominant().unwrap().frequency.to_f64();
    assert!((found - 107.0).abs() < 1.0, "{found}");
    let plain = Spectrum::of(&fft, &samples, rate, &mut storage).unwrap();
    let found = plain.dominant().unwrap().frequency.to_f64();
    assert!((found - 50.0).abs() < 1.0, "{found}");
}

#[test]
fn the_envelope_shows_how_often_a_resonance_is_struck() {
    struck::<f32>();
    struck::<f64>();
}

#[test]
fn noise_is_disorder() {
    let mut state = 1_u64;
    let samples: Vec<f64> = (0..1024)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64
        })
        .collect();
    let mut storage = vec![0.0; 1024];
    let spectrum = Spectrum::of(&fft(1024), &samples, 1.0, &mut storage).unwrap();
    assert!(spectrum.entropy().unwrap() > 0.9);
    assert!((spectrum.centroid().unwrap() - 0.25).abs() < 0.02);
    let halves = spectrum.band_energy(0.0, 0.25) + spectrum.band_energy(0.25, 1.0);
    assert!((halves / (spectrum.total() + spectrum.power()[0]) - 1.0).abs() < 1e-12);
}

#[test]
fn only_the_newest_power_of_two_counts() {
    assert_eq!(
        [7, 8, 1000, 1024].map(usable_len),
        [None, Some(8), Some(512), Some(1024)]
    );
    let fft = fft::<f64>(8);
    let (mut a, mut b) = ([0.0; 8], [0.0; 9]);
    let newest = Spectrum::of(&fft, &SAMPLES[8..], 1.0, &mut a).unwrap();
    assert_eq!(Spectrum::of(&fft, &SAMPLES, 1.0, &mut b), Some(newest));
}

#[test]
fn what_does_not_suffice_has_no_spectrum() {
    for len in [0, 2, 3, 6] {
        assert_eq!(Fft::<f64, _>::new(vec![0.0; len]), None);
    }
    let fft = fft::<f64>(8);
    assert_eq!(Spectrum::of(&fft, &[1.0; 7], 1.0, &mut [0.0; 8]), None);
    assert_eq!(Spectrum::of(&fft, &[1.0; 8], 1.0, &mut [0.0; 7]), None);
    assert_eq!(Spectrum::of(&fft, &[1.0; 8], 0.0, &mut [0.0; 8]), None);
    let envelope = |samples: &[f64], band, mut storage: Vec<f64>| {
        squared_envelope(&fft, samples, 8.0, band, &mut storage).is_some()
    };
    assert!(envelope(&[1.0; 8], (1.0, 2.0), vec![0.0; 16]));
    assert!(!envelope(&[1.0; 7], (1.0, 2.0), vec![0.0; 16]));
    assert!(!envelope(&[1.0; 8], (1.0, 2.0), vec![0.0; 15]));
    assert!(!envelope(&[1.0; 8], (1.1, 1.9), vec![0.0; 16]));
    assert!(!envelope(&[1.0; 8], (4.0, 9.0), vec![0.0; 16]));
    let mut alone = [1.0; 4];
    fft.real(&mut alone);
    assert_eq!(alone, [1.0; 4]);
}

#[test]
fn a_constant_has_no_frequency_and_a_nan_makes_all_nan() {
    let (fft, mut storage) = (fft::<f64>(8), [0.0; 8]);
    let flat = Spectrum::of(&fft, &[0.1; 8], 1.0, &mut storage).unwrap();
    assert_eq!((flat.total(), flat.dominant()), (0.0, None));
    assert_eq!((flat.centroid(), flat.entropy()), (None, None));
    let mut samples = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0];
    let fast = Spectrum::of(&fft, &samples, 1.0, &mut storage).unwrap();
    assert_eq!(fast.dominant().unwrap().frequency, 0.5);
    samples[3] = f64::NAN;
    let spectrum = Spectrum::of(&fft, &samples, 1.0, &mut storage).unwrap();
    assert!(spectrum.dominant().unwrap().frequency.is_nan());
    assert!(spectrum.centroid().unwrap().is_nan() && spectrum.entropy().unwrap().is_nan());
    assert!(spectrum.band_energy(0.0, 1.0).is_nan());
}

#[test]
fn the_rate_is_known_only_of_even_samples() {
    let mut times: Vec<f64> = (0..100).map(|i| 7.0 + f64::from(i) * 0.01).collect();
    times[40] += 0.0009;
    assert!((uniform_rate(&times, 0.1).unwrap() - 100.0).abs() < 1e-9);
    assert_eq!(uniform_rate(&times, 0.05), Err(Uneven::Interval(40)));
    times.remove(60);
    assert_eq!(uniform_rate(&times, 0.1), Err(Uneven::Interval(60)));
    times[50] = times[49];
    assert_eq!(uniform_rate(&times, 0.1), Err(Uneven::Order(50)));
    times[30] = f64::NAN;
    assert_eq!(uniform_rate(&times, 0.1), Err(Uneven::Order(30)));
    assert_eq!(uniform_rate(&times[..1], 0.1), Err(Uneven::TooFew));
    assert_eq!(
        Uneven::Order(3).to_string(),
        "sample 3 is not later than the one before it"
    );
}
