//! The journal: the queue between sources and devices, in append-only files.
//!
//! What a source received is appended as one entry, made as durable as is asked for, then acknowledged and
//! handed out. Whoever is behind, because it was busy or because the agent starts, reads it from here. There is
//! one writer, [`Journal`], and any number of [`Reader`]s on other threads. No clock and no threads of its own;
//! files are behind [`Disk`], so that tests can cut the power.
//!
//! # Files
//!
//! Entries have positions, dense from 1 and never used twice. A segment is a file named after the position of
//! its first entry, `00000000000000000001.seg`; it ends where the next one begins. It is only ever appended
//! to, and deleted as a whole. Each opening of the journal and each failed write begins a new one.
//!
//! ```text
//! segment: ┌──────────────┬─────────────┬────────────┬──────────┬─────────┬─────────┐
//!          │ "EYOTJRNL" 8 │ version u16 │ 0 u16      │ first u64│ base i64│ crc u32 │  32 bytes
//!          ├──────────────┴─────────────┴────────────┴──────────┴─────────┴─────────┤
//!          │ frame │ frame │ frame …                                                │
//!          └────────────────────────────────────────────────────────────────────────┘
//! frame:   length varint │ crc u32 │ position, its low bits, u16 │ body
//!                                    └────────── length, crc ──────────┘
//! body:    flags u8 │ admitted signed │ [definitions] │ [source] │ inputs
//! ```
//!
//! Fixed numbers are little endian; varints have seven bits a byte, the lowest first; signed ones are folded so
//! that small magnitudes are short; texts and groups of bytes have their length before them.
//!
//! - The checksum is CRC-32C over position and body, exclusive-ored with the whole position (times an odd
//!   number). So an entry tells where it belongs, and after damage the next one can be found.
//! - `base` and `admitted` are µs: since the epoch, and since `base`.
//! - **Definitions** give numbers to names, at their first use in the segment (`dictionary`). Each segment can
//!   thus be read alone, and names stay readable when ids or the order of enums change.
//! - **Source**: its number; if the flag *deliveries* says so, how many messages have no time of their own and, for each,
//!   its packet identifier (u16) and a checksum of its content (u32); then, unless the flag *plain* says that every message gave exactly one of the
//!   readings, the fates of messages and of readings (fate, count), the number of unmapped fields, and letters.
//! - **Inputs**: their number; for each the device's number, doubled, plus one for a timer; for readings how many
//!   they are and their runs (`run`), with the length before them. If there is just one, of readings, the flag
//!   *one* says so: then there are only its device, how many readings unless *single* says one, and the runs.
//! - **Origins**, before the runs of each input if the flag *origins* says so: sequence numbers, what times come from, and
//!   what the device is told of its senders and of the gateway's clock (`entry::origin`). A message costs three bytes for it
//!   and an input two, an input without times of its own two, readings with a time nothing.
//! - **Version** 2; what it adds to 1 is what is told of the gateway's clock and the short form of origins. Both are read.
//!
//! # Damage
//!
//! What was not written whole at the end is cut off when the journal is opened. What is damaged before is passed
//! over, byte by byte, until the next entry whose checksum is right; lost with it are later entries of the
//! segment that need names defined in it. A segment with a bad header is renamed to `….corrupt`. Everything that
//! is missing is named, by position, by [`Recovery`] or by the [`Reader`] that comes by.

mod dictionary;
mod disk;
mod entry;
mod error;
mod reader;
mod recovery;
mod run;
mod segment;
mod snapshot;
mod value;
mod varint;
mod writer;

pub use disk::{Disk, DiskFile, RealDisk, RealFile};
pub use entry::decode::{EntryRef, InputRef, Inputs};
pub use entry::origin::{Origins, Tellings};
pub use entry::source::{Fate, SourceRef};
pub use entry::{
    Delivery, DeviceInput, DeviceNames, Entry, Letter, Position, SourcePart, Telling, Told,
    admission,
};
pub use error::{CommitError, FileError};
pub use reader::{Reader, Readers, Step};
pub use recovery::{Gap, Recovery, SetAside};
pub use snapshot::Snapshot;
pub use writer::{Faults, Journal, Options, SegmentInfo};

/// A disk with faults, for tests.
#[cfg(any(test, feature = "testing"))]
pub mod testing {
    pub use crate::disk::fault::{FaultDisk, FaultFile, Random};
}

#[cfg(test)]
mod tests;
