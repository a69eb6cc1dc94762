use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use clap::Parser;
use tokio::time::Instant;

use super::*;

#[test]
fn messages_keep_their_order_and_never_go_back_in_time() {
    let dump = br#"{"topic":"a","payload":"1"}
        {"topic":"b","payload_hex":"ff00","retain":true,"at":"2026-01-01T00:00:10Z"}

        {"topic":"c","payload":"2","at":1767225605}
        {"topic":"d"}
        {"topic":"e","at":1767225620.5}"#;
    let lines = lines(dump).collect::<Result<Vec<_>, _>>().unwrap();
    let dump = Dump::new(lines);
    let millis: Vec<_> = dump
        .messages
        .iter()
        .map(|arrived| {
            let since = arrived.at - Timestamp::from_secs(1_767_225_600);
            (arrived.message.topic.as_str(), since.as_millis())
        })
        .collect();
    let expected = [
        ("a", 10_000),
        ("b", 10_000),
        ("c", 10_000),
        ("d", 10_000),
        ("e", 20_500),
    ];
    assert_eq!(millis, expected);
    assert_eq!(dump.timed, 3);
    assert_eq!(dump.messages[1].message.payload, [0xff, 0]);
    assert!(dump.messages[1].retained && !dump.messages[2].retained);
}

/// Remembers which messages came, and when.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Sent>>);

type Sent = Vec<(Instant, Vec<u8>)>;

impl Publish for Log {
    type Error = Infallible;

    async fn publish(&mut self, _: &str, _: u8, payload: Vec<u8>) -> Result<(), Infallible> {
        self.0.lock().unwrap().push((Instant::now(), payload));
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ReplayArgs,
}

#[tokio::test(start_paused = true)]
async fn distances_are_those_of_the_dump_divided_by_the_speed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.jsonl");
    let dump = r#"{"topic":"a","payload":"{\"ts\":1}","at":"2024-05-01T10:00:00Z"}
        {"topic":"b","payload":"at once"}
        {"topic":"a","payload":"2","at":"2024-05-01T10:00:20Z"}
        {"topic":"a","payload":"3","at":"2024-05-01T10:01:40Z"}"#;
    std::fs::write(&file, dump).unwrap();
    let words = ["replay", "--dump", "--speed", "10"].map(String::from);
    let file = file.display().to_string();
    let command = Command::try_parse_from(words.into_iter().chain([file])).unwrap();
    let log = Log::default();
    let connect = async |_: &str| Ok(log.clone());
    publish(&command.args, connect, &CancellationToken::new())
        .await
        .unwrap();

    let log = log.0.lock().unwrap();
    let payloads: Vec<_> = log
        .iter()
        .map(|(_, payload)| str::from_utf8(payload).unwrap())
        .collect();
    assert_eq!(payloads, [r#"{"ts":1}"#, "at once", "2", "3"]);
    let after: Vec<_> = log
        .iter()
        .map(|(at, _)| (*at - log[0].0).as_millis())
        .collect();
    let late = |i: usize, due: u128| (due..due + 20).contains(&after[i]);
    assert!(
        after[1] == 0 && late(2, 2_000) && late(3, 10_000),
        "{after:?}"
    );
}
