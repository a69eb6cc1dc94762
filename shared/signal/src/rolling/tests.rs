//! The sliding window against a sorted copy of its values.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

type Window = RollingQuantile<f64, Vec<Slot<f64>>>;

fn window(capacity: usize) -> Window {
    RollingQuantile::new(vec![Slot::default(); capacity])
}

/// The longest way down, and whether every subtree is in order, in balance and counted.
fn depth(window: &Window, at: Link) -> usize {
    if at == 0 {
        return 0;
    }
    let slot = &window.slots[at as usize - 1];
    let (left, right) = (
        size(&window.slots, slot.left),
        size(&window.slots, slot.right),
    );
    assert_eq!(slot.size as usize, left + right + 1);
    assert!(
        left < 3 * (right + 1) && right < 3 * (left + 1),
        "{left} beside {right}"
    );
    1 + depth(window, slot.left).max(depth(window, slot.right))
}

proptest! {
    #[test]
    fn it_is_the_sorted_window(
        values in prop::collection::vec(prop_oneof![8 => -9..9_i8, 1 => Just(99)], 1..300),
        capacity in 1_usize..60, q in 0.0..=1.0_f64,
    ) {
        let mut got = window(capacity);
        let mut want = VecDeque::new();
        for value in values {
            if value == 99 {
                prop_assert_eq!(got.pop_oldest(), want.pop_front());
            } else {
                let value = f64::from(value);
                got.push(value);
                if want.len() == capacity { want.pop_front(); }
                want.push_back(value);
            }
            prop_assert!(got.values().eq(want.iter().copied()));
            let mut sorted: Vec<_> = want.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            for (rank, value) in sorted.iter().enumerate() {
                prop_assert_eq!(got.nth(rank), Some(*value));
            }
            prop_assert_eq!(got.nth(sorted.len()), None);
            prop_assert_eq!(got.quantile(q), crate::quantile::quantile(&mut sorted, q));
            prop_assert_eq!(got.mad(), crate::quantile::mad(&mut sorted));
            depth(&got, got.root);
        }
    }
}

#[test]
fn no_order_of_values_makes_it_deep() {
    for value in [
        |i| i,
        |i: i32| -i,
        |i| i % 2 * i,
        |i| (i * 7919) % 10_007,
        |_| 0,
    ] {
        let mut window = window(4096);
        for i in 0..10_000 {
            window.push(f64::from(value(i)));
        }
        // At most log₂ n / log₂(4/3), the bound of these parameters.
        assert!(depth(&window, window.root) <= 29);
    }
}

#[test]
fn a_sample_takes_what_is_stated() {
    assert_eq!((Slot::<f32>::BYTES, Slot::<f64>::BYTES), (16, 24));
}

#[test]
fn nothing_has_no_quantile_and_what_is_no_number_is_passed_over() {
    let mut none = window(0);
    none.push(1.0);
    assert!(none.is_empty() && none.quantile(0.5).is_none() && none.pop_oldest().is_none());
    let mut one = window(1);
    for value in [f64::NAN, f64::INFINITY, 3.0, f64::NAN] {
        one.push(value);
    }
    assert_eq!(
        (one.len(), one.quantile(0.9), one.mad()),
        (1, Some(3.0), Some((3.0, 0.0)))
    );
    assert_eq!(one.quantile(-0.1), None);
    assert_eq!((one.pop_oldest(), one.quantile(0.9)), (Some(3.0), None));
}
