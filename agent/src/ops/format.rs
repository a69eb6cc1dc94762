//! How values are written for people, and how text is made safe for HTML.

use std::fmt::{self, Display, Formatter};

use eyot_pipeline::{Span, Timestamp};

/// Text with everything replaced that means something in HTML, in content and in quoted attributes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            let (plain, special) = rest.split_at(at);
            f.write_str(plain)?;
            f.write_str(match special.as_bytes()[0] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &special[1..];
        }
        f.write_str(rest)
    }
}

/// A count with its thousands apart: `12,345`.
pub(crate) struct Count(pub(crate) u64);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A length of time with two figures' worth of meaning: `350 ms`, `1.2 s`, `4 m 12 s`, `3 d 4 h`.
pub(crate) struct Age(pub(crate) Span);

impl Display for Age {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis().unsigned_abs();
        let s = ms / 1000;
        match s {
            0 => write!(f, "{ms} ms")?,
            1..10 => write!(f, "{s}.{} s", ms % 1000 / 100)?,
            10..60 => write!(f, "{s} s")?,
            60..3_600 => write!(f, "{} m {} s", s / 60, s % 60)?,
            3_600..86_400 => write!(f, "{} h {} m", s / 3_600, s % 3_600 / 60)?,
            _ => write!(f, "{} d {} h", s / 86_400, s % 86_400 / 3_600)?,
        }
        f.write_str(if self.0 < Span::ZERO { " ahead" } else { "" })
    }
}

/// A size in decimal units: `950 B`, `12.3 MB`.
pub(crate) struct Bytes(pub(crate) u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut size = self.0 as f64;
        let mut unit = "B";
        for larger in ["kB", "MB", "GB", "TB"] {
            // What would print as 1000.0 belongs to the next unit.
            if size < 999.95 {
                break;
            }
            (size, unit) = (size / 1000.0, larger);
        }
        let decimals = usize::from(unit != "B");
        write!(f, "{size:.decimals$} {unit}")
    }
}

/// Days, as years where they are many: `40 days`, `10.2 years`.
pub(crate) struct Years(pub(crate) f64);

impl Display for Years {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            days if days < 730.0 => write!(f, "{days:.0} days"),
            days if days < 36_525.0 => write!(f, "{:.1} years", days / 365.25),
            _ => f.write_str("over 100 years"),
        }
    }
}

/// An instant in UTC as RFC 3339: `2026-11-02T08:00:00.25Z`.
pub(super) struct Rfc3339(pub(super) Timestamp);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Every i64 of nanoseconds is an instant that jiff can hold.
        let time = jiff::Timestamp::from_nanosecond(self.0.0.into()).map_err(|_| fmt::Error)?;
        Display::fmt(&time, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaped_text_has_no_markup_and_loses_nothing(text in "(?s:.){0,40}[<>&\"']{0,5}.{0,5}") {
            let escaped = Escaped(&text).to_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = escaped
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            prop_assert_eq!(back, text);
        }

        #[test]
        fn counts_only_gain_commas(n: u64) {
            let shown = Count(n).to_string();
            prop_assert_eq!(shown.replace(',', ""), n.to_string());
            prop_assert!(shown.split(',').skip(1).all(|group| group.len() == 3));
            prop_assert!(!shown.starts_with(','));
        }

        #[test]
        fn every_instant_can_be_written(ns: i64) {
            let text = Rfc3339(Timestamp(ns)).to_string();
            let back: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(back.as_nanosecond(), i128::from(ns));
        }
    }

    #[test]
    fn ages_read_well_on_both_sides_of_every_unit() {
        let shown = |ms| Age(Span::from_millis(ms)).to_string();
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(1_000), "1.0 s");
        assert_eq!(shown(9_999), "9.9 s");
        assert_eq!(shown(10_000), "10 s");
        assert_eq!(shown(252_000), "4 m 12 s");
        assert_eq!(shown(3_600_000), "1 h 0 m");
        assert_eq!(shown(273_600_000), "3 d 4 h");
        assert_eq!(shown(-1_234), "1.2 s ahead");
        assert!(shown(i64::MIN).ends_with(" ahead"));
    }

    #[test]
    fn sizes_move_to_the_next_unit_before_they_round_to_a_thousand() {
        let shown = |n| Bytes(n).to_string();
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(999), "999 B");
        assert_eq!(shown(1_000), "1.0 kB");
        assert_eq!(shown(999_949), "999.9 kB");
        assert_eq!(shown(999_950), "1.0 MB");
        assert_eq!(shown(12_345_678), "12.3 MB");
    }
}
