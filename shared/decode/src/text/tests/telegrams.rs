use super::*;

fn dsmr(text: &str) -> String {
    read(&mut Dsmr::new(), text).unwrap()
}

#[test]
fn of_dsmr_5() {
    let text = dsmr(&include_str!("../testdata/dsmr5.txt").replace('\n', "\r\n"));
    for part in [
        r#"{"header": ("ISk5\\2MT382-1000"), "equipment_id": ("4B384547303034303436333935353037"), "#,
        r#""time": ("170102192002W")"#,
        r#""1-0:1.7.0": {"value": (0.244), "unit": ("kW")}"#,
        r#""0-0:96.14.0": {"value": (2)}"#,
        r#""0-0:96.13.0": {"text": Null}"#,
        r#""1-0:99.97.0": {"text": ("(0)(0-0:96.7.19)")}"#,
        r#""0-1:24.2.1": {"time": ("170102161005W"), "value": (0.107), "unit": ("m3"), "id": ("3232323241424344313233343536373839")}"#,
        r#""0-2:24.1.0": {"value": (3)}, "0-2:96.1.0": {"text": Null}}"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn of_other_meters() {
    assert_eq!(
        dsmr(
            "/ESY5Q3DB1024 V3.04\r\n\r\n1-0:0.0.0*255(0272031312565)\r\n1-0:1.8.0*255(00052185.7825309*kWh)\r\n!\r\n"
        ),
        concat!(
            r#"{"header": ("ESY5Q3DB1024 V3.04"), "equipment_id": ("0272031312565"), "#,
            r#""1-0:0.0.0": {"text": ("0272031312565")}, "1-0:1.8.0": {"value": (52185.7825309), "unit": ("kWh")}}"#
        )
    );
    assert_eq!(
        dsmr(
            "0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)\r\n0-1:24.4.0(1)\r\n"
        ),
        concat!(
            r#"{"0-1:24.3.0": {"time": ("161107190000"), "value": (1.001), "unit": ("m3")}, "#,
            r#""0-1:24.4.0": {"value": (1)}}"#
        )
    );
}

#[test]
fn odd_values_are_no_readings() {
    assert_eq!(
        dsmr(
            "0-1:24.2.1(700101010000W)(00000000)\r\n1-0:1.8.0(006545766*Wh)\r\n1-0:1.8.1(00\r\n0-0:98.1.0(4)(1-0:1.6.0)(632525252525W)(00.000*kW)\r\n1-0:1.7.0()\r\n"
        ),
        concat!(
            r#"{"0-1:24.2.1": {"time": ("700101010000W"), "value": (0)}, "#,
            r#""1-0:1.8.0": {"value": (6545766), "unit": ("Wh")}, "#,
            r#""0-0:98.1.0": {"text": ("(4)(1-0:1.6.0)(632525252525W)(00.000*kW)")}, "#,
            r#""1-0:1.7.0": {"value": Null}}"#
        )
    );
    assert!(read(&mut Dsmr::new(), "/only a header\r\n").is_err());
}
