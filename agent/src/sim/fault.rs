//! Faults, and the ground truth about them.
//!
//! A plan says what shall happen; its schedule is the truth that gets written down. What a fault
//! looks like is in `symptom`.

use std::fmt;
use std::str::FromStr;

use eyot_pipeline::{Span, Timestamp};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::fleet::device_name;
use super::pump::{CHANNELS, CURRENT, FLOW, PRESSURE, TEMPERATURE, VIBRATION, channel_index};
use super::random::Random;

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Vibration doubles or trebles within 10 s, grows on slowly and gets rougher; the housing warms.
    BearingWear,
    /// Flow drops to 30–50 % within 4 s; pressure rises, the motor draws less.
    BlockedValve,
    /// A sensor repeats its last value.
    StuckSensor,
    /// A sensor shows a single wild value every 2–3 s.
    Spikes,
    /// A sensor reads too high by 4–6 of its standard deviations.
    Offset,
    /// Nothing is sent.
    Dropout,
    /// Everything is kept back, and sent all at once in the end.
    LateBurst,
    /// The device's clock is an hour behind, a day ahead or a year ahead.
    ClockJump,
    /// Silence for 3 s, and then a clock that begins in 1970, until it is set.
    Reboot,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::BearingWear,
        Self::BlockedValve,
        Self::StuckSensor,
        Self::Spikes,
        Self::Offset,
        Self::Dropout,
        Self::LateBurst,
        Self::ClockJump,
        Self::Reboot,
    ];
    /// Those that show in the values, which are what a number of faults is drawn from. The others are faults of the
    /// clock and of the way, and asked for by name.
    pub const IN_VALUES: [Self; 5] = [
        Self::BearingWear,
        Self::BlockedValve,
        Self::StuckSensor,
        Self::Spikes,
        Self::Offset,
    ];

    /// The name used on the command line and in truth files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BearingWear => "bearing_wear",
            Self::BlockedValve => "blocked_valve",
            Self::StuckSensor => "stuck_sensor",
            Self::Spikes => "spikes",
            Self::Offset => "offset",
            Self::Dropout => "dropout",
            Self::LateBurst => "late_burst",
            Self::ClockJump => "clock_jump",
            Self::Reboot => "reboot",
        }
    }

    /// Whether it afflicts one sensor rather than the machine.
    pub const fn of_a_sensor(self) -> bool {
        matches!(self, Self::StuckSensor | Self::Spikes | Self::Offset)
    }
}

/// One fault of one device: the truth about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Number of the device, from 0.
    pub device: u32,
    /// What is wrong.
    pub kind: FaultKind,
    /// Index of the afflicted sensor's channel; `None` when the machine itself is faulty.
    pub channel: Option<usize>,
    /// Event time at which it begins.
    pub start: Timestamp,
    /// Event time at which it is over.
    pub end: Timestamp,
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Fault", 5)?;
        fields.serialize_field("device", &device_name(self.device))?;
        fields.serialize_field("kind", self.kind.name())?;
        fields.serialize_field(
            "channel",
            &self.channel.map(|channel| CHANNELS[channel].name),
        )?;
        fields.serialize_field("start", &super::rfc3339(self.start))?;
        fields.serialize_field("end", &super::rfc3339(self.end))?;
        fields.end()
    }
}

/// Which faults a run shall have.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum FaultPlan {
    /// None at all.
    #[default]
    None,
    /// Drawn from the seed.
    Random(RandomFaults),
    /// These.
    List(Vec<PlannedFault>),
}

/// One fault each for some devices. The kinds that show in the values take turns, so that each occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomFaults {
    /// How many devices become faulty.
    pub devices: u32,
    /// Time at the beginning of the run during which nothing is wrong.
    pub warmup: Span,
    /// How long a fault lasts; `None`: until the end of the run, and at least 30 s.
    pub duration: Option<Span>,
}

/// A fault asked for by hand. As text: `pump-0003:offset:flow@90s+30s`, the channel only for
/// sensor faults, the length left out for a fault that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedFault {
    /// Number of the device, from 0.
    pub device: u32,
    /// What shall go wrong.
    pub kind: FaultKind,
    /// Index of the channel, for the faults of a sensor.
    pub channel: Option<usize>,
    /// When, from the beginning of the run.
    pub after: Span,
    /// For how long; `None`: until the end of the run.
    pub duration: Option<Span>,
}

/// A fault plan that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// More faulty devices than devices.
    #[error("{faulty} devices cannot be faulty when there are {devices}")]
    TooManyDevices {
        /// Faulty devices asked for.
        faulty: u32,
        /// Devices there are.
        devices: u32,
    },
    /// The run is over before a fault could show.
    #[error(
        "a run of {run} has no room for a fault of at least {fault} after {warmup} without one; \
         make the run longer or the warm-up shorter"
    )]
    RunTooShort {
        /// Length of the run.
        run: Span,
        /// Warm-up asked for.
        warmup: Span,
        /// Length a fault has at least.
        fault: Span,
    },
    /// The fault's device is not part of the fleet.
    #[error("{device} cannot be faulty: the last device is {last}")]
    UnknownDevice {
        /// Device asked for.
        device: String,
        /// Last device there is.
        last: String,
    },
    /// The fault begins after the run.
    #[error("the fault of {device} begins {after} into a run of {run}")]
    AfterTheRun {
        /// Device asked for.
        device: String,
        /// When it begins.
        after: Span,
        /// Length of the run.
        run: Span,
    },
    /// Two faults of one device at once.
    #[error("{device} has two faults at once; let one end before the next begins")]
    Overlap {
        /// Which device.
        device: String,
    },
}

impl FaultPlan {
    /// The faults of a run of `length` that begins at `start`, by device and then by time.
    pub fn schedule(
        &self,
        seed: u64,
        devices: u32,
        start: Timestamp,
        length: Span,
    ) -> Result<Vec<Fault>, FaultError> {
        let mut faults = match self {
            Self::None => Vec::new(),
            Self::Random(plan) => plan.draw(seed, devices, start, length)?,
            Self::List(planned) => planned
                .iter()
                .map(|fault| fault.place(devices, start, length))
                .collect::<Result<_, _>>()?,
        };
        faults.sort_by_key(|fault| (fault.device, fault.start));
        match faults
            .windows(2)
            .find(|pair| pair[0].device == pair[1].device && pair[1].start < pair[0].end)
        {
            Some(pair) => Err(FaultError::Overlap {
                device: device_name(pair[0].device),
            }),
            None => Ok(faults),
        }
    }
}

impl RandomFaults {
    /// What a detector needs to see of a fault at least.
    const SHORTEST: Span = Span::from_secs(30);

    fn draw(
        &self,
        seed: u64,
        devices: u32,
        start: Timestamp,
        length: Span,
    ) -> Result<Vec<Fault>, FaultError> {
        if self.devices > devices {
            return Err(FaultError::TooManyDevices {
                faulty: self.devices,
                devices,
            });
        }
        let shortest = self.duration.unwrap_or(Self::SHORTEST);
        let slack = length.0 - self.warmup.0 - shortest.0;
        if slack < 0 {
            return Err(FaultError::RunTooShort {
                run: length,
                warmup: self.warmup,
                fault: shortest,
            });
        }
        let mut chosen: Vec<(u64, u32, Random)> = (0..devices)
            .map(|device| {
                let mut random = fault_stream(seed, device, 0);
                (random.bits(), device, random)
            })
            .collect();
        chosen.sort_by_key(|&(rank, device, _)| (rank, device));
        chosen.truncate(self.devices as usize);
        let kinds = FaultKind::IN_VALUES.into_iter().cycle();
        Ok(kinds
            .zip(chosen)
            .map(|(kind, (_, device, mut random))| {
                let begins = self.warmup.0 + (random.unit() * slack as f64) as i64;
                let begins = start + Span::from_millis(begins / 1_000_000);
                let channel = random_channel(kind, &mut random);
                Fault {
                    device,
                    kind,
                    channel,
                    start: begins,
                    end: self.duration.map_or(start + length, |lasts| begins + lasts),
                }
            })
            .collect())
    }
}

/// Any channel for a fault of a sensor, but one that shows: a housing is so slow that a stuck
/// temperature looks like a steady one for minutes.
fn random_channel(kind: FaultKind, random: &mut Random) -> Option<usize> {
    let candidates: &[usize] = match kind {
        FaultKind::BearingWear
        | FaultKind::BlockedValve
        | FaultKind::Dropout
        | FaultKind::LateBurst
        | FaultKind::ClockJump
        | FaultKind::Reboot => return None,
        FaultKind::StuckSensor => &[VIBRATION, CURRENT, PRESSURE, FLOW],
        FaultKind::Spikes | FaultKind::Offset => &[VIBRATION, TEMPERATURE, CURRENT, PRESSURE, FLOW],
    };
    Some(candidates[(random.unit() * candidates.len() as f64) as usize])
}

impl PlannedFault {
    fn place(&self, devices: u32, start: Timestamp, length: Span) -> Result<Fault, FaultError> {
        let device = || device_name(self.device);
        if self.device >= devices {
            return Err(FaultError::UnknownDevice {
                device: device(),
                last: device_name(devices.saturating_sub(1)),
            });
        }
        if self.after >= length {
            return Err(FaultError::AfterTheRun {
                device: device(),
                after: self.after,
                run: length,
            });
        }
        let begins = start + self.after;
        let run_ends = start + length;
        Ok(Fault {
            device: self.device,
            kind: self.kind,
            channel: self.channel,
            start: begins,
            end: self
                .duration
                .map_or(run_ends, |lasts| (begins + lasts).min(run_ends)),
        })
    }
}

/// The text is no planned fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no fault: {why}; write it like pump-0003:bearing_wear@90s or pump-0003:offset:flow@90s+30s"
)]
pub struct ParseFaultError {
    text: String,
    why: String,
}

impl FromStr for PlannedFault {
    type Err = ParseFaultError;

    fn from_str(text: &str) -> Result<Self, ParseFaultError> {
        parse_planned(text).map_err(|why| ParseFaultError {
            text: text.to_owned(),
            why,
        })
    }
}

fn parse_planned(text: &str) -> Result<PlannedFault, String> {
    let (what, when) = text.split_once('@').ok_or("it says no time after an @")?;
    let mut what = what.split(':');
    let device = what.next().unwrap_or_default();
    let number: u32 = device
        .strip_prefix("pump-")
        .and_then(|digits| digits.parse().ok())
        .filter(|&number| number > 0)
        .ok_or_else(|| format!("`{device}` is no device"))?;
    let kind = what.next().unwrap_or_default();
    let kind = FaultKind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
        .ok_or_else(|| {
            let known = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("`{kind}` is none of {known}")
        })?;
    let channel = match what.next() {
        Some(name) => Some(channel_index(name).ok_or_else(|| {
            let known = CHANNELS.map(|channel| channel.name).join(", ");
            format!("`{name}` is none of the channels {known}")
        })?),
        None => None,
    };
    match (kind.of_a_sensor(), channel) {
        (true, None) => return Err(format!("{} needs a channel", kind.name())),
        (false, Some(_)) => return Err(format!("{} has no channel", kind.name())),
        _ => {}
    }
    if what.next().is_some() {
        return Err("there is something after the channel".to_owned());
    }
    let (after, duration) = match when.split_once('+') {
        Some((after, duration)) => (after, Some(duration)),
        None => (when, None),
    };
    Ok(PlannedFault {
        device: number - 1,
        kind,
        channel,
        after: super::parse_span(after)?,
        duration: duration.map(super::parse_span).transpose()?,
    })
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Random numbers of the faults alone; a device's signal uses the even streams. Part 0 is for
/// drawing up the schedule, part n for the device's n-th fault.
pub(super) fn fault_stream(seed: u64, device: u32, part: u32) -> Random {
    Random::new(seed, u64::from(part) << 33 | u64::from(device) << 1 | 1)
}
