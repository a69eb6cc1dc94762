//! State that is written down goes on as if it had not been.

use eyot_signal::{
    AngleUnit, Counter, Crossings, Directions, Ewma, Gaps, Held, HigherMoments, Moments, Pane, Sum,
    TimeEwma,
};
use serde::{Serialize, de::DeserializeOwned};

/// Reads back what is written down, in no more than `bytes`, and compares what both make of `step`.
#[track_caller]
fn check<S>(mut state: S, bytes: usize, step: impl Fn(&mut S))
where
    S: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    step(&mut state);
    step(&mut state);
    let written = postcard::to_stdvec(&state).expect("it can be written");
    assert!(written.len() <= bytes, "{} bytes", written.len());
    let mut read: S = postcard::from_bytes(&written).expect("it can be read");
    assert_eq!(read, state);
    step(&mut read);
    step(&mut state);
    assert_eq!(read, state);
}

#[test]
fn states_go_on_after_they_were_written_down() {
    check(Sum::new(0.1), 16, |sum| sum.add(0.3));
    check(Moments::new(0.1, 0.2), 130, |moments| {
        moments.push(0.3, 0.7);
    });
    check(HigherMoments::new(0.1, 0.2), 162, |moments| {
        moments.push(0.3, 0.7);
    });
    check(Pane::new(1.0, 0.1, 0.2), 270, |pane| pane.push(3.0, -0.7));
    check(Pane::new(1.0_f32, 0.1, 0.2), 140, |pane| {
        pane.push(3.0, -0.7);
    });
    check(Crossings::new(0.1), 12, |crossings| crossings.push(0.3));
    check(Held::new(0.1, 0.2), 48, |held| held.push(0.3, 0.7));
    check(Gaps::new(1.0, 0.1), 40, |gaps| gaps.push(3.0));
    check(Ewma::new(0.1), 17, |ewma| ewma.push(0.3));
    check(TimeEwma::new(0.1), 25, |ewma| ewma.push(0.3, 0.7));
    check(Counter::new(Some(1 << 32), 0.1, 7_u64), 40, |counter| {
        counter.push(0.3, 5);
    });
    check(Counter::new(None, 0.1, 7.5), 43, |counter| {
        counter.push(0.3, 5.5);
    });
    check(Directions::new(AngleUnit::Degrees), 34, |directions| {
        directions.push(0.3);
    });
}

#[test]
fn a_pane_takes_what_is_stated() {
    assert_eq!((size_of::<Pane<f64>>(), size_of::<Pane<f32>>()), (280, 152));
}
