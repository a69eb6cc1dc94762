//! Scores, learning, models and alerts of a device.

use super::super::*;
use super::world::{Behaviour, FakeScorer, World, at, class};
use crate::effect::{AlertState, DegradedReason, Detector, ModelScore};
use crate::feature::Feature;
use crate::time::Span;
use crate::window::WindowSpec;

/// A device for which mean 10 is normal on `flow`: windows 0 to 7 say so.
fn trained(class: ClassConfig) -> World {
    let mut world = World::new(class);
    for number in 0..8 {
        world.window("flow", number, 10.0);
    }
    world
}

/// Puts windows of these means on `flow`, the first of them numbered 8; what comes out of all
/// windows from 0 on, as [`World::signs`] writes it.
fn signs(world: &mut World, means: &[f64]) -> String {
    for (number, mean) in (8..).zip(means) {
        world.window("flow", number, *mean);
    }
    world.stop().signs()
}

#[test]
fn an_alert_is_raised_and_cleared_each_after_its_windows_summary() {
    let mut world = trained(class());
    let signs = signs(&mut world, &[20.0, 20.0, 20.0, 10.0, 10.0, 10.0]);
    assert_eq!(signs, "........ .!R!!.C.".replace(' ', ""));
}

#[test]
fn an_alert_says_when_why_and_how_bad() {
    let mut world = trained(class());
    for (number, mean) in [
        (8, 15.0),
        (9, 20.0),
        (10, 30.0),
        (11, 10.0),
        (12, 10.0),
        (13, 10.0),
    ] {
        world.window("flow", number, mean);
    }
    for _ in 0..9 {
        world.next_window();
    }
    let decisive = world.next_window();
    let raised = world.next_alert();
    assert_eq!(raised.state, AlertState::Raised);
    assert_eq!(raised.episode, 11, "its own number, after ten summaries");
    assert_eq!((raised.since, raised.time), (at(80), at(100)));
    assert_eq!((raised.oldest, raised.decided_at), (at(93), at(103)));
    assert_eq!(Some(&raised.score), decisive.score.as_ref());
    assert_eq!(Some(raised.peak), raised.score.fused);

    for _ in 0..3 {
        world.next_window();
    }
    let cleared = world.next_alert();
    assert_eq!((cleared.state, cleared.episode), (AlertState::Cleared, 11));
    assert_eq!((cleared.since, cleared.time), (at(80), at(130)));
    assert!(
        cleared.peak > 1.5 * raised.peak,
        "the worst window came later"
    );
    assert_eq!(world.device.status().alerts, 1);
}

#[test]
fn contributions_name_the_channel_that_is_odd() {
    let mut world = World::new(class());
    for number in 0..10 {
        let odd = if number >= 8 { 5.0 } else { 0.0 };
        world
            .window("flow", number, 10.0)
            .window("head", number, 3.0 + odd);
        world.window("power", number, 7.0 + odd / 100.0);
    }
    world.stop();
    let score = std::iter::repeat_with(|| world.next_score())
        .nth(8)
        .unwrap();
    let contributions = &score.contributions;
    assert_eq!(contributions[0].channel, 1);
    assert_eq!(
        (contributions[0].feature, contributions[0].detector),
        (Feature::Mean, Detector::RobustZ)
    );
    assert!((contributions[0].value - 8.0).abs() < 1e-9);
    assert!((contributions[0].expected - 3.0).abs() < 1e-9);
    assert_eq!(contributions[1].channel, 2, "what hardly moves comes after");
    assert!((contributions.iter().map(|c| c.share).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn after_a_clear_no_alert_is_raised_until_the_cooldown_is_over() {
    let mut class = class();
    class.verdict.cooldown = Span::from_secs(50);
    let mut world = trained(class);
    let means = [20.0, 20.0, 10.0, 10.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0];
    // Cleared by window 11, which ends at 120 s: quiet until 170 s, the end of window 16.
    assert_eq!(
        signs(&mut world, &means),
        "........ .!R!.C ....!R!".replace(' ', "")
    );
}

#[test]
fn a_fault_does_not_become_the_new_normal() {
    let mut world = trained(class());
    let signs = signs(&mut world, &[20.0; 40]);
    assert_eq!(signs.matches(['R', 'C']).collect::<String>(), "R");
    assert!(world.device.status().score.unwrap() > 100.0);
}

#[test]
fn what_is_nearly_normal_is_not_learnt_while_an_alert_is_open() {
    // 3.5 sigmas from normal: between the limit that raises and the one that clears.
    let near = [10.035; 30];
    let means = [&[20.0, 20.0], near.as_slice()].concat();
    let signs = signs(&mut trained(class()), &means);
    assert_eq!(signs.matches(['R', 'C']).collect::<String>(), "R");
}

#[test]
fn a_fault_that_lasts_is_learnt_in_the_end() {
    let mut class = class();
    class.detectors.relearn_after = 20;
    let mut world = trained(class);
    let signs = signs(&mut world, &[20.0; 40]);
    let anomalous = signs.matches('!').count();
    assert!((20..30).contains(&anomalous), "{signs}");
    assert_eq!(signs.matches(['R', 'C']).collect::<String>(), "RC");
    assert!(world.device.status().score.unwrap() < 0.1);
}

#[test]
fn until_a_detector_is_warm_the_verdict_is_unknown() {
    let mut world = World::new(class());
    for number in 0..7 {
        world.window("flow", number, 10.0);
    }
    for _ in 0..5 {
        let window = world.next_window();
        assert_eq!(window.verdict, Verdict::Unknown);
        assert_eq!(window.score.unwrap().fused, None, "silence is no score");
    }
    let window = world.next_window();
    assert_eq!(window.verdict, Verdict::Normal);
    assert!(window.score.unwrap().fused.is_some());
}

#[test]
fn a_model_speaks_from_the_first_window_and_says_which_input_is_odd() {
    let mut world = World::with_model(class(), Behaviour::DoubtsHead);
    world.window("flow", 0, 11.0).window("head", 0, 12.0).stop();
    let score = world.next_score();
    let ModelScore::Scored {
        score: modelled, ..
    } = score.model
    else {
        panic!("{:?}", score.model);
    };
    // Two inputs, one of them 3 off: mean square 4.5 over a threshold of 2.
    assert!((modelled - 1.5).abs() < 1e-6 && (score.fused.unwrap() - 1.5).abs() < 1e-6);
    let [head] = score.contributions.as_slice() else {
        panic!("{:?}", score.contributions);
    };
    assert_eq!((head.channel, head.detector), (1, Detector::Model));
    // Scaled (12 − 10) / 2 = 1, of which 3 less is expected: 10 − 2 · 2.
    assert!((head.value - 12.0).abs() < 1e-6 && (head.expected - 6.0).abs() < 1e-6);
}

#[test]
fn a_model_that_is_content_scores_zero() {
    let mut world = World::with_model(class(), Behaviour::Echo);
    world.window("flow", 0, 11.0).window("head", 0, 12.0).stop();
    let score = world.next_score();
    assert_eq!(world.device.status().verdict, Verdict::Normal);
    assert!(score.fused.unwrap() < 1e-12 && score.contributions.is_empty());
}

/// The statistical detectors raise the alert on a device whose model cannot speak.
#[track_caller]
fn check_degraded(behaviour: Behaviour, with_head: bool, expected: DegradedReason) {
    let mut world = World::with_model(class(), behaviour);
    for number in 0..10 {
        world.window("flow", number, if number < 8 { 10.0 } else { 20.0 });
        if with_head {
            world.window("head", number, 10.0);
        }
    }
    world.stop();
    for _ in 0..10 {
        match world.next_score().model {
            ModelScore::Degraded { reason, .. } => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.next_alert().state, AlertState::Raised);
    assert_eq!(world.device.status().degraded, Some(expected));
}

#[test]
fn a_model_that_fails_leaves_the_statistical_detectors_on_watch() {
    check_degraded(Behaviour::Fails, true, DegradedReason::InferenceFailed);
}

#[test]
fn a_model_that_returns_no_number_leaves_the_statistical_detectors_on_watch() {
    check_degraded(Behaviour::ReturnsNan, true, DegradedReason::NotFinite);
}

#[test]
fn a_model_without_its_input_leaves_the_statistical_detectors_on_watch() {
    check_degraded(Behaviour::Echo, false, DegradedReason::MissingInput);
}

#[test]
fn a_model_is_bound_only_to_a_class_whose_windows_have_all_that_it_asks_for() {
    let bound = |change: fn(&mut ClassConfig)| {
        let mut class = class();
        change(&mut class);
        let scorer = FakeScorer::new(Behaviour::Echo, 0, "1");
        Model::bind(Arc::new(scorer), &class)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(bound(|_| {}), Ok(()));
    let without = bound(|class| class.channels.truncate(1)).unwrap_err();
    assert!(without.contains("needs channel `head`"), "{without}");
    let apart = bound(|class| class.window = WindowSpec::Count { size: 9 }).unwrap_err();
    assert!(apart.contains("several channels at once"), "{apart}");
}
