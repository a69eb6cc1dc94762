//! Nanoseconds per value of the features, on this machine: `cargo run --release --example speed`.
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use eyot_signal::{
    AngleUnit, Directions, Fft, HigherMoments, Moments, Pane, Real, RollingQuantile, Slot,
    Spectrum, median,
};

/// Values of one call.
const LEN: usize = 1000;

fn main() {
    println!("{:<32} {:>8} {:>8}", "ns per value", "f64", "f32");
    let (wide, narrow) = (Series::<f64>::new(), Series::<f32>::new());
    row(
        "Moments::of",
        LEN,
        || wide.moments(LEN),
        || narrow.moments(LEN),
    );
    row(
        "Moments::of, 10 values",
        10,
        || wide.moments(10),
        || narrow.moments(10),
    );
    row("Moments::push", LEN, || wide.pushed(), || narrow.pushed());
    row(
        "HigherMoments::push",
        LEN,
        || wide.higher_pushed(),
        || narrow.higher_pushed(),
    );
    row(
        "HigherMoments::of",
        LEN,
        || wide.higher(),
        || narrow.higher(),
    );
    row("Pane::of", LEN, || wide.pane(LEN), || narrow.pane(LEN));
    row(
        "Pane::of, 10 values",
        10,
        || wide.pane(10),
        || narrow.pane(10),
    );
    row(
        "Pane::merge (ns each)",
        8,
        || wide.merged(),
        || narrow.merged(),
    );
    row(
        "a hop of 8 panes of 10 values",
        10,
        || wide.hop(),
        || narrow.hop(),
    );
    row("median", LEN, || wide.median(), || narrow.median());
    for window in [1000, 65_536] {
        let (wide, narrow) = (rolling::<f64>(window), rolling::<f32>(window));
        row(&format!("RollingQuantile of {window}"), 1, wide, narrow);
    }
    for window in [256, 4096] {
        let (wide, narrow) = (wide.spectrum(window), narrow.spectrum(window));
        row(&format!("Spectrum::of {window}"), window, wide, narrow);
    }
    row(
        "Directions::of",
        LEN,
        || wide.directions(),
        || narrow.directions(),
    );
}

/// The best of several rounds, since other work on the machine only ever adds to one.
fn row<A, B>(
    name: &str,
    values: usize,
    mut wide: impl FnMut() -> A,
    mut narrow: impl FnMut() -> B,
) {
    let best = |call: &mut dyn FnMut()| {
        let calls = 1_000_000 / values;
        let rounds = (0..20).map(|_| {
            let start = Instant::now();
            (0..calls).for_each(|_| call());
            start.elapsed().as_secs_f64() * 1e9 / (calls * values) as f64
        });
        rounds.fold(f64::INFINITY, f64::min)
    };
    let wide = best(&mut || drop(black_box(wide())));
    let narrow = best(&mut || drop(black_box(narrow())));
    println!("{name:<32} {wide:>8.2} {narrow:>8.2}");
}

struct Series<T> {
    times: Vec<T>,
    values: Vec<T>,
}

impl<T: Real> Series<T> {
    fn new() -> Self {
        let at = |i| i as f64 * 0.01;
        Self {
            times: (0..LEN).map(|i| T::from_f64(at(i))).collect(),
            values: (0..LEN)
                .map(|i| T::from_f64(20.0 + (at(i) * 3.0).sin() + (at(i * i)).sin()))
                .collect(),
        }
    }

    fn moments(&self, len: usize) -> Option<Moments<T>> {
        Moments::of(
            black_box(&self.times[..len]),
            black_box(&self.values[..len]),
        )
    }

    fn pushed(&self) -> Moments<T> {
        let mut moments = Moments::new(self.times[0], self.values[0]);
        for (time, value) in self.times.iter().zip(&self.values).skip(1) {
            moments.push(*time, *value);
        }
        moments
    }

    fn higher_pushed(&self) -> HigherMoments<T> {
        let mut moments = HigherMoments::new(self.times[0], self.values[0]);
        for (time, value) in self.times.iter().zip(&self.values).skip(1) {
            moments.push(*time, *value);
        }
        moments
    }

    fn higher(&self) -> Option<HigherMoments<T>> {
        HigherMoments::of(black_box(&self.times), black_box(&self.values))
    }

    fn pane(&self, len: usize) -> Option<Pane<T>> {
        let limit = T::from_f64(0.1);
        Pane::of(
            limit,
            black_box(&self.times[..len]),
            black_box(&self.values[..len]),
        )
    }

    /// A window of eight panes.
    fn merged(&self) -> Pane<T> {
        let mut all = Pane::new(T::ONE, self.times[0], self.values[0]);
        let pane = black_box(all);
        for _ in 0..8 {
            all.merge(&pane);
        }
        all
    }

    /// The time-domain features of a window that overlaps eightfold, once a pane of it is new.
    fn hop(&self) -> [Option<T>; 6] {
        let mut window = self
            .pane(10)
            .unwrap_or_else(|| Pane::new(T::ONE, T::ZERO, T::ZERO));
        let pane = black_box(window);
        for _ in 0..7 {
            window.merge(&black_box(pane).later_by(T::ONE));
        }
        let (moments, end) = (window.moments(), T::from_f64(8.0));
        [
            Some(black_box(moments.summary()).mean),
            moments.rate_of_change(),
            window.higher().skewness(),
            window.higher().kurtosis(),
            window.held().mean_until(end),
            window.gaps().ratio(T::ZERO, end),
        ]
    }

    fn median(&self) -> Option<T> {
        median(&mut black_box(&self.values).clone())
    }

    fn directions(&self) -> Directions<T> {
        Directions::of(AngleUnit::Degrees, black_box(&self.values))
    }

    fn spectrum(&self, window: usize) -> impl FnMut() -> Option<T> {
        let values: Vec<T> = self.values.iter().copied().cycle().take(window).collect();
        let fft = Fft::new(vec![T::ZERO; window / 2]);
        let mut storage = vec![T::ZERO; window];
        move || {
            let spectrum = Spectrum::of(fft.as_ref()?, black_box(&values), T::ONE, &mut storage)?;
            Some(spectrum.total())
        }
    }
}

/// Slides a full window on by one value of noise and takes its 95th percentile.
fn rolling<T: Real>(window: usize) -> impl FnMut() -> Option<T> {
    let mut rolling = RollingQuantile::new(vec![Slot::default(); window]);
    let mut state = 1_u64;
    let mut slide = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        rolling.push(T::from_count(state >> 40));
        rolling.quantile(0.95)
    };
    for _ in 0..window {
        slide();
    }
    slide
}
