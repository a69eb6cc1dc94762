//! From a folder to a loaded database: lock, check, migrate, and set aside what cannot be used.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyot_pipeline::time::{Span, Timestamp};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use super::books::Ledger;
use super::identity::Identity;
use super::loss::Losses;
use super::outbox::Outbox;
use super::salvage::{self, Salvage};
use super::schema::{self, MIGRATIONS, key};
use super::{KnownDevice, Options, StoreError, UnsetBoot, checkpoints, held};

/// A database ready for use, and what was read from it.
pub(super) struct Loaded {
    pub(super) db: Connection,
    pub(super) identity: Identity,
    pub(super) outbox: Outbox,
    pub(super) ledger: Ledger,
    pub(super) clean_stop: bool,
    /// Whether all of it is to be looked at while it is in use.
    pub(super) scan_due: bool,
    pub(super) devices: Vec<KnownDevice>,
    pub(super) unset: Vec<UnsetBoot>,
}

/// How often it is looked whether the lock is free, and the pause in between.
const LOCK_LOOKS: u32 = 3;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// A database that could not be used, and what became of it.
pub(super) struct SetAside {
    pub(super) path: PathBuf,
    pub(super) salvage: Salvage,
}

/// Says that the database has to be salvaged.
const DAMAGED: &str = "eyot.db.damaged";
/// Databases below this size, in bytes, are checked at every start: a quarter of a second.
const CHECKED_AT_START: u64 = 256 << 20;
const CHECK_INTERVAL: Span = Span::from_secs(24 * 60 * 60);

/// Holds `dir` until the file is dropped, or the process dies.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::file("create folder", dir))?;
    let path = dir.join("eyot.lock");
    let file = File::create(&path).map_err(StoreError::file("create", &path))?;
    for _ in 0..LOCK_LOOKS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // `eyot status` holds it for the moment in which it looks whether it is free.
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::file("lock", &path)(source));
            }
        }
    }
    Err(StoreError::InUse {
        dir: dir.to_owned(),
    })
}

/// Loads the database. One that cannot be used is set aside, with what can be read of it copied into a new one.
pub(super) fn load(options: &Options) -> Result<(Loaded, Option<SetAside>), StoreError> {
    let path = options.dir.join("eyot.db");
    let pending = suffixed(&path, ".salvage");
    let damaged = options.dir.join(DAMAGED);
    let now = (options.clock)();
    let (mut loaded, from) = if pending.exists() {
        // The last attempt did not come to its end. It is made again, but not a third time.
        let aside = set_aside(&pending, &path, now)?;
        match open(options, &path) {
            Err(StoreError::Corrupt { .. }) => {
                set_aside(&path, &path, now)?;
                (open(options, &path)?, Some(aside))
            }
            opened => (opened?, Some(aside)),
        }
    } else {
        match open(options, &path) {
            Err(StoreError::Corrupt { detail, .. }) => {
                let path_text = path.display();
                tracing::warn!(path = %path_text, detail, "database cannot be used: what can be read of it goes into a new one");
                rename(&path, &pending)?;
                (open(options, &path)?, Some(pending.clone()))
            }
            opened => (opened?, None),
        }
    };
    let mut left = None;
    if let Some(from) = from {
        let salvage = salvage::salvage(&from, &path, &mut loaded.db);
        // A reader leaves it behind.
        let _ = fs::remove_file(suffixed(&from, "-shm"));
        loaded = read(options, loaded.db, loaded.identity, &path)?;
        let told = loaded.outbox.write_off(&loaded.db, &salvage.lost);
        told.map_err(StoreError::opening(&path))?;
        let aside = if from == pending {
            set_aside(&pending, &path, now)?
        } else {
            from
        };
        tracing::warn!(set_aside = %aside.display(), %salvage, "database set aside");
        left = Some(SetAside {
            path: aside,
            salvage,
        });
    }
    let _ = fs::remove_file(damaged);
    Ok((loaded, left))
}

fn open(options: &Options, path: &Path) -> Result<Loaded, StoreError> {
    let opening = StoreError::opening(path);
    let damaged = options.dir.join(DAMAGED);
    if path.exists() && damaged.exists() {
        // Only once: it says nothing about a new one.
        let _ = fs::remove_file(damaged);
        return Err(StoreError::Corrupt {
            path: path.to_owned(),
            detail: "damage was found while it was in use".to_owned(),
        });
    }
    let mut db = connect(options, path).map_err(&opening)?;
    let found = schema::version(&db).map_err(&opening)?;
    let known = MIGRATIONS.len();
    if found > known {
        // Unless that number is damage, like others.
        check(&db, path)?;
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
    let now = (options.clock)();
    let is_small = fs::metadata(path).map_or(0, |file| file.len()) < CHECKED_AT_START;
    if is_small {
        check(&db, path)?;
        schema::set_meta(&db, key::CHECKED_AT, now.0).map_err(&opening)?;
    }
    let scan_due = !is_small && is_scan_due(&db, now).map_err(&opening)?;
    let loaded = read(options, db, identity, path)?;
    Ok(Loaded { scan_due, ..loaded })
}

/// What the database has. Tables that are not what they should be are found here.
fn read(
    options: &Options,
    db: Connection,
    identity: Identity,
    path: &Path,
) -> Result<Loaded, StoreError> {
    let opening = StoreError::opening(path);
    Ok(Loaded {
        identity,
        outbox: Outbox::load(
            &db,
            options.quotas,
            Losses::new(&options.agent, identity),
            (options.clock)(),
        )
        .map_err(&opening)?,
        ledger: Ledger::load(&db, Arc::clone(&options.books)).map_err(&opening)?,
        scan_due: false,
        clean_stop: schema::counter(&db, key::CLEAN_STOP).map_err(&opening)? == 1,
        devices: checkpoints::known(&db).map_err(&opening)?,
        unset: held::unset(&db).map_err(&opening)?,
        db,
    })
}

/// Damage that shows only when a page is needed would fail every commit from then on, so every page is looked at: of a
/// small database at each start, since that takes no time, and of a large one in slices while it is in use, after an
/// unclean stop or once a day.
fn is_scan_due(db: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    if schema::counter(db, key::CLEAN_STOP)? == 0 {
        return Ok(true);
    }
    let checked: Option<i64> = schema::meta(db, key::CHECKED_AT)?;
    let recently = |at: i64| (0..CHECK_INTERVAL.0).contains(&(now.0.saturating_sub(at)));
    Ok(!checked.is_some_and(recently))
}

/// The database turned out to be damaged while it was in use: it is salvaged at the next start.
pub(super) fn note_damage(dir: &Path) {
    if let Err(error) = File::create(dir.join(DAMAGED)) {
        tracing::error!(%error, "cannot note that the database is damaged");
    }
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

/// Renames a database to a name that is free, `path` with when it was set aside, and returns that.
fn set_aside(from: &Path, path: &Path, now: Timestamp) -> Result<PathBuf, StoreError> {
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
    rename(from, &aside)?;
    Ok(aside)
}

/// Renames a database and what belongs to it.
fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    // A rollback journal is there if it was just being made, and must not be applied to another.
    for part in ["-wal", "-shm", "-journal", ""] {
        let from = suffixed(from, part);
        if from.exists() {
            fs::rename(&from, suffixed(to, part)).map_err(StoreError::file("set aside", &from))?;
        }
    }
    // Before anything is committed under the old name.
    if let Some(dir) = to.parent() {
        let synced = File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(StoreError::file("sync", dir))?;
    }
    Ok(())
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
