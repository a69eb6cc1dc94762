//! The generator: reproducible, believable, and faulty where it says so.

#![expect(clippy::float_cmp, reason = "equal means the same bits here")]

use std::collections::HashMap;

use eyot_pipeline::{Span, Timestamp};

use super::fault::{Fault, FaultError, FaultKind, FaultPlan, PlannedFault, RandomFaults};
use super::fleet::{Delivery, Event, Fleet, FleetConfig, device_name};
use super::payload::{Encoder, Form, Samples};
use super::pump::{CHANNELS, CURRENT, FLOW, PRESSURE, TEMPERATURE, VIBRATION};

const START: Timestamp = Timestamp::from_secs(1_767_225_600);

fn config(devices: u32, seconds: i64) -> FleetConfig {
    FleetConfig::new(7, devices, START, Span::from_secs(seconds))
}

fn events(config: &FleetConfig) -> Vec<Event> {
    Fleet::new(config).unwrap().collect()
}

fn of_device(device: u32, events: &[Event]) -> Vec<Event> {
    let own = events.iter().filter(|event| event.device == device);
    own.copied().collect()
}

/// The values of a channel by event time, from the `from`-th second of the run on.
fn values(events: &[Event], channel: usize, from: i64) -> Vec<f64> {
    let mut own: Vec<_> = events
        .iter()
        .filter(|event| event.channel == channel && event.delivery != Delivery::Duplicate)
        .filter(|event| event.time >= START + Span::from_secs(from))
        .collect();
    own.sort_by_key(|event| event.time);
    own.into_iter().map(|event| event.value).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let (mean_x, mean_y) = (mean(x), mean(y));
    let products: f64 = x
        .iter()
        .zip(y)
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    products / (x.len() - 1) as f64 / (std(x) * std(y))
}

#[test]
fn a_seed_fixes_every_event() {
    let faulty = FaultPlan::Random(RandomFaults {
        devices: 3,
        warmup: Span::from_secs(5),
        duration: None,
    });
    let once = FleetConfig {
        faults: faulty,
        ..config(5, 60)
    };
    let other = FleetConfig {
        seed: 8,
        ..once.clone()
    };
    assert_eq!(events(&once), events(&once));
    assert_ne!(events(&once), events(&other));
}

#[test]
fn a_device_does_not_notice_the_size_of_the_fleet() {
    let alone = events(&config(1, 60));
    let in_company = events(&config(50, 60));
    assert_eq!(alone, of_device(0, &in_company));
}

#[test]
fn events_come_in_send_order_and_within_the_run() {
    let all = events(&config(20, 60));
    assert!(all.is_sorted_by_key(|event| event.send_at));
    for event in &all {
        assert!(
            (START..START + Span::from_secs(60)).contains(&event.time),
            "{event:?}"
        );
        let delay = event.send_at - event.time;
        assert!(
            delay > Span::ZERO && delay <= Span::from_millis(1_500),
            "{event:?}"
        );
        assert_eq!(event.time.0 % 1_000_000, 0, "{event:?}");
    }
    // 20 devices, 5 channels, 60 rounds, and 1 % twice.
    let expected = 20.0 * 5.0 * 60.0 * 1.01;
    assert!(
        (all.len() as f64 / expected - 1.0).abs() < 0.03,
        "{}",
        all.len()
    );
}

#[test]
fn delays_and_duplicates_have_their_shares() {
    let all = events(&config(50, 200));
    let share = |delivery| {
        let of_kind = all.iter().filter(|event| event.delivery == delivery);
        of_kind.count() as f64 / all.len() as f64
    };
    let (delayed, twice) = (share(Delivery::Delayed), share(Delivery::Duplicate));
    assert!((delayed - 0.03).abs() < 0.003, "{delayed}");
    assert!((twice - 0.01).abs() < 0.002, "{twice}");
    let mut seen = HashMap::new();
    let mut out_of_order = 0;
    let mut latest = HashMap::new();
    for event in &all {
        let key = (event.device, event.channel);
        let first = seen.insert((key, event.time), event.value);
        assert_eq!(
            first.is_some(),
            event.delivery == Delivery::Duplicate,
            "{event:?}"
        );
        assert_eq!(first.unwrap_or(event.value), event.value, "{event:?}");
        let latest = latest.entry(key).or_insert(event.time);
        out_of_order += usize::from(event.time < *latest);
        *latest = event.time.max(*latest);
    }
    assert!(
        out_of_order > all.len() / 200,
        "{out_of_order} of {}",
        all.len()
    );
}

#[test]
fn signals_are_those_of_a_pump() {
    let all = events(&config(10, 400));
    let plausible = [
        (1.2, 3.2),
        (25.0, 55.0),
        (9.0, 18.0),
        (3.2, 6.8),
        (18.0, 48.0),
    ];
    for device in 0..10 {
        let own = of_device(device, &all);
        let by_channel: Vec<_> = (0..5).map(|channel| values(&own, channel, 0)).collect();
        for ((values, channel), (low, high)) in by_channel.iter().zip(CHANNELS).zip(plausible) {
            let inside = |x: &f64| (low..high).contains(x);
            assert!(values.iter().all(inside), "{} of {device}", channel.name);
            let ratio = std(values) / channel.spread;
            assert!(
                (0.4..2.0).contains(&ratio),
                "{}: {ratio} of its spread",
                channel.name
            );
            assert!(values.windows(2).filter(|pair| pair[0] == pair[1]).count() < 5);
        }
        assert!(correlation(&by_channel[FLOW], &by_channel[CURRENT]) > 0.9);
        assert!(correlation(&by_channel[FLOW], &by_channel[PRESSURE]) < -0.9);
        assert!(correlation(&by_channel[FLOW], &by_channel[VIBRATION]) > 0.5);
    }
    let averages: Vec<_> = (0..10)
        .map(|d| mean(&values(&of_device(d, &all), FLOW, 0)))
        .collect();
    assert!(std(&averages) > 0.5, "devices differ: {averages:?}");
}

#[test]
fn some_pumps_stop_if_they_may() {
    let stopping = FleetConfig {
        stops: 1.0,
        ..config(1, 600)
    };
    let own = events(&stopping);
    let flow = values(&own, FLOW, 0);
    assert!(flow.iter().any(|&x| x < 2.0) && flow.iter().any(|&x| x > 20.0));
}

#[test]
fn aligned_readings_travel_together_in_one_object() {
    let aligned = FleetConfig {
        aligned: true,
        ..config(4, 120)
    };
    let all = events(&aligned);
    let samples: Vec<_> = Samples::new(all.iter().copied(), Form::Object).collect();
    assert!(samples.iter().all(|sample| sample.events.len() == 5));
    let topic = Form::Object.default_topic().parse().unwrap();
    let encoder = Encoder::new(Form::Object, topic, 0).unwrap();
    let message = encoder.encode(&samples[0]);
    let object: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(object.as_object().unwrap().len(), 6);
    assert_eq!(object["ts"], samples[0].first().time.0 / 1_000_000);
    assert_eq!(object["flow"], samples[0].events[FLOW].value);
}

#[test]
fn a_large_fleet_keeps_little() {
    let mut fleet = Fleet::new(&config(10_000, 3_600)).unwrap();
    let waiting = |fleet: &Fleet| fleet.pending() as f64 / 10_000.0;
    assert!(waiting(&fleet) < 12.0);
    let last = fleet.nth(150_000).unwrap();
    assert!(last.send_at < START + Span::from_secs(5));
    assert!(waiting(&fleet) < 12.0);
}

/// The same two devices with and without a fault of the second from the 60th to the 120th second.
fn with_and_without(kind: FaultKind, channel: Option<usize>) -> (Vec<Event>, Vec<Event>) {
    let healthy = config(2, 180);
    let faulty = FleetConfig {
        faults: FaultPlan::List(vec![PlannedFault {
            device: 1,
            kind,
            channel,
            after: Span::from_secs(60),
            duration: Some(Span::from_secs(60)),
        }]),
        ..healthy.clone()
    };
    let (healthy, faulty) = (events(&healthy), events(&faulty));
    assert_eq!(
        of_device(0, &healthy),
        of_device(0, &faulty),
        "the other device"
    );
    (of_device(1, &healthy), of_device(1, &faulty))
}

/// Readings that differ between two runs, by channel; asserts that all of them lie after the fault's start, and
/// before its end unless they are of the temperature, which takes its time.
fn differing(healthy: &[Event], faulty: &[Event]) -> [usize; 5] {
    let mut differing = [0; 5];
    assert_eq!(healthy.len(), faulty.len());
    for (was, is) in healthy.iter().zip(faulty) {
        assert_eq!(
            (was.send_at, was.time, was.channel),
            (is.send_at, is.time, is.channel)
        );
        if was.value != is.value {
            differing[is.channel] += 1;
            let since = is.time - START;
            assert!(since >= Span::from_secs(60), "{is:?}");
            assert!(
                since < Span::from_secs(120) || is.channel == TEMPERATURE,
                "{is:?}"
            );
        }
    }
    differing
}

#[test]
fn a_worn_bearing_shakes_and_warms() {
    let (healthy, faulty) = with_and_without(FaultKind::BearingWear, None);
    let changed = differing(&healthy, &faulty);
    assert!(
        changed[VIBRATION] > 50 && changed[TEMPERATURE] > 50,
        "{changed:?}"
    );
    let late = |events: &[Event], channel| {
        let values = values(events, channel, 75);
        values[..40].to_vec()
    };
    let ratio = mean(&late(&faulty, VIBRATION)) / mean(&late(&healthy, VIBRATION));
    assert!((1.9..3.7).contains(&ratio), "{ratio}");
    assert!(mean(&late(&faulty, TEMPERATURE)) > mean(&late(&healthy, TEMPERATURE)) + 1.0);
}

#[test]
fn a_blocked_valve_moves_flow_pressure_and_current() {
    let (healthy, faulty) = with_and_without(FaultKind::BlockedValve, None);
    differing(&healthy, &faulty);
    let ratio = |channel| {
        let late = |events| mean(&values(events, channel, 66)[..50]);
        late(&faulty) / late(&healthy)
    };
    assert!((0.28..0.52).contains(&ratio(FLOW)), "{}", ratio(FLOW));
    assert!(ratio(PRESSURE) > 1.15, "{}", ratio(PRESSURE));
    assert!(ratio(CURRENT) < 0.85, "{}", ratio(CURRENT));
}

#[test]
fn a_stuck_sensor_repeats_itself_to_the_last_digit() {
    let (healthy, faulty) = with_and_without(FaultKind::StuckSensor, Some(CURRENT));
    let changed = differing(&healthy, &faulty);
    assert!(changed[CURRENT] > 50 && changed.iter().sum::<usize>() == changed[CURRENT]);
    let stuck = &values(&faulty, CURRENT, 60)[..55];
    assert!(stuck.iter().all(|x| x == &stuck[0]));
}

#[test]
fn spikes_are_single_and_large() {
    let (healthy, faulty) = with_and_without(FaultKind::Spikes, Some(TEMPERATURE));
    let changed = differing(&healthy, &faulty);
    assert!((18..=32).contains(&changed[TEMPERATURE]), "{changed:?}");
    assert_eq!(changed.iter().sum::<usize>(), changed[TEMPERATURE]);
    for (was, is) in healthy
        .iter()
        .zip(&faulty)
        .filter(|(was, is)| was.value != is.value)
    {
        let size = (is.value - was.value).abs() / CHANNELS[TEMPERATURE].spread;
        assert!((5.9..10.1).contains(&size), "{size}");
    }
}

#[test]
fn an_offset_shifts_by_several_spreads() {
    let (healthy, faulty) = with_and_without(FaultKind::Offset, Some(FLOW));
    let changed = differing(&healthy, &faulty);
    assert!(changed[FLOW] > 50 && changed.iter().sum::<usize>() == changed[FLOW]);
    for (was, is) in healthy
        .iter()
        .zip(&faulty)
        .filter(|(was, is)| was.value != is.value)
    {
        let size = (is.value - was.value) / CHANNELS[FLOW].spread;
        assert!((5.9..8.1).contains(&size), "{size}");
    }
}

fn random(devices: u32, warmup: i64, duration: Option<i64>) -> FaultPlan {
    FaultPlan::Random(RandomFaults {
        devices,
        warmup: Span::from_secs(warmup),
        duration: duration.map(Span::from_secs),
    })
}

#[test]
fn random_faults_keep_to_their_plan() {
    let hour = Span::from_secs(3_600);
    let end = START + hour;
    let faults = random(10, 120, Some(60))
        .schedule(3, 40, START, hour)
        .unwrap();
    assert_eq!(faults.len(), 10);
    assert!(faults.is_sorted_by_key(|fault| fault.device));
    for kind in FaultKind::IN_VALUES {
        assert_eq!(faults.iter().filter(|fault| fault.kind == kind).count(), 2);
    }
    for Fault {
        kind,
        channel,
        start,
        end: over,
        ..
    } in faults
    {
        assert_eq!(channel.is_some(), kind.of_a_sensor());
        assert!(start >= START + Span::from_secs(120) && over <= end);
        assert_eq!(over - start, Span::from_secs(60));
    }
    let lasting = random(4, 120, None).schedule(3, 40, START, hour).unwrap();
    assert!(lasting.iter().all(|fault| fault.end == end));
    assert!(
        lasting
            .iter()
            .all(|fault| end - fault.start >= Span::from_secs(30))
    );
}

#[test]
fn no_random_fault_is_one_that_cannot_be_seen() {
    for seed in 0..50 {
        let plan = random(5, 0, None);
        let faults = plan.schedule(seed, 5, START, Span::from_secs(60)).unwrap();
        let hidden = |fault: &Fault| {
            fault.kind == FaultKind::StuckSensor && fault.channel == Some(TEMPERATURE)
        };
        assert!(!faults.iter().any(hidden), "seed {seed}");
    }
}

#[test]
fn plans_that_cannot_be_are_refused() {
    let refused = |plan: &FaultPlan| {
        plan.schedule(1, 2, START, Span::from_secs(100))
            .unwrap_err()
    };
    assert!(matches!(
        refused(&random(3, 0, None)),
        FaultError::TooManyDevices { .. }
    ));
    assert!(matches!(
        refused(&random(1, 80, None)),
        FaultError::RunTooShort { .. }
    ));
    let list =
        |texts: &[&str]| FaultPlan::List(texts.iter().map(|text| text.parse().unwrap()).collect());
    let unknown = refused(&list(&["pump-0003:bearing_wear@1s"]));
    assert_eq!(
        unknown.to_string(),
        "pump-0003 cannot be faulty: the last device is pump-0002"
    );
    let after = refused(&list(&["pump-0001:bearing_wear@100s"]));
    assert!(matches!(after, FaultError::AfterTheRun { .. }));
    let overlap = refused(&list(&[
        "pump-0001:bearing_wear@1s",
        "pump-0001:spikes:flow@50s+9s",
    ]));
    assert!(matches!(overlap, FaultError::Overlap { .. }));
    let one_by_one = list(&["pump-0001:bearing_wear@1s+9s", "pump-0001:spikes:flow@10s"]);
    assert!(
        one_by_one
            .schedule(1, 2, START, Span::from_secs(100))
            .is_ok()
    );
}

/// The events of one device whose fault of this kind lasts from the 20th second to the 40th, and of the same without it.
fn underway(kind: FaultKind) -> (Vec<Event>, Vec<Event>) {
    let without = config(1, 60);
    let faults = FaultPlan::List(vec![PlannedFault {
        device: 0,
        kind,
        channel: None,
        after: Span::from_secs(20),
        duration: Some(Span::from_secs(20)),
    }]);
    let with = FleetConfig {
        faults,
        ..without.clone()
    };
    (events(&with), events(&without))
}

#[test]
fn faults_of_clock_and_way_leave_the_values_alone() {
    let at = |second| START + Span::from_secs(second);
    let within = |event: &Event| event.time >= at(20) && event.time < at(40);

    let (dropout, quiet) = underway(FaultKind::Dropout);
    let rest: Vec<_> = quiet
        .iter()
        .filter(|event| !within(event))
        .copied()
        .collect();
    assert_eq!(dropout, rest);

    let (burst, _) = underway(FaultKind::LateBurst);
    assert!(burst.is_sorted_by_key(|event| event.send_at));
    let held: Vec<_> = burst.iter().filter(|event| within(event)).collect();
    assert_eq!(
        held.len(),
        quiet.iter().filter(|event| within(event)).count()
    );
    assert!(
        held.iter()
            .all(|event| event.send_at >= at(40) && event.send_at < at(42))
    );
    assert!(held.iter().any(|event| event.delivery == Delivery::Delayed));

    let (jump, _) = underway(FaultKind::ClockJump);
    let off = |event: &&Event| (event.send_at - event.time).0.abs() > 600_000_000_000;
    let sent_within = |event: &&Event| event.send_at >= at(20) && event.send_at < at(42);
    let values = |events: &[Event]| -> Vec<f64> { events.iter().map(|e| e.value).collect() };
    assert_eq!(values(&jump), values(&quiet));
    assert!(jump.iter().filter(off).all(|event| sent_within(&event)));
    assert_eq!(jump.iter().filter(off).count(), held.len());

    let (reboot, _) = underway(FaultKind::Reboot);
    let unset: Vec<_> = reboot.iter().filter(|event| event.time < START).collect();
    assert!(
        unset
            .iter()
            .all(|event| event.time < Timestamp::from_secs(17))
    );
    assert!(unset.len() > 5 * 16 && reboot.len() < quiet.len());
}

#[test]
fn planned_faults_are_read_from_text() {
    let planned: PlannedFault = "pump-0003:offset:flow@90s+30s".parse().unwrap();
    let expected = PlannedFault {
        device: 2,
        kind: FaultKind::Offset,
        channel: Some(FLOW),
        after: Span::from_secs(90),
        duration: Some(Span::from_secs(30)),
    };
    assert_eq!(planned, expected);
    for (text, why) in [
        ("pump-0003:offset:flow", "it says no time after an @"),
        ("valve-1:offset:flow@1s", "`valve-1` is no device"),
        ("pump-0000:offset:flow@1s", "`pump-0000` is no device"),
        ("pump-1:rust@1s", "`rust` is none of"),
        ("pump-1:offset@1s", "offset needs a channel"),
        ("pump-1:offset:speed@1s", "`speed` is none of the channels"),
        ("pump-1:bearing_wear:flow@1s", "bearing_wear has no channel"),
        ("pump-1:offset:flow:x@1s", "something after the channel"),
        ("pump-1:bearing_wear@soon", "`soon` is no length of time"),
    ] {
        let error = text.parse::<PlannedFault>().unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn the_truth_is_written_with_names_and_rfc_3339() {
    let fault = Fault {
        device: 11,
        kind: FaultKind::Spikes,
        channel: Some(PRESSURE),
        start: START + Span::from_millis(1_500),
        end: START + Span::from_secs(60),
    };
    let expected = serde_json::json!({
        "device": "pump-0012", "kind": "spikes", "channel": "pressure",
        "start": "2026-01-01T00:00:01.5Z", "end": "2026-01-01T00:01:00Z",
    });
    assert_eq!(serde_json::to_value(fault).unwrap(), expected);
    assert_eq!(device_name(9_999), "pump-10000");
}
