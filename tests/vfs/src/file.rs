//! An open file, and its methods.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{Ordering, fence};

use eyot_journal::testing::FaultFile;
use eyot_journal::{Disk, DiskFile};
use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods};

use crate::Shared;
use crate::table::no_control;

/// What SQLite makes room for.
#[repr(C)]
pub(crate) struct OpenFile {
    base: sqlite3_file,
    /// Ours, from open to close.
    inner: *mut Inner,
}

struct Inner {
    file: FaultFile,
    shared: *const Shared,
    /// The main file, which has the log's index.
    is_database: bool,
    /// The first sync is to make names durable as well, as SQLite does on Unix for journals and logs that may be new:
    /// also that an earlier journal is gone, which would otherwise come back and undo everything.
    sync_name: bool,
}

/// As on Unix: what is not written to is not changed by a power cut.
const DEVICE: c_int = ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE;
const SECTOR: c_int = 4_096;

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(no_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device),
    xShmMap: Some(map_index),
    xShmLock: Some(lock_index),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(unmap_index),
    xFetch: None,
    xUnfetch: None,
};

/// Opens a file of this name.
///
/// # Safety
/// `file` has room for an [`OpenFile`], and `shared` outlives it.
pub(crate) unsafe fn open(shared: &Shared, name: &str, file: *mut OpenFile, flags: c_int) -> c_int {
    // SAFETY: there is room. Without methods SQLite does not close what could not be opened.
    unsafe { (*file).base.pMethods = std::ptr::null() };
    let is_database = flags & ffi::SQLITE_OPEN_MAIN_DB != 0;
    let mut opened = shared.disk.open(name);
    if flags & ffi::SQLITE_OPEN_CREATE != 0
        && opened
            .as_ref()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    {
        opened = shared.disk.create(name);
    }
    let Ok(opened) = opened else {
        return ffi::SQLITE_CANTOPEN;
    };
    if is_database {
        let mut index = shared.index();
        if index.is_some() {
            return ffi::SQLITE_CANTOPEN;
        }
        *index = Some(Vec::new());
    }
    let inner = Box::new(Inner {
        file: opened,
        shared: std::ptr::from_ref(shared),
        is_database,
        sync_name: flags & ffi::SQLITE_OPEN_CREATE != 0 && !is_database,
    });
    // SAFETY: there is room.
    unsafe {
        (*file).inner = Box::into_raw(inner);
        (*file).base.pMethods = &raw const METHODS;
    }
    ffi::SQLITE_OK
}

/// # Safety
/// `file` was opened by [`open`] and is not closed, and nobody else uses it meanwhile.
unsafe fn inner<'a>(file: *mut sqlite3_file) -> &'a mut Inner {
    // SAFETY: as promised by the caller.
    unsafe { &mut *(*file.cast::<OpenFile>()).inner }
}

impl Inner {
    fn shared(&self) -> &Shared {
        // SAFETY: promised to `open`.
        unsafe { &*self.shared }
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes each file once and does not use it any more.
    let inner = unsafe { Box::from_raw((*file.cast::<OpenFile>()).inner) };
    if inner.is_database {
        *inner.shared().index() = None;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    to: *mut c_void,
    n: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: there is room for `n` bytes, which are written to before they are read.
    let buffer = unsafe {
        std::ptr::write_bytes(to.cast::<u8>(), 0, n as usize);
        std::slice::from_raw_parts_mut(to.cast::<u8>(), n as usize)
    };
    // SAFETY: as for all methods.
    match unsafe { inner(file) }.file.read_at(buffer, offset as u64) {
        Ok(got) if got == buffer.len() => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    n: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: there are `n` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), n as usize) };
    // SAFETY: as for all methods.
    match unsafe { inner(file) }.file.write_at(bytes, offset as u64) {
        Ok(()) => ffi::SQLITE_OK,
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        Err(_) => ffi::SQLITE_IOERR_WRITE,
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: as for all methods.
    match unsafe { inner(file) }.file.truncate(size as u64) {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_TRUNCATE,
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: as for all methods.
    let inner = unsafe { inner(file) };
    if inner.file.sync().is_err() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if inner.sync_name {
        // On Unix its failure is passed over, too.
        let _ = inner.shared().disk.sync_dir();
        inner.sync_name = false;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: as for all methods, and there is room for the answer.
    unsafe {
        match inner(file).file.length() {
            Ok(length) => {
                *size = length.cast_signed();
                ffi::SQLITE_OK
            }
            Err(_) => ffi::SQLITE_IOERR_FSTAT,
        }
    }
}

unsafe extern "C" fn lock(_: *mut sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved(_: *mut sqlite3_file, reserved: *mut c_int) -> c_int {
    // SAFETY: there is room for the answer.
    unsafe { *reserved = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    SECTOR
}

unsafe extern "C" fn device(_: *mut sqlite3_file) -> c_int {
    DEVICE
}

unsafe extern "C" fn map_index(
    file: *mut sqlite3_file,
    page: c_int,
    bytes: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    // SAFETY: as for all methods, and there is room for the answer.
    unsafe {
        *to = std::ptr::null_mut();
        let mut index = inner(file).shared().index();
        let pages = index.get_or_insert_default();
        let page = page as usize;
        if page >= pages.len() {
            if extend == 0 {
                return ffi::SQLITE_OK;
            }
            // In words, so that it is aligned as SQLite needs it.
            pages.resize_with(page + 1, || vec![0; bytes as usize / 8].into());
        }
        *to = pages[page].as_mut_ptr().cast();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock_index(_: *mut sqlite3_file, _: c_int, _: c_int, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn unmap_index(file: *mut sqlite3_file, delete: c_int) -> c_int {
    if delete != 0 {
        // SAFETY: as for all methods.
        let inner = unsafe { inner(file) };
        inner.shared().index().get_or_insert_default().clear();
    }
    ffi::SQLITE_OK
}
