use proptest::prelude::*;

use crate::testing::{decode, decoder, message};

/// What a message on `t/d` comes to by a rule with these keys besides its name and topic.
fn check(keys: &str, payload: &str, expected: &[&str]) {
    let rule = format!(r#"{{"name":"r","topic":"t/{{device}}",{keys}}}"#);
    let mut found = decode(&rule, "t/d", payload);
    let fate = found.pop().unwrap_or_default();
    let expected_fate = if expected.is_empty() {
        "IgnoredUnmapped"
    } else {
        "Decoded"
    };
    assert_eq!(found, expected, "{keys} on {payload}");
    assert_eq!(
        fate,
        format!("rule 0 {expected_fate}"),
        "{keys} on {payload}"
    );
}

/// The same with unmapped fields told.
fn told(keys: &str, payload: &str, expected: &[&str]) {
    let rule = format!(r#"{{"name":"r","topic":"t/{{device}}",{keys}}}"#);
    let mut decoder = decoder(&[&rule], &[]);
    decoder.report_unmapped(true);
    assert_eq!(
        message(&mut decoder, "t/d", payload, false),
        expected,
        "{keys} on {payload}"
    );
}

#[test]
fn one_value() {
    let keys = r#""value":"a.v","channel":"c""#;
    check(
        keys,
        r#"{"a":{"v":9007199254740993}}"#,
        &["d c I64(9007199254740993) Arrival"],
    );
    check(keys, r#"{"a":{"v":null}}"#, &["missing d c null a.v"]);
    check(
        keys,
        r#"{"a":{"v":"x"}}"#,
        &["rejected d c value a.v: `x` is not a number"],
    );
    check(keys, r#"{"a":{}}"#, &[]);
    check(keys, "5", &[]);
}

#[test]
fn several_values() {
    let keys = r#""values":{"power":"params.apower","on":"params.output"}"#;
    let payload = r#"{"params":{"output":true,"apower":1.5}}"#;
    check(
        keys,
        payload,
        &["d power F64(1.5) Arrival", "d on Bool(true) Arrival"],
    );
    check(
        r#""values":{"a":"a","b":"b"},"channel":"{path}{id}""#,
        r#"{"id":0,"a":1,"b":"bad"}"#,
        &[
            "d a0 I64(1) Arrival",
            "rejected d b0 value b: `bad` is not a number",
        ],
    );
}

#[test]
fn each_element() {
    let payload =
        r#"{"ts":1700000000,"rows":[{"n":"a","v":1},{"n":"b","v":2,"ts":1700000009},{"v":3}]}"#;
    let keys = r#""each":"rows[*]","value":"v","channel":"{n}","time":"ts","time_format":"unix_s""#;
    check(
        keys,
        payload,
        &[
            "d a I64(1) 1700000000",
            "d b I64(2) 1700000009",
            "rejected d  name rows[2].v: the channel's name is not there",
        ],
    );
}

#[test]
fn each_entry_with_its_key() {
    check(
        r#""each":"{ts}","leaves":{},"time":{"text":"{ts}","format":"unix_s"}"#,
        r#"{"1611082554":{"t":1},"1611082568":{"t":2}}"#,
        &["d t I64(1) 1611082554", "d t I64(2) 1611082568"],
    );
    check(
        r#""each":"ZbReceived.{id}","device":"{id}","leaves":{}"#,
        r#"{"ZbReceived":{"0x5ADF":{"Dimmer":254}}}"#,
        &["0x5ADF Dimmer I64(254) Arrival"],
    );
}

#[test]
fn nested_each_and_parallel_trees() {
    let keys = r#""each":"data.{dev}[{i}]","device":"{dev}","channel":"c{i}","value":".","unit":"{$.units.{dev}}","time":"times[{i}]","time_format":"unix_s""#;
    let payload =
        r#"{"times":[1700000000,1700000001],"units":{"a":"V"},"data":{"a":[1,2],"b":[3]}}"#;
    check(
        keys,
        payload,
        &[
            "a c0 I64(1) 1700000000 V",
            "a c1 I64(2) 1700000001 V",
            "b c0 I64(3) 1700000000",
        ],
    );
}

#[test]
fn the_element_itself_and_the_root_are_not_inherited() {
    check(
        r#""each":"rows[*]","values":{"own":".v","root":"$.v","near":"v"}"#,
        r#"{"v":1,"rows":[{},{"v":2}]}"#,
        &[
            "d root I64(1) Arrival",
            "d near I64(1) Arrival",
            "d own I64(2) Arrival",
            "d root I64(1) Arrival",
            "d near I64(2) Arrival",
        ],
    );
}

#[test]
fn leaves() {
    check(
        r#""leaves":{},"time":"Time","time_format":"unix_s""#,
        r#"{"Time":1700000000,"PMS":{"PM2.5":2,"b":true},"list":[1,[2,3]],"one":[4],"text":"x","none":null}"#,
        &[
            "d PMS.\"PM2.5\" I64(2) 1700000000",
            "d PMS.b Bool(true) 1700000000",
            "d list[0] I64(1) 1700000000",
            "d list[1][0] I64(2) 1700000000",
            "d list[1][1] I64(3) 1700000000",
            "d one I64(4) 1700000000",
        ],
    );
}

#[test]
fn names_of_leaves() {
    check(
        r#""leaves":{"below":"s","exclude":["*lux"],"rename":{"a.*":"x_*","b":"y"},"join":"/"}"#,
        r#"{"other":1,"s":{"a.k":1,"a":{"c":2},"b":3,"q_lux":4}}"#,
        &[
            "d x_k I64(1) Arrival",
            "d a/c I64(2) Arrival",
            "d y I64(3) Arrival",
        ],
    );
    check(
        r#""leaves":{"include":["t*"]},"channel":"{path}-{device}""#,
        r#"{"t1":1,"u":2,"t2":null}"#,
        &["d t1-d I64(1) Arrival", "missing d t2-d null t2"],
    );
}

#[test]
fn text_and_null_among_leaves_count_where_channels_name_them() {
    check(
        r#""leaves":{},"channels":{"state":{"table":{"ON":true}},"n":{},"hidden":{"ignore":true}}"#,
        r#"{"state":"ON","n":null,"m":null,"text":"x","hidden":1}"#,
        &["d state Bool(true) Arrival", "missing d n null n"],
    );
}

#[test]
fn the_first_spec_that_matches_a_channel_counts() {
    check(
        r#""leaves":{},"channels":{"a":{"unit":"A"},"*b":{"unit":"B"},"ab":{"unit":"no"},"*":{"unit":"other"}}"#,
        r#"{"a":1,"ab":2,"c":3}"#,
        &[
            "d a I64(1) Arrival A",
            "d ab I64(2) Arrival B",
            "d c I64(3) Arrival other",
        ],
    );
}

#[test]
fn the_time_of_a_value_in_a_parallel_tree() {
    let keys = r#""leaves":{"below":"state.reported"},"time":["metadata.reported.@.timestamp","timestamp"],"time_format":"unix_s","sequence":{"path":"version"}"#;
    let payload = r#"{"state":{"reported":{"temp":55,"l":{"r":[1,2]}},"desired":{"temp":1}},
        "metadata":{"reported":{"temp":{"timestamp":1709640131},"l":{"r":[{"timestamp":1709640000},{}]}}},
        "version":17,"timestamp":1709640999}"#;
    check(
        keys,
        payload,
        &[
            "d temp I64(55) 1709640131 #17",
            "d l.r[0] I64(1) 1709640000 #17",
            "d l.r[1] I64(2) 1709640999 #17",
        ],
    );
    let keys = r#""values":{"x":"v.temp"},"time":"t.@","time_format":"unix_s""#;
    check(
        keys,
        r#"{"v":{"temp":1},"t":{"v":{"temp":1709640131}}}"#,
        &["d x I64(1) 1709640131"],
    );
}

#[test]
fn conditions() {
    let keys = r#""each":"[*]","value":"v","channel":"c","where":[{"of":"{kind}","is":["a",3,true]},{"of":"{x}","is_not":["no"]},{"of":"{id}","matches":"^k"}]"#;
    let check = |fields: &str, taken: bool| {
        let expected: &[&str] = if taken { &["d c I64(1) Arrival"] } else { &[] };
        check(keys, &format!("[{{\"v\":1,{fields}}}]"), expected);
    };
    check(r#""kind":"a","id":"k1""#, true);
    check(r#""kind":3,"id":"k1""#, true);
    check(r#""kind":3.0,"id":"k1""#, true);
    check(r#""kind":true,"id":"k1""#, true);
    check(r#""kind":"b","id":"k1""#, false);
    check(r#""id":"k1""#, false);
    check(r#""kind":"a","id":"x""#, false);
    check(r#""kind":"a""#, false);
    check(r#""kind":"a","id":"k","x":"no""#, false);
}

#[test]
fn captures_of_parts_of_texts() {
    let keys = r#""each":"values[*]","capture":[{"from":"{id}","regex":"^[^.]+\\.(?<dev>[^.]+)\\.(?<ch>.+)$"}],"device":"{dev}","channel":"{ch}","value":"v""#;
    check(
        keys,
        r#"{"values":[{"id":"S.D4.V.Host","v":630},{"id":"x","v":1}]}"#,
        &["D4 V.Host I64(630) Arrival"],
    );
    let keys = r#""leaves":{"below":"d"},"capture":[{"from":"{path}","regex":"^(?:name:(?<name>[^,]+), .*unit:(?<unit>.+))?"}],"channel":"{name|path}","unit":"{unit}""#;
    check(
        keys,
        r#"{"d":{"name:T, type:x, unit:°C":[20],"My array":[0,10]}}"#,
        &[
            "d T I64(20) Arrival °C",
            "d My array[0] I64(0) Arrival",
            "d My array[1] I64(10) Arrival",
        ],
    );
}

#[test]
fn the_scale_of_a_table_is_that_of_the_raw_value() {
    // 50 °F, and not a tenth of 260 °C.
    check(
        r#""value":"v","lookup":{"file":"ids.csv","key":"{id}"},"channels":{"temp":{"unit":"°C"}}"#,
        r#"{"id":20,"v":500}"#,
        &["d temp F64(10.0) Arrival °C"],
    );
    check(
        r#""value":"v","lookup":{"file":"ids.csv","key":"{id}"},"samples":{"rate":1},"channels":{"temp":{"unit":"°C"}}"#,
        r#"{"id":20,"v":[500,320]}"#,
        &["d temp [10.0, 0.0] Arrival-1000 +1000000000"],
    );
    check(
        r#""value":"v","lookup":{"file":"ids.csv","key":"{id}"},"channels":{"level":{"table":{"on":true}}}"#,
        r#"{"id":8,"v":"on"}"#,
        &["d level Bool(true) Arrival"],
    );
}

#[test]
fn a_number_beyond_a_double_is_the_matter_of_its_own_reading() {
    check(
        r#""values":{"a":"a","b":"b"}"#,
        r#"{"a":1e400,"b":2,"c":-1e999}"#,
        &["missing d a nan a", "d b I64(2) Arrival"],
    );
    check(
        r#""leaves":{}"#,
        r#"{"a":[1e400],"b":2}"#,
        &["missing d a nan a", "d b I64(2) Arrival"],
    );
}

#[test]
fn lookup_tables() {
    let keys = r#""each":"[*]","value":"v","channel":"c","lookup":{"file":"ids.csv","key":"{id}"}"#;
    let payload = r#"[{"id":7,"v":25},{"id":8,"v":2},{"id":9,"v":3}]"#;
    check(
        keys,
        payload,
        &["pump flow F64(2.5) Arrival L", "d level I64(2) Arrival"],
    );
    let keys = keys.replace("\"key\"", "\"optional\":true,\"key\"");
    let all = [
        "pump flow F64(2.5) Arrival L",
        "d level I64(2) Arrival",
        "d c I64(3) Arrival",
    ];
    check(&keys, payload, &all);
}

#[test]
fn bad_and_missing_times() {
    let keys = r#""each":"[*]","value":"v","channel":"c","time":["a","b"],"time_format":"unix_s""#;
    check(
        keys,
        r#"[{"v":1,"a":"x"},{"v":2,"a":null,"b":1700000000},{"v":3,"a":[]},{"v":4},{"v":5,"a":1.61}]"#,
        &[
            "rejected d c time [0].v: `x` is not a number that counts from 1970, or not between the years 1678 and 2262",
            "d c I64(2) 1700000000",
            "rejected d c time [2].v: the time is an array or an object",
            "d c I64(4) Arrival",
            "d c I64(5) Arrival",
        ],
    );
    check(
        r#""value":"v","channel":"c","time":"t","time_format":"unix_s","before_2000":"reject""#,
        r#"{"v":1,"t":5}"#,
        &["rejected d c before_2000 v: the time is before 2000: the clock was not set"],
    );
    check(
        r#""value":"v","channel":"c","time":{"path":"t","format":"uptime_ms"}"#,
        r#"{"v":1,"t":599025762}"#,
        &["d c I64(1) clock 599025.762"],
    );
}

#[test]
fn a_device_without_a_name() {
    check(
        r#""device":"{id}","value":"v","channel":"c""#,
        r#"{"v":1}"#,
        &["rejected  c name v: the device's name is not there"],
    );
}

#[test]
fn quality() {
    let check = |lists: &str, quality: &str, good: bool| {
        let keys = format!(r#""value":"v","channel":"c","quality":{{"path":"q"{lists}}}"#);
        let expected = if good {
            "d c I64(1) Arrival"
        } else {
            "missing d c quality v"
        };
        check(&keys, &format!(r#"{{"v":1,"q":{quality}}}"#), &[expected]);
    };
    for good in [
        "true", "\"GOOD\"", "\"good\"", "\"A\"", "192", "219", "0", "null", "\"192\"",
    ] {
        check("", good, true);
    }
    for bad in ["false", "\"BAD\"", "\"V\"", "64", "220"] {
        check("", bad, false);
    }
    check(r#","good":[1]"#, "1", true);
    check(r#","good":[1]"#, "192", false);
    check(r#","bad":["x"]"#, "\"y\"", true);
    check(r#","bad":["x"]"#, "\"x\"", false);
    self::check(
        r#""value":"v","channel":"c","quality":{"path":"q"}"#,
        r#"{"v":1}"#,
        &["d c I64(1) Arrival"],
    );
}

#[test]
fn what_goes_with_a_reading() {
    let keys = r#""value":"v","channel":"c","time":"t","time_format":"unix_s","sequence":{"path":"n"},"message_id":"id","historical":"h","unit":"{u}""#;
    check(
        keys,
        r#"{"v":1,"t":1700000000,"n":"5","id":"m1","h":true,"u":"V"}"#,
        &["d c I64(1) 1700000000 V m1 #5 historical"],
    );
    check(keys, r#"{"v":1,"n":-5,"h":true}"#, &["d c I64(1) Arrival"]);
}

#[test]
fn a_channel_can_say_where_its_unit_is() {
    check(
        r#""leaves":{},"channels":{"*T":{"from":"°{TempUnit}"}}"#,
        r#"{"a":{"T":1,"H":2},"TempUnit":"C"}"#,
        &["d a.T I64(1) Arrival °C", "d a.H I64(2) Arrival"],
    );
}

#[test]
fn blocks_of_samples() {
    let keys = r#""value":"v","channel":"c","time":"t","time_format":"unix_s","samples":{"interval":"100ms"}"#;
    check(
        keys,
        r#"{"t":1700000001,"v":[1,2.5,3]}"#,
        &["d c [1.0, 2.5, 3.0] 1700000000.8 +100000000"],
    );
    check(
        keys,
        r#"{"t":1700000001,"v":[1,null,3,"x"]}"#,
        &[
            "d c [1.0] 1700000000.7 +100000000",
            "missing d c null v[1]",
            "d c [3.0] 1700000000.9 +100000000",
            "rejected d c value v[3]: `x` is not a number",
        ],
    );
    check(keys, r#"{"t":1700000001,"v":[]}"#, &["missing d c null v"]);
    check(
        r#""value":"v","channel":"c","samples":{"rate_from":"f","time_of":"first"},"channels":{"c":{"scale":10}}"#,
        r#"{"f":4,"v":[1,2]}"#,
        &["d c [10.0, 20.0] Arrival +250000000"],
    );
    check(
        r#""leaves":{},"samples":{"interval_from":"dt"}"#,
        r#"{"dt":0.5,"x":[1,2],"y":3}"#,
        &[
            "d x [1.0, 2.0] Arrival-500 +500000000",
            "d y I64(3) Arrival",
        ],
    );
    check(
        r#""value":"v","channel":"c","samples":{"interval_from":"dt"}"#,
        r#"{"dt":0,"v":[1]}"#,
        &["rejected d c time v: 0 s between samples cannot be"],
    );
}

#[test]
fn elements_as_samples() {
    let keys = r#""each":"acc.A[*]","values":{"x":"x"},"time":{"path":"T","format":"uptime_ms"},"samples":{"rate":10,"time_of":"first"}"#;
    check(
        keys,
        r#"{"acc":{"T":5000,"A":[{"x":1},{"x":2},{"x":3}]}}"#,
        &[
            "d x I64(1) clock 5",
            "d x I64(2) clock 5.1",
            "d x I64(3) clock 5.2",
        ],
    );
    let keys = r#""each":"a[*]","values":{"x":"[0]"},"samples":{"rate":10}"#;
    check(
        keys,
        r#"{"a":[[1],[2]]}"#,
        &["d x I64(1) Arrival-100", "d x I64(2) Arrival"],
    );
}

#[test]
fn unmapped_fields() {
    let keys = r#""values":{"a":"a","b":"o.b"},"time":"t","time_format":"unix_s""#;
    told(
        keys,
        r#"{"t":1700000000,"a":1,"o":{"b":2,"c":3},"list":[1,2],"rows":[{"x":1}],"n":null,"s":"x"}"#,
        &[
            "d a I64(1) 1700000000",
            "d b I64(2) 1700000000",
            "unmapped o.c",
            "unmapped list",
            "unmapped rows[0].x",
            "unmapped s",
            "rule 0 Decoded",
        ],
    );
    told(
        keys,
        r#"{"x":1}"#,
        &["unmapped x", "rule 0 IgnoredUnmapped"],
    );
    told(
        r#""leaves":{"exclude":["b"]},"unit":"{u}""#,
        r#"{"a":1,"b":2,"u":"V"}"#,
        &["d a I64(1) Arrival V", "rule 0 Decoded"],
    );
    told(
        r#""leaves":{"below":"v"},"time":"t.@","time_format":"unix_s""#,
        r#"{"v":{"a":1},"t":{"a":1700000000}}"#,
        &["d a I64(1) 1700000000", "rule 0 Decoded"],
    );
    told(
        r#""each":"[*]","value":"v","channel":"c","where":[{"of":"{k}","is":[1]}]"#,
        r#"[{"k":1,"v":2},{"k":2,"v":3}]"#,
        &["d c I64(2) Arrival", "rule 0 Decoded"],
    );
}

#[test]
fn unknown_fields_can_be_recorded_or_refused() {
    let keys = r#""value":"a","channel":"c","unknown":"record""#;
    check(
        keys,
        r#"{"a":1,"o":{"x":2},"s":"text"}"#,
        &["d c I64(1) Arrival", "d o.x I64(2) Arrival"],
    );
    told(
        keys,
        r#"{"a":1,"o":{"x":2},"s":"text"}"#,
        &[
            "d c I64(1) Arrival",
            "unmapped o.x",
            "d o.x I64(2) Arrival",
            "unmapped s",
            "rule 0 Decoded",
        ],
    );
    let rule =
        r#"{"name":"r","topic":"t/{device}","value":"a","channel":"c","unknown":"dead_letter"}"#;
    assert_eq!(
        decode(rule, "t/d", r#"{"a":1}"#),
        ["d c I64(1) Arrival", "rule 0 Decoded"]
    );
    assert_eq!(
        decode(rule, "t/d", r#"{"a":1,"b":2}"#),
        [
            "d c I64(1) Arrival",
            "rule 0 DeadLetter(\"nothing maps `b`, and the rule says unknown = \\\"dead_letter\\\"\")",
        ]
    );
}

#[test]
fn liveness_of_several_devices() {
    let keys =
        r#""each":"[*]","device":"{n}","liveness":{"path":"up","online":[true],"offline":[false]}"#;
    check(
        keys,
        r#"[{"n":"a","up":true},{"n":"b","up":false},{"n":"c"}]"#,
        &["liveness a true", "liveness b false"],
    );
}

#[test]
fn a_list_of_times_is_never_the_fields_of_one() {
    let check = |places: &str| {
        let keys = format!(r#""leaves":{{}},"time":[{places}]"#);
        check(&keys, r#"{"v":1}"#, &["d v I64(1) Arrival"]);
    };
    check(r#""a""#);
    check(r#""a","b""#);
    check(r#""a","b","c""#);
    check(r#""a","b","c","d""#);
    check(r#""a","b","c","d","e""#);
}

#[test]
fn what_is_required_is_there_or_the_message_is_a_dead_letter() {
    let rule = r#"{"name":"r","topic":"{device}","each":"[*]","leaves":{"below":"v"},"required":["v"],
        "where":[{"of":"{kind}","is":["up"]}]}"#;
    let check = |payload: &str, expected: &[&str]| {
        assert_eq!(decode(rule, "d", payload), expected, "{payload}");
    };
    let lacking = "rule 0 DeadLetter(\"`v` is not there, and the rule requires it\")";
    let reading = "d a I64(1) Arrival";
    check(
        r#"[{"kind":"up","v":{"a":1}}]"#,
        &[reading, "rule 0 Decoded"],
    );
    check(r#"[{"kind":"up"}]"#, &[lacking]);
    check(
        r#"[{"kind":"up","v":null},{"kind":"up","v":{"a":1}}]"#,
        &[reading, lacking],
    );
    check(r#"[{"kind":"join"}]"#, &["rule 0 IgnoredUnmapped"]);
}

#[test]
fn units_that_depend_on_what_else_is_there() {
    let keys = r#""leaves":{},"channels":{"voltage":{"from":"{battery?'mV'}","unit":"V"}}"#;
    check(
        keys,
        r#"{"voltage":230}"#,
        &["d voltage I64(230) Arrival V"],
    );
    check(
        keys,
        r#"{"voltage":3035,"battery":100}"#,
        &[
            "d voltage F64(3.035) Arrival V",
            "d battery I64(100) Arrival",
        ],
    );
}

#[test]
fn liveness_in_a_field_or_as_a_bare_word() {
    let keys = r#""decoder":"json_or_value","liveness":{"path":"state","online":["online"],"offline":["offline"]}"#;
    check(keys, r#"{"state":"online"}"#, &["liveness d true"]);
    check(keys, "offline", &["liveness d false"]);
    check(keys, r#"{"other":"online"}"#, &[]);
}

proptest! {
    #[test]
    fn nothing_panics(payload in proptest::collection::vec(any::<u8>(), 0..80), json in any::<bool>()) {
        let text = String::from_utf8_lossy(&payload);
        let format = if json { "json" } else { "value" };
        let rule = format!(r#"{{"name":"r","topic":"t/{{device}}","decoder":"{format}","leaves":{{}},"unknown":"record","device":"d","channel":"c"}}"#);
        decode(&rule, "t/d", &text);
    }

    #[test]
    fn no_tree_panics(payload in r#"\{("[abt]":(-?[0-9]{1,20}|null|"[a0]?"|\[1,2\]|\[\{"a":1\}\]|\{"a":1,"b":\[\]\}),){0,4}"z":1\}"#) {
        for keys in [
            r#""leaves":{},"time":"b.@","unknown":"record""#,
            r#""each":"{k}[*]","value":".","channel":"{k}","samples":{"interval_from":"t"},"time":["t"]"#,
            r#""values":{"a":"a","b":"b[-1]"},"samples":{"rate":1e9},"time":{"text":"{t}","format":"unix_s"},"quality":{"path":"z"}"#,
        ] {
            let rule = format!(r#"{{"name":"r","topic":"t/{{device}}",{keys}}}"#);
            decode(&rule, "t/d", &payload);
        }
    }
}

#[test]
fn the_first_path_of_each_that_leads_anywhere_counts() {
    let keys = r#""each":["tags[*]","values.{tag}","[*]","."],"channel":"{tag|name|'c'}{path|''}","leaves":{"rename":{"value":""}}"#;
    check(
        keys,
        r#"{"tags":[{"name":"a","value":1}]}"#,
        &["d a I64(1) Arrival"],
    );
    check(
        keys,
        r#"{"values":{"a":1,"b":2}}"#,
        &["d a I64(1) Arrival", "d b I64(2) Arrival"],
    );
    check(keys, r#"[{"name":"a","value":1}]"#, &["d a I64(1) Arrival"]);
    check(keys, r#"{"value":1}"#, &["d c I64(1) Arrival"]);
    check(keys, "[]", &[]);
}

#[test]
fn quality_in_one_of_several_places() {
    let keys = r#""each":"[*]","value":"v","channel":"c","quality":{"path":["StatusCode","q"]}"#;
    check(
        keys,
        r#"[{"v":1,"q":192},{"v":2,"q":0,"StatusCode":{"Code":2150891520}},{"v":3,"StatusCode":0,"q":4}]"#,
        &[
            "d c I64(1) Arrival",
            "missing d c quality [1].v",
            "d c I64(3) Arrival",
        ],
    );
}

#[test]
fn what_is_added_to_a_time() {
    let keys = r#""each":"s[*]","value":"v","channel":"c","time":{"path":"bt","format":"unix_s","add":".dt","add_unit":"ms"}"#;
    check(
        keys,
        r#"{"bt":1700000000,"s":[{"v":1},{"dt":20,"v":2},{"dt":"x","v":3}]}"#,
        &[
            "d c I64(1) 1700000000",
            "d c I64(2) 1700000000.02",
            "rejected d c time s[2].v: what is to be added to the time is not a number",
        ],
    );
}

#[test]
fn intervals_in_a_unit() {
    check(
        r#""value":"v","channel":"c","time":"t","samples":{"interval_from":"dt","interval_unit":"ms","time_of":"first"}"#,
        r#"{"t":1700000000,"dt":20,"v":[1,2]}"#,
        &["d c [1.0, 2.0] 1700000000 +20000000"],
    );
}

#[test]
fn text_that_can_be_read() {
    check(
        r#""leaves":{"text":"readable"},"channels":{"*":{"table":{"on":true}}}"#,
        r#"{"a":"21.5 °C","b":"on","c":"hello","d":"7","e":"nan","f":"none"}"#,
        &[
            "d a F64(21.5) Arrival °C",
            "d b Bool(true) Arrival",
            "d d I64(7) Arrival",
            "missing d e nan e",
        ],
    );
}
