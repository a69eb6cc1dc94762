//! The hours of the day at which something may be sent.

use core::fmt;

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A time of day in minutes, 0 to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayTime(u16);

impl DayTime {
    /// This hour and minute, up to 24:00.
    #[must_use]
    pub fn new(hour: u8, minute: u8) -> Option<Self> {
        let minutes = u16::from(hour) * 60 + u16::from(minute);
        (minute < 60 && minutes <= DAY).then_some(Self(minutes))
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// From a time of day to another one, perhaps of the next day: `22:00-06:00`. The end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// From here,
    pub from: DayTime,
    /// to here.
    pub to: DayTime,
}

impl Hours {
    /// Whether it is now, in local time.
    #[must_use]
    pub fn contains(self, time: DayTime) -> bool {
        if self.from < self.to {
            self.from <= time && time < self.to
        } else {
            self.from <= time || time < self.to
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}
