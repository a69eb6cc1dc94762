//! What faults look like from outside: on the machine, and in its sensors.
//!
//! Everything random about a fault comes from the fault's own stream, so that the device beneath it
//! is, number by number, the device without the fault.

use eyot_pipeline::{Span, Timestamp};

use super::fault::{Fault, FaultKind, fault_stream};
use super::pump::{CHANNELS, Condition, smooth};
use super::random::Random;

const HOUR: i64 = 3_600;
/// From the reset to the first reading.
const BOOT: Span = Span::from_secs(3);

/// What becomes of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dispatch {
    /// It is sent, with this event time.
    At(Timestamp),
    /// It is sent then.
    HeldUntil(Timestamp),
    /// It is not.
    Lost,
}

/// The faults of one device at work.
#[derive(Debug, Clone, Default)]
pub(super) struct Symptoms(Vec<Symptom>);

#[derive(Debug, Clone)]
struct Symptom {
    fault: Fault,
    random: Random,
    /// How bad it is, in [0, 1).
    degree: f64,
    /// What a stuck sensor repeats.
    held: Option<f64>,
    /// When the next spike is due.
    next_spike: Timestamp,
}

impl Symptoms {
    /// `faults`: all of one device.
    pub(super) fn new(seed: u64, faults: &[Fault]) -> Self {
        let symptoms = (1..).zip(faults).map(|(part, &fault)| {
            let mut random = fault_stream(seed, fault.device, part);
            Symptom {
                fault,
                degree: random.unit(),
                random,
                held: None,
                next_spike: fault.start,
            }
        });
        Self(symptoms.collect())
    }

    /// What is wrong with the machine at `time`.
    pub(super) fn condition(&self, time: Timestamp) -> Condition {
        let Some(symptom) = self.0.iter().find(|symptom| symptom.lasts(time)) else {
            return Condition::default();
        };
        let since = (time - symptom.fault.start).as_secs_f64();
        match symptom.fault.kind {
            FaultKind::BearingWear => Condition {
                wear: (1.0 + symptom.degree) * smooth(since / 10.0) + 0.3 * since / 60.0,
                blockage: 0.0,
            },
            FaultKind::BlockedValve => Condition {
                wear: 0.0,
                blockage: (0.5 + 0.2 * symptom.degree) * smooth(since / 4.0),
            },
            _ => Condition::default(),
        }
    }

    /// What becomes of a reading made at `time` on its way out of the device.
    pub(super) fn dispatch(&self, time: Timestamp) -> Dispatch {
        let Some(symptom) = self.0.iter().find(|symptom| symptom.lasts(time)) else {
            return Dispatch::At(time);
        };
        let fault = &symptom.fault;
        match fault.kind {
            FaultKind::Dropout => Dispatch::Lost,
            FaultKind::LateBurst => Dispatch::HeldUntil(fault.end),
            FaultKind::ClockJump => {
                let jump = match symptom.degree {
                    degree if degree < 1.0 / 3.0 => -HOUR,
                    degree if degree < 2.0 / 3.0 => 24 * HOUR,
                    _ => 365 * 24 * HOUR,
                };
                Dispatch::At(time + Span::from_secs(jump))
            }
            FaultKind::Reboot if time < fault.start + BOOT => Dispatch::Lost,
            FaultKind::Reboot => Dispatch::At(Timestamp((time - (fault.start + BOOT)).0)),
            _ => Dispatch::At(time),
        }
    }

    /// What a reading of `channel` at `time` looks like once its sensor's fault is in it.
    pub(super) fn distort(&mut self, channel: usize, time: Timestamp, value: f64) -> f64 {
        let Some(symptom) = self
            .0
            .iter_mut()
            .find(|symptom| symptom.fault.channel == Some(channel) && symptom.lasts(time))
        else {
            return value;
        };
        let spread = CHANNELS[channel].spread;
        match symptom.fault.kind {
            FaultKind::StuckSensor => *symptom.held.get_or_insert(value),
            FaultKind::Offset => value + (6.0 + 2.0 * symptom.degree) * spread,
            FaultKind::Spikes if time >= symptom.next_spike => {
                let pause = symptom.random.between(2.0, 3.0);
                symptom.next_spike = time + Span((pause * 1e9) as i64);
                let size = symptom.random.between(6.0, 10.0) * spread;
                let sign = if symptom.random.chance(0.5) {
                    1.0
                } else {
                    -1.0
                };
                (value + sign * size).max(0.0)
            }
            _ => value,
        }
    }
}

impl Symptom {
    fn lasts(&self, time: Timestamp) -> bool {
        (self.fault.start..self.fault.end).contains(&time)
    }
}
