//! Readings a second on one core, from batches of readings to summaries.
//!
//! `cargo run --release -p eyot-pipeline --example throughput`
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use eyot_pipeline::config::SkewConfig;
use eyot_pipeline::reading::Origin;
use std::sync::Arc;
use std::time::Instant;

use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, VerdictConfig,
};
use eyot_pipeline::device::Tally;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Input, Reading, Span, Timestamp};

const ORIGIN: Timestamp = Timestamp::from_secs(1_800_000_000);

fn class(channels: usize) -> ClassConfig {
    let channel = |index| ChannelConfig {
        name: format!("c{index}"),
        unit: None,
        kind: ChannelKind::Gauge,
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: false,
    };
    ClassConfig {
        name: "pump".into(),
        channels: (0..channels).map(channel).collect(),
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
        frame_wait: Span::from_secs(10),
        idle_timeout: Span::from_secs(60),
        max_future_skew: Span::from_secs(300),
        skew: SkewConfig::default(),
        max_window_readings: 100_000,
        detectors: DetectorConfig {
            robust_z: None,
            ewma: None,
            flatline: None,
            relearn_after: 360,
        },
        verdict: VerdictConfig {
            enter_after: 3,
            exit_below: 0.7,
            exit_after: 3,
            cooldown: Span::ZERO,
            contributions: 5,
        },
    }
}

/// Feeds `total` readings, `rate` a second and channel, in batches; prints the best of three.
fn measure(name: &str, class: &ClassConfig, rate: i64, total: usize) {
    let channels = class.channels.len();
    let step = Span(1_000_000_000 / rate);
    let mut best = 0.0_f64;
    let mut summaries = 0;
    for _ in 0..3 {
        let mut device = Device::new(Arc::new(class.clone()), None, 0);
        let (mut tally, mut effects) = (Tally::default(), Vec::new());
        let mut batch = Vec::with_capacity(4096);
        let (mut seconds, mut sent, mut time) = (0.0, 0, ORIGIN);
        summaries = 0;
        while sent < total {
            batch.clear();
            while batch.len() < 4096 {
                for channel in 0..channels {
                    let value = ((sent + batch.len()) % 1013) as f64;
                    batch.push(Reading {
                        time,
                        value,
                        channel: channel as u16,
                        origin: Origin::default(),
                    });
                }
                time = time + step;
            }
            let start = Instant::now();
            device.handle(
                Input::Readings {
                    now: time,
                    readings: &batch,
                },
                &mut tally,
                &mut effects,
            );
            seconds += start.elapsed().as_secs_f64();
            sent += batch.len();
            summaries += effects.len();
            effects.clear();
        }
        assert_eq!(tally.total(), sent as u64);
        best = best.max(sent as f64 / seconds);
    }
    println!("{name:<60} {:>8.2} M/s   {summaries} summaries", best / 1e6);
}

fn main() {
    let flow = |window, features: &[Feature]| ClassConfig {
        window,
        features: features.to_vec(),
        ..class(1)
    };
    let length = Span::from_secs(10);
    let hop = Span(length.0 / 8);
    let tumbling = WindowSpec::Tumbling { length };
    let hopping = WindowSpec::Hopping { length, hop };
    let merging = &Feature::EXTRA[..12];
    measure(
        "one channel, in order, tumbling 10 s",
        &flow(tumbling, &[]),
        1000,
        8_000_000,
    );
    measure(
        "the same, all features",
        &flow(tumbling, &Feature::EXTRA),
        1000,
        4_000_000,
    );
    measure(
        "4000 channels, interleaved, tumbling 10 s",
        &class(4000),
        10,
        8_000_000,
    );
    measure(
        "one channel, hopping 8-fold, basic features",
        &flow(hopping, &[]),
        1000,
        8_000_000,
    );
    measure(
        "the same, all features that merge",
        &flow(hopping, merging),
        1000,
        4_000_000,
    );
    measure(
        "the same, all features",
        &flow(hopping, &Feature::EXTRA),
        1000,
        2_000_000,
    );
    let (gap, max_length) = (Span::from_millis(10), Span::from_secs(10));
    let session = WindowSpec::Session { gap, max_length };
    measure(
        "one channel, sessions of 10 s",
        &flow(session, &[]),
        1000,
        4_000_000,
    );
    let count = WindowSpec::Count { size: 1000 };
    measure(
        "one channel, 1000 readings each",
        &flow(count, &[]),
        1000,
        4_000_000,
    );
    let sliding = WindowSpec::Sliding {
        length: Span::from_millis(100),
    };
    measure(
        "one channel, the last 100 readings at each",
        &flow(sliding, &[]),
        1000,
        1_000_000,
    );
}
