use std::collections::BTreeMap;

use super::super::books::Side;
use super::super::truth::What;
use super::*;

const START: i64 = 1_767_225_600_000;

fn key() -> Key {
    Key {
        device: "m-001".into(),
        channel: "a".into(),
        start: START,
    }
}

fn part(number: u64, count: u64, sum: f64) -> Part {
    Part {
        epoch: 1,
        number,
        count,
        sum,
    }
}

fn side(total: u64, terms: &[(&str, u64)]) -> Side {
    let terms = terms.iter().map(|(name, n)| ((*name).to_owned(), *n));
    Side {
        total,
        terms: terms.collect(),
        ..Side::default()
    }
}

/// Three readings of one window, acknowledged and collected, and one that closed it.
struct Case {
    truth: Truth,
    collected: Collected,
    books: Books,
    corruptions: Vec<(i64, i64)>,
    repeats: bool,
}

impl Case {
    fn sound() -> Self {
        let mut truth = Truth::default();
        for _ in 0..3 {
            let bit = truth.next_bit(&key()).unwrap();
            truth.sent(&What::Reading(key(), bit));
            truth.acked(&What::Reading(key(), bit));
        }
        truth.sent(&What::Closer);
        truth.acked(&What::Closer);
        Self {
            truth,
            collected: Collected {
                records: 1,
                epochs: BTreeMap::from([(1, 1)]),
                parts: BTreeMap::from([(key(), vec![part(1, 3, 7.0)])]),
                ..Collected::default()
            },
            books: Books {
                messages: side(4, &[("decoded", 4)]),
                readings: side(4, &[("processed", 4)]),
                enqueued: 1,
                delivered: 1,
                ..Books::default()
            },
            corruptions: Vec::new(),
            repeats: false,
        }
    }

    fn judge(&self) -> Verdict {
        judge(&Evidence {
            truth: &self.truth,
            collected: &self.collected,
            books: &self.books,
            corruptions: &self.corruptions,
            repeats: self.repeats,
        })
    }

    /// The one complaint.
    fn complaint(&self) -> String {
        let mut complaints = self.judge().complaints;
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        complaints.remove(0)
    }
}

#[test]
fn a_sound_run_passes() {
    let verdict = Case::sound().judge();
    assert_eq!(verdict.complaints, Vec::<String>::new());
    assert_eq!((verdict.collected, verdict.accounted), (3, 0));
}

#[test]
fn an_agent_that_drops_everything_with_good_reasons_fails() {
    let mut case = Case::sound();
    case.collected = Collected::default();
    case.books.readings = side(4, &[("late", 4)]);
    (case.books.enqueued, case.books.delivered) = (0, 0);
    let complaints = case.judge().complaints.join("\n");
    assert!(complaints.contains("3 of 3 acknowledged"), "{complaints}");
    assert!(complaints.contains("4 are said to be late"), "{complaints}");
}

#[test]
fn each_reading_that_is_missing_is_named() {
    let mut case = Case::sound();
    case.collected.parts = BTreeMap::from([(key(), vec![part(1, 2, 5.0)])]);
    case.books.readings = side(4, &[("processed", 3), ("late", 1)]);
    let complaints = case.judge().complaints.join("\n");
    assert!(complaints.contains("missing 10 of 111"), "{complaints}");
}

#[test]
fn what_nobody_acknowledged_may_come_or_not() {
    let mut case = Case::sound();
    let bit = case.truth.next_bit(&key()).unwrap();
    case.truth.sent(&What::Reading(key(), bit));
    assert!(case.judge().complaints.is_empty());
    case.collected.parts = BTreeMap::from([(key(), vec![part(1, 4, 15.0)])]);
    case.books.messages = side(5, &[("decoded", 5)]);
    case.books.readings = side(5, &[("processed", 5)]);
    case.repeats = true;
    assert!(case.judge().complaints.is_empty());
}

#[test]
fn a_reading_counted_twice_shows_within_a_window_and_between_two_summaries() {
    let mut case = Case::sound();
    // 1 + 2 + 4 + 4.
    case.collected.parts = BTreeMap::from([(key(), vec![part(1, 4, 11.0)])]);
    case.books.messages = side(5, &[("decoded", 5)]);
    case.books.readings = side(5, &[("processed", 5)]);
    case.repeats = true;
    let complaints = case.judge().complaints.join("\n");
    assert!(
        complaints.contains("counts a reading twice"),
        "{complaints}"
    );

    let mut case = Case::sound();
    case.collected.parts = BTreeMap::from([(key(), vec![part(1, 3, 7.0), part(2, 1, 4.0)])]);
    let complaints = case.judge().complaints.join("\n");
    assert!(complaints.contains("in two summaries"), "{complaints}");
}

#[test]
fn a_straggler_completes_its_window() {
    let mut case = Case::sound();
    case.collected.parts = BTreeMap::from([(key(), vec![part(1, 2, 3.0), part(2, 1, 4.0)])]);
    assert!(case.judge().complaints.is_empty());
}

#[test]
fn what_was_never_sent_shows() {
    let mut case = Case::sound();
    case.collected.parts = BTreeMap::from([(key(), vec![part(1, 3, 8.0 + 2.0 + 1.0)])]);
    let complaints = case.judge().complaints.join("\n");
    assert!(complaints.contains("never sent"), "{complaints}");
}

#[test]
fn a_damaged_database_excuses_what_had_not_left_and_nothing_else() {
    let mut case = Case::sound();
    case.collected.parts = BTreeMap::new();
    case.corruptions = vec![(START - 2_000, START + 5_000)];
    let verdict = case.judge();
    assert_eq!(verdict.complaints, Vec::<String>::new());
    assert_eq!((verdict.collected, verdict.accounted), (0, 3));

    // The window had left before: that it isn't there is nobody's fault but the agent's.
    case.corruptions = vec![(START + WINDOW, START + 5_000)];
    assert!(case.complaint().contains("3 of 3 acknowledged"));
    // It came after the damage.
    case.corruptions = vec![(START - 9_000, START - 5_000)];
    assert!(case.complaint().contains("3 of 3 acknowledged"));
}

#[test]
fn records_that_did_not_arrive_show() {
    let mut case = Case::sound();
    case.books.enqueued = 2;
    case.books.delivered = 2;
    assert!(case.complaint().starts_with("1 records were collected, 2"));
    case = Case::sound();
    case.collected.missing = BTreeMap::from([(1, 3)]);
    assert!(case.complaint().starts_with("3 records of store epoch 1"));
}

#[test]
fn books_that_were_saved_from_a_damaged_database_count_all_epochs() {
    let mut case = Case::sound();
    case.corruptions = vec![(START - 9_000, START - 5_000)];
    case.collected.records = 9;
    case.collected.epochs = BTreeMap::from([(1, 6), (2, 3)]);
    for (enqueued, evicted, sound) in [
        (3, 0, true),
        (9, 0, true),
        (11, 2, true),
        (2, 0, false),
        (12, 2, false),
    ] {
        (case.books.enqueued, case.books.evicted) = (enqueued, evicted);
        let told = case
            .judge()
            .complaints
            .iter()
            .any(|c| c.contains("records were collected"));
        assert_ne!(told, sound, "{enqueued} in the outbox, {evicted} evicted");
    }
}

#[test]
fn books_that_say_otherwise_show() {
    let mut case = Case::sound();
    case.books.readings.difference = 1;
    assert!(case.complaint().starts_with("readings do not balance"));

    case = Case::sound();
    case.books.readings = side(4, &[("processed", 3), ("dropped", 1)]);
    let complaints = case.judge().complaints.join("\n");
    assert!(
        complaints.contains("1 readings were dropped"),
        "{complaints}"
    );
    assert!(complaints.contains("3 readings are said"), "{complaints}");

    case = Case::sound();
    case.truth.sent(&What::Malformed);
    case.truth.acked(&What::Malformed);
    case.books.messages = side(5, &[("decoded", 5)]);
    assert!(
        case.complaint()
            .starts_with("0 are said to be dead_lettered")
    );
}
