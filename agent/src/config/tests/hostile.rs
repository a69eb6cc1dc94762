//! Whatever is thrown at it, there is a configuration or a fault with a place in the file.

use proptest::prelude::*;

use super::{examples, parse};

/// Holds the invariant for one text.
fn survives(text: &str) {
    let Err(faults) = parse(text) else { return };
    assert!(!faults.list.is_empty(), "refused without a reason");
    let lines: Vec<&str> = text.split('\n').collect();
    for fault in &faults.list {
        let place = fault.place.as_ref().unwrap();
        assert!((1..=lines.len()).contains(&place.line), "{fault}");
        let length = lines[place.line - 1].chars().count();
        assert!((1..=length + 1).contains(&place.column), "{fault}");
    }
    assert!(!faults.to_string().is_empty());
}

fn pump() -> String {
    std::fs::read_to_string(examples().join("pump.toml")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn byte_soup(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn toml_soup(text in r#"([a-c\[\]{}"'=.,#\n\r\t 0-9é+-]|\[\[class\]\]|class|source|agent|"""|1e9)*"#) {
        survives(&text);
    }

    #[test]
    fn truncated(cut in 0.0..1.0) {
        let text = pump();
        let end = text.floor_char_boundary((text.len() as f64 * cut) as usize);
        survives(&text[..end]);
    }

    #[test]
    fn mutated(edits in prop::collection::vec((0.0..1.0, 0_usize..12, r#"[a-z\[\]{}"=.,#\n0-9é-]{0,4}"#), 1..5)) {
        let mut text = pump();
        for (at, length, new) in edits {
            let start = text.floor_char_boundary((text.len() as f64 * at) as usize);
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &new);
        }
        survives(&text);
    }

    #[test]
    fn lines_lost_or_doubled(picks in prop::collection::vec(0_usize..3, 60)) {
        let text = pump();
        let lines = text.lines().zip(picks.iter().cycle());
        let text: String = lines
            .flat_map(|(line, &copies)| std::iter::repeat_n(format!("{line}\n"), copies))
            .collect();
        survives(&text);
    }
}
