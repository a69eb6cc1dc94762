use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

fn rates(recent: u64, budgeted: u64) -> Rates {
    Rates {
        recent,
        hours: budgeted,
        budgeted,
    }
}

#[test]
fn nothing_is_said_before_a_minute_has_passed() {
    let mut meter = Meter::default();
    assert_eq!(meter.rates(), None);
    meter.note(Timestamp(0), 5_000);
    meter.note(Timestamp::from_secs(59), 6_000);
    assert_eq!(meter.rates(), None);
    meter.note(Timestamp::from_secs(60), 6_000);
    let day = 1_000 * 1_440;
    assert_eq!(
        meter.rates(),
        Some(Rates {
            recent: day,
            hours: day,
            budgeted: 24_000
        })
    );
}

#[test]
fn what_is_long_past_is_forgotten() {
    let mut meter = Meter::default();
    meter.note(Timestamp(0), 0);
    meter.note(Timestamp::from_secs(60), 1_000_000_000);
    for minute in 2..=600 {
        meter.note(Timestamp::from_secs(60 * minute), 1_000_000_000);
    }
    let quiet = rates(0, 0);
    assert_eq!(meter.rates(), Some(quiet));
    assert!(meter.kept.len() <= 362);
}

proptest! {
    /// Held against a plain computation over all measurements.
    #[test]
    fn rates_are_those_of_the_measurements(written in prop::collection::vec(0_u64..1_000_000, 2..900)) {
        let mut meter = Meter::default();
        let (mut all, mut total) = (Vec::new(), 0);
        for (minute, bytes) in written.iter().enumerate() {
            total += bytes;
            let at = Timestamp::from_secs(60 * i64::try_from(minute).unwrap());
            meter.note(at, total);
            all.push((minute, total));
        }
        let last = all[all.len() - 1];
        let since = |minutes: usize| {
            let first = all[last.0.saturating_sub(minutes)];
            ((last.1 - first.1) as f64 * 1_440.0 / (last.0 - first.0) as f64) as u64
        };
        let found = meter.rates().unwrap();
        prop_assert_eq!(found.recent, since(5));
        prop_assert_eq!(found.hours, since(360));
        prop_assert!(found.budgeted <= found.hours);
    }

    #[test]
    fn waits_stay_in_bounds_and_never_run_against_the_budget(
        before in 0.5_f64..1_000.0, recent in 0..100 * GIB, spent in 0..100 * GIB, budget in 1..100 * GIB,
    ) {
        let after = pace(before, rates(recent, spent), budget);
        prop_assert!((1.0..=MOST).contains(&after));
        let before = before.clamp(1.0, MOST);
        if recent > budget && spent > budget {
            prop_assert!(after > before || after >= MOST);
        }
        if recent < budget / 2 && spent < budget / 2 {
            prop_assert!(after < before || after <= 1.0);
        }
    }

    #[test]
    fn the_more_is_written_the_longer_are_the_waits(
        before in 1.0_f64..600.0, recent in 0..50 * GIB, spent in 0..50 * GIB, more in 0..50 * GIB, budget in 1..50 * GIB,
    ) {
        let after = pace(before, rates(recent, spent), budget);
        prop_assert!(pace(before, rates(recent + more, spent), budget) >= after);
        if spent as f64 >= EASE * budget as f64 {
            prop_assert!(pace(before, rates(recent, spent + more), budget) >= after);
        }
    }

    /// A medium that is written to in `fixed` bytes a day whatever the waits are, and in `paced` ones that they
    /// divide: wherever the budget can be kept it is, over any day after the first, and waits are no longer than
    /// they have to be.
    #[test]
    fn a_budget_that_can_be_kept_is_kept(
        fixed in 0.0_f64..0.6, paced in 0.0_f64..40.0,
    ) {
        let budget = 2 * GIB;
        let (mut meter, mut factor, mut total) = (Meter::default(), 1.0, 0.0);
        let mut days = Vec::new();
        for minute in 0..4 * 1_440 {
            meter.note(Timestamp::from_secs(60 * minute), total as u64);
            if let Some(rates) = meter.rates() {
                factor = pace(factor, rates, budget);
                prop_assert!(!is_beyond(factor, rates, budget));
            }
            if minute % 1_440 == 0 {
                days.push(total);
            }
            total += (fixed + paced / factor) * budget as f64 / 1_440.0;
        }
        days.push(total);
        for day in days.windows(2).skip(1) {
            let written = (day[1] - day[0]) / budget as f64;
            prop_assert!(written <= 1.0, "{written}");
            // Not slower than needed: all of the rate where it is small enough, most of the budget where not.
            let wanted = (fixed + paced).min(0.6);
            prop_assert!(written >= wanted * 0.999, "{written} of {wanted}");
        }
    }
}

#[test]
fn a_budget_that_cannot_be_kept_is_reported_once_waits_are_longest() {
    let hopeless = rates(5 * GIB, 5 * GIB);
    let mut factor = 1.0;
    let mut minutes = 0;
    while !is_beyond(factor, hopeless, GIB) {
        factor = pace(factor, hopeless, GIB);
        minutes += 1;
    }
    assert_eq!(minutes, 16);
    assert!(!is_beyond(factor, rates(GIB, GIB), GIB));
}
