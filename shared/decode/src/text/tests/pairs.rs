use super::*;

fn check(spec: &Separated, text: &str, expected: &str) {
    let found = read(&mut KeyValue::new(spec), text);
    assert_eq!(found.as_deref(), Ok(expected), "{text}");
}

#[test]
fn are_found_however_they_are_separated() {
    let any = Separated::default();
    let th = r#"{"t": (21.5), "h": (40)}"#;
    for text in [
        "t=21.5,h=40",
        "t=21.5, h=40\r\n",
        "t:21.5 h:40",
        "t: 21.5 h: 40",
        "t=21.5;h=40;",
        "t = 21.5 h = 40",
        "t:21.5\nh:40\n",
        "t=21.5\th=40",
        "[12:30] t=21.5 h=40",
        "\"t\"=21.5,OK,h=40",
    ] {
        check(&any, text, th);
    }
    check(
        &any,
        "temp = 21.5 C; rh = 40",
        r#"{"temp": ("21.5 C"), "rh": (40)}"#,
    );
    check(
        &any,
        "temp=21.5 C rh=40 %",
        r#"{"temp": ("21.5 C"), "rh": ("40 %")}"#,
    );
    check(&any, "1=5,2=6", r#"{"1": (5), "2": (6)}"#);
    check(
        &any,
        "Room Temp: 21.5, Signal: -70 dBm",
        r#"{"Room Temp": (21.5), "Signal": ("-70 dBm")}"#,
    );
}

#[test]
fn values_keep_what_belongs_to_them() {
    let any = Separated::default();
    check(
        &any,
        r#"at=12:30:05 mac=AA:BB:CC pos=51.5,7.9 note="a, b=c" e= id=007"#,
        r#"{"at": ("12:30:05"), "mac": ("AA:BB:CC"), "pos": ("51.5,7.9"), "note": ("a, b=c"), "e": Null, "id": ("007")}"#,
    );
    check(
        &any,
        "time:12:30:05 t:5",
        r#"{"time": ("12:30:05"), "t": (5)}"#,
    );
    let comma = separated(|spec| spec.decimal_comma = true);
    check(&comma, "t=21,5,h=40", r#"{"t": (21.5), "h": (40)}"#);
}

#[test]
fn are_separated_as_configured() {
    let spec = separated(|spec| {
        spec.separator = Some("|".into());
        spec.assign = Some("->".into());
        spec.comment = Some("#".into());
    });
    check(
        &spec,
        "# x->1\na b -> 1 | c->2,3|d",
        r#"{"a b": (1), "c": ("2,3")}"#,
    );
    assert_eq!(
        read(&mut KeyValue::new(&spec), "booting").unwrap_err(),
        "no pair like `key=value` or `key:value` in `booting`"
    );
}
