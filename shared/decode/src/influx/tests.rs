use eyot_pipeline::Timestamp;
use proptest::prelude::*;

use super::Influx;
use crate::Doc;
use crate::format::{FormatError, Input, Read};

fn read(text: &str) -> Result<String, FormatError> {
    let mut doc = Doc::new();
    let input = Input {
        topic: "influx",
        bytes: text.as_bytes(),
        text: Some(text),
        arrival: Timestamp(0),
    };
    let text = Influx::new().read(input, &mut doc, &mut Vec::new())?;
    Ok(format!("{:?}", doc.root(text).unwrap()))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(read(text).as_deref(), Ok(expected));
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(read(text), Err(FormatError(expected.into())));
}

#[test]
fn lines_with_and_without_everything() {
    check(
        "weather,location=us-midwest,season=summer temperature=82,humidity=71i 1465839830100400200\n\
         \n# a comment, with=things 1\n  cpu  load=.5\r\n",
        "[{\"measurement\": Text(\"weather\"), \
         \"tags\": {\"location\": Text(\"us-midwest\"), \"season\": Text(\"summer\")}, \
         \"fields\": {\"temperature\": Float(82.0), \"humidity\": Int(71)}, \
         \"time\": Int(1465839830100400200)}, \
         {\"measurement\": Text(\"cpu\"), \"tags\": {}, \"fields\": {\"load\": Float(0.5)}}]",
    );
    check("", "[]");
    check("# nothing\n", "[]");
}

#[test]
fn every_type() {
    check(
        "m a=-1.5e-3,b=-9223372036854775808i,c=18446744073709551615u,d=t,e=FALSE,f=\"x\" -5",
        "[{\"measurement\": Text(\"m\"), \"tags\": {}, \"fields\": {\"a\": Float(-0.0015), \
         \"b\": Int(-9223372036854775808), \"c\": Uint(18446744073709551615), \"d\": Bool(true), \
         \"e\": Bool(false), \"f\": Text(\"x\")}, \"time\": Int(-5)}]",
    );
}

#[test]
fn escapes() {
    check(
        "my\\ weather\\,here,loc\\=a\\ b=c\\,d,path=C:\\x temp\\ rise=1,t=\"say \\\"hi\\\", C:\\\\n \\n\nnext\" 7",
        "[{\"measurement\": Text(\"my weather,here\"), \
         \"tags\": {\"loc=a b\": Text(\"c,d\"), \"path\": Text(\"C:\\\\x\")}, \
         \"fields\": {\"temp rise\": Float(1.0), \
         \"t\": Text(\"say \\\"hi\\\", C:\\\\n \\\\n\\nnext\")}, \"time\": Int(7)}]",
    );
}

#[test]
fn a_bad_line_leaves_the_others() {
    check(
        "a v=1\nb v=\"\n x\",w=one\nc v=2\nd\n",
        "[{\"measurement\": Text(\"a\"), \"tags\": {}, \"fields\": {\"v\": Float(1.0)}}, \
         {\"invalid\": Text(\"line 3, column 7: neither a number, nor true or false, nor text in double quotes\")}, \
         {\"measurement\": Text(\"c\"), \"tags\": {}, \"fields\": {\"v\": Float(2.0)}}, \
         {\"invalid\": Text(\"line 5, column 2: a space and the fields are missing\")}]",
    );
}

#[test]
fn what_is_wrong_and_where() {
    let not_a_value = "neither a number, nor true or false, nor text in double quotes";
    for value in [
        "nan",
        "inf",
        "1i2",
        "1.5i",
        "-1u",
        "yes",
        "0x1",
        "9223372036854775808i",
        "1e999",
    ] {
        check_error(
            &format!("é v={value}"),
            &format!("line 1, column 5: {not_a_value}"),
        );
    }
    check_error(",t=1 v=1", "line 1, column 1: a measurement is missing");
    check_error("m,t v=1", "line 1, column 4: a tag needs `=` and a value");
    check_error(
        "m,t= v=1",
        "line 1, column 5: the value of a tag is missing",
    );
    check_error(
        "m,t=a=b v=1",
        "line 1, column 6: an `=` that belongs here is written as `\\=`",
    );
    check_error("m v=", "line 1, column 5: the value of a field is missing");
    check_error("m v=1,", "line 1, column 7: the name of a field is missing");
    check_error("m v", "line 1, column 4: a field needs `=` and a value");
    check_error(
        "m v=\"a",
        "line 1, column 5: this text has no closing quote",
    );
    check_error(
        "m v=1 soon",
        "line 1, column 7: a time is a whole number, and nothing else may follow the fields",
    );
    check_error(
        "m v=1 5 6",
        "line 1, column 9: nothing may follow here; is a space or a comma not escaped?",
    );
    check_error("\n\nm v=x\nm", &format!("line 3, column 5: {not_a_value}"));
}

fn escaped(text: &str, special: &[char]) -> String {
    let escape = |c: char| special.contains(&c).then_some('\\').into_iter().chain([c]);
    text.chars().flat_map(escape).collect()
}

proptest! {
    #[test]
    fn nothing_panics(text: String) {
        let _ = read(&text);
    }

    #[test]
    fn nothing_like_a_line_panics(text in "([a-é,=\" \\\\\n\r]|m v=|1){0,40}") {
        let _ = read(&text);
    }

    #[test]
    fn what_is_written_comes_back(name in "[a-é,=][a-é,= ]{0,8}", text in "[a-é\"\\\\\n ,]{0,9}", time: i64) {
        let key = escaped(&name, &[',', '=', ' ']);
        let value = escaped(&text, &['"', '\\']);
        let line = format!("{key},{key}={key} {key}=\"{value}\",i={time}i {time}\n");
        let expected = format!(
            "[{{\"measurement\": Text({name:?}), \"tags\": {{{name:?}: Text({name:?})}}, \
             \"fields\": {{{name:?}: Text({text:?}), \"i\": Int({time})}}, \"time\": Int({time})}}]"
        );
        prop_assert_eq!(read(&line).unwrap(), expected);
    }
}
