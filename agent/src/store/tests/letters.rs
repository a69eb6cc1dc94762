//! Dead letters: bounded, counted, readable.

use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn dead_letters_are_bounded_and_what_goes_is_counted() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        dead_letters: 3,
        ..options(dir.path())
    })
    .unwrap();
    for n in 0..5 {
        let letter = letter("a", format!("payload {n}").as_bytes());
        store.handle.dead_letter(letter.clone()).await.unwrap();
        store.handle.dead_letter(letter).await.unwrap();
    }
    store.handle.flush().await.unwrap();
    let kept = store.handle.dead_letters(10).await.unwrap();
    let payloads: Vec<_> = kept
        .iter()
        .map(|row| row.payload.clone().unwrap())
        .collect();
    assert_eq!(payloads, [b"payload 4", b"payload 3", b"payload 2"]);
    assert!(kept.iter().all(|row| row.count == 2 && row.at == NOW));
    let stats = store.handle.stats().await.unwrap();
    assert_eq!(
        (stats.dead_letters.kept, stats.dead_letters.evicted),
        (3, 4)
    );
    let newest = store.handle.dead_letters(1).await.unwrap();
    assert_eq!(newest, kept[..1]);
}

#[tokio::test]
async fn only_identical_letters_share_a_row() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let one = letter("a", b"x");
    let others = [
        letter("b", b"x"),
        letter("a", b"y"),
        DeadLetter {
            reason: "topic".into(),
            ..one.clone()
        },
        DeadLetter {
            source: "other".into(),
            ..one.clone()
        },
    ];
    store.handle.dead_letter(one.clone()).await.unwrap();
    for other in others {
        store.handle.dead_letter(other).await.unwrap();
    }
    store.handle.dead_letter(one).await.unwrap();
    store.handle.flush().await.unwrap();
    let counts: Vec<u64> = store
        .handle
        .dead_letters(9)
        .await
        .unwrap()
        .iter()
        .map(|row| row.count)
        .collect();
    assert_eq!(counts, [1, 1, 1, 1, 2]);
}

#[tokio::test]
async fn cut_payloads_say_how_long_they_were_and_damaged_ones_are_not_shown() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store
        .handle
        .dead_letter(DeadLetter {
            payload_len: 1000,
            ..letter("a", &[7; 64])
        })
        .await
        .unwrap();
    store.handle.flush().await.unwrap();
    let row = store.handle.dead_letters(1).await.unwrap().remove(0);
    assert_eq!((row.payload, row.payload_len), (Some(vec![7; 64]), 1000));

    let db = Connection::open(dir.path().join("eyot.db")).unwrap();
    db.execute("UPDATE dead_letters SET payload = X'00'", [])
        .unwrap();
    let row = store.handle.dead_letters(1).await.unwrap().remove(0);
    assert_eq!((row.payload, row.payload_len), (None, 1000));
}
