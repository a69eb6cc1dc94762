//! Closed windows that change.

use super::{Channel, ClosedWindow, Scratch, revises};
use crate::config::ClassConfig;
use crate::time::{Span, Timestamp};
use crate::window::LatePolicy;

impl Channel {
    /// Windows that end here or before are not revised. What was closed by silence may be until the
    /// watermark gets there: what comes before that is not late.
    pub(super) fn floor(&self, class: &ClassConfig) -> Timestamp {
        let mark = self.mark(class);
        let floor = match (class.late, class.window.grid()) {
            (LatePolicy::Revise { windows }, Some(grid)) if revises(class) => {
                let kept = Span(grid.hop.0.saturating_mul(i64::from(windows)));
                let by_time = mark - class.allowed_lateness;
                by_time.max(self.closed_until - kept).min(mark)
            }
            _ => mark,
        };
        floor.max(self.forgotten)
    }

    /// Whether a reading of this time is taken in although a window of it is closed.
    pub(super) fn accepts(&self, time: Timestamp, class: &ClassConfig) -> bool {
        class
            .window
            .grid()
            .is_some_and(|grid| grid.end_after(time) > self.floor(class))
    }

    /// Whether the closed window that ends at `end` may still be revised, or is about to be.
    pub(crate) fn is_revisable(&self, end: Timestamp, class: &ClassConfig) -> bool {
        end > self.floor(class) || self.has_changed(end)
    }

    /// Whether the closed window that ends at `end` has changed since it was emitted.
    pub(crate) fn has_changed(&self, end: Timestamp) -> bool {
        self.dirty.binary_search(&end).is_ok()
    }

    /// Windows that end here or before are not revised any more.
    pub(crate) fn give_up(&mut self, end: Timestamp) {
        self.forgotten = self.forgotten.max(end.min(self.closed_until));
    }

    /// Marks the closed windows that a reading of this time belongs to.
    pub(super) fn touch(&mut self, time: Timestamp, class: &ClassConfig, scratch: &mut Scratch) {
        let Some(grid) = class.window.grid() else {
            return;
        };
        if grid.overlaps() {
            self.reseal(time, grid, class, scratch);
        }
        let mut end = grid.end_after(time);
        while end <= self.closed_until && end - grid.length <= time {
            if let Err(at) = self.dirty.binary_search(&end) {
                self.dirty.insert(at, end);
            }
            end = end + grid.hop;
        }
    }

    /// Whether closed windows have changed since they were emitted.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The earliest closed window that has changed since it was emitted, as it is now.
    pub(crate) fn next_revision(
        &mut self,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Option<ClosedWindow> {
        let grid = class.window.grid()?;
        while !self.dirty.is_empty() {
            let end = self.dirty.remove(0);
            if let Some(window) = self.on_grid(end, grid, class, scratch) {
                return Some(window);
            }
        }
        None
    }
}
