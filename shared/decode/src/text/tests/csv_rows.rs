use super::*;

fn check(reader: &mut Csv, text: &str, expected: &str) {
    assert_eq!(read(reader, text).as_deref(), Ok(expected), "{text}");
}

fn csv() -> Csv {
    Csv::new(&Separated::default())
}

#[test]
fn names_come_from_the_header_and_stay() {
    let mut csv = csv();
    let header = "\u{feff}\"iter\",\"datetime\",\"Pression Atmosphérique (hectopascal)\"\n";
    check(&mut csv, header, "[]");
    let row = r#"[{"iter": (1), "datetime": ("01/01/2021 00:01:29"), "Pression Atmosphérique (hectopascal)": (990.92)}]"#;
    check(&mut csv, "1,01/01/2021 00:01:29, 990.92", row);
    check(&mut csv, header, "[]");
    check(&mut csv, "1,01/01/2021 00:01:29, 990.92\r\n", row);
}

#[test]
fn without_a_header_columns_have_numbers() {
    check(
        &mut csv(),
        "# time, t\n\n1,\"a \"\"b\"\", c\",007,-4.5e1\r\n2,,\"x\ny\",+3\n",
        r#"[{"c1": (1), "c2": ("a \"b\", c"), "c3": ("007"), "c4": (-45.0)}, {"c1": (2), "c2": Null, "c3": ("x\ny"), "c4": (3)}]"#,
    );
    check(&mut csv(), "1;2,5\n", r#"[{"c1": (1), "c2": ("2,5")}]"#);
    check(
        &mut csv(),
        "1\t\t3\n",
        r#"[{"c1": (1), "c2": Null, "c3": (3)}]"#,
    );
}

#[test]
fn rows_without_numbers_are_no_headers() {
    let mut csv = csv();
    check(&mut csv, "nan,--\n", r#"[{"c1": ("nan"), "c2": ("--")}]"#);
    check(
        &mut csv,
        "device,state\npump,running\nbooting\ndevice,state,count\npump,idle,5\n",
        concat!(
            r#"[{"device": ("pump"), "state": ("running")}, "#,
            r#"{"device": ("booting"), "_extra": ("1 columns instead of 2")}, "#,
            r#"{"device": ("pump"), "state": ("idle"), "count": (5)}]"#
        ),
    );
}

#[test]
fn columns_that_are_too_many_or_too_few_are_seen() {
    check(
        &mut csv(),
        "a,b\n1,2,\n1,2,3\n1\n",
        concat!(
            r#"[{"a": (1), "b": (2)}, "#,
            r#"{"a": (1), "b": (2), "c3": (3), "_extra": ("3 columns instead of 2")}, "#,
            r#"{"a": (1), "_extra": ("1 columns instead of 2")}]"#
        ),
    );
}

#[test]
fn the_configuration_decides() {
    let spec = separated(|spec| {
        spec.columns = vec!["t".into(), "p".into()];
        spec.decimal_comma = true;
        spec.comment = Some("//".into());
    });
    check(
        &mut Csv::new(&spec),
        "zeit;druck\n// x\n01.02.2024;1.990,92\n12,5;-0,5\n",
        r#"[{"t": ("01.02.2024"), "p": (1990.92)}, {"t": (12.5), "p": (-0.5)}]"#,
    );
    let blank = separated(|spec| spec.separator = Some(" ".into()));
    check(
        &mut Csv::new(&blank),
        "  21.5   40 \n1 2",
        r#"[{"c1": (21.5), "c2": (40)}, {"c1": (1), "c2": (2)}]"#,
    );
    let signs = separated(|spec| spec.separator = Some("||".into()));
    check(
        &mut Csv::new(&signs),
        "1||2|3",
        r#"[{"c1": (1), "c2": ("2|3")}]"#,
    );
}

#[test]
fn text_in_another_charset_is_an_error_that_helps() {
    assert_eq!(
        read_bytes(&mut csv(), b"Atmosph\xe9rique").unwrap_err(),
        "not text: byte 8 is not UTF-8; if the device writes Latin-1, set `charset = \"latin1\"`"
    );
}
