//! Looks on while a run is under way: how far behind the shore is, and whether the agent's books balance at all times.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eyot::clock;

use super::books::Books;
use super::schedule::Fault;
use super::shore;
use crate::child;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);
/// A window's record is behind when it is not there so long after the window's end: without any trouble it
/// takes as long as readings may be out of order, until the next reading, and the way to the shore.
const BEHIND: i64 = 3_500;

/// What it has seen.
pub(super) struct Watch {
    seen: Mutex<Seen>,
    stop: AtomicBool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Faults at work right now.
    active: u32,
    /// When a fault was at work last.
    last_fault: Option<Instant>,
    /// Since when the shore has been behind.
    behind_since: Option<Instant>,
    /// Latest window of which the shore has every device, by its end in milliseconds since the epoch.
    frontier: Option<i64>,
    /// From the end of trouble to the shore having everything that it should have, at worst.
    pub(super) worst_catch_up: Duration,
    /// Books that did not balance.
    pub(super) unbalanced: Vec<String>,
    /// How often they were looked at.
    pub(super) looks: u64,
}

impl Watch {
    /// Begins to look on.
    pub(super) fn start(
        page: String,
        database: PathBuf,
        devices: u32,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let watch = Arc::new(Self {
            seen: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let this = Arc::clone(&watch);
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                while !this.stop.load(Ordering::Relaxed) {
                    this.look(&page, &database, devices);
                    std::thread::sleep(LOOK);
                }
            })?;
        Ok((watch, thread))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault begins.
    pub(super) fn begins(&self, fault: &Fault) {
        eprintln!("{fault}");
        let mut seen = self.seen();
        seen.active += 1;
        seen.last_fault = Some(Instant::now());
    }

    /// And is over.
    pub(super) fn ends(&self, _: &Fault) {
        let mut seen = self.seen();
        seen.active -= 1;
        seen.last_fault = Some(Instant::now());
    }

    /// End of the latest window of which the shore has every device, in milliseconds since the epoch.
    pub(super) fn frontier(&self) -> Option<i64> {
        self.seen().frontier
    }

    /// Stops looking; what has been seen.
    pub(super) fn stop(&self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.seen().clone()
    }

    fn look(&self, page: &str, database: &std::path::Path, devices: u32) {
        // Both may be away at present.
        let books = child::get(page, "/api/overview.json")
            .ok()
            .and_then(|(_, body)| Books::parse(&body).ok());
        let frontier = shore::frontier(database, devices).ok().flatten();
        let now = Instant::now();
        let mut seen = self.seen();
        if let Some(books) = books {
            seen.looks += 1;
            let wrong = books.unbalanced();
            if !wrong.is_empty() && seen.unbalanced.len() < 5 {
                seen.unbalanced.extend(wrong);
            }
        }
        seen.frontier = frontier.or(seen.frontier);
        if seen.active > 0 {
            seen.last_fault = Some(now);
        }
        let Some(frontier) = seen.frontier else {
            return;
        };
        if clock::now().0 / 1_000_000 - frontier > BEHIND {
            seen.behind_since.get_or_insert(now);
        } else if let Some(since) = seen.behind_since.take() {
            let from = seen.last_fault.map_or(since, |fault| fault.max(since));
            seen.worst_catch_up = seen.worst_catch_up.max(now - from);
        }
    }
}
