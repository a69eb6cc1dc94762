//! `eyot check`: whether a configuration is right, and what it would cost.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks to its terminal"
)]

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Estimate};

/// Checks the file at `path`: a summary on standard output and success, or its faults on standard
/// error and failure.
pub fn run(path: &Path) -> ExitCode {
    match Config::load(path) {
        Ok(config) => {
            println!("{}: ok\n{}", path.display(), Summary(&config));
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

/// What a configuration says, in a few lines.
struct Summary<'c>(&'c Config);

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
        }
        match &config.uplink {
            Some(uplink) => writeln!(f, "uplink: {}:{}", uplink.broker.host, uplink.broker.port)?,
            None => writeln!(f, "uplink: none, records stay in the database")?,
        }
        writeln!(f, "devices: {} at most", config.limits.devices)?;
        write!(f, "{}", Estimate::of(config))
    }
}
