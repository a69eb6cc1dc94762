//! From entries to frames.

use eyot_pipeline::ledger::MessageFate;

use super::{DeviceInput, Entry, SourcePart, flag, origin};
use crate::Position;
use crate::dictionary::Known;
use crate::run;
use crate::segment;
use crate::value;
use crate::varint;

/// Writes entries. It keeps its buffers, so that nothing allocates once names are known.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    known: Known,
    values: value::Writer,
    body: Vec<u8>,
    runs: Vec<u8>,
    origins: Vec<u8>,
}

impl Encoder {
    /// A new segment begins: nothing has a number in it yet.
    pub(crate) fn begin_segment(&mut self) {
        self.known.forget();
    }

    /// Appends the frame of `entry`. `base` is the segment's, in µs; `follows`: it is committed together with the entry
    /// before it.
    ///
    /// # Errors
    /// The length of a body that is longer than a frame may hold.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        entry: &Entry<'_>,
        position: Position,
        base: i64,
        follows: bool,
    ) -> Result<(), usize> {
        let micros = entry.admitted.0.div_euclid(1_000);
        self.known.fresh().clear();
        self.body.clear();
        let mut flags = if follows { flag::FOLLOWS } else { 0 };
        if let Some(source) = &entry.source {
            flags |= flag::SOURCE;
            let number = self.known.source(source.name);
            varint::put(&mut self.body, u64::from(number));
            if !source.deliveries.is_empty() {
                flags |= flag::DELIVERIES;
                varint::put(&mut self.body, source.deliveries.len() as u64);
                for delivery in source.deliveries {
                    self.body.extend_from_slice(&delivery.packet.to_le_bytes());
                    self.body.extend_from_slice(&delivery.content.to_le_bytes());
                }
            }
            if is_plain(source, entry.inputs) {
                flags |= flag::PLAIN;
            } else {
                self.source(source);
            }
        }
        // Not the admission itself, which is finer than what the reader sees.
        let admitted = micros.wrapping_mul(1_000);
        let has_origins = entry.inputs.iter().any(|input| match input {
            DeviceInput::Readings { readings, told, .. } => origin::is_needed(readings, told),
            DeviceInput::Timer { .. } => false,
        });
        if has_origins {
            flags |= flag::ORIGINS;
        }
        if let [
            DeviceInput::Readings {
                key,
                names,
                readings,
                told,
            },
        ] = entry.inputs
        {
            flags |= flag::ONE;
            let number = self.known.device(*key, *names);
            varint::put(&mut self.body, u64::from(number));
            if readings.len() == 1 {
                flags |= flag::SINGLE;
            } else {
                varint::put(&mut self.body, readings.len() as u64);
            }
            if has_origins {
                origin::write(&mut self.body, &mut self.origins, readings, told);
            }
            let Self {
                known,
                values,
                body,
                ..
            } = self;
            run::write(body, readings, admitted, values, |index| {
                known.channel(*key, index, *names)
            });
        } else {
            varint::put(&mut self.body, entry.inputs.len() as u64);
            for input in entry.inputs {
                self.input(input, admitted, has_origins);
            }
        }
        if !self.known.fresh().is_empty() {
            flags |= flag::DEFINITIONS;
        }
        let fresh = self.known.fresh();
        segment::put_frame(out, position, |out| {
            out.push(flags);
            varint::put_signed(out, micros.wrapping_sub(base));
            if !fresh.is_empty() {
                varint::put_bytes(out, fresh);
            }
            out.extend_from_slice(&self.body);
        })
    }

    fn source(&mut self, source: &SourcePart<'_>) {
        let Self { known, body, .. } = self;
        varint::put(body, source.messages.len() as u64);
        for &(fate, n) in source.messages {
            varint::put(body, u64::from(known.message_fate(fate)));
            varint::put(body, n);
        }
        varint::put(body, source.settled.len() as u64);
        for &(fate, n) in source.settled {
            varint::put(body, u64::from(known.reading_fate(fate)));
            varint::put(body, n);
        }
        varint::put(body, source.unmapped);
        varint::put(body, source.letters.len() as u64);
        for letter in source.letters {
            varint::put_text(body, letter.topic);
            varint::put_text(body, letter.reason);
            varint::put_text(body, letter.detail);
            varint::put_bytes(body, letter.payload);
            varint::put(body, letter.payload_len);
        }
    }

    fn input(&mut self, input: &DeviceInput<'_>, admitted: i64, has_origins: bool) {
        let Self {
            known,
            values,
            body,
            runs,
            origins,
        } = self;
        match *input {
            DeviceInput::Timer { key, names } => {
                varint::put(body, (u64::from(known.device(key, names)) << 1) | 1);
            }
            DeviceInput::Readings {
                key,
                names,
                readings,
                told,
            } => {
                varint::put(body, u64::from(known.device(key, names)) << 1);
                varint::put(body, readings.len() as u64);
                if has_origins {
                    origin::write(body, origins, readings, told);
                }
                runs.clear();
                run::write(runs, readings, admitted, values, |index| {
                    known.channel(key, index, names)
                });
                varint::put_bytes(body, runs);
            }
        }
    }
}

/// The commonest case by far: as many messages as there are readings, and nothing else to tell.
fn is_plain(source: &SourcePart<'_>, inputs: &[DeviceInput<'_>]) -> bool {
    let readings = |input: &DeviceInput<'_>| match input {
        DeviceInput::Readings { readings, .. } => readings.len() as u64,
        DeviceInput::Timer { .. } => 0,
    };
    let [(MessageFate::Decoded, messages)] = source.messages else {
        return false;
    };
    source.settled.is_empty()
        && source.unmapped == 0
        && source.letters.is_empty()
        && *messages == inputs.iter().map(readings).sum::<u64>()
}
