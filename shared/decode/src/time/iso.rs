//! ISO 8601 times, as devices write them.
//!
//! Shapes: `2024-03-05T12:02:11.5+01:00` and `20240305T120211Z`, with a space for the `T`, a comma for the
//! point, without seconds, and with a zone `Z`, `UTC`, `+01:00`, `+0100`, `+01` or none. By hand, since this
//! stands in most messages, and since general parsers refuse some of the shapes.

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Reads a time and its offset, if it says one.
pub(super) fn parse(text: &str) -> Option<(DateTime, Option<Offset>)> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.digits(4)?;
    let extended = rest.take(b"-");
    let month = rest.digits(2)?;
    if extended {
        rest.take(b"-").then_some(())?;
    }
    let day = rest.digits(2)?;
    if !rest.take(b"T") && !rest.take(b"t") {
        rest.take(b" ").then_some(())?;
    }
    let hour = rest.digits(2)?;
    // A basic date may come with an extended clock, as in `20240305 12:02:11`.
    let colons = rest.take(b":");
    let minute = rest.digits(2)?;
    let has_second = if colons {
        rest.take(b":")
    } else {
        rest.0.first().is_some_and(u8::is_ascii_digit)
    };
    let (mut second, mut nanosecond) = (0, 0);
    if has_second {
        second = rest.digits(2)?;
        if rest.take(b".") || rest.take(b",") {
            nanosecond = rest.fraction()?;
        }
    }
    // A leap second has no place of its own on a clock that counts from 1970.
    if second == 60 {
        second = 59;
    }
    let offset = rest.offset()?;
    let civil = DateTime::new(
        year as i16,
        month as i8,
        day as i8,
        hour as i8,
        minute as i8,
        second as i8,
        nanosecond,
    );
    Some((civil.ok()?, offset))
}

/// The number that some decimal digits are; `None` if one is none. At most nine.
pub(super) fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i32::from(digit - b'0'))
    })
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take(&mut self, text: &[u8]) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn digits(&mut self, n: usize) -> Option<i32> {
        let (digits, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        number(digits)
    }

    /// Digits behind the point as nanoseconds; what is smaller is cut off.
    fn fraction(&mut self) -> Option<i32> {
        let n = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(n);
        self.0 = rest;
        let kept = digits.get(..n.min(9)).filter(|kept| !kept.is_empty())?;
        Some(number(kept)? * 10_i32.pow(9 - kept.len() as u32))
    }

    /// The zone and the end.
    #[expect(
        clippy::option_option,
        reason = "no zone is as good as one; something else is not"
    )]
    fn offset(&mut self) -> Option<Option<Offset>> {
        let spaced = self.take(b" ");
        if !spaced && self.0.is_empty() {
            return Some(None);
        }
        if matches!(self.0, b"Z" | b"z" | b"UTC") {
            return Some(Some(Offset::UTC));
        }
        let west = self.take(b"-");
        if !west {
            self.take(b"+").then_some(())?;
        }
        let hours = self.digits(2)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            self.take(b":");
            self.digits(2)?
        };
        if !self.0.is_empty() || hours > 23 || minutes > 59 {
            return None;
        }
        let seconds = hours * 3600 + minutes * 60;
        let seconds = if west { -seconds } else { seconds };
        Offset::from_seconds(seconds).ok().map(Some)
    }
}
