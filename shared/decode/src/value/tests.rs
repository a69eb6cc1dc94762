mod formats;
mod properties;

use super::*;
use crate::Doc;
use crate::config::Literal;

/// What a channel makes of a payload, which is a scalar or array as Rust writes it.
struct Check {
    spec: Channel,
    unit: &'static str,
}

fn channel(change: impl FnOnce(&mut Channel)) -> Check {
    let mut spec = Channel::default();
    change(&mut spec);
    Check { spec, unit: "" }
}

fn plain() -> Check {
    channel(|_| {})
}

fn format(format: Number) -> Check {
    channel(|spec| spec.format = format)
}

fn table<const N: usize>(words: [(&str, Literal); N]) -> Check {
    channel(|spec| {
        spec.table = words
            .map(|(word, literal)| (word.to_owned(), literal))
            .into_iter()
            .collect();
    })
}

impl Check {
    fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Channel)) -> Self {
        change(&mut self.spec);
        self
    }

    fn with_missing<const N: usize>(&self, missing: [Literal; N]) -> Self {
        let mut spec = self.spec.clone();
        spec.missing = missing.into();
        Self {
            spec,
            unit: self.unit,
        }
    }

    fn reads(&self, payload: &[Scalar<'_>], then: impl FnOnce(Outcome<'_>)) {
        let reader = ValueReader::compile(&self.spec).unwrap();
        let mut doc = Doc::new();
        doc.begin("").unwrap();
        if payload.len() != 1 {
            doc.open_array("").unwrap();
        }
        for scalar in payload {
            doc.push("", *scalar);
        }
        if payload.len() != 1 {
            doc.close();
        }
        then(reader.read(doc.root("").unwrap(), self.unit.into()));
    }

    #[track_caller]
    fn gives(&self, payload: impl AsRef<[Scalar<'static>]>, value: Value, unit: &str) -> &Self {
        let payload = payload.as_ref();
        self.reads(payload, |outcome| {
            assert_eq!(outcome, Outcome::Value { value, unit }, "{payload:?}");
        });
        self
    }

    #[track_caller]
    fn text(&self, text: &'static str, value: Value, unit: &str) -> &Self {
        self.gives([Text(text)], value, unit)
    }

    #[track_caller]
    fn missing(&self, payload: impl AsRef<[Scalar<'static>]>, reason: Reason) -> &Self {
        let payload = payload.as_ref();
        self.reads(payload, |outcome| {
            assert_eq!(outcome, Outcome::Missing(reason), "{payload:?}");
        });
        self
    }

    #[track_caller]
    fn rejects(
        &self,
        payload: impl AsRef<[Scalar<'static>]>,
        reason: Reason,
        message: &str,
    ) -> &Self {
        self.reads(payload.as_ref(), |outcome| {
            assert_eq!(
                outcome,
                Outcome::Rejected(reason, message.to_owned().into())
            );
        });
        self
    }

    #[track_caller]
    fn no_number(&self, texts: &[&'static str]) -> &Self {
        for text in texts {
            self.reads(&[Text(text)], |outcome| {
                let rejected = matches!(outcome, Outcome::Rejected(Reason::Value, _));
                assert!(rejected, "{text:?} is {outcome:?}");
            });
        }
        self
    }

    fn faults(&self) -> Vec<(&'static str, String)> {
        ValueReader::compile(&self.spec).unwrap_err()
    }
}

use Scalar::{Bool, Float, Int, Null, Text, Uint};
use Value::{Enum, F64, I64, U64};

#[test]
fn what_comes_as_a_value_stays_exact() {
    plain()
        .gives([Int(9_007_199_254_740_993)], I64(9_007_199_254_740_993), "")
        .gives([Uint(u64::MAX)], U64(u64::MAX), "")
        .gives([Float(22.6)], F64(22.6), "")
        .gives([Bool(true)], Value::Bool(true), "bool");
    plain()
        .unit("degC")
        .gives([Float(61.25)], F64(61.25), "degC");
}

#[test]
fn one_element_arrays_are_their_element() {
    let check = channel(|spec| spec.scale = Some(0.1)).with(|spec| spec.unit = Some("V".into()));
    check
        .text("[2313]", F64(231.3), "V")
        .text("[ \"2313\" ]", F64(231.3), "V")
        .missing([Text("[]")], Reason::Null)
        .no_number(&["[[2313]]", "[1,2]", "[1", "[,]"]);
    plain().missing([], Reason::Null).rejects(
        [Int(0), Int(10), Int(20)],
        Reason::Value,
        "an array of 3 is not one value; give the path of an element, or use `samples`",
    );

    let mut doc = Doc::new();
    doc.begin("").unwrap();
    doc.open_array("").unwrap();
    doc.open_array("").unwrap();
    doc.push("", Int(7));
    doc.close();
    doc.close();
    let value = I64(7);
    let reader = ValueReader::compile(&plain().spec).unwrap();
    let outcome = reader.read(doc.root("").unwrap(), Sent::default());
    assert_eq!(outcome, Outcome::Value { value, unit: "" });

    doc.begin("").unwrap();
    doc.open_object("").unwrap();
    doc.close();
    let outcome = reader.read(doc.root("").unwrap(), Sent::default());
    assert!(matches!(outcome, Outcome::Rejected(Reason::Value, _)));
}

#[test]
fn words_of_a_table() {
    let check = table([
        ("ON", Literal::Bool(true)),
        ("0", Literal::Bool(false)),
        ("overpower", Literal::Int(2)),
        ("half", Literal::Float(0.5)),
        ("unknown", Literal::Int(9)),
    ]);
    check
        .text("ON", Value::Bool(true), "bool")
        .text("overpower", Enum(2), "")
        .text(" half ", F64(0.5), "")
        .text("unknown", Enum(9), "")
        .text("7", I64(7), "")
        .gives([Int(0)], Value::Bool(false), "bool")
        .gives([Float(0.0)], Value::Bool(false), "bool")
        .text("0.0", Value::Bool(false), "bool")
        .rejects(
            [Text("on")],
            Reason::Value,
            "`on` is not a number and not in the channel's table",
        );
    check
        .with(|spec| spec.any_case = true)
        .text("on", Value::Bool(true), "bool")
        .missing([Text("Offline")], Reason::Unavailable);
    table([("true", Literal::Int(3))]).gives([Bool(true)], Enum(3), "");
    table([("ÖFFNEN", Literal::Int(1))])
        .with(|spec| spec.any_case = true)
        .text("öffnen", Enum(1), "");
}

#[test]
fn what_says_that_there_is_no_value() {
    plain()
        .missing([Null], Reason::Null)
        .missing([Text("  ")], Reason::Null)
        .missing([Float(f64::NAN)], Reason::Nan)
        .missing([Float(f64::NEG_INFINITY)], Reason::Nan)
        .missing([Text("1e999")], Reason::Nan);
    for word in ["nan", "NaN", "-nan", "inf", "-INF", "Infinity"] {
        plain().missing([Text(word)], Reason::Nan);
    }
    for word in [
        "unavailable",
        "Unknown",
        "None",
        "NULL",
        "N/A",
        "na",
        "-",
        "--",
        "---",
        "Error",
        "offline",
    ] {
        plain().missing([Text(word)], Reason::Unavailable);
    }
}

#[test]
fn sentinels_are_compared_before_scaling() {
    let check = channel(|spec| spec.scale = Some(0.1)).with_missing([
        Literal::Int(85),
        Literal::Float(-127.0),
        Literal::Int(i64::MAX),
        Literal::Text("OPEN".into()),
        Literal::Bool(false),
    ]);
    check
        .missing([Int(85)], Reason::Sentinel)
        .missing([Float(85.0)], Reason::Sentinel)
        .missing([Text("85.00 °C")], Reason::Sentinel)
        .missing([Int(-127)], Reason::Sentinel)
        .missing([Int(i64::MAX)], Reason::Sentinel)
        .missing([Text("OPEN")], Reason::Sentinel)
        .missing([Bool(false)], Reason::Sentinel)
        .gives([Int(850)], F64(85.0), "")
        .gives([Int(i64::MAX - 1)], F64((i64::MAX - 1) as f64 / 10.0), "")
        .no_number(&["open"]);
}

#[test]
fn units_are_converted() {
    let volts = channel(|spec| {
        spec.unit = Some("V".into());
        spec.from = Some("mV".into());
    });
    volts
        .gives([Int(3035)], F64(3.035), "V")
        .text("3 V", I64(3), "V");
    volts.unit("kV").gives([Int(3)], F64(3000.0), "V");

    let celsius = || channel(|spec| spec.unit = Some("°C".into()));
    celsius().gives([Int(3)], I64(3), "°C");
    celsius().unit("C").gives([Float(22.6)], F64(22.6), "°C");
    celsius()
        .unit("F")
        .gives([Int(68)], F64(20.0), "°C")
        .text("20 °C", I64(20), "°C");
    celsius()
        .unit("kg")
        .rejects([Int(1)], Reason::Unit, "`kg` does not convert to `°C`")
        .gives([Bool(true)], Value::Bool(true), "°C");

    channel(|spec| spec.from = Some("mV".into()))
        .gives([Int(3)], I64(3), "mV")
        .text("3 V", I64(3), "V");
    channel(|spec| spec.unit = Some(String::new()))
        .unit("lqi")
        .gives([Int(60)], I64(60), "")
        .gives([Bool(true)], Value::Bool(true), "bool");
}

#[test]
fn scale_and_offset_come_before_units() {
    let check = channel(|spec| {
        spec.unit = Some("°C".into());
        spec.from = Some("°F".into());
        spec.scale = Some(0.1);
        spec.offset = Some(18.0);
    });
    check.gives([Int(500)], F64(20.0), "°C");
    channel(|spec| spec.scale = Some(1e300)).rejects(
        [Int(1_000_000_000)],
        Reason::Value,
        "1000000000 is too large to be scaled",
    );
}

#[test]
fn all_faults_are_told() {
    let faults = table([("a", Literal::Text("b".into()))])
        .with(|spec| {
            spec.scale = Some(0.0);
            spec.offset = Some(f64::NAN);
            spec.from = Some("kg".into());
            spec.unit = Some("°C".into());
        })
        .faults();
    let keys: Vec<_> = faults.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["scale", "offset", "from", "table"]);
    assert_eq!(
        faults[2].1,
        "`kg` does not convert to `°C`; use two units of the same quantity, or `scale`"
    );
    let twice =
        table([("on", Literal::Int(1)), ("ON", Literal::Int(2))]).with(|spec| spec.any_case = true);
    assert_eq!(
        twice.faults(),
        [(
            "table",
            "`ON` stands for two things; remove one of them".to_owned()
        )]
    );
}

#[test]
fn text_is_taken_where_it_can_be_read() {
    let takes = |check: Check| ValueReader::compile(&check.spec).unwrap().takes_text();
    assert!(!takes(plain()));
    assert!(takes(format(Number::Hex)));
    assert!(takes(table([("on", Literal::Int(1))])));
}
