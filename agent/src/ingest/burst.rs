//! What a burst of messages came to, on its way into the journal and from there to books, broker and devices.

use std::sync::Arc;
use std::time::Instant;

use eyot_journal::{Delivery, DeviceInput, Letter, SourcePart, Telling, Told, admission};
use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use eyot_pipeline::reading::Clock;
use eyot_pipeline::{Reading, Span, Timestamp};

use crate::actors::{Batch, DeviceEntry, Feed, Fleet, Permit};
use crate::books::Book;
use crate::clock::{self, Stamp};
use crate::journal::Append;
use crate::mqtt::{AckToken, Acker};
use crate::record::Trace;
use crate::store::DeadLetter;

/// Readings of one device waiting for the end of the burst.
pub(super) struct Stage {
    pub(super) entry: Arc<DeviceEntry>,
    pub(super) readings: Vec<Reading>,
    /// What the device is told of its senders meanwhile.
    pub(super) told: Vec<Told>,
}

/// A whole burst.
pub(super) struct Burst {
    pub(super) book: Arc<Book>,
    pub(super) fleet: Arc<Fleet>,
    /// Gateway time at which its last message arrived, and when its first one did.
    pub(super) admitted: Timestamp,
    pub(super) arrived: Instant,
    /// Steps of the gateway's clock by then.
    steps: u64,
    trace: Trace,
    /// What it means for the books.
    came_to: SourceBook,
    messages: Vec<(MessageFate, u64)>,
    settled: Vec<(ReadingFate, u64)>,
    letters: Vec<DeadLetter>,
    deliveries: Vec<Delivery>,
    /// One for each device heard, in the order of hearing.
    stages: Vec<Stage>,
    acks: Vec<AckToken>,
    acker: Option<Acker>,
}

/// What a burst is made of while its messages come in.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) came_to: SourceBook,
    pub(super) letters: Vec<DeadLetter>,
    /// Messages without a time of their own.
    pub(super) deliveries: Vec<Delivery>,
    pub(super) stages: Vec<Stage>,
}

impl Burst {
    pub(super) fn new(
        book: &Arc<Book>,
        (fleet, trace): (&Arc<Fleet>, &Trace),
        (Stamp { now, steps }, arrived): (Stamp, Instant),
        parts: Parts,
        acks: Vec<AckToken>,
        acker: Option<Acker>,
    ) -> Self {
        Self {
            book: Arc::clone(book),
            fleet: Arc::clone(fleet),
            trace: trace.clone(),
            admitted: admission(now),
            arrived,
            steps,
            messages: parts.came_to.message_fates().collect(),
            settled: parts.came_to.reading_fates().collect(),
            came_to: parts.came_to,
            letters: parts.letters,
            deliveries: parts.deliveries,
            stages: parts.stages,
            acks,
            acker,
        }
    }

    /// Enters it in the books and sends it off at once, without a journal. What finds no permit is dropped.
    pub(super) fn deliver(mut self) {
        if self.steps != clock::steps() {
            self.move_times(clock::added_since(self.steps));
        }
        self.book.burst(&self.came_to, self.letters);
        for Stage {
            entry,
            mut readings,
            told,
        } in self.stages
        {
            let admission = Permit::request(&self.fleet.gate, &entry, &self.book, readings.len());
            let permit = admission.permit;
            if let Some(fate) = admission.refused {
                let refused = (readings.len() - permit.readings()) as u64;
                self.book.enter(|book| book.settle_readings(fate, refused));
                readings.truncate(permit.readings());
            }
            if readings.is_empty() && told.is_empty() {
                continue;
            }
            let batch = Batch {
                position: 0,
                readings,
                told,
                orphans: 0,
                admitted: self.admitted,
                arrived: Some(self.arrived),
                permit,
            };
            if let Err(refusal) = entry.deliver(batch) {
                refusal.batch.permit.settle_all(refusal.fate);
            }
        }
    }
}

impl Append for Burst {
    fn admitted(&self) -> Timestamp {
        self.admitted
    }

    fn source(&self) -> Option<SourcePart<'_>> {
        Some(SourcePart {
            name: self.book.source(),
            messages: &self.messages,
            settled: &self.settled,
            unmapped: self.came_to.unmapped_fields,
            letters: &[],
            deliveries: &self.deliveries,
        })
    }

    fn letters<'a>(&'a self, letters: &mut Vec<Letter<'a>>) {
        letters.extend(self.letters.iter().map(|letter| Letter {
            topic: &letter.topic,
            reason: &letter.reason,
            detail: &letter.detail,
            payload: &letter.payload,
            payload_len: letter.payload_len as u64,
        }));
    }

    fn inputs<'a>(&'a self, inputs: &mut Vec<DeviceInput<'a>>) {
        inputs.extend(self.stages.iter().map(|stage| DeviceInput::Readings {
            key: stage.entry.key(),
            names: &*stage.entry,
            readings: &stage.readings,
            told: &stage.told,
        }));
    }

    fn steps(&self) -> Option<u64> {
        Some(self.steps)
    }

    fn move_times(&mut self, by: Span) {
        self.admitted = admission(self.admitted + by);
        for letter in &mut self.letters {
            letter.at = letter.at + by;
        }
        for stage in &mut self.stages {
            for reading in &mut stage.readings {
                if reading.origin.clock() == Clock::Arrival {
                    reading.time = reading.time + by;
                }
            }
            // What was to be said of the clock is no longer true.
            let before = stage.told.len();
            stage
                .told
                .retain(|told| !matches!(told.what, Telling::Clock(_)));
            if stage.told.len() < before {
                stage.entry.forgets_clock();
            }
        }
    }

    fn shed(&mut self) {
        let readings: u64 = self.stages.iter().map(|s| s.readings.len() as u64).sum();
        let fate = ReadingFate::DroppedJournalFull;
        self.came_to.settle_readings(fate, readings);
        self.settled = self.came_to.reading_fates().collect();
        // What senders are is little, and will not be said again for a while.
        self.stages.retain_mut(|stage| {
            stage.readings.clear();
            !stage.told.is_empty()
        });
    }

    fn committed(mut self: Box<Self>, position: u64) {
        let trace_id = self.trace.id(position).unwrap_or_default();
        tracing::debug!(
            source = %self.book.source(),
            position,
            trace_id,
            messages = self.came_to.messages,
            readings = self.came_to.readings,
            "journaled"
        );
        for letter in &mut self.letters {
            letter.trace_id.clone_from(&trace_id);
        }
        self.book.journaled(position, &self.came_to, self.letters);
        if let Some(acker) = &self.acker {
            acker.ack(&self.acks);
        }
        for Stage {
            entry,
            readings,
            told,
        } in self.stages
        {
            let feed = Feed {
                position,
                admitted: self.admitted,
                arrived: Some(self.arrived),
                book: &self.book,
                readings,
                told,
                orphans: 0,
            };
            self.fleet.feed(&entry, feed);
        }
    }
}
