use super::*;

fn check(text: &str, expected: &str) {
    assert_eq!(
        read(&mut Sdi12::new(), text).as_deref(),
        Ok(expected),
        "{text:?}"
    );
}

#[test]
fn values_have_signs() {
    check(
        "\x000D0!0+2591+706+25.53+0\r\n",
        r#"{"address": ("0"), "kind": ("data"), "values": [(2591), (706), (25.53), (0)], "v1": (2591), "v2": (706), "v3": (25.53), "v4": (0)}"#,
    );
    check(
        "z-22.5",
        r#"{"address": ("z"), "kind": ("data"), "values": [(-22.5)], "v1": (-22.5)}"#,
    );
}

#[test]
fn the_crc_is_checked_where_there_is_one() {
    check(
        "0+3.14OqZ\r\n",
        r#"{"address": ("0"), "kind": ("data"), "values": [(3.14)], "v1": (3.14)}"#,
    );
    let vaisala = read(&mut Sdi12::new(), "1D0!1+2.7+85.2-0.2-2.7+770.5CAH").unwrap();
    assert!(vaisala.contains(r#""v5": (770.5)"#), "{vaisala}");
    assert_eq!(
        read(&mut Sdi12::new(), "0+3.15OqZ").unwrap_err(),
        "the CRC of the SDI-12 response is `OqZ`, its characters give `Cr[`: garbled on the line"
    );
}

#[test]
fn other_responses_have_no_values() {
    let check = |text, kind| {
        check(
            text,
            &format!(r#"{{"address": ("0"), "kind": ("{kind}")}}"#),
        );
    };
    check("00084", "measurement");
    check("0M!00084", "measurement");
    check("0C!000812", "measurement");
    check("0\r\n", "acknowledge");
    check("0D0!", "command");
    self::check(
        "0I!013CAMPBELLCS451 003 12345\r\n",
        r#"{"address": ("0"), "kind": ("identification"), "text": ("13CAMPBELLCS451 003 12345")}"#,
    );
}

#[test]
fn anything_else_is_an_error() {
    for text in [
        "", "booting", "0+1.2.3", "0+", "+1+2", "0+1+é+2", "é", "0é1", "0123",
    ] {
        assert!(read(&mut Sdi12::new(), text).is_err(), "{text}");
    }
}
