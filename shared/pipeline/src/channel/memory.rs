//! What a channel takes of memory at most.

use super::Sample;
use super::content::{Pane, wants_all};
use crate::config::ClassConfig;
use crate::device::grown;
use crate::feature::Feature;
use crate::window::LatePolicy;

/// Bytes of the readings that a channel holds.
pub(crate) fn readings_bytes(class: &ClassConfig) -> usize {
    grown(class.max_window_readings).saturating_mul(size_of::<Sample>())
}

/// Bytes of the panes of a channel: of the longest window, and of those that may still be revised.
pub(crate) fn panes_bytes(class: &ClassConfig) -> usize {
    let panes = match (class.window.panes(), class.late) {
        (0, _) => return 0,
        (panes, LatePolicy::Revise { windows }) => panes.saturating_add(windows as usize),
        (panes, _) => panes,
    };
    // What is sealed before the window behind it closes.
    let panes = panes.saturating_add(1);
    let all = if wants_all(class) {
        panes.saturating_mul(size_of::<eyot_signal::Pane>())
    } else {
        0
    };
    grown(panes)
        .saturating_mul(size_of::<Pane>())
        .saturating_add(all)
}

/// Bytes of the room that a device computes in, one window at a time.
pub(crate) fn room_bytes(class: &ClassConfig) -> usize {
    let wants = |is: fn(&Feature) -> bool| class.features.iter().any(is);
    // Times and values; a copy to be disordered; powers, and the transform's table.
    let copy = usize::from(class.needs_values());
    let spectrum = usize::from(wants(|feature| feature.is_spectral()));
    let envelope = usize::from(wants(|feature| feature.is_of_envelope()));
    let halves = 2 * (2 + copy.max(2 * envelope) + spectrum) + spectrum;
    class
        .max_window_readings
        .saturating_mul(halves * size_of::<f64>() / 2)
}
