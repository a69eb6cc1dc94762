//! Any bytes at all, in every format and framing: random ones, and valid payloads that were damaged.
//!
//! `PROPTEST_CASES` says how many. The same checks run under a fuzzer, see tests/fuzz.

#[expect(unreachable_pub, reason = "it is a library of its own as well")]
#[path = "../../../tests/fuzz/src/lib.rs"]
mod fuzz;

use eyot_decode::Framing;
use proptest::prelude::*;
use proptest::sample::Index;

const FRAMINGS: [Framing; 6] = [
    Framing::Line,
    Framing::Block,
    Framing::Nmea,
    Framing::Dsmr,
    Framing::VeDirect,
    Framing::Sdi12,
];

/// A valid payload of each format, in the order of [`fuzz::RULES`].
const VALID: [&[u8]; 12] = [
    br#"{"ts":1767225600.5,"t":{"a":"2026-01-01T00:00:00Z"},"q":192,"n":7,"a":[1,2.5e3,-3],"b":[{"PM2.5":"4 V"},true,null],"u":"\u00b0\n","max":18446744073709551615}"#,
    b" 21.5 \r\n",
    br#"[{"bver":10,"bn":"urn:dev:7:","bt":1.767225600e9,"bu":"Cel","bv":20,"n":"t","v":1.5},{"n":"h","u":"%RH","t":-60,"v":40},{"n":"on","vb":true},{"n":"x","vs":"\u00e9"},{"n":"e","s":5}]"#,
    b"\x82\xa5\x21\x67pump-7/\x22\x1a\x69\x55\xb9\x00\x00\x61t\x01\x63Cel\x02\xf9\x4d\x60\xa4\x00\x65level\x01\x61m\x02\xc4\x82\x20\x0f\x06\xfb\x3f\xf0\0\0\0\0\0\0",
    b"pump\\ 1,host=a\\,b flow=1.5,n=12i,u=7u,on=t,s=\"x\\\"y\" 1767225600000000000\n# note\npump,host=c flow=-2e-3\n",
    b"\x00\x1d\x08\x80\xd0\xea\xb6\xb73\x12\x12\n\x05bdSeq\x18\x80\xd0\xea\xb6\xb73 \x08X\0\x18\0\x01\x58\x08\x80\xd0\xea\xb6\xb73\x125\n\x0bTemperature\x10\x01\x18\x80\xd0\xea\xb6\xb73 \nJ\x12\n\x07engUnit\x12\x07\x08\x0cB\x03\xc2\xb0Ci\0\0\0\0\0\x805@\x12\x16\n\x07Running\x10\x02\x18\x80\xd0\xea\xb6\xb73 \x0bp\x01\x18\x01\x02\x1d\x08\x88\xf7\xea\xb6\xb73\x12\x12\x10\x01\x18\x88\xf7\xea\xb6\xb73i\0\0\0\0\0@6@\x18\x02",
    b"\"date\";time;\"flow \"\"m\"\"\";n\r\n05/03/2026;12:00:00; 1.5;7\r\n# note\r\n06/03/2026;12:00:01;;8;9\r\n",
    b"t=21,5; rh = 40 %, \"k k\"='x' n = 12 C, id=0x1F\n",
    b"$GPRMC,120211.50,A,5321.6802,N,00630.3372,W,5.1,84.4,050326,,,A*7F\r\n$GPGGA,120211,5321.6802,N,00630.3372,W,1,8,0.9,12.5,M,,,,\r\n!AIVDM,1,1,,A,x,0\r\n$WIXDR,C,21.5,C,AIR,P,1.01,B,BARO\r\n",
    b"/XMX5 meter\r\n\r\n0-0:1.0.0(260101010000W)\r\n0-0:96.1.1(4530)\r\n1-0:1.8.1*255(000004.426*kWh)\r\n0-1:24.2.1(260101005500W)(00012.107*m3)\r\n0-1:24.3.0(260101000000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00012.1)\r\n1-0:99.97.0(1)(0-0:96.7.19)(260101000000W)(0000000301*s)\r\n!\r\n",
    b"\r\nPID\t0xA042\r\nSER#\tHQ1234ABCDE\r\nV\t12540\r\nI\t-650\r\nCS\t3\r\nLOAD\tON\r\nChecksum\t\xe9:A4F\n",
    b"0D0!0+2591-70.6+25.53+0\r\n",
];

/// What rules read.
const WHAT: [&str; 5] = [
    r#""leaves":{}"#,
    r#""leaves":{"below":"b","join":"/","rename":{"*a*":"x*"}}"#,
    r#""value":".","channel":"{a|b.\"c\"|n}""#,
    r#""values":{"c":"a[-1]","d":"$.b.c"}"#,
    r#""liveness":{"path":"a","online":[1,true,"on"]},"device":"{a|n}""#,
];

/// What else stands in rules. Of two that have the same key, the later one counts.
const ELSE: [&str; 12] = [
    r#""each":"{k}.{l}","unit":"{k}{l}""#,
    r#""each":"*[*]""#,
    r#""samples":{"interval_from":"n"}"#,
    r#""samples":{"rate":1e9,"time_of":"first"}"#,
    r#""time":["a.@","@.b","n"],"time_format":"unix""#,
    r#""time":{"text":"{a}{n}","format":"%Y%m%d","zone":"Europe/Berlin"}"#,
    r#""time":{"path":"n","format":"unix_ms","zone":"America/New_York","local_epoch":true},"before_2000":"reject""#,
    r#""lookup":{"file":"ids.csv","key":"{n}","optional":true}"#,
    r#""where":[{"of":"{n}","is_not":[0]}],"unknown":"record""#,
    r#""channels":{"*":{"format":"f32_words","scale":1e300,"missing":[1,""]}}"#,
    r#""channels":{"*a*":{"format":"decimal_comma","offset":-1},"*":{"table":{"1":true},"unit":"V"}}"#,
    r#""quality":{"path":"a"},"sequence":{"path":"n"},"message_id":"b","historical":"a""#,
];

/// Damage done to a payload.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    Repeat(Index, u8),
    Cut(Index),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |index: &Index| index.index(bytes.len() + 1);
        let range = |index: &Index, len: u8| {
            let start = at(index);
            start..bytes.len().min(start + usize::from(len))
        };
        match self {
            Self::Flip(index, bits) => {
                let at = at(index);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Self::Insert(index, more) => {
                let at = at(index);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(index, len) => {
                let range = range(index, *len);
                bytes.drain(range);
            }
            Self::Repeat(index, len) => {
                let range = range(index, *len);
                bytes.extend_from_within(range);
            }
            Self::Cut(index) => {
                let at = at(index);
                bytes.truncate(at);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        // Signs that mean something in one format or another.
        (place(), "[]\\[{}\"',;:=+\\-.eE0-9 \t\r\n$!/()*#]{1,8}")
            .prop_map(|(at, text)| Damage::Insert(at, text.into_bytes())),
        (place(), prop::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (place(), 1..20_u8).prop_map(|(at, len)| Damage::Remove(at, len)),
        (place(), 1..40_u8).prop_map(|(at, len)| Damage::Repeat(at, len)),
        place().prop_map(Damage::Cut),
    ]
}

/// A valid payload with some damage; the position of its format.
fn damaged() -> impl Strategy<Value = (usize, Vec<u8>)> {
    let damages = prop::collection::vec(damage(), 0..4);
    (0..VALID.len(), damages).prop_map(|(format, damages)| {
        let mut bytes = VALID[format].to_vec();
        for damage in damages {
            damage.apply(&mut bytes);
        }
        (format, bytes)
    })
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

#[test]
fn every_format_reads_what_is_valid() {
    for ((format, _), payload) in fuzz::RULES.iter().zip(VALID) {
        let readings = fuzz::decode(format, payload);
        assert!(readings > 0, "{format}: nothing comes out of it");
    }
}

proptest! {
    #[test]
    fn no_payload_breaks_its_format((format, payload) in damaged()) {
        fuzz::decode(fuzz::RULES[format].0, &payload);
    }

    #[test]
    fn no_payload_breaks_another_format((_, payload) in damaged(), format in 0..VALID.len()) {
        fuzz::decode(fuzz::RULES[format].0, &payload);
    }

    #[test]
    fn no_bytes_break_a_format(payload in any_bytes(), format in 0..VALID.len()) {
        fuzz::decode(fuzz::RULES[format].0, &payload);
    }

    #[test]
    fn frames_do_not_depend_on_cuts((_, payload) in damaged(), framing in 0..FRAMINGS.len(), step in 1..40_usize) {
        let stream = [&payload[..], &payload].concat();
        fuzz::frames(FRAMINGS[framing], &stream, step);
    }

    #[test]
    fn random_frames_do_not_depend_on_cuts(stream in any_bytes(), framing in 0..FRAMINGS.len(), step in 1..40_usize) {
        fuzz::frames(FRAMINGS[framing], &stream, step);
    }

    #[test]
    fn no_topic_breaks_a_pattern(pattern in "[ab/+#{}:.*\\\\]{0,12}", topic in "[ab/$+é]{0,10}") {
        let pattern = serde_json::Value::from(pattern);
        let rule = format!(r#"{{"topic":{pattern},"decoder":"value","device":"d","channel":"c"}}"#);
        fuzz::mapping(&rule, &topic, b"1");
    }

    #[test]
    fn no_path_or_template_breaks_a_mapping(
        path in "[ab@$.*\\[\\]{}|\"0-]{1,10}",
        payload in r#"\{("[ab]":(-?[0-9]{1,20}|"[a1]?"|\[1,\{"a":2\}\]|\{"b":[0-9],"a":\[\]\}),){0,3}"n":[0-9]\}"#,
    ) {
        let path = serde_json::Value::from(path);
        for keys in ["value", "each", "channel", "unit", "device", "time"] {
            let rest = if keys == "value" { "" } else { r#","leaves":{}"# };
            let channel = if keys == "value" { r#","channel":"c""# } else { "" };
            let rule = format!(r#"{{"{keys}":{path}{rest}{channel}}}"#);
            fuzz::mapping(&rule, "t/d", payload.as_bytes());
        }
    }

    #[test]
    fn no_rule_breaks(
        what in prop::sample::select(&WHAT[..]),
        more in prop::sample::subsequence(&ELSE[..], 0..6),
        payload in r#"\{("[abt]":(-?[0-9]{1,20}|null|"[a0]?"|\[1,2\]|\[\{"a":1\}\]|\{"a":1,"b":\[\]\}),){0,4}"n":[0-9.]{1,14}\}"#,
    ) {
        let keys = [&[what], &more[..]].concat().join(",");
        prop_assert!(fuzz::mapping(&format!("{{{keys}}}"), "t/d", payload.as_bytes()), "no rule: {keys}");
    }
}
