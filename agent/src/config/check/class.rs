//! Checks `[[class]]`.

use std::sync::Arc;

use eyot_decode::conversion;
use eyot_pipeline::Span;
use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, EwmaConfig, FlatlineConfig, OutOfSkew,
    RobustZConfig, SkewConfig, UnlistedConfig, VerdictConfig,
};
use eyot_pipeline::feature::Feature;
use eyot_pipeline::reading::ChannelIndex;
use globset::{Glob, GlobSet};

use super::{Check, MILLISECOND};
use crate::config::tree::Node;
use crate::config::{Class, Freshness, default, raw};

impl Check<'_, '_> {
    pub(super) fn classes(&mut self, raw: &[raw::Class], at: &Node<'_>) -> Vec<Class> {
        if raw.is_empty() && !at.exists() {
            return vec![self.class(&raw::Class::any(), at)];
        }
        self.unique_names(raw.iter().map(|class| class.name.as_str()), at);
        raw.iter()
            .enumerate()
            .map(|(index, class)| self.class(class, &at.index(index)))
            .collect()
    }

    fn class(&mut self, raw: &raw::Class, at: &Node<'_>) -> Class {
        let window = self.window(&raw.window, raw.max_window_readings, &at.key("window"));
        let report = self.report_of(&raw.report, &at.key("report"));
        let mut channels = self.channels(raw, at);
        let virtuals = self.virtuals(raw, &mut channels, &at.key("virtual"));
        let features = self.extra_features(&raw.features, report, &channels, &at.key("features"));
        let (late, allowed_lateness) = self.late(raw, window, at);
        let frame_wait = raw.frame_wait.as_ref();
        let idle_timeout = raw.idle_timeout.as_ref();
        let pipeline = ClassConfig {
            name: raw.name.clone(),
            channels,
            virtuals,
            unlisted: unlisted(raw),
            window,
            out_of_orderness: self.span(
                &raw.out_of_orderness,
                &at.key("out_of_orderness"),
                Span::ZERO,
            ),
            allowed_lateness,
            late,
            emit: self.emit(&raw.emit, &at.key("emit")),
            report,
            frame_wait: self.frame_wait(frame_wait, window, &at.key("frame_wait")),
            idle_timeout: self.idle_timeout(idle_timeout, window, report, &at.key("idle_timeout")),
            max_future_skew: self.span(
                &raw.max_future_skew,
                &at.key("max_future_skew"),
                Span::ZERO,
            ),
            skew: SkewConfig {
                future: skewed(raw.future),
                max_past: raw
                    .max_past_skew
                    .as_ref()
                    .map(|most| self.span(most, &at.key("max_past_skew"), MILLISECOND)),
                past: skewed(raw.past),
            },
            max_window_readings: raw.max_window_readings,
            detectors: self.detectors(&raw.detectors, &features, &at.key("detectors")),
            features,
            verdict: VerdictConfig {
                enter_after: raw.verdict.enter_after,
                exit_below: raw.verdict.exit_below,
                exit_after: raw.verdict.exit_after,
                cooldown: self.span(
                    &raw.verdict.cooldown,
                    &at.key("verdict").key("cooldown"),
                    Span::ZERO,
                ),
                contributions: raw.verdict.contributions,
            },
        };
        let model = raw.model.as_ref().map(|folder| {
            let path = self.base.join(folder);
            if !path.is_dir() {
                let message = format!("there is no folder {}", path.display());
                self.report.value(&at.key("model"), message);
            }
            path
        });
        Class {
            devices: self.patterns(&raw.devices, &at.key("devices")),
            patterns: raw.devices.clone(),
            pipeline: Arc::new(pipeline),
            freshness: Freshness::default(),
            model,
        }
    }

    fn patterns(&mut self, patterns: &[String], at: &Node<'_>) -> GlobSet {
        if patterns.is_empty() {
            self.report
                .value(at, "the class has no devices")
                .help("write patterns of names, like [\"pump-*\"]; [\"*\"] is all");
        }
        let mut set = GlobSet::builder();
        for (index, pattern) in patterns.iter().enumerate() {
            match Glob::new(pattern) {
                Ok(glob) => _ = set.add(glob),
                Err(error) => {
                    let message = format!("`{pattern}` is not a pattern: {}", error.kind());
                    self.report.value(&at.index(index), message);
                }
            }
        }
        set.build().unwrap_or_else(|error| {
            self.report.value(at, error.to_string());
            GlobSet::empty()
        })
    }

    fn channels(&mut self, raw: &raw::Class, at: &Node<'_>) -> Vec<ChannelConfig> {
        let node = at.key("channels");
        if raw.channels.is_empty() && raw.unlisted == Some(raw::Unlisted::Ignore) {
            self.report
                .value(&node, "the class lists no channels and ignores all others")
                .help("add [class.channels.NAME] for each, or leave `unlisted` out");
        }
        if raw.channels.len() > usize::from(ChannelIndex::MAX) {
            let message = format!("a class has {} channels at most", ChannelIndex::MAX);
            self.report.value(&node, message);
        }
        raw.channels
            .iter()
            .map(|(name, channel)| self.channel(name, channel, &node.key(name)))
            .collect()
    }

    fn channel(&mut self, name: &str, raw: &raw::Channel, at: &Node<'_>) -> ChannelConfig {
        self.name(name, at);
        let (min, max) = self.range(raw.min, raw.max, at);
        self.finite(raw.resolution, &at.key("resolution"));
        ChannelConfig {
            name: name.to_owned(),
            unit: raw.unit.clone(),
            kind: self.kind(raw, at),
            calibration: self.calibration(raw.calibration.as_ref(), &at.key("calibration")),
            min,
            max,
            resolution: raw.resolution,
            detect: raw.detect,
            raster: None,
        }
    }

    /// What the values of a channel are. Angles are in what the unit says.
    fn kind(&mut self, raw: &raw::Channel, at: &Node<'_>) -> ChannelKind {
        if let Some(modulus) = raw.modulus {
            let at = at.key("modulus");
            if raw.kind != raw::Kind::Counter {
                let message = "only a counter goes around";
                self.report
                    .value(&at, message)
                    .help("say kind = \"counter\", or leave it out");
            } else if modulus < 2 {
                self.report.value(&at, "must be at least 2");
            }
        }
        match raw.kind {
            raw::Kind::Gauge => ChannelKind::Gauge,
            raw::Kind::Counter => ChannelKind::Counter {
                modulus: raw.modulus,
            },
            raw::Kind::Angle => {
                let Some(unit) = &raw.unit else {
                    return ChannelKind::Degrees;
                };
                let degrees = conversion(unit, "deg").map(|conversion| conversion.apply(1.0));
                let is = |one: f64| degrees.is_some_and(|degrees| (degrees - one).abs() < 1e-9);
                if is(1.0) {
                    return ChannelKind::Degrees;
                }
                if !is(1.0_f64.to_degrees()) {
                    let message = format!("angles are in degrees or radians, not in `{unit}`");
                    self.report
                        .value(&at.key("unit"), message)
                        .help("write deg or rad; readings in other units are converted");
                }
                ChannelKind::Radians
            }
        }
    }

    fn detectors(
        &mut self,
        raw: &raw::Detectors,
        extra: &[Feature],
        at: &Node<'_>,
    ) -> DetectorConfig {
        let (robust_z, ewma, flatline) = (&raw.robust_z, &raw.ewma, &raw.flatline);
        let robust_z_at = at.key("robust_z");
        let mut watched = |features: &[String], enabled, at: &Node<'_>| {
            self.watched(features, enabled, extra, &at.key("features"))
        };
        let robust_z_features = watched(&robust_z.features, robust_z.enabled, &robust_z_at);
        let ewma_features = watched(&ewma.features, ewma.enabled, &at.key("ewma"));
        if robust_z.warmup > robust_z.history {
            let message = format!(
                "it would never speak: it waits for {} windows and remembers {}",
                robust_z.warmup, robust_z.history
            );
            let written = robust_z_at.first_of(["warmup", "history"]);
            self.report.value(&written, message);
        }
        DetectorConfig {
            robust_z: robust_z.enabled.then_some(RobustZConfig {
                features: robust_z_features,
                threshold: robust_z.threshold,
                history: robust_z.history,
                warmup: robust_z.warmup,
            }),
            ewma: ewma.enabled.then_some(EwmaConfig {
                features: ewma_features,
                lambda: ewma.lambda,
                threshold: ewma.threshold,
                warmup: ewma.warmup,
                memory: ewma.memory,
            }),
            flatline: flatline.enabled.then_some(FlatlineConfig {
                windows: flatline.windows,
                min_readings: flatline.min_readings,
                warmup: flatline.warmup,
            }),
            relearn_after: raw.relearn_after,
        }
    }
}

/// How channels are treated that the class does not list.
fn skewed(raw: raw::Skewed) -> OutOfSkew {
    match raw {
        raw::Skewed::Reject => OutOfSkew::Reject,
        raw::Skewed::Restamp => OutOfSkew::Restamp,
    }
}

fn unlisted(raw: &raw::Class) -> Option<UnlistedConfig> {
    let record = match raw.unlisted {
        Some(unlisted) => unlisted == raw::Unlisted::Record,
        None => raw.channels.is_empty(),
    };
    record.then(|| UnlistedConfig {
        channel: ChannelConfig {
            name: String::new(),
            unit: None,
            kind: ChannelKind::Gauge,
            calibration: Vec::new(),
            min: f64::NEG_INFINITY,
            max: f64::INFINITY,
            resolution: default::resolution(),
            detect: true,
            raster: None,
        },
        max: raw.max_unlisted,
    })
}
