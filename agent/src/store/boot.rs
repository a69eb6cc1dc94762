//! From a folder to a loaded database: lock, check, migrate, and set aside what cannot be used.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use super::books::Ledger;
use super::identity::Identity;
use super::outbox::Outbox;
use super::schema::{self, MIGRATIONS, key};
use super::{KnownDevice, Options, StoreError, checkpoints};

/// A database ready for use, and what was read from it.
pub(super) struct Loaded {
    pub(super) db: Connection,
    pub(super) identity: Identity,
    pub(super) outbox: Outbox,
    pub(super) ledger: Ledger,
    pub(super) clean_stop: bool,
    pub(super) devices: Vec<KnownDevice>,
}

/// Holds `dir` until the file is dropped, or the process dies.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::file("create folder", dir))?;
    let path = dir.join("eyot.lock");
    let file = File::create(&path).map_err(StoreError::file("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(StoreError::file("lock", &path)(source)),
    }
}

/// Loads the database, or an empty one once a corrupt one is set aside, with the path of that.
pub(super) fn load(options: &Options) -> Result<(Loaded, Option<PathBuf>), StoreError> {
    let path = options.dir.join("eyot.db");
    match try_load(options, &path) {
        Err(StoreError::Corrupt { detail, .. }) => {
            let aside = set_aside(&path, (options.clock)())?;
            tracing::warn!(
                path = %path.display(),
                set_aside = %aside.display(),
                detail,
                "database cannot be used: set aside, starting with an empty one"
            );
            Ok((try_load(options, &path)?, Some(aside)))
        }
        loaded => loaded.map(|loaded| (loaded, None)),
    }
}

fn try_load(options: &Options, path: &Path) -> Result<Loaded, StoreError> {
    let opening = StoreError::opening(path);
    let mut db = connect(options, path).map_err(&opening)?;
    let found = schema::version(&db).map_err(&opening)?;
    let known = MIGRATIONS.len();
    if found > known {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    schema::configure(&db).map_err(&opening)?;
    schema::migrate(&mut db, found).map_err(&opening)?;

    let stored = stored_identity(&db).map_err(&opening)?;
    let identity = match stored {
        Some(identity) => identity,
        None => Identity::next(&options.dir)?,
    };
    // The copy comes first: a crash in between skips an epoch, the other way round it would repeat one.
    identity.keep(&options.dir)?;
    if stored.is_none() {
        store_identity(&mut db, identity).map_err(&opening)?;
    }

    // Also after an orderly stop: damage that shows only when a page is needed would fail every commit
    // from then on, and every start after it. It takes about a second for each gigabyte.
    check(&db, path)?;
    let clean_stop = schema::counter(&db, key::CLEAN_STOP).map_err(&opening)? == 1;
    Ok(Loaded {
        identity,
        outbox: Outbox::load(&db, options.max_records).map_err(&opening)?,
        ledger: Ledger::load(&db, Arc::clone(&options.books)).map_err(&opening)?,
        clean_stop,
        devices: checkpoints::known(&db).map_err(&opening)?,
        db,
    })
}

fn connect(options: &Options, path: &Path) -> rusqlite::Result<Connection> {
    match &options.vfs {
        None => Connection::open(path),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, OpenFlags::default(), vfs.as_str()),
    }
}

fn stored_identity(db: &Connection) -> rusqlite::Result<Option<Identity>> {
    let agent: Option<String> = schema::meta(db, key::AGENT)?;
    let Some(agent) = agent.and_then(|text| text.parse::<Uuid>().ok()) else {
        return Ok(None);
    };
    let store_epoch: Option<u32> = schema::meta(db, key::STORE_EPOCH)?;
    Ok(store_epoch.map(|store_epoch| Identity { agent, store_epoch }))
}

/// Marks a new database: there was no run before that could have ended badly.
fn store_identity(db: &mut Connection, identity: Identity) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::set_meta(&tx, key::AGENT, identity.agent.to_string())?;
    schema::set_meta(&tx, key::STORE_EPOCH, identity.store_epoch)?;
    schema::set_meta(&tx, key::CLEAN_STOP, 1)?;
    tx.commit()
}

fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let verdict: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(StoreError::opening(path))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        path: path.to_owned(),
        detail: verdict,
    })
}

/// Renames the database and what belongs to it to names that are free, and returns its new path.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
    let stamp = jiff::Timestamp::from_nanosecond(now.0.into()).map_or_else(
        |_| now.0.to_string(),
        |t| t.strftime("%Y%m%dT%H%M%SZ").to_string(),
    );
    let base = suffixed(path, &format!(".corrupt-{stamp}"));
    let mut aside = base.clone();
    let mut n = 0;
    // Without a clock of its own a gateway may well boot twice in the same second of 1970.
    while aside.exists() {
        n += 1;
        aside = suffixed(&base, &format!("-{n}"));
    }
    for part in ["-wal", "-shm", ""] {
        let from = suffixed(path, part);
        if from.exists() {
            fs::rename(&from, suffixed(&aside, part))
                .map_err(StoreError::file("set aside", &from))?;
        }
    }
    Ok(aside)
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
