//! Checks the windows of a class: their kind, features, late readings, summaries and silence.

use eyot_pipeline::Span;
use eyot_pipeline::config::{ChannelConfig, ChannelKind};
use eyot_pipeline::feature::Feature;
use eyot_pipeline::window::{Emit, LatePolicy, Report, STALE_AFTER, WindowSpec};

use super::{Check, MILLISECOND};
use crate::config::fault::nearest;
use crate::config::tree::Node;
use crate::config::{raw, text};

/// The least idle timeout that is chosen when the file gives none.
const LEAST_IDLE_TIMEOUT: Span = Span::from_secs(10);
/// The idle timeout of windows that wait for readings, where nothing says how often there are any.
const UNKNOWN_IDLE_TIMEOUT: Span = Span::from_secs(3_600);
/// Pieces that a window is merged from, at most: a week of minutes has 10,080.
const MOST_PANES: usize = 16_384;

/// What to write where a window is none.
const KINDS: &str = "write a length like \"10s\", or one of { length = \"1m\", hop = \"10s\" }, { sliding = \"1m\" }, { gap = \"30s\", max_length = \"1h\" } and { count = 100 }";

impl Check<'_, '_> {
    /// How event time is cut into windows. `readings` are those that a channel may hold.
    pub(super) fn window(
        &mut self,
        raw: &raw::Window,
        readings: usize,
        at: &Node<'_>,
    ) -> WindowSpec {
        let kind = match raw {
            raw::Window::Length(length) => {
                let length = self.span(length, at, MILLISECOND);
                return WindowSpec::Tumbling { length };
            }
            raw::Window::Kind(kind) => kind,
        };
        let stand_in = WindowSpec::Tumbling {
            length: MILLISECOND,
        };
        if !self.goes_together(kind, at) {
            return stand_in;
        }
        if let Some(length) = &kind.length {
            let length = self.span(length, &at.key("length"), MILLISECOND);
            return match &kind.hop {
                Some(hop) => self.hopping(length, hop, at),
                None => WindowSpec::Tumbling { length },
            };
        }
        if let Some(length) = &kind.sliding {
            let length = self.span(length, &at.key("sliding"), MILLISECOND);
            return WindowSpec::Sliding { length };
        }
        if let (Some(gap), Some(max_length)) = (&kind.gap, &kind.max_length) {
            return self.session(gap, max_length, at);
        }
        if let Some(size) = kind.count {
            if size > readings {
                let message =
                    format!("a channel never holds that many: max_window_readings is {readings}");
                self.report.value(&at.key("count"), message);
            }
            return WindowSpec::Count { size };
        }
        stand_in
    }

    /// Whether the keys are those of one kind, and all of them.
    fn goes_together(&mut self, kind: &raw::WindowKind, at: &Node<'_>) -> bool {
        let written = [
            ("length", kind.length.is_some()),
            ("sliding", kind.sliding.is_some()),
            ("gap", kind.gap.is_some()),
            ("count", kind.count.is_some()),
        ];
        let mut kinds = written.iter().filter(|(_, written)| *written);
        let first = kinds.next().map(|(name, _)| *name);
        let mut right = true;
        for (name, _) in kinds {
            let message = format!(
                "`{name}` and `{}` are of different kinds of windows",
                first.unwrap_or_default()
            );
            self.report.key(&at.key(name), message).help(KINDS);
            right = false;
        }
        for (name, written, needed) in [
            ("hop", kind.hop.is_some(), "length"),
            ("max_length", kind.max_length.is_some(), "gap"),
        ] {
            if written && first != Some(needed) {
                let message = format!("`{name}` goes with `{needed}`");
                self.report.key(&at.key(name), message).help(KINDS);
                right = false;
            }
        }
        if first.is_none() {
            // Keys that are unknown have been reported.
            if at.entries().next().is_none() {
                let message = "this says nothing about windows";
                self.report.value(at, message).help(KINDS);
            }
            right = false;
        }
        if first == Some("gap") && kind.max_length.is_none() {
            self.report
                .value(at, "missing key `max_length`")
                .help("say where a session is cut when its readings never pause, like max_length = \"1h\"");
            right = false;
        }
        right
    }

    fn hopping(&mut self, length: Span, hop: &raw::Period, at: &Node<'_>) -> WindowSpec {
        let at = at.key("hop");
        let written = text::period(&hop.0).ok();
        let hop = self.span(hop, &at, MILLISECOND);
        if hop > length {
            let message = format!(
                "{hop} is longer than length {length}: readings in between would be in no window"
            );
            self.report.value(&at, message);
        }
        if hop >= length {
            return WindowSpec::Tumbling { length };
        }
        let window = WindowSpec::Hopping { length, hop };
        let panes = window.panes();
        if panes > MOST_PANES && written == Some(hop) {
            let piece = Span(length.0 / i64::try_from(panes).unwrap_or(i64::MAX));
            let message = format!(
                "each window would be merged from {panes} pieces of {piece}, which is what divides {length} and {hop}; {MOST_PANES} are allowed"
            );
            self.report
                .value(&at, message)
                .help("choose a hop that length is a multiple of");
        }
        window
    }

    fn session(
        &mut self,
        gap: &raw::Period,
        max_length: &raw::Period,
        at: &Node<'_>,
    ) -> WindowSpec {
        let gap = self.span(gap, &at.key("gap"), MILLISECOND);
        let at = at.key("max_length");
        let max_length = self.span(max_length, &at, MILLISECOND);
        if max_length < gap {
            let message =
                format!("{max_length} is shorter than gap {gap}: no session would end by a pause");
            self.report.value(&at, message);
        }
        WindowSpec::Session { gap, max_length }
    }

    /// What becomes of late readings, and how late a reading may be that revises its window.
    pub(super) fn late(
        &mut self,
        raw: &raw::Class,
        window: WindowSpec,
        at: &Node<'_>,
    ) -> (LatePolicy, Span) {
        let policy = match raw.late {
            raw::Late::Drop => LatePolicy::Drop,
            raw::Late::SideOutput => LatePolicy::SideOutput,
            raw::Late::Revise => LatePolicy::Revise {
                windows: raw.revise_windows,
            },
        };
        if raw.late != raw::Late::Revise {
            for key in ["revise_windows", "allowed_lateness"] {
                if at.key(key).exists() {
                    let message = "of no use unless late readings revise their windows";
                    self.report
                        .key(&at.key(key), message)
                        .help("set late = \"revise\", or leave it out");
                }
            }
            return (policy, Span::ZERO);
        }
        let Some(hop) = window.period() else {
            let message = format!("windows of this kind ({window}) are never revised");
            self.report
                .value(&at.key("late"), message)
                .help("set late = \"side_output\", or choose windows with a length");
            return (policy, Span::ZERO);
        };
        let lateness = raw.allowed_lateness.as_ref().map_or_else(
            || hop.times(i64::from(raw.revise_windows)),
            |period| self.span(period, &at.key("allowed_lateness"), MILLISECOND),
        );
        (policy, lateness)
    }

    /// Which windows become summaries.
    pub(super) fn emit(&mut self, raw: &str, at: &Node<'_>) -> Emit {
        const WORDS: [&str; 2] = ["every", "on_change"];
        match raw {
            "every" => Emit::Every,
            "on_change" => Emit::OnChange,
            period if period.starts_with(|c: char| c.is_ascii_digit()) => {
                Emit::Interval(self.span(&period.into(), at, MILLISECOND))
            }
            other => {
                let message =
                    format!("`{other}` is neither `every` nor `on_change` nor a length of time");
                let near = nearest(other, WORDS).map_or_else(
                    || "write it like 30s".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                self.report.value(at, message).help(near);
                Emit::Every
            }
        }
    }

    /// Whether silence means something.
    pub(super) fn report_of(&mut self, raw: &raw::Report, at: &Node<'_>) -> Report {
        match raw {
            raw::Report::OnChange(raw::OnChange::OnChange) => Report::OnChange,
            raw::Report::Periodic(periodic) => Report::Periodic {
                every: self.span(&periodic.every, &at.key("every"), MILLISECOND),
            },
        }
    }

    /// How long a channel waits for the others: only windows that they have in common wait at all.
    pub(super) fn frame_wait(
        &mut self,
        raw: Option<&raw::Period>,
        window: WindowSpec,
        at: &Node<'_>,
    ) -> Span {
        match (raw, window.period()) {
            (None, period) => period.unwrap_or(Span::ZERO),
            (Some(wait), Some(_)) => self.span(wait, at, Span::ZERO),
            (Some(_), None) => {
                let message =
                    format!("of no use: windows of this kind ({window}) wait for no other channel");
                self.report.key(at, message).help("leave it out");
                Span::ZERO
            }
        }
    }

    /// The silence that closes windows.
    pub(super) fn idle_timeout(
        &mut self,
        raw: Option<&raw::Period>,
        window: WindowSpec,
        report: Report,
        at: &Node<'_>,
    ) -> Span {
        let Some(period) = raw else {
            return default_idle_timeout(window, report);
        };
        let timeout = self.span(period, at, MILLISECOND);
        if let WindowSpec::Session { gap, .. } = window
            && timeout < gap
        {
            let message =
                format!("silence of {timeout} would end sessions before their gap of {gap}");
            self.report.value(at, message);
        }
        timeout
    }

    /// The features that a class asks for beyond those that every window has.
    pub(super) fn extra_features(
        &mut self,
        raw: &[String],
        report: Report,
        channels: &[ChannelConfig],
        at: &Node<'_>,
    ) -> Vec<Feature> {
        let features = self.features(raw, at);
        for (index, feature) in &features {
            let at = at.index(*index);
            if Feature::BASIC.contains(feature) {
                self.report
                    .value(&at, format!("every window has `{feature}`"))
                    .help("leave it out");
            }
            if *feature == Feature::GapRatio && report == Report::OnChange {
                let message =
                    "`gap_ratio` is held against how often devices send, which is not said";
                self.report
                    .value(&at, message)
                    .help("say it, like report = { every = \"10s\" }");
            }
            let gauge = feature.is_of(ChannelKind::Gauge);
            if !gauge && !channels.iter().any(|channel| feature.is_of(channel.kind)) {
                let kind = if feature.is_of(ChannelKind::Counter { modulus: None }) {
                    "counter"
                } else {
                    "angle"
                };
                let message =
                    format!("no channel of the class is of the kind that has `{feature}`");
                self.report
                    .value(&at, message)
                    .help(format!("say which channel is, with kind = \"{kind}\""));
            }
        }
        features.into_iter().map(|(_, feature)| feature).collect()
    }

    /// The features that a detector watches. They have to be computed: `extra` are those of the class.
    pub(super) fn watched(
        &mut self,
        raw: &[String],
        enabled: bool,
        extra: &[Feature],
        at: &Node<'_>,
    ) -> Vec<Feature> {
        if raw.is_empty() && enabled {
            self.report
                .value(at, "the detector watches nothing")
                .help("list some features, or set enabled = false");
        }
        let features = self.features(raw, at);
        for (index, feature) in &features {
            if !Feature::BASIC.contains(feature) && !extra.contains(feature) {
                self.report
                    .value(
                        &at.index(*index),
                        format!("windows of the class have no `{feature}`"),
                    )
                    .help(format!("add it to the class: features = [\"{feature}\"]"));
            }
        }
        features.into_iter().map(|(_, feature)| feature).collect()
    }

    /// The features of a list with their places in it, each once.
    fn features(&mut self, raw: &[String], at: &Node<'_>) -> Vec<(usize, Feature)> {
        let mut features: Vec<(usize, Feature)> = Vec::new();
        for (index, name) in raw.iter().enumerate() {
            let at = at.index(index);
            match name.parse() {
                Ok(feature) if features.iter().any(|(_, other)| *other == feature) => {
                    self.report
                        .value(&at, format!("`{feature}` is listed twice"));
                }
                Ok(feature) => features.push((index, feature)),
                Err(error) => {
                    let names = Feature::BASIC.into_iter().chain(Feature::EXTRA);
                    let names: Vec<_> = names.map(Feature::name).collect();
                    let fault = self.report.value(&at, format!("{error}"));
                    fault.did_you_mean(name, names.iter().map(AsRef::as_ref));
                }
            }
        }
        features
    }
}

/// Twice what a window takes to end, and no less than some seconds. Groups of a number of readings end by
/// more readings, so they wait for as long as a device may be silent.
fn default_idle_timeout(window: WindowSpec, report: Report) -> Span {
    let reports = match report {
        Report::Periodic { every } => Some(every.times(STALE_AFTER)),
        Report::OnChange => None,
    };
    let timeout = match window {
        WindowSpec::Tumbling { length: span }
        | WindowSpec::Hopping { hop: span, .. }
        | WindowSpec::Session { gap: span, .. } => span.times(2),
        WindowSpec::Sliding { .. } => LEAST_IDLE_TIMEOUT,
        WindowSpec::Count { .. } => reports.unwrap_or(UNKNOWN_IDLE_TIMEOUT),
    };
    timeout.max(LEAST_IDLE_TIMEOUT)
}
