//! What the uplink sends next, without any I/O: which records to fetch, how many may be under way,
//! what an acknowledgement allows to be deleted.
//!
//! Records leave the outbox only when the upstream has acknowledged them. After a lost connection
//! everything unacknowledged is fetched and sent again; the consumer drops repetitions by record id.

use std::collections::BTreeSet;

use crate::ledger::Lane;

/// Position of a record in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Its lane.
    pub lane: Lane,
    /// Its sequence number in the outbox, ascending with age.
    pub seq: i64,
}

/// What to fetch from the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// From this lane,
    pub lane: Lane,
    /// records after this sequence number,
    pub after: i64,
    /// and at most so many.
    pub limit: usize,
}

/// The sending side of one sink.
#[derive(Debug, Clone)]
pub struct Forwarder {
    limit: usize,
    in_flight: BTreeSet<Position>,
    /// Last sequence number sent, by lane.
    sent: [i64; Lane::ALL.len()],
    /// Lanes that had nothing more when last asked.
    drained: [bool; Lane::ALL.len()],
}

impl Forwarder {
    /// A forwarder that keeps at most `limit` records under way.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: BTreeSet::new(),
            sent: [0; Lane::ALL.len()],
            drained: [false; Lane::ALL.len()],
        }
    }

    /// The next records to fetch: from the most urgent lane that may have any, as many as there is
    /// room for. `None` when there is no room or nothing to send, and while a lane that goes back
    /// to a failed record still has later ones under way, which it would send twice.
    #[must_use]
    pub fn wants(&self) -> Option<Fetch> {
        let limit = self.limit.saturating_sub(self.in_flight.len());
        let lane = Lane::ALL.into_iter().find(|l| !self.drained[*l as usize])?;
        let after = self.sent[lane as usize];
        let going_back = self
            .in_flight
            .iter()
            .any(|position| position.lane == lane && position.seq > after);
        (limit > 0 && !going_back).then_some(Fetch { lane, after, limit })
    }

    /// The fetch brought these sequence numbers, ascending; they are being sent now. Call it before
    /// anything that happened after the fetch is reported here.
    pub fn sending(&mut self, fetch: Fetch, seqs: &[i64]) {
        let lane = fetch.lane;
        self.in_flight
            .extend(seqs.iter().map(|seq| Position { lane, seq: *seq }));
        match seqs.last() {
            Some(last) => self.sent[lane as usize] = *last,
            None => self.drained[lane as usize] = true,
        }
    }

    /// The outbox has new records.
    pub fn replenished(&mut self) {
        self.drained = [false; Lane::ALL.len()];
    }

    /// The upstream acknowledged a record; true if it may be deleted now, and has to be before the
    /// next fetch. Acknowledgements of records that are not under way are stale and change nothing.
    pub fn acknowledged(&mut self, position: Position) -> bool {
        self.in_flight.remove(&position)
    }

    /// The upstream did not take a record: it will be sent again, from here on.
    pub fn failed(&mut self, position: Position) {
        if self.in_flight.remove(&position) {
            let sent = &mut self.sent[position.lane as usize];
            *sent = (*sent).min(position.seq - 1);
            self.drained[position.lane as usize] = false;
        }
    }

    /// Records under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

#[cfg(test)]
mod tests;
