#![no_main]

// The first line is a rule's topic, the rest is a message's.
libfuzzer_sys::fuzz_target!(|input: &str| {
    let (pattern, topic) = input.split_once('\n').unwrap_or((input, "t/d"));
    let rule =
        serde_json::json!({"topic": pattern, "decoder": "value", "device": "d", "channel": "c"});
    eyot_fuzz::mapping(&rule.to_string(), topic, b"1");
});
