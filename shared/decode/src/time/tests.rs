mod properties;

use super::*;

fn reader(format: &str, zone: &str) -> TimeReader {
    let some = |text: &'static str| (!text.is_empty()).then_some(text);
    let (format, zone) = (format.to_owned().leak(), zone.to_owned().leak());
    TimeReader::compile(some(format), some(zone), false).unwrap()
}

fn utc(text: &str) -> i64 {
    let timestamp: jiff::Timestamp = text.parse().unwrap();
    timestamp.as_nanosecond() as i64
}

#[track_caller]
fn check<'a>(format: &str, zone: &str, cases: impl IntoIterator<Item = (Scalar<'a>, &'a str)>) {
    let reader = reader(format, zone);
    for (value, expected) in cases {
        let got = reader.read(value);
        if expected == "error" {
            assert!(got.is_err(), "{value:?} is {got:?}");
        } else {
            let expected = Instant::Utc(Timestamp(utc(expected)));
            assert_eq!(got, Ok(expected), "{value:?}");
        }
    }
}

#[track_caller]
fn texts<'a>(format: &str, zone: &str, cases: &[(&'a str, &'a str)]) {
    let cases = cases.iter().map(|&(text, time)| (Scalar::Text(text), time));
    check(format, zone, cases);
}

#[test]
fn iso_8601() {
    texts(
        "iso8601",
        "",
        &[
            ("2024-03-05T12:02:11Z", "2024-03-05T12:02:11Z"),
            ("2024-03-05 12:02:11", "2024-03-05T12:02:11Z"),
            ("2024-03-05t12:02z", "2024-03-05T12:02:00Z"),
            (
                " 2020-08-27T07:10:24.360316 ",
                "2020-08-27T07:10:24.360316Z",
            ),
            ("2024-03-05T12:02:11,5Z", "2024-03-05T12:02:11.5Z"),
            (
                "2021-06-15T19:37:55.1340000999Z",
                "2021-06-15T19:37:55.134000099Z",
            ),
            ("2020-10-15T05:30:47+00:00", "2020-10-15T05:30:47Z"),
            ("2020-10-15T05:30:47+0130", "2020-10-15T04:00:47Z"),
            ("2020-10-15T05:30:47-08", "2020-10-15T13:30:47Z"),
            ("2021-06-15 19:37:55 +0000", "2021-06-15T19:37:55Z"),
            ("2021-06-15 19:37:55 UTC", "2021-06-15T19:37:55Z"),
            ("20240305T120211Z", "2024-03-05T12:02:11Z"),
            ("20240305T1202+01", "2024-03-05T11:02:00Z"),
            ("20240305 12:02:11.25", "2024-03-05T12:02:11.25Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
            ("2023-02-29T00:00:00Z", "error"),
            ("2024-13-01T00:00:00Z", "error"),
            ("2024-03-05T24:00:01Z", "error"),
            ("2024-03-05T12:02:11.", "error"),
            ("2024-03-05T12:02:11 ", "2024-03-05T12:02:11Z"),
            ("2024-03-05T12:02:11Zx", "error"),
            ("2024-03-05T12:02:11+1", "error"),
            ("2024-03-05T12:02:11+01:", "error"),
            ("2024-03-05T12:02:11+25:00", "error"),
            ("2024-03-05", "error"),
            ("2024-0305T12:02:11", "error"),
            ("9999-01-01T00:00:00Z", "error"),
            ("", "error"),
        ],
    );
    check("iso8601", "", [(Scalar::Int(1_709_640_131), "error")]);
}

#[test]
fn local_times() {
    texts(
        "iso8601",
        "Europe/Berlin",
        &[
            ("2018-03-02T18:25:03", "2018-03-02T17:25:03Z"),
            ("2018-10-23T23:47:58", "2018-10-23T21:47:58Z"),
            ("2018-10-23T23:47:58Z", "2018-10-23T23:47:58Z"),
            // Twice: summer time; never: as if winter time went on.
            ("2024-10-27T02:30:00", "2024-10-27T00:30:00Z"),
            ("2024-03-31T02:30:00", "2024-03-31T01:30:00Z"),
        ],
    );
    let local = TimeReader::compile(Some("unix_s"), Some("Europe/Berlin"), true).unwrap();
    let winter = Instant::Utc(Timestamp(utc("2024-03-05T11:02:11Z")));
    assert_eq!(local.read(Scalar::Int(1_709_640_131)), Ok(winter));
    let summer = Instant::Utc(Timestamp(utc("2024-07-01T10:00:00Z")));
    assert_eq!(local.read(Scalar::Text("1719835200")), Ok(summer));
}

#[test]
fn numbers_since_1970() {
    use Scalar::{Bool, Float, Int, Null, Text, Uint};
    check(
        "unix_s",
        "",
        [
            (Int(1_709_640_131), "2024-03-05T12:02:11Z"),
            (Text(" 1709640131 "), "2024-03-05T12:02:11Z"),
            (
                Text("1709640131.123456789123"),
                "2024-03-05T12:02:11.123456789Z",
            ),
            (Float(1_709_640_131.123_456), "2024-03-05T12:02:11.123456Z"),
            (Float(1.61), "1970-01-01T00:00:01.61Z"),
            (Text("1.320067464e+09"), "2011-10-31T13:24:24Z"),
            (Int(-1), "1969-12-31T23:59:59Z"),
            (Text("-0.5"), "1969-12-31T23:59:59.5Z"),
            (Int(i64::MAX), "error"),
            (Float(f64::NAN), "error"),
            (Float(f64::INFINITY), "error"),
            (Float(1e300), "error"),
            (Text("1e300"), "error"),
            (Text("inf"), "error"),
            (Text("99999999999999999999"), "error"),
            (Text("12:00"), "error"),
            (Text(""), "error"),
            (Text("-"), "error"),
            (Text("."), "error"),
            (Uint(u64::MAX), "error"),
            (Bool(true), "error"),
            (Null, "error"),
        ],
    );
    check(
        "unix_ms",
        "",
        [(Int(1_623_785_875_134), "2021-06-15T19:37:55.134Z")],
    );
    check(
        "unix_us",
        "",
        [(Text("1623785875134001"), "2021-06-15T19:37:55.134001Z")],
    );
    let ns = [(
        Int(1_465_839_830_100_400_200),
        "2016-06-13T17:43:50.1004002Z",
    )];
    check("unix_ns", "", ns);
}

#[test]
fn the_size_tells_what_a_number_counts() {
    let time = "2024-03-05T12:02:11Z";
    for format in ["", "unix"] {
        for factor in [1, 1000, 1_000_000, 1_000_000_000] {
            let number = 1_709_640_131 * factor;
            check(
                format,
                "",
                [
                    (Scalar::Int(number), time),
                    (Scalar::Float(number as f64), time),
                ],
            );
            texts("unix", "", &[(number.to_string().leak(), time)]);
        }
    }
    texts(
        "",
        "",
        &[(time, time), ("1709640131", time), ("17096", "error")],
    );
}

#[test]
fn a_sender_s_own_clock() {
    let read = |format, value| reader(format, "").read(value);
    let at = |ns| Ok(Instant::DeviceClock(ns));
    assert_eq!(
        read("uptime_ms", Scalar::Int(599_025_762)),
        at(599_025_762_000_000)
    );
    assert_eq!(read("uptime_s", Scalar::Float(1.61)), at(1_610_000_000));
    assert_eq!(read("uptime_us", Scalar::Text("12")), at(12_000));
    assert!(read("uptime_us", Scalar::Text("x")).is_err());
}

#[test]
fn p1_telegrams() {
    let cases = [
        ("170102192002W", "2017-01-02T18:20:02Z"),
        ("230831181500S", "2023-08-31T16:15:00Z"),
        ("230831181500", "2023-08-31T16:15:00Z"),
        // The hour that happens twice, told apart by the letter.
        ("241027023000S", "2024-10-27T00:30:00Z"),
        ("241027023000W", "2024-10-27T01:30:00Z"),
        // A gas meter that is not there.
        ("700101010000W", "1970-01-01T00:00:00Z"),
        ("632525252525W", "error"),
        ("170102192002X", "error"),
        ("170102", "error"),
        ("17010219200éW", "error"),
    ];
    texts("dsmr", "", &cases[..5]);
    texts("dsmr", "", &cases[6..]);
    texts("dsmr", "", &[("700101010000W", "1970-01-01T00:00:00Z")]);
    texts(
        "dsmr",
        "Europe/Vilnius",
        &[("230831181500S", "2023-08-31T15:15:00Z")],
    );
    texts(
        "dsmr",
        "Australia/Sydney",
        &[("240115120000S", "2024-01-15T01:00:00Z")],
    );
}

#[test]
fn patterns() {
    let date = "%d/%m/%Y %H:%M:%S";
    texts(
        date,
        "",
        &[
            (" 01/02/2021 00:01:29", "2021-02-01T00:01:29Z"),
            ("x", "error"),
        ],
    );
    texts(
        date,
        "Europe/Berlin",
        &[("01/07/2021 02:00:00", "2021-07-01T00:00:00Z")],
    );
    texts(
        "%d%m%y %H%M%S%.f",
        "",
        &[
            ("300717 210209.500", "2017-07-30T21:02:09.5Z"),
            ("300717 210209", "2017-07-30T21:02:09Z"),
        ],
    );
    texts(
        "%H:%M:%S.%f %y-%m-%d",
        "",
        &[("12:00:00.250 24-03-05", "2024-03-05T12:00:00.25Z")],
    );
    texts(
        "%Y-%m-%d %H:%M %z",
        "Europe/Berlin",
        &[("2024-03-05 12:00 +0300", "2024-03-05T09:00:00Z")],
    );
    texts(
        "%m/%d/%Y %I:%M %p",
        "",
        &[("03/05/2024 01:02 PM", "2024-03-05T13:02:00Z")],
    );
    texts(
        "%Y-%m-%d",
        "Europe/Berlin",
        &[("2024-03-05", "2024-03-04T23:00:00Z")],
    );
    let number = [(Scalar::Int(20_240_305_120_211), "2024-03-05T12:02:11Z")];
    check("%Y%m%d%H%M%S", "", number);
}

#[test]
fn faults_are_told() {
    let fault = |format, zone, local| TimeReader::compile(format, zone, local).unwrap_err();
    assert!(fault(Some("unix_h"), None, false).starts_with("`unix_h` is not a way to write times"));
    assert!(
        fault(None, Some("Europe/Berln"), false)
            .contains("`Europe/Berln` is not an IANA time zone")
    );
    assert!(fault(Some("%H:%M:%S"), None, false).contains("does not give a date"));
    assert!(fault(Some("%Y %!"), None, false).contains("can't be read"));
    assert!(fault(Some("iso8601"), None, true).contains("`local_epoch` is for"));
    assert!(fault(Some("uptime_s"), None, true).contains("`local_epoch` is for"));
    assert!(TimeReader::compile(None, Some("Europe/Berlin"), true).is_ok());
    assert_eq!(
        reader("dsmr", "")
            .read(Scalar::Text("632525252525W"))
            .unwrap_err(),
        "`632525252525W` is not a time of a P1 telegram like `240305130211W`, or not between the years \
         1678 and 2262"
    );
}
