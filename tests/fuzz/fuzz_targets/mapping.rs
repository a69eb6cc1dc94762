#![no_main]

// The first line is a rule in JSON, the rest is a payload.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (rule, payload) = input.split_at(end.unwrap_or(input.len()));
    if let Ok(rule) = std::str::from_utf8(rule) {
        eyot_fuzz::mapping(rule, "t/d", payload);
    }
});
