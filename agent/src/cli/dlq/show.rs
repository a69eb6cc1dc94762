//! How dead letters look.

use std::fmt::{self, Display, Formatter, Write};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::cli::text::{Hexdump, Plain, Start};
use crate::clock::rfc3339;
use crate::store::{DeadLetterRow, LetterCounts};

/// Characters of a payload in a list.
const START: usize = 70;

/// Whether not all of the payload was kept.
pub(super) fn is_cut(letter: &DeadLetterRow) -> bool {
    let kept = letter.payload.as_ref().map_or(0, Vec::len);
    letter.payload_len > kept as u64
}

/// A letter as JSON, whole.
pub(super) struct Letter<'l>(pub(super) &'l DeadLetterRow);

impl Serialize for Letter<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let letter = self.0;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("id", &letter.id)?;
        map.serialize_entry("at", &rfc3339(letter.at))?;
        map.serialize_entry("count", &letter.count)?;
        map.serialize_entry("source", &letter.source)?;
        map.serialize_entry("topic", &letter.topic)?;
        map.serialize_entry("reason", &letter.reason)?;
        map.serialize_entry("detail", &letter.detail)?;
        map.serialize_entry("payload_len", &letter.payload_len)?;
        map.serialize_entry("cut", &is_cut(letter))?;
        if !letter.trace_id.is_empty() {
            map.serialize_entry("trace_id", &letter.trace_id)?;
        }
        if let Some(payload) = &letter.payload {
            let (key, text) = payload_field(payload);
            map.serialize_entry(key, &text)?;
        }
        map.end()
    }
}

/// A letter as a line of a dump; `None` if its payload is damaged.
pub(super) fn dump_line(letter: &DeadLetterRow) -> Option<Value> {
    let (key, text) = payload_field(letter.payload.as_ref()?);
    let mut line = json!({"topic": letter.topic, key: text, "at": rfc3339(letter.at)});
    if is_cut(letter) {
        line["payload_len"] = json!(letter.payload_len);
    }
    Some(line)
}

/// As text where it is that, else as hexadecimal digits.
fn payload_field(payload: &[u8]) -> (&'static str, String) {
    if let Ok(text) = std::str::from_utf8(payload) {
        return ("payload", text.to_owned());
    }
    let mut hex = String::with_capacity(2 * payload.len());
    for byte in payload {
        let _ = write!(hex, "{byte:02x}");
    }
    ("payload_hex", hex)
}

/// Several, two lines each.
pub(super) struct List {
    pub(super) counts: LetterCounts,
    pub(super) letters: Vec<DeadLetterRow>,
}

impl Display for List {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for letter in &self.letters {
            let DeadLetterRow {
                id, count, source, ..
            } = letter;
            let at = rfc3339(letter.at);
            let at = at.split_once('.').map_or(&*at, |(seconds, _)| seconds);
            write!(
                f,
                "{id:>5}  {:<19}  {count:>5} ×  ",
                at.trim_end_matches('Z')
            )?;
            let (source, topic) = (Plain(source), Plain(&letter.topic));
            let (reason, detail) = (Plain(&letter.reason), Plain(&letter.detail));
            writeln!(f, "{source}  {topic}  {reason}: {detail}")?;
            match &letter.payload {
                Some(payload) => writeln!(f, "       {}", Start(payload, START))?,
                None => writeln!(f, "       (damaged)")?,
            }
        }
        let LetterCounts {
            kept,
            evicted,
            dropped,
            replayed,
        } = self.counts;
        write!(
            f,
            "{} of {kept} dead letters; {evicted} evicted, {dropped} dropped, {replayed} replayed so far",
            self.letters.len()
        )
    }
}

/// One, whole.
pub(super) struct Whole<'l>(pub(super) &'l DeadLetterRow);

impl Display for Whole<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let letter = self.0;
        let mut line = |label: &str, value: &dyn Display| writeln!(f, "{label:<8} {value}");
        line("id", &letter.id)?;
        line("last at", &rfc3339(letter.at))?;
        line("count", &letter.count)?;
        line("source", &Plain(&letter.source))?;
        line("topic", &Plain(&letter.topic))?;
        line("reason", &Plain(&letter.reason))?;
        line("detail", &Plain(&letter.detail))?;
        if !letter.trace_id.is_empty() {
            line("trace_id", &letter.trace_id)?;
        }
        let Some(payload) = &letter.payload else {
            return f.write_str("payload  damaged: what is stored fails its checksum");
        };
        write!(f, "payload  {} bytes", letter.payload_len)?;
        if is_cut(letter) {
            write!(f, ", of which {} were kept", payload.len())?;
        }
        f.write_str("\n\n")?;
        match std::str::from_utf8(payload) {
            Ok(text) => {
                let lines: Vec<_> = text
                    .split('\n')
                    .map(|line| Plain(line).to_string())
                    .collect();
                f.write_str(&lines.join("\n"))
            }
            Err(_) => f.write_str(Hexdump(payload).to_string().trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use eyot_pipeline::Timestamp;

    use super::*;
    use crate::cli::decode::dump;

    fn letter(payload: &[u8], payload_len: u64) -> DeadLetterRow {
        DeadLetterRow {
            id: 7,
            at: Timestamp::from_secs(1_767_225_600),
            source: "plant".into(),
            topic: "plant/m-1/speed".into(),
            reason: "payload".into(),
            detail: "not JSON".into(),
            payload: Some(payload.to_vec()),
            payload_len,
            trace_id: "0af7651916cd43dd".into(),
            count: 3,
        }
    }

    #[test]
    fn what_is_exported_can_be_read_back() {
        for payload in ["{\"v\": °\n".as_bytes(), b"\xff\x00{", b""] {
            let line = dump_line(&letter(payload, payload.len() as u64)).unwrap();
            assert_eq!(line.get("payload_len"), None);
            let text = line.to_string();
            let back = dump::lines(text.as_bytes()).next().unwrap().unwrap();
            assert_eq!(back.topic, "plant/m-1/speed");
            assert_eq!(back.payload, payload);
            assert_eq!(back.at, Some(Timestamp::from_secs(1_767_225_600)));
        }
    }

    #[test]
    fn a_letter_is_shown_whole_and_says_when_it_is_not() {
        let shown = Whole(&letter(b"\xffabc", 100)).to_string();
        let expected = "\
id       7
last at  2026-01-01T00:00:00Z
count    3
source   plant
topic    plant/m-1/speed
reason   payload
detail   not JSON
trace_id 0af7651916cd43dd
payload  100 bytes, of which 4 were kept

00000000  ff 61 62 63                                      |.abc|";
        assert_eq!(shown, expected);
        let shown = Whole(&letter(b"a\n\x1b[2J", 6)).to_string();
        assert!(
            shown.ends_with("payload  6 bytes\n\na\n\\u{1b}[2J"),
            "{shown}"
        );
        let json = serde_json::to_value(Letter(&letter(b"\xff", 1))).unwrap();
        assert_eq!(
            (&json["payload_hex"], &json["cut"]),
            (&json!("ff"), &json!(false))
        );
    }
}
