//! What the journal needs of a file system, so that tests can put another one under it.

use std::io;
use std::path::PathBuf;

mod real;

#[cfg(any(test, feature = "testing"))]
pub(crate) mod fault;

pub use real::{RealDisk, RealFile};

/// One folder of files. A clone is another handle on the same folder.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;

    /// Where a file of that name is, for people.
    fn path(&self, name: &str) -> PathBuf;
    /// Creates a file that is not there yet, for reading and writing.
    fn create(&self, name: &str) -> io::Result<Self::File>;
    /// Opens a file for reading, and for cutting it off.
    fn open(&self, name: &str) -> io::Result<Self::File>;
    /// Renames a file; one that has the new name already is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of all files, in any order, with their lengths in bytes.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;
    /// Makes created, renamed and removed names durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send {
    /// Writes all of it at the end. After an error any part of it may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Reads at `offset` what is there, up to the length of the buffer, and says how much that was; less
    /// than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Cuts the file off.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Bytes in it.
    fn length(&self) -> io::Result<u64>;
}
