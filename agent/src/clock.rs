//! The one place that asks what time it is, and the one way to write it.
//!
//! In an agent that runs, [`now`] is the gateway's time: a line that never goes back, and that steps only when everyone
//! whom it concerns has been told (`eyot_pipeline::gateway`). In every other program it is the wall clock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use eyot_pipeline::gateway::{Belief, ClockStep, GatewayClock, Line, Reads};
use eyot_pipeline::{Span, Timestamp};
use uuid::Uuid;

/// No true time is earlier: this release is not older.
const EARLIEST: Timestamp = Timestamp::from_secs(1_767_225_600);
/// Where Linux says which start this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the line adds to the time since the start; the least number: there is no line.
static BASE: AtomicI64 = AtomicI64::new(i64::MIN);
/// How often the line has stepped.
static STEPS: AtomicU64 = AtomicU64::new(0);
static KEEPER: Mutex<Option<Keeper>> = Mutex::new(None);

/// When the gateway's clock is believed.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Whether it has a clock that runs while it is off.
    pub rtc: bool,
    /// A file that is there once a time server was heard since the start.
    pub synchronised: PathBuf,
}

/// The line, and what it is kept by.
struct Keeper {
    line: Line,
    trust: Trust,
    /// A step that was asked for and is being told.
    stepping: bool,
    /// What each step has added, in their order.
    steps: Vec<Span>,
}

/// A time, and how often the line had stepped by then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Gateway time.
    pub now: Timestamp,
    /// See [`steps`].
    pub steps: u64,
}

/// Gateway time, UTC.
pub fn now() -> Timestamp {
    match BASE.load(Ordering::Acquire) {
        i64::MIN => wall(),
        base => Timestamp(base) + up(),
    }
}

/// The same, and on which stretch of the line it is.
pub fn stamp() -> Stamp {
    // Nobody steps meanwhile.
    let _keeper = keeper();
    let (now, steps) = (now(), steps());
    Stamp { now, steps }
}

/// How often the line has stepped.
pub fn steps() -> u64 {
    STEPS.load(Ordering::Acquire)
}

/// What all steps after the first so many have added.
pub fn added_since(steps: u64) -> Span {
    let keeper = keeper();
    let added = keeper.as_ref().map_or(&[][..], |keeper| &keeper.steps);
    let behind = usize::try_from(steps).unwrap_or(usize::MAX);
    let sum = |sum: i64, by: &Span| sum.saturating_add(by.0);
    Span(added.get(behind..).unwrap_or_default().iter().fold(0, sum))
}

/// What the gateway's clock is worth.
pub fn gateway() -> GatewayClock {
    keeper()
        .as_ref()
        .map_or(GatewayClock::Set, |keeper| keeper.line.clock)
}

/// From here on there is a line. `base` is that of an earlier run in a start of the gateway in which its clock was not
/// set, `last` the latest time that any has recorded.
pub fn begin(
    trust: Trust,
    base: impl Fn(u128) -> Option<Timestamp>,
    last: Option<Timestamp>,
) -> Line {
    let mut keeper = keeper();
    let (boot, reads) = (boot(), reads(&trust.synchronised));
    let line = Line::begin(belief(&trust), boot, reads, base(boot), last);
    BASE.store(line.base.0, Ordering::Release);
    // Of other agents of this process, if there are any.
    let steps = keeper.take().map(|keeper| keeper.steps).unwrap_or_default();
    *keeper = Some(Keeper {
        line,
        trust,
        stepping: false,
        steps,
    });
    line
}

/// Looks at the clocks. A small difference is followed; a step is to be told to everyone, and then [`adopt`]ed or
/// [`put_off`]. `None` as long as one is under way.
pub fn look() -> Option<ClockStep> {
    let mut keeper = keeper();
    let keeper = keeper.as_mut().filter(|keeper| !keeper.stepping)?;
    let reads = reads(&keeper.trust.synchronised);
    match keeper.line.look(belief(&keeper.trust), reads) {
        Ok(line) => {
            keeper.line = line;
            BASE.store(line.base.0, Ordering::Release);
            None
        }
        Err(step) => {
            keeper.stepping = true;
            Some(step)
        }
    }
}

/// Everyone has been told of the step: from here on the line has taken it.
pub fn adopt(step: ClockStep) {
    if let Some(keeper) = keeper().as_mut() {
        keeper.line = keeper.line.stepped(step);
        keeper.stepping = false;
        keeper.steps.push(step.by);
        STEPS.store(keeper.steps.len() as u64, Ordering::Release);
        BASE.store(keeper.line.base.0, Ordering::Release);
    }
}

/// Nobody could be told: another time.
pub fn put_off() {
    if let Some(keeper) = keeper().as_mut() {
        keeper.stepping = false;
    }
}

fn keeper() -> MutexGuard<'static, Option<Keeper>> {
    KEEPER.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn belief(trust: &Trust) -> Belief {
    Belief {
        rtc: trust.rtc,
        earliest: EARLIEST,
    }
}

fn reads(synchronised: &Path) -> Reads {
    Reads {
        wall: wall(),
        up: up(),
        synchronised: synchronised.exists(),
    }
}

fn wall() -> Timestamp {
    let nanoseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    };
    Timestamp(nanoseconds)
}

/// Time since the gateway was started, asleep or not.
fn up() -> Span {
    let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Span(
        up.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(up.tv_nsec),
    )
}

/// This start of the gateway.
pub fn boot() -> u128 {
    static BOOT: LazyLock<u128> = LazyLock::new(|| {
        let id = std::fs::read_to_string(BOOT_ID).ok();
        let id = id.and_then(|id| Uuid::parse_str(id.trim()).ok());
        // Where the system does not say, each start of the agent is one.
        id.unwrap_or_else(Uuid::new_v4).as_u128()
    });
    *BOOT
}

/// RFC 3339 in UTC, with as many decimals as it needs: the one way to write an instant.
pub fn rfc3339(time: Timestamp) -> String {
    // i64 nanoseconds lie well within what jiff can write.
    jiff::Timestamp::from_nanosecond(time.0.into())
        .map_or_else(|_| time.0.to_string(), |t| t.to_string())
}
