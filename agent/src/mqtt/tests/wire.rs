//! What the socket writes when.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::super::acks::{AckToken, Acker, Acks};
use super::super::wire::Wire;
use super::soon;

fn tokens(generation: u32, pkids: std::ops::Range<u16>) -> Vec<AckToken> {
    pkids.map(|pkid| AckToken { generation, pkid }).collect()
}

#[tokio::test]
async fn acknowledgements_stay_between_packets_and_in_order() {
    const PACKETS: u8 = 100;
    const ACKS: u16 = 300;

    let acks = Arc::<Acks>::default();
    acks.open(1);
    let acker = Acker::new(Arc::clone(&acks));
    // Hardly anything is taken in full at once.
    let (near, mut far) = duplex(3);
    let mut wire = Wire::new(near, acks);
    let writing = tokio::spawn(async move {
        for n in 0..PACKETS {
            wire.write_all(&[0x30, 5, n, n, n, n, n]).await.unwrap();
        }
        // Waiting for input writes the rest.
        assert_eq!(wire.read(&mut [0]).await.unwrap(), 0);
    });

    let mut stream = Vec::new();
    let mut asked = 0;
    while stream.len() < usize::from(PACKETS) * 7 + usize::from(ACKS) * 4 {
        if asked < ACKS {
            acker.ack(&tokens(1, asked..asked + 2));
            asked += 2;
        }
        let mut chunk = [0; 3];
        let count = soon(far.read(&mut chunk)).await.unwrap();
        stream.extend_from_slice(&chunk[..count]);
    }
    drop(far);
    soon(writing).await.unwrap();

    let (mut packets, mut acknowledged) = (0, 0);
    let mut rest = stream.as_slice();
    while let [kind, length, ..] = *rest {
        let (packet, after) = rest.split_at(2 + usize::from(length));
        if kind == 0x30 {
            assert_eq!(packet[2..], [packets; 5]);
            packets += 1;
        } else {
            let [high, low] = u16::to_be_bytes(acknowledged);
            assert_eq!(packet, [0x40, 2, high, low]);
            acknowledged += 1;
        }
        rest = after;
    }
    assert_eq!((packets, acknowledged), (PACKETS, ACKS));
}

#[tokio::test]
async fn what_a_lost_connection_left_is_not_written_to_the_next() {
    let acks = Arc::<Acks>::default();
    let acker = Acker::new(Arc::clone(&acks));
    let (near, _far) = duplex(100);
    let wire = Wire::new(near, Arc::clone(&acks));
    acks.open(1);
    acker.ack(&tokens(1, 1..5));
    drop(wire);
    acker.ack(&tokens(1, 5..7));

    let (near, mut far) = duplex(100);
    let mut wire = Wire::new(near, Arc::clone(&acks));
    // As CONNECT does.
    wire.write_all(b"hello").await.unwrap();
    acker.ack(&tokens(1, 7..9));
    acks.open(2);
    acker.ack(&tokens(1, 1..9));
    acker.ack(&tokens(2, 1..2));
    wire.write_all(b"world").await.unwrap();
    drop(wire);
    let mut written = Vec::new();
    far.read_to_end(&mut written).await.unwrap();
    assert_eq!(written, b"hello\x40\x02\x00\x01world");
}
