//! Devices that are written down and read back.

use crate::reading::Origin;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::properties::{Told, any_input};
use super::world::{Behaviour, ORIGIN, channel, class, model};
use crate::config::{EwmaConfig, FlatlineConfig, RobustZConfig, UnlistedConfig};
use crate::feature::Feature;
use crate::time::Span;
use crate::window::{Emit, LatePolicy, Report, WindowSpec};

/// Windows of a second, all detectors with short warm-ups, two channels beyond the listed.
pub(super) fn quick_class() -> ClassConfig {
    let mut class = class();
    class.window = WindowSpec::Tumbling {
        length: Span::from_secs(1),
    };
    class.out_of_orderness = Span::from_millis(300);
    class.frame_wait = Span::from_secs(2);
    class.idle_timeout = Span::from_secs(5);
    class.max_window_readings = 20;
    class.unlisted = Some(UnlistedConfig {
        channel: channel(""),
        max: 2,
    });
    class.detectors.robust_z = Some(RobustZConfig {
        features: vec![Feature::Mean, Feature::Last],
        threshold: 5.0,
        history: 6,
        warmup: 3,
    });
    class.detectors.ewma = Some(EwmaConfig {
        features: vec![Feature::Mean, Feature::Slope],
        lambda: 0.2,
        threshold: 5.0,
        warmup: 3,
        memory: 8,
    });
    class.detectors.flatline = Some(FlatlineConfig {
        windows: 2,
        min_readings: 2,
        warmup: 3,
    });
    class.detectors.relearn_after = 4;
    class.verdict.cooldown = Span::from_secs(3);
    class
}

/// Of two channels; where windows are of one each, it can never speak.
fn quick_model() -> Model {
    model(&quick_class(), Behaviour::DoubtsHead, 3, "1")
}

pub(super) fn checkpoint(device: &Device) -> Vec<u8> {
    let mut bytes = Vec::new();
    device.checkpoint(&mut bytes);
    bytes
}

pub(super) fn restore(class: &ClassConfig, model: Option<Model>, bytes: &[u8]) -> Restored {
    Device::restore(Arc::new(class.clone()), model, bytes).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    /// Anything, however absurd.
    Told(Told),
    /// After some milliseconds come readings: channel, milliseconds ago, value. Late in a test all
    /// sensors stick.
    Readings(i64, Vec<(usize, i64, f64)>),
    Timer(i64),
    /// A channel that the class does not list.
    Channel,
}

fn any_step() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        6 => 9.9..10.1_f64,
        2 => Just(10.0),
        1 => -1e3..1e3_f64,
    ];
    let ago = prop_oneof![8 => 0..400_i64, 1 => 0..4000_i64];
    let readings = prop::collection::vec((0..5_usize, ago, value), 1..12);
    prop_oneof![
        1 => any_input().prop_map(Step::Told),
        40 => (0..500_i64, readings).prop_map(|(pause, readings)| Step::Readings(pause, readings)),
        3 => (0..6000_i64).prop_map(Step::Timer),
        1 => Just(Step::Channel),
    ]
}

/// All kinds of windows, about as long as each other, with and without revisions.
pub(super) fn any_windows() -> impl Strategy<Value = (WindowSpec, LatePolicy)> {
    let (length, hop) = (Span::from_secs(1), Span::from_millis(400));
    let kinds = vec![
        WindowSpec::Tumbling { length },
        WindowSpec::Hopping { length, hop },
        WindowSpec::Sliding { length },
        WindowSpec::Session {
            gap: hop,
            max_length: length,
        },
        WindowSpec::Count { size: 5 },
    ];
    let policies = vec![
        LatePolicy::Drop,
        LatePolicy::SideOutput,
        LatePolicy::Revise { windows: 3 },
    ];
    (prop::sample::select(kinds), prop::sample::select(policies))
}

/// A device with what came out of it.
struct Run {
    device: Device,
    now: Timestamp,
    tally: Tally,
    effects: Vec<Numbered>,
    /// Whether each reading gets a closer look.
    is_long: bool,
}

impl Run {
    fn new(device: Device) -> Self {
        Self {
            device,
            now: ORIGIN,
            tally: Tally::default(),
            effects: Vec::new(),
            is_long: false,
        }
    }

    fn take(&mut self, step: &Step) {
        let mut readings = Vec::new();
        let config;
        let input = match step {
            Step::Told(Told::Readings(now, readings)) => Input::Readings {
                now: *now,
                readings,
            },
            Step::Told(Told::Timer(now)) => Input::Timer { now: *now },
            Step::Told(Told::Clock(now, step)) => Input::Clock {
                now: *now,
                step: *step,
            },
            Step::Told(Told::Stop(now)) => Input::Stop { now: *now },
            Step::Told(Told::Wake) => match self.device.wake_at() {
                Some(now) => Input::Timer { now },
                None => return,
            },
            Step::Readings(pause, list) => {
                self.now = self.now + Span::from_millis(*pause);
                let count = self.device.channel_count();
                readings.extend(list.iter().map(|(channel, ago, value)| Reading {
                    time: self.now - Span::from_millis(*ago),
                    value: *value,
                    channel: (channel % count) as ChannelIndex,
                    origin: Origin::default(),
                }));
                Input::Readings {
                    now: self.now,
                    readings: &readings,
                }
            }
            Step::Timer(pause) => {
                self.now = self.now + Span::from_millis(*pause);
                Input::Timer { now: self.now }
            }
            Step::Channel => {
                let number = self.device.unlisted().len();
                if number == 2 {
                    return;
                }
                let mut new = channel(&format!("found{number}"));
                new.unit = (number > 0).then(|| "bar".into());
                config = Arc::new(new);
                Input::Channel { config: &config }
            }
        };
        match input {
            Input::Readings { now, readings } if self.is_long => {
                let none = Input::Readings { now, readings: &[] };
                self.device.handle(none, &mut self.tally, &mut self.effects);
                for reading in readings {
                    self.device.hear(now, &mut self.effects);
                    let fate = self.device.take(reading, now, &mut self.effects);
                    self.tally.count(fate, 1);
                }
            }
            input => self
                .device
                .handle(input, &mut self.tally, &mut self.effects),
        }
    }

    /// All that can be seen from outside, floats to the last bit.
    fn seen(&self) -> String {
        format!(
            "{:?} {:?} {:?} {:?}",
            self.effects,
            self.tally,
            self.device.wake_at(),
            self.device.status()
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn invariant_3_a_checkpoint_anywhere_changes_nothing(
        steps in prop::collection::vec((any_step(), prop::bool::weighted(0.2)), 1..150),
        with_model in any::<bool>(),
        stuck in 0..150_usize,
        (window, late) in any_windows(),
        emit in prop::sample::select(vec![Emit::Every, Emit::OnChange, Emit::Interval(Span::from_secs(2))]),
    ) {
        let class = ClassConfig {
            window,
            late,
            emit,
            allowed_lateness: Span::from_secs(2),
            report: Report::Periodic { every: Span::from_millis(700) },
            ..quick_class()
        };
        let model = with_model.then(quick_model);
        let device = || Device::new(Arc::new(class.clone()), model.clone(), 7);
        let (mut whole, mut cut) = (Run::new(device()), Run::new(device()));
        for (number, (mut step, here)) in steps.into_iter().enumerate() {
            if let Step::Readings(_, readings) = &mut step && number > stuck {
                for reading in readings {
                    reading.2 = 10.0;
                }
            }
            whole.take(&step);
            cut.take(&step);
            prop_assert_eq!(whole.seen(), cut.seen());
            let bytes = checkpoint(&whole.device);
            prop_assert_eq!(&bytes, &checkpoint(&cut.device));
            if here {
                let restored = restore(&class, model.clone(), &bytes);
                prop_assert_eq!(restored.reset, []);
                prop_assert_eq!(restored.device.unlisted(), whole.device.unlisted());
                cut.device = restored.device;
            }
            whole.effects.clear();
            cut.effects.clear();
        }
    }

    #[test]
    fn the_short_way_of_readings_and_the_long_way_are_one(
        steps in prop::collection::vec(any_step(), 1..100),
        (window, late) in any_windows(),
    ) {
        let class = ClassConfig { window, late, allowed_lateness: Span::from_secs(2), ..quick_class() };
        let device = || Device::new(Arc::new(class.clone()), None, 0);
        let (mut short, mut long) = (Run::new(device()), Run::new(device()));
        long.is_long = true;
        for step in &steps {
            short.take(step);
            long.take(step);
            prop_assert_eq!(short.seen(), long.seen());
            prop_assert_eq!(checkpoint(&short.device), checkpoint(&long.device));
        }
    }

    #[test]
    fn other_windows_after_a_restart_hurt_nothing(
        steps in prop::collection::vec(any_step(), 1..60),
        after in prop::collection::vec(any_step(), 1..60),
        (was, late) in any_windows(),
        (is, later) in any_windows(),
    ) {
        let class = |window, late| ClassConfig {
            window,
            late,
            allowed_lateness: Span::from_secs(2),
            ..quick_class()
        };
        let mut run = Run::new(Device::new(Arc::new(class(was, late)), None, 0));
        for step in &steps {
            run.take(step);
        }
        let held = run.device.held();
        run.device = restore(&class(is, later), None, &checkpoint(&run.device)).device;
        prop_assert_eq!(run.device.held(), held, "what is open stays open");
        for step in after.iter().chain([&Step::Told(Told::Stop(run.now))]) {
            run.take(step);
        }
        prop_assert_eq!(run.device.held(), 0);
    }

    #[test]
    fn bytes_that_were_tampered_with_never_hurt(
        steps in prop::collection::vec(any_step(), 1..60),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in prop::option::of(any::<prop::sample::Index>()),
        after in prop::collection::vec(any_step(), 1..60),
        (window, late) in any_windows(),
    ) {
        let class = ClassConfig { window, late, allowed_lateness: Span::from_secs(2), ..quick_class() };
        let model = quick_model();
        let mut run = Run::new(Device::new(Arc::new(class.clone()), Some(model.clone()), 0));
        for step in &steps {
            run.take(step);
        }
        let mut bytes = checkpoint(&run.device);
        for (index, byte) in edits {
            *index.get_mut(&mut bytes) = byte;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Ok(restored) = Device::restore(Arc::new(class), Some(model), &bytes) {
            run.device = restored.device;
            for step in &after {
                run.take(step);
            }
            run.take(&Step::Told(Told::Stop(run.now)));
            prop_assert_eq!(run.device.held(), 0);
        }
    }

    #[test]
    fn arbitrary_bytes_never_hurt(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        (window, late) in any_windows(),
    ) {
        let class = Arc::new(ClassConfig { window, late, ..quick_class() });
        let _ = Device::restore(Arc::clone(&class), None, &bytes);
        for version in 1..=3 {
            bytes.insert(0, version);
            let _ = Device::restore(Arc::clone(&class), None, &bytes);
            bytes.remove(0);
        }
    }
}

#[test]
fn what_is_no_checkpoint_says_why() {
    let class = Arc::new(class());
    let error = |bytes: &[u8]| match Device::restore(Arc::clone(&class), None, bytes) {
        Ok(_) => panic!("restored from {bytes:?}"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error(&[]), "the checkpoint is empty");
    assert_eq!(
        error(&[5, 0]),
        "the checkpoint has format version 5; this release reads versions 1 to 4"
    );
    let bytes = checkpoint(&Device::new(Arc::clone(&class), None, 0));
    for end in 1..bytes.len() {
        assert_eq!(error(&bytes[..end]), "the checkpoint cannot be read");
    }
    assert_eq!(
        error(&[bytes.as_slice(), &[0]].concat()),
        "the checkpoint contradicts itself: bytes follow its end"
    );
}

#[test]
fn numbers_go_on_and_are_only_ever_raised() {
    let mut device = Device::new(Arc::new(class()), None, 41);
    device.skip_effects_to(50);
    let mut device = restore(&class(), None, &checkpoint(&device)).device;
    assert_eq!(device.next_effect(), 50);
    device.skip_effects_to(3);
    assert_eq!(device.next_effect(), 50);
}

#[test]
fn windows_are_forgotten_and_what_was_learnt_is_kept() {
    let mut device = Device::new(Arc::new(quick_class()), None, 0);
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    for second in 0..20 {
        let time = Timestamp::from_secs(1_700_000_000 + second);
        let readings = [Reading {
            time,
            value: 20.0,
            channel: 0,
            origin: Origin::default(),
        }];
        let input = Input::Readings {
            now: time,
            readings: &readings,
        };
        device.handle(input, &mut tally, &mut effects);
    }
    assert!(device.held() > 0 && !effects.is_empty());
    let learnt = format!("{:?}", device.detectors);
    let next = device.next_effect();
    let held = device.held();
    device.forget_windows(Timestamp::from_secs(1_700_000_000));
    assert_eq!(device.held(), held, "none of its windows ends by then");
    let newest = device.newest().unwrap();
    device.forget_windows(newest + Span(1));
    assert_eq!((device.held(), device.next_effect()), (0, next));
    assert_eq!(format!("{:?}", device.detectors), learnt);
    let restored = restore(&quick_class(), None, &checkpoint(&device));
    assert_eq!(restored.reset, []);
}
