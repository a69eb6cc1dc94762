//! The shore: takes what agents send up and keeps each record once.
//!
//! [`listen`] receives a burst, hands it to a [`Sink`], and acknowledges it to the broker once the sink has committed it:
//! what a crash, a full disk or a locked database keeps from being committed comes again. A record is recognised by its id,
//! so that what comes again is not kept again. Sinks:
//!
//! - [`Database`]: one SQLite file;
//! - [`ParquetFolder`]: Parquet files, behind a [`Database`] in which records wait until a file is complete;
//! - [`Memory`]: nothing outlives the process; for tests.
//!
//! All of them know a device's numbers as [`Ranges`], which say as well what is missing.

mod database;
mod error;
mod id;
mod listen;
mod memory;
mod message;
mod parquet;
mod ranges;
mod report;
#[cfg(test)]
mod tests;

pub use database::{Database, Latest};
pub use error::CollectError;
pub use id::{RecordId, Stream};
pub use listen::{Listen, Progress, listen};
pub use memory::Memory;
pub use message::{Arrived, Content, Lost, Reason, Record, Rubbish, Which, read};
pub use parquet::{ParquetFolder, Rotation};
pub use ranges::Ranges;
pub use report::{Gap, Report, RubbishReport, StatusReport, StreamReport};

use std::ops::AddAssign;

use eyot_pipeline::Timestamp;

/// Keeps what arrives.
pub trait Sink: Send + 'static {
    /// Keeps a burst, all of it or nothing. Blocks on the disk.
    ///
    /// # Errors
    /// When nothing of it was kept. If [`CollectError::passes`], the same burst may be tried again.
    fn commit(&mut self, burst: &[Arrived]) -> Result<Outcome, CollectError>;

    /// Called about once a second, whether or not anything arrives, and with `last` at the end. Blocks on the disk.
    ///
    /// # Errors
    /// When something could not be done that was due. Nothing is lost by it.
    fn tend(&mut self, now: Timestamp, last: bool) -> Result<(), CollectError> {
        let _ = (now, last);
        Ok(())
    }

    /// Numbers that are missing between the first and the last of each device.
    ///
    /// # Errors
    /// When they cannot be read.
    fn missing(&self) -> Result<u64, CollectError>;

    /// Remembers what the broker is asked for, and returns what it was before, since the broker does too.
    ///
    /// # Errors
    /// When that cannot be written.
    fn swap_filters(&mut self, filters: &[String]) -> Result<Vec<String>, CollectError> {
        let _ = filters;
        Ok(Vec::new())
    }
}

/// What became of a burst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records kept.
    pub records: u64,
    /// Records that were there already.
    pub repeated: u64,
    /// What was no record.
    pub rubbish: u64,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.repeated += other.repeated;
        self.rubbish += other.rubbish;
    }
}
