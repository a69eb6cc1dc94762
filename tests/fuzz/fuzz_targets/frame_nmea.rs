#![no_main]

use eyot_decode::Framing;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (step, stream) = input;
    eyot_fuzz::frames(Framing::Nmea, stream, step.into());
});
