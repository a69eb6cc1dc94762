//! `eyot check`: whether a configuration is right, and what it would cost.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use eyot_pipeline::config::ClassConfig;
use eyot_pipeline::model::{give_readings, resolve};
use eyot_pipeline::window::{Emit, LatePolicy, Report, STALE_AFTER};

use crate::config::{Class, Config, Estimate};
use crate::error::chain;
use crate::models::Manifest;

/// Checks the file at `path`: a summary on standard output and success, or its faults on standard
/// error and failure.
pub fn run(path: &Path) -> ExitCode {
    match Config::load(path) {
        Ok(mut config) => {
            let (unfit, widths) = fit_models(&mut config);
            if !unfit.is_empty() {
                for text in &unfit {
                    eprintln!("{}: {text}", path.display());
                }
                return ExitCode::FAILURE;
            }
            let summary = Summary(&config, &widths);
            super::say(format_args!("{}: ok\n{summary}", path.display()));
            ExitCode::SUCCESS
        }
        Err(faults) => {
            let count = faults.list.len();
            let noun = if count == 1 { "fault" } else { "faults" };
            eprintln!("{faults}\n\n{}: {count} {noun}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// How many numbers the models of classes take, by the class's name.
type Widths = BTreeMap<String, usize>;

/// What keeps models from judging the devices of their classes: an agent would do without them. Those that fit have what they want of
/// readings afterwards, as in an agent.
fn fit_models(config: &mut Config) -> (Vec<String>, Widths) {
    let (mut unfit, mut widths) = (Vec::new(), Widths::new());
    for class in &mut config.classes {
        let Some(folder) = &class.model else { continue };
        let fault = match Manifest::load(&folder.join("manifest.toml")) {
            Ok(manifest) => {
                let inputs = manifest.inputs();
                give_readings(&inputs, &mut class.pipeline);
                let width = inputs.iter().map(|input| input.view.width()).sum();
                widths.insert(class.pipeline.name.clone(), width);
                let resolved = resolve(&manifest.name, &inputs, &class.pipeline);
                resolved.err().map(|error| error.to_string())
            }
            Err(error) => Some(chain(&error)),
        };
        unfit.extend(fault.map(|fault| format!("class `{}`: {fault}", class.pipeline.name)));
    }
    (unfit, widths)
}

/// What a configuration says, in a few lines.
struct Summary<'c>(&'c Config, &'c Widths);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.0;
        for source in &config.sources {
            let (name, broker) = (&source.name, &source.broker);
            write!(f, "source `{name}`: {}:{}, rules", broker.host, broker.port)?;
            for rule in &source.mapping.rules {
                write!(f, " `{}`", rule.name)?;
            }
            if let Some(ceiling) = source.ceiling(&config.journal) {
                let (window, wait) = (source.window(), config.journal.max_wait);
                write!(
                    f,
                    "; at most {ceiling:.0} messages/s of QoS 1 ({window} under way / {wait:?} a commit)"
                )?;
            }
            writeln!(f)?;
        }
        for class in &config.classes {
            let model = class.model.as_ref();
            let model =
                model.map_or_else(|| "none".to_owned(), |model| model.display().to_string());
            writeln!(
                f,
                "class `{}`: {} channels, windows {}, model {model}",
                class.pipeline.name,
                class.pipeline.channels.len(),
                class.pipeline.window,
            )?;
            write!(f, "{}", Details(&class.pipeline))?;
        }
        match &config.uplink {
            Some(uplink) => writeln!(f, "uplink: {}:{}", uplink.broker.host, uplink.broker.port)?,
            None => writeln!(f, "uplink: none, records stay in the database")?,
        }
        writeln!(f, "devices: {} at most", config.limits.devices)?;
        let width = |class: &Class| self.1.get(&class.pipeline.name).copied().unwrap_or(0);
        write!(f, "{}", Estimate::of(config, width))
    }
}

/// What a class says beyond the defaults, each in a line.
struct Details<'c>(&'c ClassConfig);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = self.0;
        if let Some((first, rest)) = class.features.split_first() {
            write!(f, "  features beside those of every window: {first}")?;
            for feature in rest {
                write!(f, ", {feature}")?;
            }
            writeln!(f)?;
        }
        match class.late {
            LatePolicy::Drop => {}
            LatePolicy::SideOutput => writeln!(f, "  late readings become records of their own")?,
            LatePolicy::Revise { windows } => writeln!(
                f,
                "  late readings revise the last {windows} windows, for {} after their end",
                class.allowed_lateness
            )?,
        }
        match class.emit {
            Emit::Every => {}
            Emit::OnChange => writeln!(f, "  summaries when the verdict changes")?,
            Emit::Interval(interval) => writeln!(f, "  a summary each {interval}")?,
        }
        match class.report {
            Report::OnChange => Ok(()),
            Report::Periodic { every } => {
                writeln!(f, "  stale after {} of silence", every.times(STALE_AFTER))
            }
        }
    }
}
