//! Checkpoints under another configuration, their size and their format.

use std::fmt::Write as _;

use super::super::*;
use super::checkpoints::{checkpoint, quick_class, restore};
use super::world::{Behaviour, World, at, channel, class, model};
use crate::config::{EwmaConfig, FlatlineConfig, RobustZConfig, UnlistedConfig};
use crate::effect::Detector;
use crate::feature::Feature;
use crate::time::Span;
use crate::window::WindowSpec;

/// A world with one closed window in a frame that waits, and readings in open windows.
fn midway(class: ClassConfig) -> World {
    let mut world = World::new(class);
    for number in 0..8 {
        world
            .window("flow", number, 10.0)
            .window("head", number, 3.0);
    }
    world
        .at(85)
        .reading("head", 85, 3.0)
        .reading("flow", 85, 10.0);
    world.at(93).reading("flow", 93, 10.5);
    while world.pop().is_some() {}
    world
}

#[test]
fn channels_are_found_again_by_name_and_what_is_gone_is_named() {
    let mut world = midway(class());
    let mut other = class();
    other.channels = ["valve", "head", "power"].map(channel).to_vec();
    let reset = world.restart(other, None);
    // One in an open window, one in a closed window that waits for `head`.
    let (name, readings) = ("flow".into(), 2);
    assert_eq!(reset, [Reset::Channel { name, readings }]);
    // `head` has one reading open still, and its detector is warm.
    world.at(93).reading("head", 93, 3.0);
    world.expect_window(80, ClosedBy::Watermark, &[("head", 1)]);
}

#[test]
fn a_detector_goes_on_although_its_channel_has_moved_to_another_place() {
    let mut world = midway(class());
    let mut other = class();
    other.channels.reverse();
    assert_eq!(world.restart(other, None), []);
    world.at(93).reading("head", 93, 3.0);
    let window = world.next_window();
    let parts: Vec<_> = window.channels.iter().map(|part| part.channel).collect();
    assert_eq!(
        parts,
        [1, 2],
        "head and flow, whose window had closed before"
    );
    assert!(window.score.unwrap().fused.is_some(), "still warm");
}

#[test]
fn a_channel_that_was_found_is_kept_as_long_as_the_class_takes_such() {
    let found = |rules: Option<usize>, listed: &[&str]| {
        let mut class = quick_class();
        let mut world = World::new(class.clone());
        world.channel("found0").channel("found1");
        world.reading("found0", 0, 1.0).reading("found1", 0, 1.0);
        class
            .channels
            .extend(listed.iter().map(|name| channel(name)));
        class.unlisted = rules.map(|max| UnlistedConfig {
            channel: channel(""),
            max,
        });
        let reset = world.restart(class, None);
        let names = world.device.unlisted().iter().map(|c| c.name.clone());
        (
            names.collect::<Vec<_>>().join(" "),
            reset.len(),
            world.device.held(),
        )
    };
    assert_eq!(found(Some(2), &[]), ("found0 found1".into(), 0, 2));
    assert_eq!(found(Some(1), &[]), ("found0".into(), 1, 1));
    assert_eq!(found(None, &[]), (String::new(), 2, 0));
    assert_eq!(found(None, &["found1", "found0"]), (String::new(), 0, 2));
    assert_eq!(found(Some(2), &["found0"]), ("found1".into(), 0, 2));
}

#[test]
fn a_detector_with_other_parameters_learns_anew_and_no_other_does() {
    let fused = |change: fn(&mut ClassConfig)| {
        let mut before = class();
        before.detectors.ewma = quick_class().detectors.ewma;
        let mut world = midway(before.clone());
        change(&mut before);
        let reset = world.restart(before, None);
        world.at(93).reading("head", 93, 3.0);
        let score = world.next_score();
        let mut detectors: Vec<_> = score.contributions.iter().map(|c| c.detector).collect();
        detectors.dedup();
        (reset, score.fused.is_some())
    };
    let robust = |class: &mut ClassConfig| class.detectors.robust_z.as_mut().unwrap().history = 11;
    assert_eq!(
        fused(robust),
        (vec![Reset::Detector(Detector::RobustZ)], true)
    );
    let both = |class: &mut ClassConfig| {
        class.detectors.robust_z.as_mut().unwrap().warmup = 6;
        class.detectors.ewma.as_mut().unwrap().memory = 9;
    };
    let all = [Detector::RobustZ, Detector::Ewma].map(Reset::Detector);
    assert_eq!(fused(both), (all.to_vec(), false));
    let limits = |class: &mut ClassConfig| {
        class.detectors.robust_z.as_mut().unwrap().threshold = 4.0;
        class.detectors.ewma.as_mut().unwrap().threshold = 4.0;
    };
    assert_eq!(fused(limits), (vec![], true));
}

#[test]
fn another_window_length_cuts_what_is_open_anew_and_loses_nothing() {
    let mut world = midway(class());
    let mut other = class();
    other.window = WindowSpec::Tumbling {
        length: Span::from_secs(5),
    };
    let window = other.window;
    assert_eq!(world.restart(other, None), [Reset::Windows { window }]);
    world
        .at(99)
        .reading("head", 99, 3.0)
        .reading("flow", 99, 10.0);
    // The window of `flow` that had closed waits for `head` as before.
    let mut seen = Vec::new();
    while let Some(effect) = world.pop() {
        let Effect::Window(window) = effect else {
            continue;
        };
        let count: u64 = window.channels.iter().map(|c| c.features.count).sum();
        seen.push((window.start, window.end, count));
    }
    assert_eq!(
        seen,
        [
            (at(80), at(90), 1),
            (at(85), at(90), 1),
            (at(90), at(95), 1),
        ]
    );
}

#[test]
fn another_model_starts_to_learn_anew() {
    let class = class();
    let model = |version| model(&class, Behaviour::DoubtsHead, 3, version);
    let mut world = World::resume(class.clone(), Some(model("1")), 0);
    for number in 0..6 {
        world
            .window("flow", number, 10.0)
            .window("head", number, 3.0);
    }
    let bytes = checkpoint(&world.device);
    let baseline = |model| {
        let restored = restore(&class, model, &bytes);
        let learnt = format!("{:?}", restored.device.model.map(|(_, baseline)| baseline));
        (restored.reset, learnt.contains("learnt: 5"))
    };
    assert_eq!(baseline(Some(model("1"))), (vec![], true));
    assert_eq!(baseline(Some(model("2"))), (vec![Reset::Model], false));
    assert_eq!(baseline(None), (vec![Reset::Model], false));
}

/// Four channels and the default detectors.
fn usual_class() -> ClassConfig {
    let mut class = class();
    class.channels = ["flow", "head", "power", "speed"].map(channel).to_vec();
    class.detectors.robust_z = Some(RobustZConfig {
        features: vec![Feature::Mean, Feature::DetrendedStd],
        threshold: 8.0,
        history: 60,
        warmup: 20,
    });
    class.detectors.ewma = Some(EwmaConfig {
        features: vec![Feature::Mean],
        lambda: 0.2,
        threshold: 5.0,
        warmup: 30,
        memory: 360,
    });
    class.detectors.flatline = Some(FlatlineConfig {
        windows: 3,
        min_readings: 3,
        warmup: 10,
    });
    class
}

#[test]
fn a_checkpoint_is_small() {
    let mut world = World::new(usual_class());
    let fresh = checkpoint(&world.device).len();
    for number in 0..70 {
        for name in ["flow", "head", "power", "speed"] {
            world.window(name, number, 10.0);
        }
    }
    let warm = checkpoint(&world.device).len();
    assert!(fresh <= 450, "{fresh} B");
    assert!(warm <= 2800, "{warm} B");
    let before = world.device.held();
    for millisecond in 0..80 {
        world.reading("flow", 698.0 + f64::from(millisecond) * 1e-3, 10.1);
    }
    let readings = world.device.held() - before;
    let each = (checkpoint(&world.device).len() - warm) / readings;
    assert!(readings == 80 && each <= 12, "{each} B a reading");
}

/// A device in a state in which nothing in its checkpoint is absent.
fn golden_world() -> (World, ClassConfig, Model) {
    let mut class = quick_class();
    class.window = WindowSpec::Tumbling {
        length: Span::from_secs(10),
    };
    class.idle_timeout = Span::from_secs(60);
    class.frame_wait = Span::from_secs(15);
    class.detectors.relearn_after = 1000;
    // The chart remembers for long; here the others are to have their say.
    class.detectors.ewma.as_mut().unwrap().threshold = 1e6;
    let model = model(&class, Behaviour::DoubtsHead, 100, "1");
    let mut world = World::resume(class.clone(), Some(model.clone()), 41);
    world.channel("found0");
    // An alert comes and goes, another stays.
    for (number, mean) in (0..).zip([
        10.0, 10.0, 10.0, 10.0, 20.0, 20.0, 10.0, 10.0, 30.0, 30.0, 30.0,
    ]) {
        world
            .window("flow", number, mean)
            .window("head", number, 3.0);
    }
    world
        .at(112)
        .reading("found0", 111, 1.5)
        .reading("flow", 112, 0.1);
    world.reading("flow", 112.5, 0.2);
    (world, class, model)
}

/// What version 2 has been since it was first released. It never changes: a change of the format is a
/// new version, and this one is still read.
const GOLDEN_2: &str = "
    0237008090dfc04a00010603019a9999999999c93f08030102030404666c6f770002009a9999999999b93f80cab5ee019a99
    99999999c93f8080e3f694a4f1fa31018080e3f694a4f1fa310180b8b3d6efa3f1fa310180b0b68386a4f1fa31018080e3f6
    94a4f1fa31000180f4d5d892a4f1fa3100000201050500002041000020410000204100002041000020410400000000000000
    000805059a9921419a9921419a9921419a9921419a9921410485eb5148e17a443d0201019530d3f6afac3240050000000000
    0024400000000000000000055dfe43faedeb2440887145d6d82deb3f0701c39999999999a93f05809999999999a93f000000
    000000000005879999999999a93f111111111119423901000500809999999999b93f04686561640003003333333333330740
    80a8d6b907000000000000084080a8d6b907cdcccccccccc08408098daefd1a3f1fa310180b8b3d6efa3f1fa310180e886e3
    e0a3f1fa310180a0d7c2bba3f1fa310180b8b3d6efa3f1fa310001808ccdd1cfa3f1fa310000020105050000404000004040
    00004040000040400000404004000000000000000008050566664640666646406666464066664640666646400485eb5148e1
    7a043d0201010100000000000840050000000000000840000000000000000005000000000000084063c92f96fc6281390701
    a09999999999a93f05a09999999999a93f000000000000000005a09999999999a93f000000000000000001000500a0999999
    9999b93f05706f77657200000000000000000000000201000000000000000000000008000000000000000000000002010000
    0000000000000000000000000000000000000000000000000000000000000000000700000000000000000000000000000000
    0000000000000000000000000000000000000001000000000000000000000006666f756e643001000100000000000000f83f
    80d88cbd8da4f1fa310180d88cbd8da4f1fa310000018080e3f694a4f1fa3100000000020100000000000000000000000800
    0000000000000000000002010000000000000000000000000000000000000000000000000000000000000000000000070000
    0000000000000000000000000000000000000000000000000000000000000000000100000000000000000000000180a0d7c2
    bba3f1fa3180b0b68386a4f1fa310100030000000000003e40009a99999999b93f00000000000000006666666666e63d409a
    99999999193e4068b4214807003e40009a99999999a93f6666666666e63d409a99999999193e4000008098daefd1a3f1fa31
    80b8b3d6efa3f1fa318080e3f694a4f1fa31018090f881f1a2f1fa310001010200808099c1a6a2f1fa310000000000007940
    0136808099c1a6a2f1fa3100000000000079400180f89beebca2f1fa31020180a0d7c2bba3f1fa310102018080e3f694a4f1
    fa310000010466616b65013105020000000000004040018094ced398a4f1fa310100000000000079400a020101
";

/// What the same device was in version 1.
const GOLDEN_1: &str = "
    01378090dfc04a010603019a9999999999c93f08030102030404666c6f770002009a9999999999b93f80cab5ee019a99
    99999999c93f8080e3f694a4f1fa31018080e3f694a4f1fa310180b8b3d6efa3f1fa310180b0b68386a4f1fa31018080
    e3f694a4f1fa310201050500002041000020410000204100002041000020410400000000000000000805059a9921419a
    9921419a9921419a9921419a9921410485eb5148e17a443d0201019530d3f6afac324005000000000000244000000000
    00000000055dfe43faedeb2440887145d6d82deb3f0701d29999999999a93f05a09999999999a93f0000000000000000
    05a59999999999a93f2a5c8fc2f528353901000500a09999999999b93f0468656164000300333333333333074080a8d6
    b907000000000000084080a8d6b907cdcccccccccc08408098daefd1a3f1fa310180b8b3d6efa3f1fa310180e886e3e0
    a3f1fa310180a0d7c2bba3f1fa310180b8b3d6efa3f1fa31020105050000404000004040000040400000404000004040
    04000000000000000008050566664640666646406666464066664640666646400485eb5148e17a043d02010101000000
    00000840050000000000000840000000000000000005000000000000084063c92f96fc6281390701989999999999a93f
    05989999999999a93f000000000000000005989999999999a93f000000000000000001000500989999999999b93f0570
    6f7765720000000000000002010000000000000000000000080000000000000000000000020100000000000000000000
    000000000000000000000000000000000000000000000000000700000000000000000000000000000000000000000000
    0000000000000000000000000001000000000000000000000006666f756e643001000100000000000000f83f80d88cbd
    8da4f1fa310180d88cbd8da4f1fa310000018080e3f694a4f1fa31020100000000000000000000000800000000000000
    000000000201000000000000000000000000000000000000000000000000000000000000000000000007000000000000
    00000000000000000000000000000000000000000000000000000000000100000000000000000000000180a0d7c2bba3
    f1fa3180b0b68386a4f1fa310100030000000000003e40009a99999999b93f00000000000000006666666666e63d409a
    99999999193e4068b4214807003e40009a99999999a93f6666666666e63d409a99999999193e40008098daefd1a3f1fa
    3180b8b3d6efa3f1fa318080e3f694a4f1fa31018090f881f1a2f1fa31010200808099c1a6a2f1fa3100000000000079
    400136808099c1a6a2f1fa3100000000000079400180f89beebca2f1fa3102010466616b650131050200000000000040
    40018094ced398a4f1fa310100000000000079400a020101
";

fn unhex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// In lines of 100 digits.
fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        if hex.len() % 101 == 100 {
            hex.push('\n');
        }
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[test]
fn version_1_is_still_read() {
    let (world, class, model) = golden_world();
    let status = world.device.status();
    assert_eq!((status.alerts, status.verdict), (2, Verdict::Anomalous));
    let restored = restore(&class, Some(model), &unhex(GOLDEN_1));
    assert_eq!(restored.reset, []);
    assert_eq!(restored.device.status(), status);
    let (mut old, mut now) = (restored.device, world.device);
    let (mut was, mut is) = (Vec::new(), Vec::new());
    for device in [(&mut old, &mut was), (&mut now, &mut is)] {
        let stop = Input::Stop { now: at(120) };
        device.0.handle(stop, &mut Tally::default(), device.1);
    }
    assert_eq!(was.len(), is.len());
    let numbers = |effects: &[Numbered]| effects.iter().map(|e| e.number).collect::<Vec<_>>();
    assert_eq!(numbers(&was), numbers(&is));
}

#[test]
fn version_2_is_what_it_always_was() {
    let (world, class, model) = golden_world();
    let bytes = checkpoint(&world.device);
    let golden: Vec<&str> = GOLDEN_2.split_whitespace().collect();
    assert_eq!(hex(&bytes), golden.join("\n"));
    let restored = restore(&class, Some(model), &bytes);
    assert_eq!(restored.reset, []);
    assert_eq!(checkpoint(&restored.device), bytes);
}
