//! Which records are next, and whether any may go now.

use super::breaker::Gate;
use super::bucket::Bucket;
use super::share::{BACKLOG, LIVE};
use super::stream::Pull;
use super::{Fetch, Forwarder, GivenUp, Parcel, Why};
use crate::ledger::Lane;
use crate::time::Timestamp;

/// Records that are held to be sent again may take up so many windows before nothing else is sent.
const HELD_WINDOWS: usize = 4;

impl<T> Forwarder<T> {
    /// Whether it is to be decided anew where live data begins.
    pub(super) fn wants_split(&mut self, now: Timestamp) -> bool {
        let mut due = false;
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Alert) {
            let queues = &mut self.lanes[lane as usize];
            queues.split_due |= queues.lags(now, self.policy.horizon);
            due |= queues.split_due;
        }
        due
    }

    /// The most urgent stream whose queue runs low.
    pub(super) fn wants(&self) -> Option<Fetch> {
        let (page, ahead) = (self.policy.page(), self.policy.bytes_ahead());
        let open = |lane: &Lane| {
            let alert = *lane == Lane::Alert;
            (self.allowed || (alert && self.policy.alerts_any_time))
                && (alert || !self.lanes[*lane as usize].split_due)
        };
        let live = Lane::ALL.iter().filter(|lane| open(lane)).find_map(|lane| {
            let stream = &self.lanes[*lane as usize].live;
            let limit = stream.room(page, ahead)?;
            let wants = !stream.drained;
            wants.then_some(Fetch {
                lane: *lane,
                after: stream.after,
                through: i64::MAX,
                limit,
                news: self.news,
                live: true,
            })
        });
        let backlog = || {
            Lane::ALL.iter().filter(|lane| open(lane)).find_map(|lane| {
                let queues = &self.lanes[*lane as usize];
                let (after, through) = queues.ranges.front().copied()?;
                let limit = queues.backlog.room(page, ahead)?;
                Some(Fetch {
                    lane: *lane,
                    after,
                    through,
                    limit,
                    news: self.news,
                    live: false,
                })
            })
        };
        live.or_else(backlog)
    }

    /// The next parcel, if one may be sent now.
    pub(super) fn pick(&mut self, now: Timestamp, wall: Timestamp) -> Option<Parcel<T>> {
        if self.under_way.len() >= self.policy.in_flight || self.breaker.gate(now) == Gate::Shut {
            return None;
        }
        let alerts = self.allowed || self.policy.alerts_any_time;
        let (urgent, any) = self.bucket.as_mut().map_or((true, true), |bucket| {
            (bucket.permits_urgent(now), bucket.permits(now))
        });
        if alerts && urgent {
            let parcel = self.due(now, true);
            if parcel.is_some() {
                return parcel;
            }
            let parcel = self.pull(Lane::Alert, LIVE, now, wall);
            if parcel.is_some() {
                return parcel;
            }
        }
        if !self.allowed || !any {
            return None;
        }
        let parcel = self.due(now, false);
        if parcel.is_some() || self.is_holding_too_much() {
            return parcel;
        }
        // Either may turn out to hold nothing but what has expired.
        for _ in 0..2 {
            let ready = [LIVE, BACKLOG].map(|class| self.ready(class, now));
            let (class, lane) = match self.share.next(ready.map(|lane| lane.is_some())) {
                Some(class) => (class, ready[class]?),
                None => return None,
            };
            if let Some(parcel) = self.pull(lane, class, now, wall) {
                self.share.charge(class, parcel.bytes);
                return Some(parcel);
            }
        }
        None
    }

    /// The lane from which a class would send next.
    fn ready(&self, class: usize, now: Timestamp) -> Option<Lane> {
        let lanes = Lane::ALL.into_iter().filter(|lane| *lane != Lane::Alert);
        lanes.into_iter().find(|lane| {
            let queues = &self.lanes[*lane as usize];
            let last = class == BACKLOG && queues.ranges.is_empty();
            queues
                .stream(class)
                .is_ready(self.policy.batch.as_ref(), last, now)
        })
    }

    /// The first parcel that is due to be sent again.
    fn due(&mut self, now: Timestamp, alert: bool) -> Option<Parcel<T>> {
        let key = self
            .again
            .iter()
            .take_while(|((due, _), _)| *due <= now)
            .find(|(_, parcel)| (parcel.lane == Lane::Alert) == alert && self.fits(parcel.bytes))
            .map(|(key, _)| *key)?;
        let parcel = self.again.remove(&key)?;
        self.bytes_again -= parcel.bytes;
        Some(parcel)
    }

    /// The next parcel of a stream, without what has expired in front of it.
    fn pull(
        &mut self,
        lane: Lane,
        class: usize,
        now: Timestamp,
        wall: Timestamp,
    ) -> Option<Parcel<T>> {
        let urgent = lane == Lane::Alert;
        let batch = self.policy.batch.as_ref().filter(|_| !urgent);
        let oldest = match self.policy.expire_after {
            Some(age) if !urgent => wall - age,
            _ => Timestamp::MIN,
        };
        let idle = self.under_way.is_empty();
        let room = self
            .policy
            .bytes_in_flight
            .saturating_sub(self.bytes_under_way);
        let pull = Pull {
            records: batch.map_or(1, |batch| batch.records),
            bytes: batch.map_or(usize::MAX, |batch| batch.bytes),
            room: if idle { usize::MAX } else { room },
            oldest,
        };
        let (items, expired) = self.lanes[lane as usize].pull(class, &pull, now);
        if !expired.is_empty() {
            self.given_up.push_back(GivenUp {
                lane,
                items: expired,
                why: Why::Expired,
            });
        }
        (!items.is_empty()).then(|| Parcel::new(lane, items, batch.is_some()))
    }

    fn fits(&self, bytes: usize) -> bool {
        self.under_way.is_empty() || self.bytes_under_way + bytes <= self.policy.bytes_in_flight
    }

    fn is_holding_too_much(&self) -> bool {
        self.again.len() >= HELD_WINDOWS * self.policy.in_flight
            || self.bytes_again >= HELD_WINDOWS * self.policy.bytes_in_flight
    }

    /// When something may be possible that is not now, though nothing happens.
    pub(super) fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let wait = self.policy.batch.as_ref().map(|batch| batch.wait);
        let batches = self.lanes.iter().filter_map(|queues| {
            let since = queues.live.since?;
            Some(since + wait?)
        });
        let lags = self
            .lanes
            .iter()
            .filter_map(|queues| Some(queues.behind_since? + self.policy.horizon));
        let again = self
            .again
            .keys()
            .map(|(due, _)| *due)
            .find(|due| *due > now);
        let bucket = self.bucket.as_ref().into_iter().flat_map(Bucket::ready_at);
        batches
            .chain(lags)
            .chain(again)
            .chain(bucket)
            .chain(self.breaker.opens_at())
            .filter(|at| *at > now)
            .min()
    }
}
