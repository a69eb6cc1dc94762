//! What the detectors say of a frame, and what follows.

use super::Device;
use crate::detect::Finding;
use crate::effect::{
    Alert, AlertState, Effect, ModelScore, Numbered, Score, Verdict, WindowSummary,
};
use crate::frame::{Frame, Gone};
use crate::score;
use crate::time::Timestamp;
use crate::verdict::{Change, Episode};
use crate::window::LatePolicy;

/// Frames kept for revisions, at most, unless the class asks for more.
pub(super) const KEPT_FRAMES: usize = 8;

impl Device {
    pub(super) fn score_frame(
        &mut self,
        frame: Frame,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        let score = self.score(&frame);
        self.status.score = score.fused;
        self.status.degraded = match &score.model {
            ModelScore::Degraded { reason, .. } => Some(*reason),
            ModelScore::None | ModelScore::Scored { .. } => None,
        };
        let (end, oldest, odd) = (frame.end, frame.oldest, score.is_odd());
        let events = self.events_of(&frame);
        let at = self.watch_of(&frame);
        let watch = &mut self.watches[at];
        let change = watch
            .verdict
            .observe(&self.class.verdict, frame.start, end, score.fused);
        // The summary comes first: whoever reads the alert can look its window up.
        let alert_number = self.next_effect + 1;
        let alert = match change {
            Change::None => None,
            Change::Raise { since, peak } => {
                self.status.alerts += 1;
                let episode = Episode {
                    number: alert_number,
                    since,
                    peak,
                };
                watch.verdict.open(episode);
                Some((AlertState::Raised, episode))
            }
            Change::Clear(episode) => Some((AlertState::Cleared, episode)),
        };
        let says = watch.says(self.class.emit, end, odd, alert.is_some());
        self.learn(&frame, at, odd);
        let raised = alert
            .filter(|(state, _)| *state == AlertState::Raised)
            .map(|(_, episode)| (episode.number, score.fused.unwrap_or(episode.peak)));
        self.keep(&frame, true, says, raised);
        if says {
            self.emit_window(frame, 0, Some(score.clone()), now, effects);
        }
        self.status.windows += 1;
        if let Some((state, episode)) = alert {
            let alert = Alert {
                state,
                episode: episode.number,
                time: end,
                since: episode.since,
                decided_at: now,
                oldest,
                score,
                peak: episode.peak,
            };
            self.emit(Effect::Alert(Box::new(alert)), events, effects);
        }
    }

    /// A channel's window whose frame has gone: recorded, and nobody is asked.
    pub(super) fn emit_alone(&mut self, frame: Frame, now: Timestamp, effects: &mut Vec<Numbered>) {
        self.keep(&frame, false, true, None);
        self.status.windows += 1;
        self.emit_window(frame, 0, None, now, effects);
    }

    /// Keeps a frame that goes, if any of its windows may be revised.
    fn keep(&mut self, frame: &Frame, scored: bool, said: bool, raised: Option<(u64, f64)>) {
        if !self.class.window.is_aligned() {
            return;
        }
        let (channels, class) = (&self.channels, &self.class);
        let revisable = |channel, end| channels[usize::from(channel)].is_revisable(end, class);
        self.frames.forget(revisable);
        let mut parts = frame.channels.iter();
        if parts.any(|part| revisable(part.channel, frame.end)) {
            self.frames.keep(Gone {
                frame: frame.clone(),
                revision: 0,
                scored,
                said,
                raised,
            });
        }
        // Channels that fell silent for good would keep a frame of all channels each.
        let most = match self.class.late {
            LatePolicy::Revise { windows } => (windows as usize).max(KEPT_FRAMES),
            LatePolicy::Drop | LatePolicy::SideOutput => KEPT_FRAMES,
        };
        let dirty = |channel, end| self.channels[usize::from(channel)].has_changed(end);
        let mut surplus = Vec::new();
        while let Some(frame) = self.frames.surplus(most, dirty) {
            surplus.push(frame);
        }
        for frame in surplus {
            for part in &frame.channels {
                self.channels[usize::from(part.channel)].give_up(frame.end);
            }
        }
    }

    /// Whose verdict a frame bears on.
    fn watch_of(&self, frame: &Frame) -> usize {
        match frame.channels.first() {
            Some(part) if !self.class.window.is_aligned() => usize::from(part.channel),
            _ => 0,
        }
    }

    /// Asks every detector about a frame.
    fn score(&mut self, frame: &Frame) -> Score {
        let (class, mut findings) = (&self.class, Vec::new());
        let mut scratch = vec![0.0; class.longest_history()];
        let mut found = |finding: Finding| findings.push(finding);
        for part in &frame.channels {
            let detectors = &mut self.detectors[usize::from(part.channel)];
            detectors.score(
                part,
                &class.detectors,
                &class.features,
                &mut scratch,
                &mut found,
            );
        }
        let model = match &mut self.model {
            Some((model, baseline)) => model.score(frame, &class.features, baseline, found),
            None => ModelScore::None,
        };
        score::fuse(&findings, model, class.verdict.contributions)
    }

    /// Asks every detector about a frame and leaves no trace.
    pub(super) fn rescore(&self, frame: &Frame) -> Score {
        let (class, mut findings) = (&self.class, Vec::new());
        let mut scratch = vec![0.0; class.longest_history()];
        let mut found = |finding: Finding| findings.push(finding);
        for part in &frame.channels {
            let mut detectors = self.detectors[usize::from(part.channel)].clone();
            detectors.score(
                part,
                &class.detectors,
                &class.features,
                &mut scratch,
                &mut found,
            );
        }
        let model = match &self.model {
            Some((model, baseline)) => {
                model.score(frame, &class.features, &mut baseline.clone(), found)
            }
            None => ModelScore::None,
        };
        score::fuse(&findings, model, class.verdict.contributions)
    }

    /// Lets the baselines learn a frame, unless it looks anomalous: a fault must not become the new
    /// normal. What lasts longer than `relearn_after` windows is the new normal all the same.
    fn learn(&mut self, frame: &Frame, watch: usize, odd: bool) {
        let watch = &mut self.watches[watch];
        if odd || watch.verdict.verdict() == Verdict::Anomalous {
            watch.unlearnt = watch.unlearnt.saturating_add(1);
            if watch.unlearnt <= self.class.detectors.relearn_after {
                return;
            }
        } else {
            watch.unlearnt = 0;
        }
        for part in &frame.channels {
            self.detectors[usize::from(part.channel)].learn(part, &self.class.features);
        }
        if let Some((model, baseline)) = &mut self.model {
            model.learn(baseline);
        }
    }

    pub(super) fn emit_window(
        &mut self,
        frame: Frame,
        revision: u32,
        score: Option<Score>,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        let events = self.events_of(&frame);
        let summary = WindowSummary {
            start: frame.start,
            end: frame.end,
            revision,
            closed_by: frame.closed_by,
            channels: frame.channels,
            scored_at: now,
            oldest: frame.oldest,
            newest: frame.newest,
            score,
            verdict: self.verdict(),
        };
        self.emit(Effect::Window(Box::new(summary)), events, effects);
    }
}
