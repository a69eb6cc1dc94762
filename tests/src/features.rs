//! Window features of simulated devices, for training: the agent's own pipeline over the agent's own
//! simulator, so that a model is trained on exactly what it will see.

use eyot_pipeline::reading::Origin;
use std::io::Write;

use anyhow::Context;
use eyot::config::Config;
use eyot::sim::{self, Event, Fleet, FleetConfig, fleet::device_name};
use eyot_pipeline::device::Tally;
use eyot_pipeline::effect::Effect;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::{Device, Input, Reading};

/// Writes one CSV row for every window of every device: device, start (ns), then every feature of every
/// channel as `channel.feature`. Windows in which a channel is missing are left out.
///
/// # Errors
/// When the config has no class for the simulator's devices, or `out` cannot be written.
pub fn write(config: &Config, fleet: &FleetConfig, mut out: impl Write) -> anyhow::Result<()> {
    let class = config
        .classes
        .iter()
        .find(|class| class.devices.is_match(device_name(0)))
        .context("the config has no class for simulated pumps")?;
    let class = &class.pipeline;
    let indices = sim::class_channels().map(|name| {
        class
            .channel_index(name)
            .with_context(|| format!("the class has no channel {name}"))
    });
    let indices = indices.into_iter().collect::<anyhow::Result<Vec<_>>>()?;

    let names = class
        .channels
        .iter()
        .flat_map(|c| Feature::BASIC.map(|f| format!("{}.{f}", c.name)));
    writeln!(out, "device,start,{}", names.collect::<Vec<_>>().join(","))?;

    let mut devices: Vec<Device> = (0..fleet.devices)
        .map(|_| Device::new(class.clone(), None, 0))
        .collect();
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    for event in Fleet::new(fleet)? {
        let Event {
            send_at,
            device,
            channel,
            time,
            value,
            ..
        } = event;
        let reading = Reading {
            time,
            value,
            channel: indices[channel],
            origin: Origin::default(),
        };
        let input = Input::Readings {
            now: send_at,
            readings: &[reading],
        };
        devices[device as usize].handle(input, &mut tally, &mut effects);
        for numbered in effects.drain(..) {
            let Effect::Window(window) = numbered.effect else {
                continue;
            };
            if window.channels.len() < class.channels.len() {
                continue;
            }
            write!(out, "{},{}", device_name(device), window.start.0)?;
            for part in &window.channels {
                for feature in Feature::BASIC {
                    let value = feature.of(&part.features).unwrap_or(f64::NAN);
                    write!(out, ",{value}")?;
                }
            }
            writeln!(out)?;
        }
    }
    Ok(())
}
