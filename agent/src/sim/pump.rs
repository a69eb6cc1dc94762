//! A centrifugal pump behind a throttling valve, with five sensors.
//!
//! One hidden quantity, the load, moves in smooth trapezoids; everything else follows from it, so
//! that the channels explain each other:
//!
//! ```text
//! load ─┬─▶ flow ──▶ pressure = shut-off head − k · flow²
//!       ├─▶ current ──▶ temperature (first-order lag above ambient)
//!       └─▶ vibration
//! ```
//!
//! Nothing here calls a transcendental function: the same seed gives the same bits everywhere.

use eyot_pipeline::Span;

use super::random::Random;

/// A sensor of the pump.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Name, as in topics.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Standard deviation of a healthy pump's readings over its load cycle, in the unit: the yardstick of
    /// sensor faults.
    pub spread: f64,
    /// Standard deviation of the measurement noise, in the unit.
    noise: f64,
}

/// Index of the vibration channel.
pub const VIBRATION: usize = 0;
/// Index of the temperature channel.
pub const TEMPERATURE: usize = 1;
/// Index of the current channel.
pub const CURRENT: usize = 2;
/// Index of the pressure channel.
pub const PRESSURE: usize = 3;
/// Index of the flow channel.
pub const FLOW: usize = 4;

/// Every channel, in the order of its index.
pub const CHANNELS: [Channel; 5] = [
    channel("vibration", "mm/s", 0.22, 0.08),
    channel("temperature", "°C", 0.6, 0.08),
    channel("current", "A", 1.4, 0.12),
    channel("pressure", "bar", 0.6, 0.03),
    channel("flow", "m³/h", 6.0, 0.4),
];

const fn channel(name: &'static str, unit: &'static str, spread: f64, noise: f64) -> Channel {
    Channel {
        name,
        unit,
        spread,
        noise,
    }
}

/// The index of the channel called `name`.
pub fn channel_index(name: &str) -> Option<usize> {
    CHANNELS.iter().position(|channel| channel.name == name)
}

/// What is wrong with the machine itself; all zero when it is healthy.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Condition {
    /// Wear of the bearing: vibration is 1 + `wear` times what it was.
    pub wear: f64,
    /// Share of the flow that the valve holds back, in [0, 1].
    pub blockage: f64,
}

/// One pump: its own gains and offsets, and the one state that has a memory, its temperature.
#[derive(Debug, Clone)]
pub struct Pump {
    load: Load,
    /// `None` for a pump that never stops.
    stops: Option<Wave>,
    ambient: Wave,
    /// Ambient temperature at the middle of its swing, °C.
    ambient_mean: f64,
    /// Slow drift of each sensor.
    drift: [Wave; 5],
    /// Own gain of each channel, about 1.
    gain: [f64; 5],
    /// Time constant of the housing, s.
    thermal_lag: f64,
    /// Where the temperature stands and as of when; `None` before the first step.
    warmth: Option<(Span, f64)>,
}

impl Pump {
    /// A pump with its own character. `stops` is the probability that it is one of those that are
    /// switched off now and then.
    pub(super) fn new(random: &mut Random, stops: f64) -> Self {
        let load = Load::new(random);
        let stop_wave = Wave::new(random, 300.0, 600.0);
        Self {
            load,
            stops: random.chance(stops).then_some(stop_wave),
            ambient: Wave::new(random, 900.0, 1_800.0),
            ambient_mean: random.between(19.0, 24.0),
            drift: [(); 5].map(|()| Wave::new(random, 600.0, 1_200.0)),
            gain: [(); 5].map(|()| random.between(0.92, 1.08)),
            thermal_lag: random.between(60.0, 120.0),
            warmth: None,
        }
    }

    /// Lets the housing warm or cool until `at` (time since the run began; never backwards).
    pub(super) fn advance(&mut self, at: Span, condition: Condition) {
        let ambient = self.ambient_mean + 0.8 * self.ambient.at(at);
        let current = self.current(at, condition) / CURRENT_AT_FULL_LOAD;
        let target = ambient + 25.0 * current * current + 4.0 * condition.wear;
        self.warmth = Some(match self.warmth {
            None => {
                // As if it had run like this for hours.
                let mean = (CURRENT_IDLE + CURRENT_OF_LOAD * Load::MEAN) / CURRENT_AT_FULL_LOAD;
                (at, ambient + 25.0 * mean * mean)
            }
            Some((since, warmth)) => {
                let step = Span(at.0 - since.0).as_secs_f64();
                (
                    at,
                    warmth + (target - warmth) * step / (self.thermal_lag + step),
                )
            }
        });
    }

    /// What the sensor of `channel` reads at `at`, noise and all. Takes the same number of random
    /// numbers whatever the condition.
    pub(super) fn read(
        &self,
        channel: usize,
        at: Span,
        condition: Condition,
        random: &mut Random,
    ) -> f64 {
        let running = self.running(at);
        let load = self.load.at(at);
        let flow = self.flow(at, condition);
        let (clean, roughness) = match channel {
            VIBRATION => (
                // Recirculation at low flow shakes the machine too.
                (0.15 + running * (1.05 + 1.3 * load)) * (1.0 + condition.wear)
                    + 0.9 * condition.blockage * running,
                1.0 + 2.0 * condition.wear + condition.blockage,
            ),
            TEMPERATURE => (
                self.warmth.map_or(self.ambient_mean, |(_, warmth)| warmth),
                1.0,
            ),
            CURRENT => (self.current(at, condition), 1.0),
            PRESSURE => (
                STATIC_PRESSURE
                    + running * (SHUT_OFF_PRESSURE - PRESSURE_DROP * flow * flow - STATIC_PRESSURE)
                    + 0.9 * condition.blockage * running,
                1.0 + 3.0 * condition.blockage,
            ),
            _ => (flow, 1.0),
        };
        let drift = 1.0 + 0.006 * self.drift[channel].at(at);
        let noise = CHANNELS[channel].noise * roughness * random.normal();
        let value = clean * self.gain[channel] * drift + noise;
        // Sensors of these quantities end at zero, except for temperature.
        if channel == TEMPERATURE {
            value
        } else {
            value.max(0.0)
        }
    }

    /// Flow through the pump before its sensor's gain, m³/h.
    fn flow(&self, at: Span, condition: Condition) -> f64 {
        FLOW_AT_FULL_LOAD * self.load.at(at) * self.running(at) * (1.0 - condition.blockage)
    }

    /// Motor current before its sensor's gain, A. A centrifugal pump that moves less draws less.
    fn current(&self, at: Span, condition: Condition) -> f64 {
        let work = self.load.at(at) * (1.0 - 0.8 * condition.blockage);
        self.running(at) * (CURRENT_IDLE + CURRENT_OF_LOAD * work + 0.4 * condition.wear)
    }

    /// 1 while it runs, 0 while it is switched off, and between while it spins up or down.
    fn running(&self, at: Span) -> f64 {
        self.stops
            .map_or(1.0, |wave| smooth((wave.at(at) + 0.9) * 10.0))
    }
}

const FLOW_AT_FULL_LOAD: f64 = 40.0;
const CURRENT_IDLE: f64 = 6.0;
const CURRENT_OF_LOAD: f64 = 9.0;
const CURRENT_AT_FULL_LOAD: f64 = CURRENT_IDLE + CURRENT_OF_LOAD;
/// Pressure against a closed valve, bar.
const SHUT_OFF_PRESSURE: f64 = 6.4;
/// Pressure of the plant when the pump stands still, bar.
const STATIC_PRESSURE: f64 = 1.5;
/// Head lost to flow, bar per (m³/h)².
const PRESSURE_DROP: f64 = 2.2 / (FLOW_AT_FULL_LOAD * FLOW_AT_FULL_LOAD);

/// Demand on the pump: up, hold, down, hold, as a share of full load.
#[derive(Debug, Clone, Copy)]
struct Load {
    cycle: Phase,
    low: f64,
    high: f64,
}

impl Load {
    /// Share of full load, averaged over a cycle and over pumps.
    const MEAN: f64 = 0.8;
    /// Share of the cycle that one ramp takes; the two plateaus share the rest.
    const RAMP: f64 = 0.2;

    fn new(random: &mut Random) -> Self {
        Self {
            cycle: Phase::new(random, 40.0, 90.0),
            low: random.between(0.58, 0.65),
            high: random.between(0.95, 1.0),
        }
    }

    fn at(&self, at: Span) -> f64 {
        let phase = self.cycle.at(at);
        let up = smooth(phase / Self::RAMP);
        let down = smooth((phase - 0.5) / Self::RAMP);
        self.low + (self.high - self.low) * (up - down)
    }
}

/// A cycle: where in it an instant falls.
#[derive(Debug, Clone, Copy)]
struct Phase {
    period: f64,
    offset: f64,
}

impl Phase {
    /// A period between `shortest` and `longest` seconds, and any offset.
    fn new(random: &mut Random, shortest: f64, longest: f64) -> Self {
        Self {
            period: random.between(shortest, longest),
            offset: random.unit(),
        }
    }

    /// In [0, 1).
    fn at(&self, at: Span) -> f64 {
        let cycles = at.as_secs_f64() / self.period + self.offset;
        cycles - cycles.floor()
    }
}

/// A smooth swing between −1 and 1.
#[derive(Debug, Clone, Copy)]
struct Wave(Phase);

impl Wave {
    fn new(random: &mut Random, shortest: f64, longest: f64) -> Self {
        Self(Phase::new(random, shortest, longest))
    }

    fn at(&self, at: Span) -> f64 {
        let there_and_back = 1.0 - (2.0 * self.0.at(at) - 1.0).abs();
        2.0 * smooth(there_and_back) - 1.0
    }
}

/// 0 below 0, 1 above 1, and without a kink between (3x² − 2x³).
pub(super) fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}
