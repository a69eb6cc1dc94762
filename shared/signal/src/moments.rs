//! Running moments of a window: one pass, constant memory, mergeable.
//!
//! Mean and variance after Welford (1962), merged after Chan, Golub and `LeVeque` (1979); slope by
//! the same recurrences on the co-moment of time and value. Nothing is ever subtracted from an
//! accumulator, so a result depends on the contents of its window alone.

/// Accumulates values with their times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    m2: f64,
    min: f64,
    max: f64,
    mean_time: f64,
    /// Sum of squared deviations of time from its mean.
    m2_time: f64,
    /// Sum of products of the deviations of time and value.
    co_moment: f64,
    first: (f64, f64),
    last: (f64, f64),
}

/// The features of one channel over one window. Units are the channel's unless stated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Summary {
    /// Number of values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); 0 for a single value.
    pub std: f64,
    /// Standard deviation about the least-squares line (n − 2): the spread that a steady rise or
    /// fall does not explain; 0 for fewer than three values. Half of the digits remain where
    /// the line explains everything.
    pub detrended_std: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// Least-squares slope, unit per second; 0 when all values share one time.
    pub slope: f64,
    /// Value at the earliest time.
    pub first: f64,
    /// Value at the latest time.
    pub last: f64,
}

impl Moments {
    /// From the first value of a window; `time` in seconds from any origin near the window.
    #[must_use]
    pub const fn new(time: f64, value: f64) -> Self {
        Self {
            count: 1,
            mean: value,
            m2: 0.0,
            min: value,
            max: value,
            mean_time: time,
            m2_time: 0.0,
            co_moment: 0.0,
            first: (time, value),
            last: (time, value),
        }
    }

    /// Adds a value. Values of equal time keep their order of arrival: the later one is the last.
    pub fn push(&mut self, time: f64, value: f64) {
        self.count += 1;
        let n = self.count as f64;
        let (dx, dt) = (value - self.mean, time - self.mean_time);
        self.mean += dx / n;
        self.mean_time += dt / n;
        self.m2 += dx * (value - self.mean);
        self.m2_time += dt * (time - self.mean_time);
        self.co_moment += dt * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if time < self.first.0 {
            self.first = (time, value);
        }
        if time >= self.last.0 {
            self.last = (time, value);
        }
    }

    /// Adds another accumulator over the same time origin, as if its values had been pushed.
    pub fn merge(&mut self, other: &Self) {
        let (a, b) = (self.count as f64, other.count as f64);
        let n = a + b;
        let (dx, dt) = (other.mean - self.mean, other.mean_time - self.mean_time);
        let weight = a * b / n;
        self.count += other.count;
        self.mean += dx * (b / n);
        self.mean_time += dt * (b / n);
        self.m2 += other.m2 + dx * dx * weight;
        self.m2_time += other.m2_time + dt * dt * weight;
        self.co_moment += other.co_moment + dx * dt * weight;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.first.0 < self.first.0 {
            self.first = other.first;
        }
        if other.last.0 >= self.last.0 {
            self.last = other.last;
        }
    }

    /// The features of what was added so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let n = self.count as f64;
        Summary {
            count: self.count,
            mean: self.mean,
            std: if self.count > 1 {
                libm::sqrt(self.m2 / (n - 1.0))
            } else {
                0.0
            },
            detrended_std: self.detrended_std(n),
            min: self.min,
            max: self.max,
            rms: libm::sqrt(self.mean * self.mean + self.m2 / n),
            slope: if self.m2_time > 0.0 {
                self.co_moment / self.m2_time
            } else {
                0.0
            },
            first: self.first.1,
            last: self.last.1,
        }
    }

    fn detrended_std(&self, n: f64) -> f64 {
        if self.count < 3 {
            return 0.0;
        }
        let explained = if self.m2_time > 0.0 {
            self.co_moment * self.co_moment / self.m2_time
        } else {
            0.0
        };
        // The difference of two rounded sums may come out just below zero.
        libm::sqrt((self.m2 - explained).max(0.0) / (n - 2.0))
    }
}

#[cfg(test)]
mod tests;
