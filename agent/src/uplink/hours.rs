//! Whether the time of day allows sending.

use eyot_pipeline::Timestamp;
use eyot_pipeline::forward::DayTime;
use tokio::time::{Duration, Instant};

use crate::config::Schedule;

/// A schedule is in whole minutes.
const MINUTE: i64 = 60_000_000_000;

/// Looks at the clock once a minute: offsets change with the seasons, and clocks are set.
#[derive(Debug)]
pub(super) struct Watchman {
    schedule: Option<Schedule>,
    due: Option<Instant>,
}

impl Watchman {
    pub(super) fn new(schedule: Option<Schedule>) -> Self {
        Self {
            due: schedule.is_some().then(Instant::now),
            schedule,
        }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether sending is allowed, if it is time to look.
    pub(super) fn look(&mut self, now: Instant, wall: Timestamp) -> Option<bool> {
        let due = self.due.as_mut().filter(|due| **due <= now)?;
        let left = MINUTE - wall.0.rem_euclid(MINUTE);
        *due = now + Duration::from_nanos(left.unsigned_abs());
        self.schedule
            .as_ref()
            .map(|schedule| allows(schedule, wall))
    }
}

fn allows(schedule: &Schedule, wall: Timestamp) -> bool {
    // i64 nanoseconds lie well within what jiff can write.
    let Ok(time) = jiff::Timestamp::from_nanosecond(wall.0.into()) else {
        return true;
    };
    let local = schedule.zone.to_datetime(time);
    let time = DayTime::new(local.hour().unsigned_abs(), local.minute().unsigned_abs());
    time.is_none_or(|time| schedule.hours.iter().any(|hours| hours.contains(time)))
}

#[cfg(test)]
mod tests {
    use eyot_pipeline::forward::Hours;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn hours_are_those_of_the_zone_in_summer_and_winter() {
        let time = |hour| DayTime::new(hour, 0).unwrap();
        let schedule = Schedule {
            hours: vec![Hours {
                from: time(22),
                to: time(6),
            }],
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        };
        for (at, allowed) in [
            ("2026-07-01T20:30:00Z", true),
            ("2026-07-01T04:30:00Z", false),
            ("2026-01-01T20:30:00Z", false),
            ("2026-01-01T04:30:00Z", true),
        ] {
            let wall: jiff::Timestamp = at.parse().unwrap();
            let wall = Timestamp::from_secs(wall.as_second());
            assert_eq!(allows(&schedule, wall), allowed, "{at}");
        }
    }

    #[test]
    fn the_clock_is_looked_at_each_minute() {
        let schedule = Schedule {
            hours: Vec::new(),
            zone: TimeZone::UTC,
        };
        let mut watchman = Watchman::new(Some(schedule));
        let now = Instant::now();
        let wall = Timestamp::from_secs(90);
        assert_eq!(watchman.look(now, wall), Some(false));
        assert_eq!(watchman.look(now, wall), None);
        assert_eq!(watchman.due(), Some(now + Duration::from_secs(30)));
        assert_eq!(Watchman::new(None).look(now, wall), None);
    }
}
