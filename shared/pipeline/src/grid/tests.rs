use proptest::prelude::*;

use super::*;

const EVERY: Span = Span::from_secs(10);

fn config(align: Align, text: &str) -> VirtualConfig {
    let expression = Expression::parse(text).unwrap();
    VirtualConfig {
        channel: 2,
        inputs: (0..).take(expression.channels().len()).collect(),
        formula: Formula::Expression(expression),
        every: EVERY,
        align,
        max_age: Span::from_secs(15),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + seconds)
}

/// What comes of readings of `a` and `b` once nothing is waited for any more, in seconds.
fn all(align: Align, a: &[(i64, f64)], b: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let config = config(align, "a - b");
    let mut grid = Grid::new(&config);
    for (input, readings) in [a, b].into_iter().enumerate() {
        for (time, value) in readings {
            grid.put(input, at(*time), *value);
        }
    }
    let newest = a.iter().chain(b).map(|(time, _)| *time).max().unwrap();
    // A watermark beyond everything, as of channels that have gone on.
    let progress = |_| Progress {
        mark: at(newest + 100),
    };
    let mut values = Vec::new();
    let mut out = Vec::new();
    while let Some((time, value)) = grid.take(&config, progress, &mut values) {
        out.push(((time - at(0)).0 / 1_000_000_000, value));
    }
    out
}

#[test]
fn values_at_an_instant_are_the_last_those_between_or_the_nearest() {
    let (a, b) = (
        [(0, 1.0), (8, 2.0), (14, 5.0), (22, 9.0)],
        [(0, 0.0), (30, 0.0)],
    );
    let only = |align| {
        let all = all(align, &a, &b.map(|(time, _)| (time, 0.0)));
        all.into_iter()
            .filter(|(time, _)| *time <= 20)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        only(Align::Last),
        [(0, 1.0), (10, 2.0)],
        "b is 20 s old at 20"
    );
    assert_eq!(
        only(Align::Linear),
        [(0, 1.0)],
        "the neighbours of b are too far apart"
    );
    assert_eq!(only(Align::Nearest), [(0, 1.0), (10, 2.0), (20, 9.0)]);
    let both = all(
        Align::Linear,
        &[(0, 0.0), (10, 10.0), (20, 0.0)],
        &[(5, 1.0), (15, 2.0)],
    );
    assert_eq!(both, [(10, 8.5)]);
}

#[test]
fn an_instant_is_computed_once_nothing_in_time_can_change_it() {
    for (align, settled) in [(Align::Last, 11), (Align::Linear, 13), (Align::Nearest, 13)] {
        let config = config(align, "a + b");
        let mut grid = Grid::new(&config);
        for input in 0..2 {
            for time in [0, 9, 12] {
                grid.put(input, at(time), 1.0);
            }
        }
        let mut values = Vec::new();
        let mut upto = |mark: i64| {
            let mut count = 0;
            let progress = |_| Progress { mark: at(mark) };
            while grid.take(&config, progress, &mut values).is_some() {
                count += 1;
            }
            count
        };
        assert_eq!(upto(10), 1, "{align:?}: the instant 0");
        assert_eq!(upto(settled - 1), 0, "{align:?}");
        assert_eq!(upto(settled), 1, "{align:?}");
    }
}

#[test]
fn a_long_silence_costs_no_instant_of_it() {
    let day = 86_400;
    let readings = [(0, 1.0), (365 * day, 2.0)];
    for align in [Align::Last, Align::Nearest] {
        let out = all(align, &readings, &readings);
        assert_eq!(out.first(), Some(&(0, 0.0)));
        assert!(out.iter().any(|(time, _)| *time == 365 * day), "{out:?}");
    }
}

#[test]
fn formulas_say_what_is_wrong_with_them() {
    assert!(Expression::parse("a +").is_err());
    assert!(Expression::parse("").is_err());
    let expression = Expression::parse("sqrt({axis x}^2 + y^2)").unwrap();
    assert_eq!(expression.channels(), ["axis x", "y"]);
    assert!((expression.value(&[3.0, 4.0]) - 5.0).abs() < 1e-15);
    assert!(expression.value(&[f64::MAX, 1.0]).is_infinite());
    assert!(expression.value(&[]).is_nan());
}

#[test]
fn a_correlation_is_of_what_both_had_over_that_time() {
    let config = VirtualConfig {
        formula: Formula::Correlation {
            over: Span::from_secs(30),
        },
        ..config(Align::Last, "a + b")
    };
    let mut grid = Grid::new(&config);
    let b = [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 7.0, 7.0, 7.0];
    for (n, b) in (0..).zip(b) {
        grid.put(0, at(10 * n), n as f64);
        grid.put(1, at(10 * n), b);
    }
    let mut values = Vec::new();
    let mut out = Vec::new();
    while let Some((time, r)) = grid.take(&config, |_| Progress { mark: at(1_000) }, &mut values) {
        out.push(((time - at(0)).0 / 10_000_000_000, (r * 1e6).round() / 1e6));
    }
    // Three pairs each: none of one pair, and none where b is constant.
    let expected = [
        (1, 1.0),
        (2, 1.0),
        (3, 0.866_025),
        (4, -0.866_025),
        (5, -1.0),
        (6, 0.777_714),
        (7, 0.866_025),
    ];
    assert_eq!(out, expected);
    assert!(grid.is_sound() && grid.pairs.len() == 3);
}

/// The definition, over everything at once.
fn naive(align: Align, held: &[(i64, f64)], at: i64, max_age: i64) -> Option<f64> {
    let before = held.iter().rev().find(|(time, _)| *time <= at);
    let after = held.iter().find(|(time, _)| *time > at);
    let near = |reading: Option<&(i64, f64)>| {
        reading
            .copied()
            .filter(|(time, _)| (time - at).abs() <= max_age)
    };
    let (before, after) = (near(before), near(after));
    match align {
        Align::Last => before.map(|(_, value)| value),
        Align::Nearest => match (before, after) {
            (Some(a), Some(b)) => Some(if b.0 - at < at - a.0 { b.1 } else { a.1 }),
            (a, b) => a.or(b).map(|(_, value)| value),
        },
        Align::Linear => match (before?, after) {
            ((time, value), _) if time == at => Some(value),
            (a, Some(b)) => {
                let part =
                    ((at - a.0) * 1_000_000_000) as f64 / ((b.0 - a.0) * 1_000_000_000) as f64;
                Some(a.1 + (b.1 - a.1) * part)
            }
            _ => None,
        },
    }
}

proptest! {
    /// In whatever order readings come, as long as they come before the watermark has passed them, and however often it is
    /// looked: what comes out is the definition.
    #[test]
    fn a_grid_is_its_definition(
        mut readings in prop::collection::vec((0..2_usize, 0..400_i64, -9..9_i32), 1..80),
        align in prop::sample::select(vec![Align::Last, Align::Linear, Align::Nearest]),
        order in prop::collection::vec(0..20_i64, 80),
        looks in any::<u64>(),
    ) {
        readings.sort_unstable();
        readings.dedup_by_key(|(input, time, _)| (*input, *time));
        let config = config(align, "a - b");
        let mut held: [Vec<(i64, f64)>; 2] = [Vec::new(), Vec::new()];
        for (input, time, value) in &readings {
            held[*input].push((*time, f64::from(*value)));
        }
        // Each up to 20 s late, and the watermark 20 s behind the newest.
        let mut arrivals: Vec<_> = readings.iter().zip(&order).map(|(r, late)| (r.1 + late, r)).collect();
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let mut grid = Grid::new(&config);
        let (mut newest, mut values, mut out) = ([i64::MIN / 4; 2], Vec::new(), Vec::new());
        let mut begun = None;
        for (n, (_, (input, time, value))) in arrivals.iter().enumerate() {
            grid.put(*input, at(*time), f64::from(*value));
            newest[*input] = newest[*input].max(*time);
            if looks >> (n % 64) & 1 == 1 {
                let progress = |input: usize| Progress { mark: at(newest[input] - 20) };
                while let Some(reading) = grid.take(&config, progress, &mut values) {
                    out.push(reading);
                }
                // Where it begins is decided when all inputs are heard, and not by what comes later.
                begun = begun.or(grid.next);
            }
        }
        while let Some(reading) = grid.take(&config, |_| Progress { mark: at(10_000) }, &mut values) {
            out.push(reading);
        }
        if out.is_empty() {
            return Ok(());
        }
        let first = (out[0].0 - at(0)).0 / 1_000_000_000;
        let mut expected = Vec::new();
        for instant in (first..=420).step_by(10) {
            let of = |held: &Vec<(i64, f64)>| naive(align, held, instant, 15);
            if let (Some(a), Some(b)) = (of(&held[0]), of(&held[1])) {
                expected.push((at(instant), a - b));
            }
        }
        prop_assert_eq!(out, expected);
    }
}

/// As in the spreadsheets that formulas are copied from, which docs/windows.md warns of.
#[test]
fn formulas_bind_as_in_spreadsheets() {
    let value = |text: &str| {
        let formula = Expression::parse(text).unwrap();
        formula.value(&[]).to_string()
    };
    assert_eq!(value("-2^2"), "4");
    assert_eq!(value("-(2^2)"), "-4");
    assert_eq!(value("2^3^2"), "64");
    assert_eq!(value("2^(3^2)"), "512");
    assert_eq!(value("max(1, 2)"), "2");
}
