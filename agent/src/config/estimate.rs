//! What a configuration can cost at worst, with the figures that the bound is made of.

use std::fmt;

use eyot_decode::config::{OneOrMany, TimeAt};
use eyot_pipeline::Span;
use eyot_pipeline::device::Memory;
use eyot_pipeline::window::Emit;

use super::{Asset, Class, Config, Durability};

/// Memory of a device's actor, with its mailbox and what the fleet knows of it, apart from the device itself.
const ACTOR_BYTES: u64 = 10 * 1024;
/// A reading on its way through a mailbox, with its share of the batch around it.
const IN_FLIGHT_READING_BYTES: u64 = 64;
/// A dead letter on disk beside its payload.
const LETTER_BYTES: u64 = 600;
/// The database's write-ahead log.
const LOG_BYTES: u64 = 16 << 20;
/// Loss records, which have a bound of their own.
const LOSS_BYTES: u64 = 4 << 20;

/// A summary as JSON, each of its channels, and each feature of one beyond those of every window.
const SUMMARY_BYTES: [u64; 3] = [500, 300, 35];
/// The same once it is folded: noise in all of its numbers, which is what cannot be made smaller.
const FOLDED_BYTES: [u64; 3] = [8, 25, 4];
/// From one window of a channel to the next, where that depends on the readings.
const ASSUMED_PERIOD: Span = Span::from_secs(1);

/// Upper bounds in bytes, beside the process itself and its models. They are reached only if all
/// devices are of the costliest class and fill every window to its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    devices: u64,
    class: String,
    channels: u64,
    window_readings: u64,
    panes: u64,
    /// Of one device.
    memory: Memory,
    in_flight: u64,
    outbox: u64,
    headroom: u64,
    /// 0 without a journal.
    journal: u64,
    outage: Option<Outage>,
    dead_letters: u64,
    dead_letter_bytes: u64,
}

impl Estimate {
    /// Of a whole configuration. `model`: how many numbers a class's model takes, 0 without one.
    pub fn of(config: &Config, model: impl Fn(&Class) -> usize) -> Self {
        let senders = senders(config);
        let memory = |class: &Class| Memory::of(&class.pipeline, model(class), senders);
        let costliest = config
            .classes
            .iter()
            .max_by_key(|class| memory(class).total());
        Self {
            devices: config.limits.devices as u64,
            class: costliest.map_or_else(String::new, |class| class.pipeline.name.clone()),
            channels: costliest.map_or(0, channels),
            window_readings: costliest.map_or(0, |class| class.pipeline.max_window_readings as u64),
            panes: costliest.map_or(0, |class| class.pipeline.window.panes() as u64),
            memory: costliest.map_or_else(Memory::default, memory),
            in_flight: config.limits.readings_in_flight as u64,
            outbox: config.outbox.quotas.bytes,
            headroom: config.store.headroom,
            journal: if config.journal.durability > Durability::Memory {
                config.journal.max_bytes
            } else {
                0
            },
            outage: Outage::of(config),
            dead_letters: config.limits.dead_letters as u64,
            dead_letter_bytes: config.limits.dead_letter_bytes as u64,
        }
    }

    fn device(&self) -> u64 {
        (self.memory.total() as u64).saturating_add(ACTOR_BYTES)
    }

    fn all_devices(&self) -> u64 {
        self.devices.saturating_mul(self.device())
    }

    fn queues(&self) -> u64 {
        self.in_flight.saturating_mul(IN_FLIGHT_READING_BYTES)
    }

    /// Memory in bytes.
    pub fn memory(&self) -> u64 {
        self.all_devices().saturating_add(self.queues())
    }

    /// Hours for which the outbox holds every summary at least, while the upstream is away.
    pub fn hours(&self) -> Option<f64> {
        self.outage.as_ref().map(|outage| outage.hours)
    }

    /// Disk in bytes: the outbox, the dead letters, what the database needs beside them, and the journal.
    pub fn disk(&self) -> u64 {
        [
            self.tables(),
            self.letters(),
            LOG_BYTES,
            self.headroom,
            self.journal,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Half of a page is empty at worst where a record does not fit any more; a third on average.
    fn tables(&self) -> u64 {
        let records = self.outbox.saturating_add(LOSS_BYTES);
        records.saturating_add(records / 2)
    }

    fn letters(&self) -> u64 {
        let letter = self.dead_letter_bytes.saturating_add(LETTER_BYTES);
        self.dead_letters.saturating_mul(letter)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "memory at worst: {}, beside the process and its models",
            Bytes(self.memory())
        )?;
        writeln!(
            f,
            "  devices {}: {} × {}; queues {}: {} readings × {IN_FLIGHT_READING_BYTES} B",
            Bytes(self.all_devices()),
            self.devices,
            Bytes(self.device()),
            Bytes(self.queues()),
            self.in_flight
        )?;
        let (class, channels, each) = (&self.class, self.channels, self.window_readings);
        write!(
            f,
            "  a device of class `{class}`: {channels} channels × {each} readings"
        )?;
        if self.panes > 0 {
            write!(f, " and {} panes", self.panes)?;
        }
        let memory = self.memory;
        let parts = [
            ("readings", memory.readings),
            ("panes", memory.panes),
            ("frames that wait", memory.waiting),
            ("frames that may be revised", memory.revisable),
            ("detectors", memory.detectors),
            ("model", memory.model),
            ("computed channels", memory.computed),
            ("senders", memory.senders),
            ("room to compute in", memory.room),
            ("the rest", memory.base + ACTOR_BYTES as usize),
        ];
        let mut sign = ": ";
        for (name, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes > 0) {
            write!(f, "{sign}{name} {}", Bytes(bytes as u64))?;
            sign = ", ";
        }
        writeln!(f)?;
        writeln!(f, "disk at worst: {}", Bytes(self.disk()))?;
        write!(
            f,
            "  outbox {}: 1.5 × ({} + {} of loss records); dead letters {}: {} × {} B; log {}, headroom {}, journal {}",
            Bytes(self.tables()),
            Bytes(self.outbox),
            Bytes(LOSS_BYTES),
            Bytes(self.letters()),
            self.dead_letters,
            self.dead_letter_bytes.saturating_add(LETTER_BYTES),
            Bytes(LOG_BYTES),
            Bytes(self.headroom),
            Bytes(self.journal)
        )?;
        match &self.outage {
            Some(outage) => write!(f, "\n{outage}"),
            None => Ok(()),
        }
    }
}

/// How long the outbox lasts if every device is of the class that fills it first.
#[derive(Debug, Clone, PartialEq)]
struct Outage {
    hours: f64,
    class: String,
    channels: u64,
    /// Summaries a second.
    rate: f64,
    folded: u64,
    /// What runs out first.
    limit: &'static str,
}

impl Outage {
    fn of(config: &Config) -> Option<Self> {
        let outages = config
            .classes
            .iter()
            .map(|class| Self::in_class(config, class));
        outages.min_by(|a, b| a.hours.total_cmp(&b.hours))
    }

    fn in_class(config: &Config, class: &Class) -> Self {
        let quotas = config.outbox.quotas;
        let window = class.pipeline.window;
        // Windows that channels do not have in common are summed up each alone.
        let (summaries, channels) = match channels(class).max(1) {
            channels if window.is_aligned() => (1, channels),
            channels => (channels, 1),
        };
        let period = window.period().unwrap_or(ASSUMED_PERIOD);
        let every = match class.pipeline.emit {
            Emit::Interval(interval) => interval.max(period),
            Emit::Every | Emit::OnChange => period,
        };
        let summaries = config.limits.devices as f64 * summaries as f64;
        let rate = summaries / every.as_secs_f64();
        let extra = class.pipeline.features.len() as u64;
        let size = |[base, channel, feature]: [u64; 3]| {
            let channel = channel.saturating_add(feature.saturating_mul(extra));
            base.saturating_add(channel.saturating_mul(channels))
        };
        let (plain, folded) = (size(SUMMARY_BYTES) as f64, size(FOLDED_BYTES));
        // What is younger than this is not folded yet.
        let young = config.outbox.fold_after.as_secs_f64();
        let bytes = quotas.bytes as f64;
        let rest = bytes - young * rate * plain;
        let by_bytes = if rest > 0.0 {
            young + rest / (rate * folded as f64)
        } else {
            bytes / (rate * plain)
        };
        let by_records = quotas.records as f64 / rate;
        let by_age = quotas
            .age
            .map_or(f64::INFINITY, eyot_pipeline::Span::as_secs_f64);
        let limits = [
            (by_bytes, "max_bytes"),
            (by_records, "max_records"),
            (by_age, "max_age"),
        ];
        let (seconds, limit) = limits.into_iter().fold((f64::INFINITY, ""), |least, next| {
            if next.0 < least.0 { next } else { least }
        });
        Self {
            hours: seconds / 3_600.0,
            class: class.pipeline.name.clone(),
            channels,
            rate,
            folded,
            limit,
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "outage covered at least: {:.1} h, bounded by {}: {:.1} summaries/s × {} B once folded (class `{}`: all devices, {} channels a summary)",
            self.hours, self.limit, self.rate, self.folded, self.class, self.channels
        )
    }
}

/// Channels of one device at most.
fn channels(class: &Class) -> u64 {
    let unlisted = class.pipeline.unlisted.as_ref().map_or(0, |u| u.max);
    (class.pipeline.channels.len() + unlisted) as u64
}

/// Senders that a device has at most, if any say numbers or have clocks of their own: itself, or those of an asset.
fn senders(config: &Config) -> usize {
    let mut rules = config
        .sources
        .iter()
        .flat_map(|source| &source.mapping.rules);
    let numbered = rules.any(|rule| {
        let times = rule.time.iter().flat_map(OneOrMany::as_slice);
        let formats = times.filter_map(|at| match at {
            TimeAt::Detail(detail) => detail.format.as_deref(),
            TimeAt::Path(_) => None,
        });
        let own_clock = formats
            .chain(rule.time_format.as_deref())
            .any(|format| format.starts_with("uptime"));
        rule.sequence.is_some() || rule.boot_id.is_some() || own_clock
    });
    let of_asset = |asset: &Asset| {
        let mut devices: Vec<_> = asset.members.iter().map(|m| &m.device).collect();
        devices.sort_unstable();
        devices.dedup();
        devices.len()
    };
    let most = config.assets.iter().map(of_asset).max();
    if numbered { 1 + most.unwrap_or(0) } else { 0 }
}

/// Bytes in the largest binary unit that keeps the number above 1.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut number = self.0 as f64;
        let mut unit = UNITS[0];
        for larger in &UNITS[1..] {
            if number < 1024.0 {
                break;
            }
            number /= 1024.0;
            unit = larger;
        }
        let decimals = usize::from(number < 10.0 && unit != "B");
        write!(f, "{number:.decimals$} {unit}")
    }
}
