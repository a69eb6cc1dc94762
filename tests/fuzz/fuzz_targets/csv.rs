#![no_main]

libfuzzer_sys::fuzz_target!(|payload: &[u8]| {
    eyot_fuzz::decode("csv", payload);
});
