//! Admission: permits against a naive count.

use std::path::Path;
use std::sync::Arc;

use eyot_pipeline::ledger::ReadingFate;
use proptest::prelude::*;

use super::*;
use crate::books::{Book, Ledger};
use crate::config::Config;

const GLOBAL: usize = 100;
const PER_DEVICE: usize = 60;

struct World {
    gate: Arc<Gate>,
    devices: Vec<Arc<DeviceEntry>>,
    book: Arc<Book>,
}

fn world() -> World {
    let text = r#"
        agent = { data_dir = "data" }
        source = [{ name = "s", url = "mqtt://localhost", rule = [
            { name = "r", topic = "{device}/{channel}", decoder = "value" }] }]
        class = [{ name = "c", devices = ["*"], channels = { x = {} } }]
    "#;
    let config = Config::parse(text, "test.toml", Path::new(".")).unwrap();
    let class = Arc::new(ClassRuntime {
        devices: config.classes[0].devices.clone(),
        config: Arc::clone(&config.classes[0].pipeline),
        model: None,
    });
    let device = |name: &str| {
        Arc::new(DeviceEntry::new(
            name.into(),
            Arc::clone(&class),
            0,
            PER_DEVICE,
            None,
        ))
    };
    World {
        gate: Arc::new(Gate::new(GLOBAL)),
        devices: ["a", "b", "c"].map(device).into(),
        book: Arc::clone(&Ledger::new([("s", false)]).books()[0]),
    }
}

impl World {
    /// Asks for `n` readings of a device and settles the refused ones, as `ingest` does.
    fn request(&self, device: usize, n: usize) -> (Permit, Option<ReadingFate>) {
        self.book.enter(|book| book.receive_readings(n as u64));
        let admission = Permit::request(&self.gate, &self.devices[device], &self.book, n);
        if let Some(fate) = admission.refused {
            let refused = (n - admission.permit.readings()) as u64;
            self.book.enter(|book| book.settle_readings(fate, refused));
        }
        (admission.permit, admission.refused)
    }
}

#[test]
fn a_device_over_its_budget_leaves_room_for_the_others() {
    let world = world();
    let (greedy, refused) = world.request(0, 1_000);
    assert_eq!(greedy.readings(), PER_DEVICE);
    assert_eq!(refused, Some(ReadingFate::DroppedDeviceOverload));
    let (modest, refused) = world.request(1, 40);
    assert_eq!((modest.readings(), refused), (40, None));
    let (late, refused) = world.request(2, 1);
    assert_eq!(
        (late.readings(), refused),
        (0, Some(ReadingFate::DroppedOverload))
    );
}

#[test]
fn invariant_2_a_permit_lost_with_its_actor_is_a_counted_loss() {
    let world = world();
    let (permit, _) = world.request(0, 10);
    drop(permit);
    let book = world.book.snapshot();
    assert!(book.balanced());
    assert_eq!(book.readings_with(ReadingFate::DroppedDeviceFailed), 10);
    assert_eq!((book.readings_in_flight, world.gate.taken()), (0, 0));
}

#[test]
fn a_quarantined_device_takes_nothing() {
    let world = world();
    world.devices[0].quarantine();
    let (permit, _) = world.request(0, 3);
    let batch = Batch {
        position: 0,
        told: Vec::new(),
        orphans: 0,
        readings: Vec::new(),
        admitted: crate::clock::now(),
        arrived: None,
        permit,
    };
    let refusal = world.devices[0].deliver(batch).unwrap_err();
    assert_eq!(refusal.fate, ReadingFate::RejectedQuarantined);
    refusal.batch.permit.settle_all(refusal.fate);
    assert_eq!(world.gate.taken(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Request { device: usize, n: usize },
    Settle(usize),
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_usize, 0..50_usize).prop_map(|(device, n)| Step::Request { device, n }),
        2 => any::<usize>().prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::Lose),
    ]
}

proptest! {
    #[test]
    fn invariant_6_no_more_in_flight_than_allowed(steps in prop::collection::vec(step(), 1..80)) {
        let world = world();
        let mut held: Vec<(usize, Permit)> = Vec::new();
        for step in steps {
            match step {
                Step::Request { device, n } => held.push((device, world.request(device, n).0)),
                Step::Settle(at) if !held.is_empty() => {
                    let (_, permit) = held.swap_remove(at % held.len());
                    permit.settle_all(ReadingFate::Late);
                }
                Step::Lose(at) if !held.is_empty() => drop(held.swap_remove(at % held.len())),
                Step::Settle(_) | Step::Lose(_) => {}
            }
            let of = |device: Option<usize>| -> usize {
                let permits = held.iter().filter(|(d, _)| device.is_none_or(|device| *d == device));
                permits.map(|(_, permit)| permit.readings()).sum()
            };
            prop_assert_eq!(world.gate.taken(), of(None));
            prop_assert!(of(None) <= GLOBAL);
            prop_assert!((0..3).all(|device| of(Some(device)) <= PER_DEVICE));
            let book = world.book.snapshot();
            prop_assert!(book.balanced());
            prop_assert_eq!(book.readings_in_flight, of(None) as u64);
        }
        held.clear();
        prop_assert_eq!(world.gate.taken(), 0);
    }
}
