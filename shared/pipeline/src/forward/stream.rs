//! A lane's two streams: their cursors in the outbox, and what was fetched ahead.

use std::collections::VecDeque;

use super::Fetch;
use super::parcel::Item;
use super::policy::BatchPolicy;
use super::share::{BACKLOG, LIVE};
use crate::time::{Span, Timestamp};

/// Stretches of backlog that a lane keeps apart. With more, live data stays live though it is late.
const MAX_RANGES: usize = 64;

/// Records in the order of the outbox, fetched ahead.
#[derive(Debug)]
pub(super) struct Stream<T> {
    /// Last sequence number fetched.
    pub(super) after: i64,
    /// Nothing more was there when last asked.
    pub(super) drained: bool,
    /// When the first in the queue came, or became the first.
    pub(super) since: Option<Timestamp>,
    queue: VecDeque<Item<T>>,
    bytes: usize,
    /// Mean size of the records of the last page.
    mean: usize,
}

/// Records to send, and records that have expired.
pub(super) type Pulled<T> = (Vec<Item<T>>, Vec<Item<T>>);

/// Bounds of one parcel.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) records: usize,
    pub(super) bytes: usize,
    /// Bytes left of what may be under way.
    pub(super) room: usize,
    /// Records from before have expired.
    pub(super) oldest: Timestamp,
}

impl<T> Stream<T> {
    fn new() -> Self {
        Self {
            after: 0,
            drained: false,
            since: None,
            queue: VecDeque::new(),
            bytes: 0,
            mean: 0,
        }
    }

    /// How many records to fetch; `None` as long as there are enough.
    pub(super) fn room(&self, page: usize, bytes: usize) -> Option<usize> {
        let low = self.queue.len() < page / 2 && self.bytes < bytes.div_ceil(2);
        low.then(|| page.min(bytes / self.mean.max(1)).max(1))
    }

    /// Whether there is something to send: anything, or with batches a full one, one that has waited, or the
    /// `last` one.
    pub(super) fn is_ready(&self, batch: Option<&BatchPolicy>, last: bool, now: Timestamp) -> bool {
        let Some(since) = self.since else {
            return false;
        };
        batch.is_none_or(|batch| {
            self.queue.len() >= batch.records
                || self.bytes >= batch.bytes
                || since + batch.wait <= now
                || last
        })
    }

    /// Takes the next records, and those that have expired in front of them.
    fn pull(&mut self, pull: &Pull, now: Timestamp) -> Pulled<T> {
        let (mut taken, mut expired) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        while taken.len() < pull.records
            && let Some(next) = self.queue.front()
        {
            let gone = next.oldest <= pull.oldest;
            let fits = bytes + next.bytes <= pull.room
                && (taken.is_empty() || bytes + next.bytes <= pull.bytes);
            if !gone && !fits {
                break;
            }
            bytes += if gone { 0 } else { next.bytes };
            self.bytes -= next.bytes;
            let to = if gone { &mut expired } else { &mut taken };
            to.extend(self.queue.pop_front());
        }
        self.since = (!self.queue.is_empty()).then_some(now);
        (taken, expired)
    }

    fn extend(&mut self, items: impl ExactSizeIterator<Item = Item<T>>, now: Timestamp) {
        let (count, before) = (items.len(), self.bytes);
        for item in items {
            self.bytes += item.bytes;
            self.queue.push_back(item);
        }
        if let Some(mean) = (self.bytes - before).checked_div(count) {
            self.mean = mean;
            self.since.get_or_insert(now);
        }
    }
}

/// The streams of one lane.
#[derive(Debug)]
pub(super) struct Queues<T> {
    pub(super) live: Stream<T>,
    pub(super) backlog: Stream<T>,
    /// What is to be fetched as backlog: behind the first number, through the second, in order.
    pub(super) ranges: VecDeque<(i64, i64)>,
    /// Where live begins is to be decided anew.
    pub(super) split_due: bool,
    /// Since when there has always been live data that was not sent.
    pub(super) behind_since: Option<Timestamp>,
}

impl<T> Queues<T> {
    pub(super) fn new() -> Self {
        let mut backlog = Stream::new();
        backlog.drained = true;
        Self {
            live: Stream::new(),
            backlog,
            ranges: VecDeque::new(),
            split_due: true,
            behind_since: None,
        }
    }

    pub(super) fn stream(&self, class: usize) -> &Stream<T> {
        if class == LIVE {
            &self.live
        } else {
            &self.backlog
        }
    }

    /// Whether live data has piled up for so long that it is backlog.
    pub(super) fn lags(&self, now: Timestamp, horizon: Span) -> bool {
        self.ranges.len() < MAX_RANGES
            && self
                .behind_since
                .is_some_and(|since| now - since >= horizon)
    }

    /// Makes everything up to `newest` that was not sent backlog. What was fetched ahead as live data will be
    /// fetched again in its turn.
    pub(super) fn split(&mut self, newest: i64, now: Timestamp) {
        let first = self.live.queue.front();
        let sent = first.map_or(self.live.after, |first| first.seq - 1);
        let newest = newest.max(self.live.after);
        if newest <= sent || self.ranges.len() >= MAX_RANGES {
            // Nothing waits, or it stays live: it is behind from now on, and not to be asked about again at once.
            self.behind_since = None;
            self.look_behind(now);
            return;
        }
        let drained = self.live.drained && newest == self.live.after;
        self.live = Stream::new();
        self.live.after = newest;
        self.live.drained = drained;
        self.behind_since = None;
        self.look_behind(now);
        match self.ranges.back_mut() {
            Some((_, through)) if *through == sent => *through = newest,
            _ => self.ranges.push_back((sent, newest)),
        }
    }

    /// The next records of a stream, and those that have expired in front of them.
    pub(super) fn pull(&mut self, class: usize, pull: &Pull, now: Timestamp) -> Pulled<T> {
        if class == BACKLOG {
            return self.backlog.pull(pull, now);
        }
        let pulled = self.live.pull(pull, now);
        self.look_behind(now);
        pulled
    }

    fn look_behind(&mut self, now: Timestamp) {
        let caught_up = self.live.drained && self.live.queue.is_empty();
        self.behind_since = (!caught_up).then(|| self.behind_since.unwrap_or(now));
    }

    /// Takes a page of live data that was asked for with `fetch`; `old` if there may be more by now.
    pub(super) fn fetched_live(
        &mut self,
        fetch: Fetch,
        items: Vec<Item<T>>,
        old: bool,
        now: Timestamp,
    ) {
        if fetch.after != self.live.after {
            // Asked for before a split.
            return;
        }
        if let Some(last) = items.last() {
            self.live.after = last.seq;
        }
        let short = items.len() < fetch.limit;
        self.live.extend(items.into_iter(), now);
        self.live.drained = short && !old;
        self.look_behind(now);
    }

    /// Takes a page of backlog that was asked for with `fetch`.
    pub(super) fn fetched_backlog(
        &mut self,
        fetch: Fetch,
        mut items: Vec<Item<T>>,
        now: Timestamp,
    ) {
        let Some((after, end)) = self.ranges.front_mut() else {
            return;
        };
        // The stretch may have grown since then: what the page says holds for what was asked.
        let within = items.partition_point(|item| item.seq <= fetch.through);
        let all = items.len() < fetch.limit || within < items.len();
        items.truncate(within);
        *after = match items.last() {
            Some(last) if !all => last.seq,
            _ => fetch.through,
        };
        if *after >= *end {
            self.ranges.pop_front();
        }
        self.backlog.extend(items.into_iter(), now);
    }
}
