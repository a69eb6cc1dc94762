//! Models that take the readings of a window themselves.

use std::sync::{Arc, Mutex};

use super::super::*;
use super::world::{World, class};
use crate::effect::{DegradedReason, Detector, ModelScore};
use crate::feature::Feature;
use crate::grid::Align;
use crate::model::give_readings;
use crate::raster::Raster;
use crate::scorer::{InputSpec, ModelId, Scorer, ScorerError, Transform, View};
use crate::time::Span;
use crate::window::{LatePolicy, WindowSpec};

/// Expects each channel to stay as it is at the window's start, and remembers what it was asked.
struct Steady {
    id: ModelId,
    inputs: Vec<InputSpec>,
    asked: Mutex<Vec<Vec<f32>>>,
}

impl Steady {
    /// Of `channels` at five instants, with readings no more than 3 s away; scaled to tenths.
    fn of(channels: &[&str], version: &str) -> Arc<Self> {
        let raster = Raster {
            points: 5,
            align: Align::Linear,
            max_age: Span::from_secs(3),
        };
        let input = |channel: &&str| InputSpec {
            channel: (*channel).into(),
            view: View::Readings(raster),
            transform: Transform::Identity,
            center: 0.0,
            scale: 10.0,
        };
        Arc::new(Self {
            id: ModelId {
                name: "steady".into(),
                version: version.into(),
            },
            inputs: channels.iter().map(input).collect(),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Scorer for Steady {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn inputs(&self) -> &[InputSpec] {
        &self.inputs
    }

    fn clip(&self) -> f32 {
        8.0
    }

    fn warmup(&self) -> u32 {
        0
    }

    fn threshold(&self) -> f32 {
        0.1
    }

    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError> {
        self.asked.lock().unwrap().push(input.to_vec());
        for (input, output) in input.chunks(5).zip(output.chunks_mut(5)) {
            output.fill(input[0]);
        }
        Ok(())
    }
}

fn bound(scorer: &Arc<Steady>, class: ClassConfig) -> (ClassConfig, Option<Model>) {
    let mut class = Arc::new(class);
    give_readings(&scorer.inputs, &mut class);
    let model = Model::bind(Arc::clone(scorer) as Arc<dyn Scorer>, &class).unwrap();
    (Arc::unwrap_or_clone(class), Some(model))
}

fn world(scorer: &Arc<Steady>, class: ClassConfig) -> World {
    let (class, model) = bound(scorer, class);
    World::resume(class, model, 0)
}

/// A reading each two seconds from second `from` on.
fn feed(world: &mut World, name: &str, from: i32, values: &[f64]) {
    for (n, value) in (0..).zip(values) {
        let time = f64::from(from + 2 * n);
        world.at(time).reading(name, time, *value);
    }
}

#[test]
fn a_model_of_readings_sees_each_channel_at_its_instants_and_names_the_reading_that_is_odd() {
    let scorer = Steady::of(&["flow", "head"], "1");
    let mut world = world(&scorer, class());
    feed(&mut world, "flow", 1, &[10.0, 12.0, 10.0, 10.0, 10.0]);
    feed(&mut world, "head", 0, &[20.0, 20.0, 60.0, 20.0, 20.0]);
    world.stop();
    let score = world.next_score();
    let seen = [[1.0, 1.1, 1.1, 1.0, 1.0], [2.0, 2.0, 6.0, 2.0, 2.0]].concat();
    assert_eq!(scorer.asked(), [seen]);
    let ModelScore::Scored { score: model, .. } = score.model else {
        panic!("{:?}", score.model);
    };
    // Mean of ten squares, of which one is 4² and two are 0.1², over a threshold of 0.1.
    assert!(
        (model - (16.02_f64 / 10.0 / 0.1).sqrt()).abs() < 1e-5,
        "{model}"
    );
    let [head, flow] = score.contributions.as_slice() else {
        panic!("{:?}", score.contributions);
    };
    assert_eq!((head.channel, flow.channel), (1, 0));
    assert_eq!(
        (head.feature, head.detector),
        (Feature::Reading, Detector::Model)
    );
    assert_eq!((head.value, head.expected), (60.0, 20.0));
    assert!((head.share - 16.0 / 16.02).abs() < 1e-5, "{}", head.share);
}

#[test]
fn a_gap_in_the_readings_leaves_the_model_without_its_input() {
    let scorer = Steady::of(&["flow"], "1");
    let mut world = world(&scorer, class());
    feed(&mut world, "flow", 0, &[10.0, 10.0]);
    world.stop();
    let ModelScore::Degraded { reason, .. } = world.next_score().model else {
        panic!("nothing is known of the window's second half");
    };
    assert_eq!(reason, DegradedReason::MissingInput);
    assert!(scorer.asked().is_empty());
}

#[test]
fn overlapping_windows_keep_the_readings_for_a_model_and_nothing_else() {
    let mut class = class();
    class.window = WindowSpec::Hopping {
        length: Span::from_secs(10),
        hop: Span::from_secs(5),
    };
    let scorer = Steady::of(&["flow"], "1");
    let mut world = world(&scorer, class);
    let ramp: Vec<f64> = (0..16).map(f64::from).collect();
    feed(&mut world, "flow", 0, &ramp);
    feed(&mut world, "head", 0, &ramp);
    assert!(world.device.held() < 16, "head keeps panes, flow readings");
    world.stop();
    // Half a unit a second. Of what is before a window's first reading, half a step is not known.
    let asked = scorer.asked();
    for (seen, start) in asked.iter().zip([0.0, 2.5, 5.0, 7.5]) {
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0].map(|n: f64| ((start + n) / 10.0) as f32);
        let off = seen.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 0.051, "{seen:?} {expected:?}");
    }
    assert!(asked.len() >= 4);
}

#[test]
fn a_revised_window_has_its_readings_anew_and_a_restart_in_between_changes_nothing() {
    for restarts in [false, true] {
        let mut class = class();
        class.late = LatePolicy::Revise { windows: 2 };
        class.allowed_lateness = Span::from_secs(30);
        let scorer = Steady::of(&["flow"], "1");
        let mut world = world(&scorer, class.clone());
        feed(&mut world, "flow", 1, &[10.0; 7]);
        assert_eq!(scorer.asked(), [[1.0; 5]]);
        world.next_window();
        if restarts {
            let (class, model) = bound(&scorer, class);
            assert_eq!(world.restart(class, model), []);
        }
        world.reading("flow", 4, 50.0).at(14).timer();
        let revised = world.next_window();
        assert_eq!(revised.revision, 1);
        let seen = [10.0, 10.0, 50.0, 10.0, 10.0].map(Some);
        assert_eq!(revised.channels[0].extra, seen);
    }
}

#[test]
fn readings_that_waited_for_another_model_are_not_shown_to_this_one() {
    let scorer = Steady::of(&["flow"], "1");
    let mut world = world(&scorer, class());
    // The window of flow waits for head.
    feed(&mut world, "head", 0, &[1.0]);
    feed(&mut world, "flow", 0, &[10.0; 7]);
    world.expect_nothing();
    let other = Steady::of(&["flow"], "2");
    let (class, model) = bound(&other, class());
    assert_eq!(world.restart(class, model), [Reset::Model]);
    feed(&mut world, "flow", 14, &[10.0; 3]);
    world.stop();
    let ModelScore::Degraded { reason, .. } = world.next_score().model else {
        panic!("what it has was made for another model");
    };
    assert_eq!(reason, DegradedReason::MissingInput);
    assert_eq!(other.asked().len(), 1, "of the window that was open");
}
