//! The file system as a table of functions.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::size_of;

use eyot_journal::Disk;
use rusqlite::ffi::{self, sqlite3_file, sqlite3_vfs};

use crate::file::{self, OpenFile};
use crate::{Shared, base_name};

/// Longest path, as on Unix.
const MAX_PATH: c_int = 512;

fn default() -> *mut sqlite3_vfs {
    // SAFETY: without a name it looks for the default and never fails on Unix.
    let found = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
    assert!(!found.is_null(), "SQLite has a file system");
    found
}

/// The table, pointing to `name` and `shared`.
pub(crate) fn vfs(name: &CStr, shared: &Shared) -> sqlite3_vfs {
    // SAFETY: the default is never unregistered.
    let theirs = unsafe { (*default()).szOsFile };
    sqlite3_vfs {
        iVersion: 1,
        szOsFile: theirs.max(c_int::try_from(size_of::<OpenFile>()).unwrap_or(c_int::MAX)),
        mxPathname: MAX_PATH,
        pNext: std::ptr::null_mut(),
        zName: name.as_ptr(),
        pAppData: std::ptr::from_ref(shared).cast_mut().cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_path),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: None,
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// # Safety
/// `vfs` is one that [`vfs`] made, still registered.
unsafe fn shared<'a>(vfs: *mut sqlite3_vfs) -> &'a Shared {
    // SAFETY: as promised by the caller; `Shared` outlives the registration.
    unsafe { &*(*vfs).pAppData.cast::<Shared>() }
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    if name.is_null() {
        let default = default();
        // SAFETY: `file` has room for theirs, and they set its methods.
        return match unsafe { (*default).xOpen } {
            // SAFETY: as SQLite would call it itself, with its own arguments.
            Some(open) => unsafe { open(default, name, file, flags, out_flags) },
            None => ffi::SQLITE_CANTOPEN,
        };
    }
    // SAFETY: SQLite hands over a path, room for a file, and perhaps for flags.
    unsafe {
        let result = file::open(shared(vfs), &base_name(name), file.cast(), flags);
        if !out_flags.is_null() {
            *out_flags = flags;
        }
        result
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite hands over a path.
    let (shared, name) = unsafe { (shared(vfs), base_name(name)) };
    match shared.disk.remove(&name) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return ffi::SQLITE_IOERR_DELETE_NOENT;
        }
        Err(_) => return ffi::SQLITE_IOERR_DELETE,
    }
    if sync != 0 && shared.disk.sync_dir().is_err() {
        return ffi::SQLITE_IOERR_DIR_FSYNC;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(
    vfs: *mut sqlite3_vfs,
    name: *const c_char,
    _: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands over a path and a place for the answer.
    let (shared, name) = unsafe { (shared(vfs), base_name(name)) };
    let Ok(files) = shared.disk.list() else {
        return ffi::SQLITE_IOERR_ACCESS;
    };
    // An empty file is as good as none, as on Unix.
    let there = files
        .iter()
        .any(|(file, length)| *file == name && *length > 0);
    // SAFETY: as above.
    unsafe { *result = c_int::from(there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    path: *mut c_char,
) -> c_int {
    // SAFETY: SQLite hands over a path, and as much room as it says.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > room as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), path, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut sqlite3_vfs, n: c_int, out: *mut c_char) -> c_int {
    // Always the same, so that a seed gives the same run.
    // SAFETY: there is room for `n` bytes.
    unsafe { std::ptr::write_bytes(out.cast::<u8>(), 0x5a, n as usize) };
    n
}

unsafe extern "C" fn sleep(_: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_: *mut sqlite3_vfs, days: *mut f64) -> c_int {
    // SAFETY: there is room for the answer: noon of 2026-01-01 as a Julian day.
    unsafe { *days = 2_461_042.0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

/// For the methods' table: nothing is known about `_`.
pub(crate) unsafe extern "C" fn no_control(
    _: *mut sqlite3_file,
    _: c_int,
    _: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}
