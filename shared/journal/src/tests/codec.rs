//! What goes in comes out, to the bit.

use proptest::prelude::*;

use super::world::{Input, ORIGIN, Said, commit, read_all};
use crate::testing::FaultDisk;
use crate::{Journal, Options};

const OPTIONS: Options = Options {
    max_bytes: 1 << 30,
    segment_bytes: 1 << 20,
    at_least: 1,
};

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        (-5_000..5_000_i64).prop_map(|ms| ORIGIN + ms * 1_000_000),
        (-5_000..5_000_i64).prop_map(|us| ORIGIN + us * 1_000),
        (-5..5_i64).prop_map(|s| ORIGIN + s * 1_000_000_000),
        Just(i64::MIN),
        Just(i64::MAX),
    ]
}

fn bits() -> impl Strategy<Value = u64> {
    let special = [
        -0.0,
        0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        4_503_599_627_370_496.0,
        4_503_599_627_370_495.0,
        9_007_199_254_740_993.0,
    ];
    prop_oneof![
        any::<u64>(),
        any::<f64>().prop_map(f64::to_bits),
        any::<f32>().prop_map(|value| f64::from(value).to_bits()),
        (any::<i32>(), 0..17).prop_map(|(m, e)| (f64::from(m) / 10_f64.powi(e)).to_bits()),
        (any::<i64>(), 0..17).prop_map(|(m, e)| (m as f64 / 10_f64.powi(e)).to_bits()),
        prop::sample::select(special.map(f64::to_bits).to_vec()),
    ]
}

/// Readings one by one, and blocks.
fn readings() -> impl Strategy<Value = Vec<(u16, i64, u64)>> {
    let block = (
        0..4_u16,
        time(),
        time(),
        prop::collection::vec(bits(), 1..200),
    );
    let block = block.prop_map(|(channel, start, interval, values)| {
        let at = |i: i64| start.wrapping_add(interval.wrapping_mul(i));
        let reading = |(i, bits)| (channel, at(i), bits);
        (0..).zip(values).map(reading).collect::<Vec<_>>()
    });
    let single = (0..4_u16, time(), bits()).prop_map(|reading| vec![reading]);
    prop::collection::vec(prop_oneof![4 => single, 1 => block], 0..12)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn readings_come_back_to_the_bit(
        admitted in -9_000_000_000_000_000..9_000_000_000_000_000_i64,
        entries in prop::collection::vec(prop::collection::vec(readings(), 0..3), 1..4),
    ) {
        let said = |(i, inputs): (i64, Vec<_>)| Said {
            admitted: (admitted + i * 1_234_567) * 1_000,
            source: None,
            inputs: (0..).zip(inputs).map(|(key, readings)| Input::Readings(key, readings)).collect(),
        };
        let said: Vec<_> = (0..).zip(entries).map(said).collect();
        let (mut journal, _) = Journal::open(FaultDisk::new(0), OPTIONS).unwrap();
        commit(&mut journal, &said, false).unwrap();
        let told = read_all(&journal, 1);
        prop_assert_eq!(told.entries.len(), said.len());
        for ((_, told), said) in told.entries.iter().zip(&said) {
            prop_assert_eq!(told, said);
        }
    }
}
