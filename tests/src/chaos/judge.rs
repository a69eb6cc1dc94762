//! What was sent, what was collected and what the books say: do they agree? Pure.

use super::books::Books;
use super::shore::{Collected, Part};
use super::truth::{Key, Readings, Truth, WINDOW};

/// Complaints of one sort that are told in full.
const TOLD: usize = 5;

/// All that is to be compared.
pub(super) struct Evidence<'a> {
    pub(super) truth: &'a Truth,
    pub(super) collected: &'a Collected,
    pub(super) books: &'a Books,
    /// What had left the agent when its database or journal was scribbled upon, and when that was; in milliseconds since
    /// the epoch.
    pub(super) corruptions: &'a [(i64, i64)],
    /// Whether a message may have come more than once by itself.
    pub(super) repeats: bool,
}

/// What came of the comparison.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Acknowledged readings for windows that are in a collected summary.
    pub(super) collected: u64,
    /// Those that are not, but may be missing: a fault's budget has them.
    pub(super) accounted: u64,
    /// Messages that the agent got beyond those that the devices sent.
    pub(super) repeated_messages: u64,
    pub(super) complaints: Vec<String>,
}

/// Compares.
pub(super) fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    windows(evidence, &mut verdict);
    records(evidence, &mut verdict);
    books(evidence, &mut verdict);
    verdict
}

/// A list of complaints of one sort that does not bury the others.
#[derive(Default)]
struct Sort {
    told: Vec<String>,
    count: usize,
}

impl Sort {
    fn add(&mut self, complaint: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(complaint());
        }
    }

    fn report(self, complaints: &mut Vec<String>) {
        let more = self.count - self.told.len();
        complaints.extend(self.told);
        if more > 0 {
            complaints.push(format!("… and {more} more of this sort"));
        }
    }
}

/// Every reading is in one summary of its window, and nothing else is.
fn windows(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let (mut wrong, mut missing) = (Sort::default(), Sort::default());
    for (key, parts) in &evidence.collected.parts {
        let sent = evidence.truth.windows.get(key).map_or(0, |w| w.sent);
        if let Err(why) = consistent(parts, sent) {
            wrong.add(|| format!("{}: {why}: {parts:?}", describe(key)));
        }
    }
    for (key, readings) in &evidence.truth.windows {
        let parts = evidence.collected.parts.get(key).map_or(&[][..], |p| p);
        let Readings { acked, .. } = *readings;
        let collected = parts
            .iter()
            .filter_map(bits)
            .fold(0, |all, bits| all | bits);
        verdict.collected += u64::from((acked & collected).count_ones());
        let lost = acked & !collected;
        if lost == 0 {
            continue;
        }
        let end = key.start + WINDOW;
        let excused = |&(left, at): &(i64, i64)| end > left && key.start <= at;
        if evidence.corruptions.iter().any(excused) {
            verdict.accounted += u64::from(lost.count_ones());
        } else {
            missing.add(|| {
                format!(
                    "{}: {} of {} acknowledged readings are in no summary (missing {lost:b} of {acked:b}); collected: {parts:?}",
                    describe(key),
                    lost.count_ones(),
                    acked.count_ones(),
                )
            });
        }
    }
    missing.report(&mut verdict.complaints);
    wrong.report(&mut verdict.complaints);
}

/// The readings in a summary, as bits; none if some are in it twice or the sum is none of readings.
fn bits(part: &Part) -> Option<u64> {
    let sum = part.sum.round();
    // Far below 2^53; the mean is good to fifteen digits.
    let whole = (part.sum - sum).abs() < 0.01 && (0.0..1e15).contains(&sum);
    let bits = sum as u64;
    (whole && u64::from(bits.count_ones()) == part.count).then_some(bits)
}

/// Within one store epoch every reading of a window is in one record, and each was sent.
fn consistent(parts: &[Part], sent: u64) -> Result<(), &'static str> {
    for (n, part) in parts.iter().enumerate() {
        let bits = bits(part).ok_or("a summary counts a reading twice")?;
        if bits & !sent != 0 {
            return Err("a summary has what was never sent for it");
        }
        let others = parts[..n].iter().filter(|other| other.epoch == part.epoch);
        for other in others {
            if self::bits(other).is_some_and(|others| others & bits != 0) {
                return Err("a reading is in two summaries");
            }
        }
    }
    Ok(())
}

fn describe(key: &Key) -> String {
    let start = jiff::Timestamp::from_millisecond(key.start);
    let start = start.map_or_else(|_| key.start.to_string(), |start| start.to_string());
    format!("{}/{} at {start}", key.device, key.channel)
}

/// The shore has every record once.
fn records(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let Evidence {
        collected, books, ..
    } = evidence;
    let mut complain = |complaint: String| verdict.complaints.push(complaint);
    for rubbish in &collected.rubbish {
        complain(format!("what was collected is no record: {rubbish}"));
    }
    let last = collected.epochs.keys().next_back().copied().unwrap_or(1);
    for (&epoch, &missing) in &collected.missing {
        // What was in a database that is gone cannot be sent any more.
        if missing > 0 && (epoch == last || evidence.corruptions.is_empty()) {
            complain(format!(
                "{missing} records of store epoch {epoch} are missing"
            ));
        }
    }
    let of_now = collected.epochs.get(&last).copied().unwrap_or(0);
    // Whether a damaged database's books could be saved is chance: they count everything then, and what was damaged
    // of the outbox is evicted in them. Otherwise they begin anew.
    let known = if evidence.corruptions.is_empty() {
        collected.records..=collected.records
    } else {
        of_now..=collected.records + books.evicted
    };
    if !known.contains(&books.enqueued) {
        complain(format!(
            "{} records were collected, {} were put into the outbox",
            collected.records, books.enqueued
        ));
    }
    if evidence.corruptions.is_empty() && collected.epochs.len() > 1 {
        complain(format!(
            "a new database was begun without a reason: records by epoch: {:?}",
            collected.epochs
        ));
    }
}

/// The ledger agrees with what was sent.
fn books(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let Evidence {
        truth,
        collected,
        books,
        corruptions,
        repeats,
    } = evidence;
    let (messages, readings) = (&books.messages, &books.readings);
    let mut complain = |complaint: String| verdict.complaints.push(complaint);
    for wrong in books.unbalanced() {
        complain(wrong);
    }
    if !books.settled() {
        complain(format!("not everything is settled: {books:?}"));
    }
    if books.evicted > 0 && corruptions.is_empty() {
        complain(format!("{} records were evicted", books.evicted));
    }
    if books.quarantined > 0 || books.device_restarts > 0 {
        complain(format!(
            "devices have failed: {} restarts, {} in quarantine",
            books.device_restarts, books.quarantined
        ));
    }
    for (name, side) in [("messages", messages), ("readings", readings)] {
        let dropped = side.term("dropped");
        if dropped > 0 && corruptions.is_empty() {
            complain(format!("{dropped} {name} were dropped: {:?}", side.reasons));
        }
    }
    if !corruptions.is_empty() {
        // The books were in the database too; they hold from there on.
        return;
    }
    for fault in &books.faults {
        complain(format!("the agent says that something is wrong: {fault}"));
    }
    let sent = truth.messages_acked();
    let Some(repeated) = messages.total.checked_sub(sent) else {
        let total = messages.total;
        return complain(format!(
            "{sent} messages were acknowledged, the agent has counted {total}"
        ));
    };
    let in_windows: u64 = collected
        .parts
        .values()
        .flatten()
        .map(|part| part.count)
        .sum();
    // What closes the last windows is in windows that are still open.
    let processed = in_windows + truth.closers.acked;
    if readings.term("processed") != processed {
        complain(format!(
            "{} readings are said to be processed, {processed} are in windows",
            readings.term("processed")
        ));
    }
    // A message that comes again is a dead letter again, rejected again, or recognised or late.
    let counts = [
        ("dead_lettered", messages, truth.malformed.acked, false),
        ("rejected", readings, truth.ahead.acked, false),
        ("late", readings, truth.behind.acked, true),
        ("duplicate", readings, truth.again.acked, true),
    ];
    for (name, side, expected, mixed) in counts {
        let counted = side.term(name);
        // Of a repetition nobody can say beforehand whether it is late.
        let (low, high) = if mixed {
            let (behind, again) = (truth.behind.acked, truth.again.acked);
            let low = if name == "late" { behind } else { 0 };
            (low, behind + again + if *repeats { repeated } else { 0 })
        } else {
            (expected, expected + if *repeats { repeated } else { 0 })
        };
        if counted < low || counted > high {
            complain(format!(
                "{counted} are said to be {name}, and there should be {low} to {high}: {:?}",
                side.reasons
            ));
        }
    }
    if repeated > 0 && !repeats {
        complain(format!(
            "{repeated} messages came again although nothing was interrupted"
        ));
    }
    for name in ["ignored", "missing"] {
        let counted = messages.term(name) + readings.term(name);
        if counted > 0 {
            complain(format!("{counted} are said to be {name}"));
        }
    }
    verdict.repeated_messages = repeated;
}

#[cfg(test)]
mod tests;
