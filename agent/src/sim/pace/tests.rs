use std::convert::Infallible;

use super::*;

const WALL: Timestamp = Timestamp::from_secs(1_767_225_600);

fn seconds(s: i64) -> Span {
    Span::from_secs(s)
}

#[test]
fn a_fast_run_ends_when_it_meets_the_wall_clock() {
    let pace = Pace::ending_now(seconds(600), WALL, Speed::Times(10.0));
    assert_eq!(pace.start, WALL - seconds(540));
    let age = Duration::from_mins(1);
    assert_eq!(pace.due(age), WALL + seconds(60));
    assert_eq!(pace.age_at(pace.start + seconds(600)), age);
    let half_way = Duration::from_secs(30);
    assert!(pace.due(half_way) < WALL + span(half_way));
}

#[test]
fn real_time_and_slower_begin_now_and_max_ends_now() {
    let start = |speed| Pace::ending_now(seconds(600), WALL, speed).start;
    assert_eq!(start(Speed::Times(1.0)), WALL);
    assert_eq!(start(Speed::Times(0.5)), WALL);
    assert_eq!(start(Speed::Max), WALL - seconds(600));
    // Recorded times keep their milliseconds.
    assert_eq!(start(Speed::Times(7.0)).0 % 1_000_000, 0);
}

#[test]
fn catching_up_joins_the_wall_clock() {
    let pace = Pace::catching_up(seconds(90), WALL, Speed::Times(10.0));
    assert_eq!(pace.due(Duration::from_secs(5)), WALL - seconds(40));
    assert_eq!(pace.due(Duration::from_secs(10)), WALL + seconds(10));
    assert_eq!(pace.due(Duration::from_secs(20)), WALL + seconds(20));
    for (time, age) in [
        (WALL - seconds(40), 5),
        (WALL + seconds(10), 10),
        (WALL + seconds(20), 20),
    ] {
        assert_eq!(pace.age_at(time), Duration::from_secs(age));
    }
    let at_once = Pace::catching_up(seconds(90), WALL, Speed::Max);
    assert_eq!(at_once.due(Duration::ZERO), WALL);
    assert_eq!(at_once.age_at(WALL + seconds(3)), Duration::from_secs(3));
}

#[test]
fn speeds_are_positive_numbers_or_max() {
    assert_eq!("2.5".parse(), Ok(Speed::Times(2.5)));
    assert_eq!("max".parse(), Ok(Speed::Max));
    for text in ["0", "-1", "inf", "NaN", "fast"] {
        assert!(text.parse::<Speed>().is_err(), "{text}");
    }
}

impl Due for i64 {
    fn due(&self) -> Timestamp {
        WALL + Span::from_millis(*self)
    }
}

/// Remembers how old the run was at each message.
struct Log {
    began: Instant,
    messages: Vec<(String, u128)>,
    finished: bool,
    stop_after: Option<(usize, CancellationToken)>,
}

impl Log {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            messages: Vec::new(),
            finished: false,
            stop_after: None,
        }
    }
}

impl Publish for Log {
    type Error = Infallible;

    async fn publish(&mut self, topic: &str, _: u8, _: Vec<u8>) -> Result<(), Infallible> {
        let age = self.began.elapsed().as_millis();
        self.messages.push((topic.to_owned(), age));
        if let Some((count, stop)) = &self.stop_after
            && *count == self.messages.len()
        {
            stop.cancel();
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Infallible> {
        self.finished = true;
        Ok(())
    }
}

fn message(item: i64) -> Message {
    Message {
        topic: item.to_string(),
        payload: Vec::new(),
    }
}

async fn send(items: Vec<i64>, speed: Speed, log: &mut Log, stop: &CancellationToken) -> Paced {
    let pace = Pace {
        start: WALL,
        wall: WALL,
        speed,
        join_wall: false,
    };
    match run(items.into_iter(), message, &pace, 1, log, stop).await {
        Ok(paced) => paced,
    }
}

#[tokio::test(start_paused = true)]
async fn messages_leave_when_they_are_due_and_in_order() {
    let items = vec![0, 10, 11, 500, 2_000];
    let mut log = Log::new();
    let paced = send(
        items.clone(),
        Speed::Times(2.0),
        &mut log,
        &CancellationToken::new(),
    )
    .await;
    assert_eq!(paced.messages, 5);
    assert!(
        log.finished && paced.behind < Duration::from_millis(4),
        "{paced:?}"
    );
    for (item, (topic, age)) in items.into_iter().zip(&log.messages) {
        assert_eq!(topic, &item.to_string());
        let early = u128::try_from(item).unwrap() / 2;
        assert!((early..early + 4).contains(age), "{item} left at {age}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_speed_max_nothing_waits() {
    let mut log = Log::new();
    let items = (0..5_000).map(|item| item * 1_000).collect();
    let paced = send(items, Speed::Max, &mut log, &CancellationToken::new()).await;
    assert_eq!((paced.messages, paced.elapsed), (5_000, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_run_and_still_waits_for_deliveries() {
    let stop = CancellationToken::new();
    let mut log = Log::new();
    log.stop_after = Some((2, stop.clone()));
    let paced = send(vec![0, 10, 60_000], Speed::Times(1.0), &mut log, &stop).await;
    assert_eq!(paced.messages, 2);
    assert!(log.finished && paced.elapsed < Duration::from_secs(1));
}
