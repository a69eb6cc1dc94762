use std::error::Error as _;

use super::super::pace::{Pace, Speed};
use super::*;

fn layout(values: Values) -> Layout {
    Layout {
        delimiter: b';',
        time: None,
        values,
    }
}

fn all() -> Layout {
    layout(Values::AllBut(Vec::new()))
}

fn read(text: &str, layout: &Layout) -> Result<Recording, RecordingError> {
    Recording::read(text.as_bytes(), "run.csv", layout)
}

#[track_caller]
fn refused(text: &str, layout: &Layout) -> String {
    read(text, layout).unwrap_err().to_string()
}

const RUN: &str = "\
datetime;Flow Rate;Temp;label
2026-03-09 10:14:33;32.5;79.25;0
2026-03-09 10:14:34;;80;0
2026-03-09 10:14:36;31.5;79.5;1
";

#[test]
fn a_table_becomes_rows() {
    let excluding = layout(Values::AllBut(vec!["label".to_owned()]));
    let run = read(RUN, &excluding).unwrap();
    assert_eq!(run.time_form, TimeForm::CivilUtc);
    assert_eq!(run.time_column, "datetime");
    assert_eq!(run.channels, ["Flow Rate", "Temp"]);
    assert_eq!(run.rows[1].values, [None, Some(80.0)]);
    assert_eq!((run.rows.len(), run.readings()), (3, 5));
    assert_eq!(run.length(), Span::from_secs(3));
    assert_eq!(super::super::rfc3339(run.first()), "2026-03-09T10:14:33Z");
    assert_eq!(
        (run.flaws.rows, run.flaws.cells, run.flaws.empty),
        (0, 0, 1)
    );
}

#[test]
fn chosen_columns_are_published_under_their_names() {
    let chosen = layout(Values::Only(vec![(
        "Flow Rate".to_owned(),
        "flow".to_owned(),
    )]));
    let run = read(RUN, &chosen).unwrap();
    // The second row has nothing else.
    assert_eq!((run.rows.len(), run.flaws.rows), (2, 1));
    let topic = "rig/{device}/x".parse().unwrap();
    let message = run.message(&run.rows[0], &topic, "rig-1");
    assert_eq!(message.topic, "rig/rig-1/x");
    assert_eq!(message.payload, br#"{"ts":1773051273000,"flow":32.5}"#);
}

#[test]
fn the_recording_ends_at_the_wall_clock_with_its_distances_kept() {
    let run = read(RUN, &all()).unwrap();
    let wall = Timestamp::from_secs(1_800_000_000);
    let pace = Pace::ending_now(run.length(), wall, Speed::Times(3.0));
    let moved = run.clone().moved(pace.start - run.first());
    // Three seconds at three times the speed take one second.
    assert_eq!(moved.first(), wall - Span::from_secs(2));
    assert_eq!(moved.last(), wall + Span::from_secs(1));
    assert_eq!(pace.age_at(moved.last()), std::time::Duration::from_secs(1));
    assert_eq!(moved.rows[1].time - moved.rows[0].time, Span::from_secs(1));
}

#[test]
fn rows_that_run_backwards_are_sent_in_the_order_of_the_file() {
    let run = read("t;a\n100;1\n103;2\n101;3\n104;4\n", &all()).unwrap();
    let seconds = |time: Timestamp| time.0 / 1_000_000_000;
    let due: Vec<_> = run.rows.iter().map(|row| seconds(row.due)).collect();
    let times: Vec<_> = run.rows.iter().map(|row| seconds(row.time)).collect();
    assert_eq!(
        (due, times),
        (vec![100, 103, 103, 104], vec![100, 103, 101, 104])
    );
}

#[test]
fn what_cannot_be_read_is_left_out_and_named_by_line() {
    let text = "t;a;b\n100;1;x\nsoon;2;2\n102;NaN;\n103;4\n104;5;6\n";
    let run = read(text, &all()).unwrap();
    assert_eq!(run.rows.len(), 3);
    assert_eq!(
        (run.flaws.rows, run.flaws.cells, run.flaws.empty),
        (2, 2, 2)
    );
    let named: Vec<_> = run
        .flaws
        .examples
        .iter()
        .map(|flaw| (flaw.line, flaw.column.as_str(), flaw.text.as_str()))
        .collect();
    assert_eq!(named, [(2, "b", "x"), (3, "t", "soon"), (4, "a", "NaN")]);
}

#[test]
fn only_so_many_flaws_are_kept() {
    let text = format!("t;a;b\n{}", "100;1;x\n".repeat(50));
    let run = read(&text, &all()).unwrap();
    assert_eq!(
        (run.flaws.cells, run.flaws.examples.len()),
        (50, Flaws::EXAMPLES)
    );
}

#[test]
fn time_forms_are_told_apart() {
    for (text, form, millis) in [
        ("2026-01-01T00:00:00.5Z", TimeForm::Rfc3339, 500),
        ("2026-01-01T01:00:00+01:00", TimeForm::Rfc3339, 0),
        ("2026-01-01 00:00:01", TimeForm::CivilUtc, 1_000),
        ("1767225600.25", TimeForm::UnixS, 250),
        ("1767225600250", TimeForm::UnixMs, 250),
    ] {
        assert_eq!(TimeForm::detect(text), Some(form), "{text}");
        let expected = Timestamp::from_millis(1_767_225_600_000 + millis);
        assert_eq!(form.parse(text), Some(expected), "{text}");
    }
    for text in ["", "noon", "NaN", "1e300", "2026-13-01 00:00:00"] {
        assert_eq!(TimeForm::detect(text), None, "{text}");
    }
}

#[test]
fn wrong_columns_are_answered_with_the_right_ones() {
    let only = |column: &str| layout(Values::Only(vec![(column.to_owned(), "x".to_owned())]));
    let error = refused(RUN, &only("flow rate"));
    assert_eq!(
        error,
        "run.csv has no column `flow rate`; its columns are `datetime`, `Flow Rate`, `Temp`, `label`; \
         did you mean `Flow Rate`?"
    );
    assert!(!refused(RUN, &only("zzz")).contains("did you mean"));
    let excluding = layout(Values::AllBut(vec!["Tmep".to_owned()]));
    assert!(refused(RUN, &excluding).contains("did you mean `Temp`?"));
    let commas = Layout {
        delimiter: b',',
        ..all()
    };
    assert!(refused(RUN, &commas).ends_with("is the delimiter ';'?"));
}

#[test]
fn tables_without_use_are_refused() {
    let error = refused("t;a\nnoon;1\n", &all());
    assert!(
        error.starts_with("run.csv, line 2: `noon` in column `t` is no time"),
        "{error}"
    );
    assert!(refused("t;a\n", &all()).contains("no row to play back"));
    assert!(refused("", &all()).contains("no column but the time"));
    assert!(refused("t;a\n100;\n", &all()).contains("(1 were left out)"));
    let broken = Recording::read(&b"t;a\n1;\xff\n"[..], "run.csv", &all()).unwrap_err();
    assert!(broken.source().is_some(), "{broken}");
}
