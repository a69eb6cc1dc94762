//! The log: to stderr, for people or as JSON, filtered by `EYOT_LOG`.

use std::env;
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing::subscriber::{SetGlobalDefaultError, set_global_default};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::MakeWriter;

/// Variable that says what is logged, in `tracing`'s words: `debug`, or `info,eyot::mqtt=trace`.
pub const FILTER_VARIABLE: &str = "EYOT_LOG";
const DEFAULT_FILTER: &str = "info,ractor=warn";

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error(
        "{FILTER_VARIABLE}={filter} is no log filter: write a level, like debug, or target=level pairs"
    )]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something else in this process logs already.
    #[error("the log is set up already")]
    AlreadySet(#[source] SetGlobalDefaultError),
}

/// Sets the log of the process up. Call it once, first of all.
pub fn init(format: LogFormat) -> Result<(), LogError> {
    let filter = env::var_os(FILTER_VARIABLE)
        .map(|value| value.to_string_lossy().into_owned())
        .filter(|value| !value.is_empty());
    let filter = filter.as_deref().unwrap_or(DEFAULT_FILTER);
    let coloured = io::stderr().is_terminal();
    let subscriber = subscriber(format, filter, coloured, io::stderr)?;
    set_global_default(subscriber).map_err(LogError::AlreadySet)
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    coloured: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let env_filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter {
            filter: filter.to_owned(),
            source,
        })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(env_filter)
        .with_ansi(coloured)
        // It would be told on standard error, in a way that ends the thread if that cannot be written either: a log
        // on a full disk must not stop what it tells of.
        .log_internal_errors(false)
        .with_writer(writer);
    Ok(match format {
        LogFormat::Human => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Arc;

    use tracing::subscriber::with_default;

    use super::*;

    /// What takes nothing.
    struct Full;

    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn a_log_that_cannot_be_written_stops_nobody() {
        let subscriber = subscriber(LogFormat::Human, "info", false, || Full).unwrap();
        with_default(subscriber, || tracing::info!("goes nowhere"));
    }

    /// What is logged while `EYOT_LOG` is `filter`.
    fn logged(format: LogFormat, filter: &str) -> String {
        let log = Arc::new(tempfile::tempfile().unwrap());
        let subscriber = subscriber(format, filter, false, Arc::clone(&log)).unwrap();
        with_default(subscriber, || {
            tracing::info!(source = "plant", readings = 3, "burst \"taken\"");
            tracing::debug!("detail");
        });
        let mut text = String::new();
        (&*log).rewind().unwrap();
        (&*log).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn people_read_one_line_an_event() {
        let text = logged(LogFormat::Human, "info");
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.contains(" INFO ") && text.contains(r#"source="plant" readings=3"#),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "no colours unless asked for");
    }

    #[test]
    fn machines_read_one_object_an_event() {
        let text = logged(LogFormat::Json, "debug");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["message"], "burst \"taken\"");
        assert_eq!(
            (&lines[0]["source"], &lines[0]["readings"]),
            (&"plant".into(), &3.into())
        );
        assert_eq!((&lines[1]["level"], lines.len()), (&"DEBUG".into(), 2));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = subscriber(LogFormat::Human, "eyot=loud", false, io::sink)
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .starts_with("EYOT_LOG=eyot=loud is no log filter"),
            "{error}"
        );
    }
}
