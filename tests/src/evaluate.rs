//! Detection on simulated fleets, without brokers and clocks: the agent's pipeline and model over the
//! simulator's events, against its ground truth. The same seeds give the same result, always.

use eyot_pipeline::reading::Origin;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context;
use eyot::config::Config;
use eyot::models;
use eyot::sim::fault::{Fault, FaultPlan, RandomFaults};
use eyot::sim::{self, Fleet, FleetConfig, fleet::device_name};
use eyot_pipeline::device::Tally;
use eyot_pipeline::effect::{Alert, AlertState, Effect};
use eyot_pipeline::model::{Model, give_readings};
use eyot_pipeline::{Device, Input, Reading, Span, Timestamp};

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Everything random follows from it.
    pub seed: u64,
    /// Devices.
    pub devices: u32,
    /// Devices that become faulty.
    pub faults: u32,
    /// Length of the run.
    pub length: Span,
    /// No fault before this.
    pub faults_after: Span,
    /// Without it, only the statistical detectors speak.
    pub with_model: bool,
}

/// An alert that was raised.
#[derive(Debug, Clone)]
pub struct Raised {
    /// Number of the device.
    pub device: u32,
    /// The alert.
    pub alert: Alert,
}

/// What came of a trial.
#[derive(Debug)]
pub struct Result {
    /// Every fault with the delay of its first alert, if that came within 30 s.
    pub faults: Vec<(Fault, Option<Span>)>,
    /// Alerts on devices that had nothing.
    pub false_alerts: Vec<Raised>,
    /// Device-minutes simulated.
    pub device_minutes: f64,
}

/// Simulates and judges.
///
/// # Errors
/// When the config has no class for the simulator's pumps or its model cannot be loaded.
pub fn evaluate(config: &Config, trial: &Trial) -> anyhow::Result<Result> {
    let class = config
        .classes
        .iter()
        .find(|class| class.devices.is_match(device_name(0)))
        .context("the config has no class for simulated pumps")?;
    let mut pipeline = Arc::clone(&class.pipeline);
    let model = match &class.model {
        Some(folder) if trial.with_model => {
            let scorer = models::load(folder)?;
            give_readings(scorer.inputs(), &mut pipeline);
            Some(Model::bind(scorer, &pipeline)?)
        }
        _ => None,
    };
    let class = &pipeline;
    let indices = sim::class_channels().map(|name| class.channel_index(name).unwrap_or_default());
    let start = Timestamp::from_secs(1_767_225_600);
    let fleet = Fleet::new(&FleetConfig {
        faults: FaultPlan::Random(RandomFaults {
            devices: trial.faults,
            warmup: trial.faults_after,
            duration: None,
        }),
        ..FleetConfig::new(trial.seed, trial.devices, start, trial.length)
    })?;
    let truth = fleet.truth().to_vec();

    let mut devices: Vec<Device> = (0..trial.devices)
        .map(|_| Device::new(Arc::clone(class), model.clone(), 0))
        .collect();
    let (mut tally, mut effects, mut raised) = (Tally::default(), Vec::new(), Vec::new());
    for event in fleet {
        let reading = Reading {
            time: event.time,
            value: event.value,
            channel: indices[event.channel],
            origin: Origin::default(),
        };
        let input = Input::Readings {
            now: event.send_at,
            readings: &[reading],
        };
        devices[event.device as usize].handle(input, &mut tally, &mut effects);
        for numbered in effects.drain(..) {
            if let Effect::Alert(alert) = numbered.effect
                && alert.state == AlertState::Raised
            {
                raised.push(Raised {
                    device: event.device,
                    alert: *alert,
                });
            }
        }
    }
    let faults = truth
        .iter()
        .map(|fault| {
            let delay = raised
                .iter()
                .filter(|raised| raised.device == fault.device && raised.alert.time >= fault.start)
                .map(|raised| raised.alert.time - fault.start)
                .min()
                .filter(|delay| *delay <= Span::from_secs(30));
            (*fault, delay)
        })
        .collect();
    raised.retain(|raised| {
        !truth
            .iter()
            .any(|fault| fault.device == raised.device && raised.alert.time >= fault.start)
    });
    Ok(Result {
        faults,
        false_alerts: raised,
        device_minutes: f64::from(trial.devices) * trial.length.as_secs_f64() / 60.0,
    })
}

impl Result {
    /// Faults found in time.
    pub fn found(&self) -> usize {
        self.faults
            .iter()
            .filter(|(_, delay)| delay.is_some())
            .count()
    }

    /// A few lines for people: found and missed by kind, and what the false alerts were about.
    pub fn explain(&self, config: &Config) -> String {
        let mut kinds: BTreeMap<String, (usize, usize, Vec<f64>)> = BTreeMap::new();
        for (fault, delay) in &self.faults {
            let channel = fault.channel.map_or("", |c| sim::class_channels()[c]);
            let entry = kinds
                .entry(format!("{:?} {channel}", fault.kind))
                .or_default();
            entry.0 += 1;
            if let Some(delay) = delay {
                entry.1 += 1;
                entry.2.push(delay.as_secs_f64());
            }
        }
        let mut text = String::new();
        for (kind, (all, found, delays)) in kinds {
            // Not `sum`, which starts from -0 and would say so where nothing was found.
            let mean =
                delays.iter().fold(0.0, |sum, delay| sum + delay) / delays.len().max(1) as f64;
            let _ = writeln!(
                text,
                "{kind:28} {found:3} of {all:3} found, after {mean:.1} s"
            );
        }
        let mut causes: BTreeMap<String, usize> = BTreeMap::new();
        for raised in &self.false_alerts {
            if let Some(first) = raised.alert.score.contributions.first() {
                let channel = &config.classes[0].pipeline.channels[usize::from(first.channel)].name;
                let cause = format!("{} {channel} {}", first.detector.name(), first.feature);
                *causes.entry(cause).or_default() += 1;
            }
        }
        let _ = write!(
            text,
            "{} false alerts in {:.0} device-minutes: {causes:?}",
            self.false_alerts.len(),
            self.device_minutes
        );
        text
    }
}
