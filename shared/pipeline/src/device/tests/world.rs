//! A device, its clock and its upstream, spoken to in seconds.

use crate::config::SkewConfig;
use crate::reading::Origin;
use std::collections::VecDeque;
use std::sync::Arc;

use super::super::*;
use crate::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, RobustZConfig, VerdictConfig,
};
use crate::effect::{Alert, AlertState, Score, WindowSummary};
use crate::feature::Feature;
use crate::gateway::Unset;
use crate::scorer::{InputSpec, ModelId, Scorer, ScorerError, Transform, View};
use crate::time::Span;
use crate::window::{Emit, LatePolicy, Report, WindowSpec};

/// Second 0 of the tests; a window of any usual length starts here.
pub(super) const ORIGIN: Timestamp = Timestamp::from_secs(1_800_000_000);

/// So many seconds after the origin.
pub(super) fn at(seconds: impl Into<f64>) -> Timestamp {
    ORIGIN + Span((seconds.into() * 1e9).round() as i64)
}

pub(super) fn channel(name: &str) -> ChannelConfig {
    ChannelConfig {
        name: name.into(),
        unit: None,
        kind: ChannelKind::Gauge,
        calibration: Vec::new(),
        min: -1e6,
        max: 1e6,
        resolution: 0.01,
        detect: true,
        raster: None,
    }
}

/// Windows of 10 s, 2 s out of order, 15 s of waiting for slow channels, 60 s until idle; one
/// detector with a warm-up of 5 windows, two windows to raise and two to clear.
pub(super) fn class() -> ClassConfig {
    ClassConfig {
        name: "pump".into(),
        channels: ["flow", "head", "power"].map(channel).to_vec(),
        virtuals: Vec::new(),
        unlisted: None,
        window: WindowSpec::Tumbling {
            length: Span::from_secs(10),
        },
        features: Vec::new(),
        out_of_orderness: Span::from_secs(2),
        allowed_lateness: Span::ZERO,
        late: LatePolicy::Drop,
        emit: Emit::Every,
        report: Report::OnChange,
        frame_wait: Span::from_secs(15),
        idle_timeout: Span::from_secs(60),
        max_future_skew: Span::from_secs(300),
        skew: SkewConfig::default(),
        max_window_readings: 100,
        detectors: DetectorConfig {
            robust_z: Some(RobustZConfig {
                features: vec![Feature::Mean],
                threshold: 5.0,
                history: 10,
                warmup: 5,
            }),
            ewma: None,
            flatline: None,
            relearn_after: 1000,
        },
        verdict: VerdictConfig {
            enter_after: 2,
            exit_below: 0.5,
            exit_after: 2,
            cooldown: Span::ZERO,
            contributions: 5,
        },
    }
}

/// See the head of this file.
pub(super) struct World {
    pub(super) device: Device,
    now: Timestamp,
    tally: Tally,
    effects: Vec<Numbered>,
    unread: VecDeque<Effect>,
    /// What the times of the last effect are worth.
    unset: Option<Unset>,
    sent: u64,
    last_effect: u64,
}

impl World {
    pub(super) fn new(class: ClassConfig) -> Self {
        Self::resume(class, None, 0)
    }

    pub(super) fn with_model(class: ClassConfig, behaviour: Behaviour) -> Self {
        let model = model(&class, behaviour, 0, "1");
        Self::resume(class, Some(model), 0)
    }

    pub(super) fn resume(class: ClassConfig, model: Option<Model>, last_effect: u64) -> Self {
        Self {
            device: Device::new(Arc::new(class), model, last_effect),
            now: ORIGIN,
            tally: Tally::default(),
            effects: Vec::new(),
            unread: VecDeque::new(),
            unset: None,
            sent: 0,
            last_effect,
        }
    }

    /// Sets the gateway's clock.
    pub(super) fn at(&mut self, seconds: impl Into<f64>) -> &mut Self {
        self.at_time(at(seconds))
    }

    pub(super) fn at_time(&mut self, now: Timestamp) -> &mut Self {
        self.now = now;
        self
    }

    /// A reading arrives, whatever becomes of it.
    pub(super) fn reading(&mut self, name: &str, time: impl Into<f64>, value: f64) -> &mut Self {
        self.reading_at(name, at(time), value);
        self
    }

    /// A reading arrives and meets `fate`.
    #[track_caller]
    pub(super) fn meets(
        &mut self,
        fate: ReadingFate,
        name: &str,
        time: impl Into<f64>,
        value: f64,
    ) -> &mut Self {
        let time = time.into();
        assert_eq!(
            self.reading_at(name, at(time), value),
            fate,
            "{name} = {value} at {time}"
        );
        self
    }

    pub(super) fn reading_at(&mut self, name: &str, time: Timestamp, value: f64) -> ReadingFate {
        self.told(name, time, value, Origin::default())
    }

    /// A reading arrives of whose time this is known; what becomes of it.
    pub(super) fn told(
        &mut self,
        name: &str,
        time: Timestamp,
        value: f64,
        origin: Origin,
    ) -> ReadingFate {
        let channel = (0..)
            .map_while(|index| self.device.channel(index))
            .position(|channel| channel.name == name)
            .unwrap() as ChannelIndex;
        let reading = Reading {
            time,
            value,
            channel,
            origin,
        };
        let before = self.tally.clone();
        self.sent += 1;
        self.handle(Input::Readings {
            now: self.now,
            readings: &[reading],
        });
        let mut fates = self.tally.iter().filter(|(fate, n)| before.get(*fate) < *n);
        fates.next().unwrap().0
    }

    /// The device turns out to have a channel that the class does not list.
    pub(super) fn channel(&mut self, name: &str) -> &mut Self {
        let config = Arc::new(channel(name));
        self.handle(Input::Channel { config: &config })
    }

    pub(super) fn timer(&mut self) -> &mut Self {
        self.handle(Input::Timer { now: self.now })
    }

    pub(super) fn stop(&mut self) -> &mut Self {
        self.handle(Input::Stop { now: self.now })
    }

    /// The device is written down and read back under `class`; what that cost.
    pub(super) fn restart(&mut self, class: ClassConfig, model: Option<Model>) -> Vec<Reset> {
        let mut bytes = Vec::new();
        self.device.checkpoint(&mut bytes);
        let restored = Device::restore(Arc::new(class), model, &bytes).unwrap();
        self.device = restored.device;
        restored.reset
    }

    /// The next effect, if there is one.
    pub(super) fn pop(&mut self) -> Option<Effect> {
        self.unread.pop_front()
    }

    /// The gateway's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// What the times of the last effect are worth.
    pub(super) fn unset(&self) -> Option<Unset> {
        self.unset
    }

    pub(super) fn handle(&mut self, input: Input<'_>) -> &mut Self {
        self.device
            .handle(input, &mut self.tally, &mut self.effects);
        assert_eq!(self.tally.total(), self.sent, "one fate for each reading");
        for numbered in self.effects.drain(..) {
            self.last_effect += 1;
            assert_eq!(numbered.number, self.last_effect, "numbers are dense");
            self.unset = numbered.unset;
            self.unread.push_back(numbered.effect);
        }
        self
    }

    /// Three readings around `mean` on a channel in window `number`, at the clock of the readings.
    pub(super) fn window(&mut self, name: &str, number: i32, mean: f64) -> &mut Self {
        let start = f64::from(number) * 10.0;
        for (second, step) in [(3.0, -0.1), (5.0, 0.0), (7.0, 0.1)] {
            self.at(start + second)
                .reading(name, start + second, mean + step);
        }
        self
    }

    /// The next effect is this window: its start in seconds, what closed it, its channels with
    /// their numbers of readings.
    #[track_caller]
    pub(super) fn expect_window(
        &mut self,
        start: i32,
        closed_by: ClosedBy,
        channels: &[(&str, u64)],
    ) -> &mut Self {
        let window = self.next_window();
        let name = |c: &crate::effect::ChannelSummary| {
            self.device.channel(c.channel).unwrap().name.as_str()
        };
        let got: Vec<_> = window
            .channels
            .iter()
            .map(|c| (name(c), c.features.count))
            .collect();
        assert_eq!(window.start, at(start));
        assert_eq!(window.end, at(start + 10));
        assert_eq!((window.closed_by, got.as_slice()), (closed_by, channels));
        self
    }

    #[track_caller]
    pub(super) fn next_window(&mut self) -> WindowSummary {
        match self.unread.pop_front() {
            Some(Effect::Window(window)) => *window,
            other => panic!("a window, not {other:?}"),
        }
    }

    /// The score of the next effect, which is a window that was scored.
    #[track_caller]
    pub(super) fn next_score(&mut self) -> Score {
        self.next_window().score.expect("a score")
    }

    #[track_caller]
    pub(super) fn next_alert(&mut self) -> Alert {
        match self.unread.pop_front() {
            Some(Effect::Alert(alert)) => *alert,
            other => panic!("an alert, not {other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn expect_nothing(&mut self) -> &mut Self {
        assert_eq!(self.unread, [], "nothing has come out");
        self
    }

    /// What came out, a sign for each effect: `.` a window of a device that is not anomalous,
    /// `!` of one that is, `R` and `C` alerts raised and cleared.
    pub(super) fn signs(&mut self) -> String {
        let sign = |effect: Effect| match effect {
            Effect::Window(window) if window.verdict == Verdict::Anomalous => '!',
            Effect::Window(_) => '.',
            Effect::Alert(alert) if alert.state == AlertState::Raised => 'R',
            Effect::Alert(_) => 'C',
            other => panic!("a window or an alert, not {other:?}"),
        };
        self.unread.drain(..).map(sign).collect()
    }
}

/// What a model does when asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    /// Returns its input: all is well.
    Echo,
    /// Misses the input of channel `head` by 3.
    DoubtsHead,
    Fails,
    ReturnsNan,
}

/// A model of the means of `flow` and `head`.
pub(super) struct FakeScorer {
    id: ModelId,
    inputs: Vec<InputSpec>,
    behaviour: Behaviour,
    warmup: u32,
}

/// A model for `class` that learns `warmup` windows before it speaks.
pub(super) fn model(
    class: &ClassConfig,
    behaviour: Behaviour,
    warmup: u32,
    version: &str,
) -> Model {
    Model::bind(Arc::new(FakeScorer::new(behaviour, warmup, version)), class).unwrap()
}

impl FakeScorer {
    pub(super) fn new(behaviour: Behaviour, warmup: u32, version: &str) -> Self {
        let input = |channel: &str| InputSpec {
            channel: channel.into(),
            view: View::Feature(Feature::Mean),
            transform: Transform::Identity,
            center: 10.0,
            scale: 2.0,
        };
        Self {
            id: ModelId {
                name: "fake".into(),
                version: version.into(),
            },
            inputs: vec![input("flow"), input("head")],
            behaviour,
            warmup,
        }
    }
}

impl Scorer for FakeScorer {
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
        self.warmup
    }

    fn threshold(&self) -> f32 {
        2.0
    }

    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError> {
        output.copy_from_slice(input);
        match self.behaviour {
            Behaviour::Echo => {}
            Behaviour::DoubtsHead => output[1] -= 3.0,
            Behaviour::Fails => return Err(ScorerError("out of cheese".into())),
            Behaviour::ReturnsNan => output[0] = f32::NAN,
        }
        Ok(())
    }
}
