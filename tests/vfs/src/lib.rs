//! SQLite on a [`FaultDisk`]: the same disk, and so the same power cut, as the journal's.
//!
//! A file of the database is the file of the same name on the disk, whatever folder SQLite believes it to be in.
//! The index of the write-ahead log (`-shm`) lives in memory: SQLite makes it anew from the log and never syncs it.
//! Files without a name, which SQLite uses for itself and forgets, are left to the default file system. Locks always
//! succeed, since there is one connection at a time: opening a second one fails.

mod file;
mod table;

use std::ffi::{CStr, CString, c_char};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eyot_journal::testing::FaultDisk;
use rusqlite::ffi;

/// A file system of SQLite's, registered until it is dropped. Close the connections before.
pub struct FaultVfs {
    name: CString,
    /// What SQLite holds a pointer to.
    vfs: ManuallyDrop<Box<ffi::sqlite3_vfs>>,
    /// What that points to.
    shared: ManuallyDrop<Box<Shared>>,
}

/// What all open files share.
pub(crate) struct Shared {
    disk: FaultDisk,
    /// Pages of the log's index; `None` while no database is open.
    index: Mutex<Option<Vec<Box<[u64]>>>>,
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Option<Vec<Box<[u64]>>>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: SQLite calls the table from any thread; everything behind it is locked or never changes.
unsafe impl Send for FaultVfs {}

impl FaultVfs {
    /// Registers the disk under a name of its own.
    ///
    /// # Panics
    /// If SQLite has no default file system, or does not want this one.
    #[must_use]
    pub fn new(disk: FaultDisk) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("eyot-fault-{number}")).expect("no zero in it");
        let shared = Box::new(Shared {
            disk,
            index: Mutex::new(None),
        });
        let mut vfs = ManuallyDrop::new(Box::new(table::vfs(&name, &shared)));
        // SAFETY: the table, its name and what it points to stay where they are until `drop` takes it back.
        let result = unsafe { ffi::sqlite3_vfs_register(&raw mut **vfs, 0) };
        assert_eq!(result, ffi::SQLITE_OK, "SQLite takes the file system");
        Self {
            name,
            vfs,
            shared: ManuallyDrop::new(shared),
        }
    }

    /// What to open connections with.
    ///
    /// # Panics
    /// Never: the name is ASCII.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.to_str().expect("ASCII")
    }
}

impl Drop for FaultVfs {
    fn drop(&mut self) {
        // A test that fails leaves its connections open, in threads that go on: they keep what they use.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: it was registered in `new`, and is no longer used; nothing is dropped twice.
        unsafe {
            ffi::sqlite3_vfs_unregister(&raw mut **self.vfs);
            ManuallyDrop::drop(&mut self.vfs);
            ManuallyDrop::drop(&mut self.shared);
        }
    }
}

/// The last part of a path.
///
/// # Safety
/// `path` is a C string.
pub(crate) unsafe fn base_name(path: *const c_char) -> String {
    // SAFETY: as promised by the caller.
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}
