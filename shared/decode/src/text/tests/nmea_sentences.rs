use super::*;

#[test]
fn a_fix_is_in_degrees() {
    assert_eq!(
        named("$GPRMC,210209.000,A,5347.5779,S,00754.1630,W,010.5,084.4,300717,,,A"),
        concat!(
            r#""talker": ("GP"), "type": ("RMC"), "valid": Bool(true), "status": ("A"), "#,
            r#""time": ("210209.000"), "date": ("300717"), "utc": ("2017-07-30T21:02:09.000Z"), "#,
            r#""lat": (-53.792965), "lon": (-7.902716666666667), "speed_kn": (10.5), "course": (84.4)"#
        )
    );
    assert_eq!(
        named("$GNGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*59"),
        concat!(
            r#""talker": ("GN"), "type": ("GGA"), "valid": Bool(true), "time": ("123519"), "#,
            r#""lat": (48.1173), "lon": (11.516666666666667), "quality": (1), "satellites": (8), "#,
            r#""hdop": (0.9), "altitude": (545.4)"#
        )
    );
}

#[test]
fn no_fix_has_no_position() {
    let void = named("$GPRMC,210209.000,V,5347.5779,N,00754.1630,E,000.0,000.0,300717,,,N*77");
    let end = r#""valid": Bool(false), "status": ("V"), "time": ("210209.000"), "date": ("300717"), "utc": ("2017-07-30T21:02:09.000Z"), "lat": Null, "lon": Null, "speed_kn": Null, "course": Null"#;
    assert!(void.ends_with(end), "{void}");
    let void = named("$GPGGA,,,,,,0,00,99.99,,,,,,");
    assert!(
        void.contains(r#""valid": Bool(false), "lat": Null"#),
        "{void}"
    );
    assert!(named("$GPGLL,,,,,,V,N").contains(r#""lat": Null"#));
    assert!(named("$GPVTG,,T,,M,,N,,K,N").ends_with(r#""course": Null, "speed_kn": Null"#));
}

#[test]
fn other_sentences_have_their_names() {
    let check = |text: &str, end: &str| assert!(named(text).ends_with(end), "{}", named(text));
    check(
        "$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K",
        r#""course": (54.7), "speed_kn": (5.5)"#,
    );
    check(
        "$GPVTG,054.7,034.4,005.5,010.2",
        r#""course": (54.7), "speed_kn": (5.5)"#,
    );
    check(
        "$WIMWV,214.8,R,0.1,N,A",
        r#""status": ("A"), "wind_angle": (214.8), "reference": ("R"), "wind_speed": (0.1), "unit": ("kn")"#,
    );
    check("$SDDBT,10,f,,M,,F", r#""depth_m": (3.048)"#);
    check("$SDDPT,2.4,-0.5", r#""depth_m": (2.4), "offset_m": (-0.5)"#);
    check(
        "$IIMTW,17.9,C*1C",
        r#""water_temperature": (17.9), "unit": ("C")"#,
    );
    check(
        "$HCHDG,98.3,0.0,E,12.6,W",
        r#""heading_magnetic": (98.3), "deviation": (0.0), "variation": (-12.6)"#,
    );
    check(
        "$GPZDA,201530.00,04,07,2002,00,00",
        r#""utc": ("2002-07-04T20:15:30.00Z")"#,
    );
    check(
        "$IIXDR,C,19.5,C,TempAir,P,1.02,B,Baro",
        r#""transducers": [{"kind": ("C"), "value": (19.5), "unit": ("C"), "name": ("TempAir")}, {"kind": ("P"), "value": (1.02), "unit": ("B"), "name": ("Baro")}]"#,
    );
    assert_eq!(
        read(&mut Nmea::new(), "$PGRME,15.0,M,,x").unwrap(),
        r#"[{"talker": ("P"), "type": ("GRME"), "valid": Bool(true), "f1": (15.0), "f2": ("M"), "f3": Null, "f4": ("x")}]"#
    );
}

#[test]
fn what_cannot_be_is_left_for_rejection() {
    assert!(
        named("$GPGLL,9907.0,N,01160.0,E,,A").ends_with(r#""lat": ("9907.0"), "lon": ("01160.0")"#)
    );
    assert!(!named("$GPRMC,250000,A,,,,,,,300717").contains("utc"));
    assert!(!named("$GPRMC,235959,A,,,,,,,301317").contains("utc"));
}

#[test]
fn good_sentences_of_a_file_count() {
    let all = read(
        &mut Nmea::new(),
        "log\r\n$IIMTW,1,C*00\r\n$IIMTW,17.9,C*1C\r\n",
    )
    .unwrap();
    assert!(
        all.starts_with(r#"[{"invalid": ("the checksum of the sentence `$IIMTW,1,C*00` is `00`"#)
    );
    assert!(all.contains("17.9"));
    let error = read(&mut Nmea::new(), "booting").unwrap_err();
    assert_eq!(
        error,
        "no NMEA sentence, which begins with `$` or `!`, in `booting`"
    );
    assert!(read(&mut Nmea::new(), "$").is_err());
}
