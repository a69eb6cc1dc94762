//! Which window closes next, and what is needed after that.

use super::content::just_after;
use super::{Channel, ClosedWindow, Scratch};
use crate::config::ClassConfig;
use crate::time::{Span, Timestamp};
use crate::window::{Grid, WindowSpec};

impl Channel {
    /// Whether the watermark has reached the end of the earliest window that is not closed yet.
    pub fn is_due(&mut self, class: &ClassConfig) -> bool {
        let mark = self.mark(class);
        if mark < self.next_close || self.next_close == Timestamp::MAX {
            return false;
        }
        if let WindowSpec::Session { gap, max_length } = class.window {
            // Readings that came in since may have prolonged it.
            let (_, end) = self.session(gap, max_length);
            self.next_close = end;
            self.set_limit(class);
        }
        mark >= self.next_close
    }

    /// Closes the earliest open window, whatever the watermark; `None` if there is none.
    pub fn close_earliest(
        &mut self,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Option<ClosedWindow> {
        if self.next_close == Timestamp::MAX {
            return None;
        }
        let open = &self.samples[self.open_from..];
        let closed = match class.window {
            WindowSpec::Tumbling { .. } | WindowSpec::Hopping { .. } => {
                self.close_on_grid(class.window.grid()?, class, scratch)
            }
            WindowSpec::Session { gap, max_length } => {
                let (count, end) = self.session(gap, max_length);
                let start = open.first()?.time;
                let closed = self.window(&open[..count], start, end, class, scratch);
                self.close_until(end, count);
                closed
            }
            WindowSpec::Count { size } => {
                let open = &open[..open.len().min(size)];
                let (start, end) = (open.first()?.time, just_after(open.last()?.time));
                let closed = self.window(open, start, end, class, scratch);
                let count = open.len();
                self.close_until(end, count);
                closed
            }
            WindowSpec::Sliding { length } => {
                let end = just_after(open.first()?.time);
                let count = open.partition_point(|sample| sample.time < end);
                let samples = self.between(end - length, end);
                let closed = self.window(samples, end - length, end, class, scratch);
                self.open_from += count;
                self.closed_until = end;
                // Not for each reading: it would move all others each time.
                let past = self.past(end - length);
                if past > self.samples.len() / 2 {
                    self.drop_first(past);
                }
                closed
            }
        };
        self.refresh(class);
        closed
    }

    /// Closes all before `end`, the first `count` open samples, which nobody needs any more.
    fn close_until(&mut self, end: Timestamp, count: usize) {
        self.closed_until = end;
        self.samples.drain(..self.open_from + count);
        self.open_from = 0;
    }

    fn close_on_grid(
        &mut self,
        grid: Grid,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Option<ClosedWindow> {
        let end = self.next_close;
        if grid.overlaps() {
            self.seal(end, grid, class, scratch);
        }
        let closed = self.on_grid(end, grid, class, scratch);
        self.closed_until = end;
        self.open_from = self.past(end);
        self.forget(self.floor(class), grid, class);
        closed
    }

    /// Samples before `time`.
    fn past(&self, time: Timestamp) -> usize {
        self.samples.partition_point(|sample| sample.time < time)
    }

    fn drop_first(&mut self, count: usize) {
        self.samples.drain(..count);
        self.open_from -= count;
    }

    /// Lets go of what neither open windows nor revisions of windows that end after `floor` need.
    pub(super) fn forget(&mut self, floor: Timestamp, grid: Grid, class: &ClassConfig) {
        self.forgotten = self.forgotten.max(floor);
        // The next window goes this far back.
        let next = self.closed_until + grid.hop - grid.length;
        let revised = grid.end_after(self.forgotten);
        let (samples, panes) = if revised > self.closed_until {
            (self.closed_until, next)
        } else if grid.overlaps() {
            (revised - grid.hop, next.min(revised - grid.length))
        } else {
            (revised - grid.length, next)
        };
        let samples = if self.needs_values(class) {
            samples.min(panes)
        } else {
            samples
        };
        self.drop_first(self.past(samples.min(self.closed_until)));
        while self.panes.front().is_some_and(|pane| pane.start < panes) {
            self.panes.pop_front();
        }
    }

    /// Lets go of all that is only there for revisions, unless one is under way.
    pub(super) fn forget_closed(&mut self, class: &ClassConfig) {
        if self.is_dirty() {
            return;
        }
        match class.window {
            WindowSpec::Sliding { length } => {
                let past = self.past(self.closed_until - length);
                self.drop_first(past.min(self.open_from));
            }
            window => {
                if let Some(grid) = window.grid() {
                    self.forget(self.closed_until, grid, class);
                }
            }
        }
        self.set_limit(class);
    }

    /// How many of the open samples are in the first session, and its end.
    fn session(&self, gap: Span, max_length: Span) -> (usize, Timestamp) {
        let open = &self.samples[self.open_from..];
        let Some(first) = open.first() else {
            return (0, Timestamp::MAX);
        };
        let cut = first.time + max_length;
        let together =
            |pair: &[super::Sample]| pair[1].time - pair[0].time < gap && pair[1].time < cut;
        let count = 1 + open.windows(2).take_while(|pair| together(pair)).count();
        (count, (open[count - 1].time + gap).min(cut))
    }

    /// Finds the window that closes next.
    pub(super) fn refresh(&mut self, class: &ClassConfig) {
        let first = self.samples.get(self.open_from).map(|sample| sample.time);
        self.next_close = match class.window {
            WindowSpec::Tumbling { .. } | WindowSpec::Hopping { .. } => class
                .window
                .grid()
                .map_or(Timestamp::MAX, |grid| self.next_on_grid(first, grid)),
            WindowSpec::Sliding { .. } => first.map_or(Timestamp::MAX, just_after),
            // No session ends earlier; how long it really is shows when the time comes.
            WindowSpec::Session { gap, max_length } => {
                first.map_or(Timestamp::MAX, |first| first + gap.min(max_length))
            }
            WindowSpec::Count { size } => {
                let last = self.samples.get(size.saturating_sub(1));
                // A group that is not full can only be closed by silence.
                last.map_or(Timestamp::MAX - Span(1), |last| just_after(last.time))
            }
        };
        if first.is_some() {
            // At the end of time, too, what is open can be closed.
            self.next_close = self.next_close.min(Timestamp::MAX - Span(1));
        } else if !class.window.is_aligned() {
            self.next_close = Timestamp::MAX;
        }
        self.set_limit(class);
    }

    /// The same after a sample was put at `at` among the open ones.
    pub(super) fn refresh_after(&mut self, at: usize, class: &ClassConfig) {
        match class.window {
            WindowSpec::Count { .. } => self.refresh(class),
            _ if at == self.open_from => self.refresh(class),
            _ => self.set_limit(class),
        }
    }

    fn next_on_grid(&self, first: Option<Timestamp>, grid: Grid) -> Timestamp {
        if let Some(pane) = self.panes.back() {
            let next = grid.end_after(self.closed_until);
            // The next window still has something of what is closed.
            if pane.start >= next - grid.length {
                return next;
            }
        }
        first.map_or(Timestamp::MAX, |first| grid.end_after(first))
    }

    /// How far readings may be appended without another look.
    fn set_limit(&mut self, class: &ClassConfig) {
        let held = self.samples.len();
        self.room = class.max_window_readings.saturating_sub(held);
        if let WindowSpec::Count { size } = class.window
            && held < size
        {
            self.room = self.room.min(size - 1 - held);
        }
        self.limit = if self.has_open_window() {
            self.next_close + class.out_of_orderness
        } else {
            Timestamp::MIN
        };
    }
}
