//! A publisher that costs next to nothing: packets of QoS 0 made in advance, in which only times and values change, and
//! written many at a time. What it cannot get rid of, the broker does not take.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use eyot::clock;

use super::load;

/// Time between two bursts.
const TICK: Duration = Duration::from_millis(2);
/// Bytes in one call to write, about.
const WRITE: usize = 64 << 10;
/// CONNECT of MQTT 3.1.1 with a clean session, no keep-alive and the client id `flood`.
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05flood";

/// A running publisher.
pub(super) struct Flood {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flood {
    /// Publishes `rate` messages a second, of so many devices in turn, to the broker at `port`.
    pub(super) fn start(port: u16, rate: u32, devices: u32) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.write_all(CONNECT)?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        let (sent, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (counting, stopping) = (Arc::clone(&sent), Arc::clone(&stop));
        let packets = Packets::new(devices);
        let thread = thread::spawn(move || publish(stream, rate, packets, &counting, &stopping));
        Ok(Self { sent, stop, thread })
    }

    /// Messages handed over so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Ends it and says how many messages it has handed over.
    pub(super) fn stop(self) -> io::Result<u64> {
        self.stop.store(true, Ordering::Release);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the publisher panicked"))??;
        Ok(self.sent.load(Ordering::Acquire))
    }
}

fn publish(
    mut stream: TcpStream,
    rate: u32,
    mut packets: Packets,
    sent: &AtomicU64,
    stop: &AtomicBool,
) -> io::Result<()> {
    let started = Instant::now();
    let mut done = 0;
    while !stop.load(Ordering::Acquire) {
        let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        while done < due {
            let (range, messages) = packets.next(due - done);
            stream.write_all(&packets.bytes[range])?;
            done += messages;
            sent.store(done, Ordering::Release);
        }
        thread::sleep(TICK);
    }
    Ok(())
}

/// One packet for each channel of each device, one behind the other.
struct Packets {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    next: usize,
    /// Changes from one round of all channels to the next.
    wave: u32,
}

/// Bytes of a time in milliseconds, and of the digits of a value that change.
const TIME: usize = 13;
const DIGITS: usize = 3;

impl Packets {
    fn new(devices: u32) -> Self {
        let mut packets = Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            next: 0,
            wave: 0,
        };
        for (n, topic) in load::topics(devices).iter().enumerate() {
            let payload = load::payload(n % load::CHANNELS.len(), 0);
            let length = 2 + topic.len() + payload.len();
            packets.bytes.push(0x30);
            // A variable length of two bytes; below 16,384 by far.
            packets.bytes.push((length & 0x7f) as u8 | 0x80);
            packets.bytes.push((length >> 7) as u8);
            packets.bytes.extend((topic.len() as u16).to_be_bytes());
            packets.bytes.extend(topic.as_bytes());
            packets.bytes.extend(&payload);
            packets.ends.push(packets.bytes.len());
        }
        packets
    }

    /// The bytes of the next messages, as of now, `most` at most, and how many they are.
    fn next(&mut self, most: u64) -> (Range<usize>, u64) {
        if self.next == self.ends.len() {
            (self.next, self.wave) = (0, self.wave + 1);
        }
        let first = self.next;
        let begin = first.checked_sub(1).map_or(0, |n| self.ends[n]);
        let millis = (clock::now().0 / 1_000_000).to_string();
        let mut end = begin;
        while self.next < self.ends.len()
            && ((self.next - first) as u64) < most
            && end - begin < WRITE
        {
            end = self.ends[self.next];
            // `{"ts":…` begins the payload, `,"v":13.5123` follows.
            let payload = end - load::PAYLOAD;
            let time = payload + 6;
            self.bytes[time..time + TIME].copy_from_slice(millis.as_bytes());
            let point = self.bytes[payload..end]
                .iter()
                .position(|&byte| byte == b'.');
            // The second place and what follows: values wander a little, so that no channel is flat and none is odd.
            let digits = payload + point.unwrap_or_default() + 2;
            let wave = self
                .wave
                .wrapping_mul(2_654_435_761)
                .wrapping_add(self.next as u32)
                % 1_000;
            self.bytes[digits..digits + DIGITS].copy_from_slice(format!("{wave:03}").as_bytes());
            self.next += 1;
        }
        (begin..end, (self.next - first) as u64)
    }
}
