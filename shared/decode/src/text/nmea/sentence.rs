//! What the fields of the common sentences mean.

use super::fields::Fields;
use super::{FormatError, number, unfit};
use crate::{Doc, Scalar};

const FEET: f64 = 0.3048;

/// Adds `valid`, and the fields that have a meaning by their names.
pub(super) fn push(kind: &str, fields: &Fields<'_>, doc: &mut Doc) -> Result<(), FormatError> {
    match kind {
        "GGA" => gga(fields, doc),
        "RMC" => rmc(fields, doc),
        "GLL" => gll(fields, doc),
        "VTG" => vtg(fields, doc),
        "ZDA" => zda(fields, doc),
        "MWV" => mwv(fields, doc),
        "DBT" => dbt(fields, doc),
        "DPT" => {
            valid(true, doc);
            doc.push("depth_m", fields.number(1));
            doc.push("offset_m", fields.number(2));
        }
        "MTW" => {
            valid(true, doc);
            doc.push("water_temperature", fields.number(1));
            doc.push("unit", Scalar::Text(fields.text(2)));
        }
        "HDT" => {
            valid(true, doc);
            doc.push("heading_true", fields.number(1));
        }
        "HDG" | "HDM" => {
            valid(true, doc);
            doc.push("heading_magnetic", fields.number(1));
            if kind == "HDG" {
                doc.push("deviation", fields.signed(2));
                doc.push("variation", fields.signed(4));
            }
        }
        "XDR" => return xdr(fields, doc),
        _ => valid(true, doc),
    }
    Ok(())
}

fn valid(valid: bool, doc: &mut Doc) {
    doc.push("valid", Scalar::Bool(valid));
}

/// A value, or nothing if the sentence says that it isn't valid.
fn push_if(valid: bool, key: &str, value: Scalar<'_>, doc: &mut Doc) {
    doc.push(key, if valid { value } else { Scalar::Null });
}

/// Position: latitude at `place`, longitude two further.
fn position(is_valid: bool, place: usize, fields: &Fields<'_>, doc: &mut Doc) {
    push_if(is_valid, "lat", fields.degrees(place, 90.0), doc);
    push_if(is_valid, "lon", fields.degrees(place + 2, 180.0), doc);
}

/// Whether status (`A` or `V`) and mode (`N`: no fix; absent before NMEA 0183 2.3) say that data is good.
fn is_good(status: &str, mode: &str) -> bool {
    status == "A" && mode != "N"
}

fn text(key: &str, text: &str, doc: &mut Doc) {
    if !text.is_empty() {
        doc.push(key, Scalar::Text(text));
    }
}

/// Fix data.
fn gga(fields: &Fields<'_>, doc: &mut Doc) {
    let quality = fields.number(6);
    let is_valid = matches!(quality, Scalar::Int(1..));
    valid(is_valid, doc);
    text("time", fields.text(1), doc);
    position(is_valid, 2, fields, doc);
    doc.push("quality", quality);
    doc.push("satellites", fields.number(7));
    push_if(is_valid, "hdop", fields.number(8), doc);
    push_if(is_valid, "altitude", fields.number(9), doc);
}

/// Recommended minimum data.
fn rmc(fields: &Fields<'_>, doc: &mut Doc) {
    let (status, time, date) = (fields.text(2), fields.text(1), fields.text(9));
    let is_valid = is_good(status, fields.text(12));
    valid(is_valid, doc);
    text("status", status, doc);
    text("time", time, doc);
    text("date", date, doc);
    if let (Some(clock), Some((day, month, year))) = (clock(time), short_date(date)) {
        utc(year, month, day, &clock, doc);
    }
    position(is_valid, 3, fields, doc);
    push_if(is_valid, "speed_kn", fields.number(7), doc);
    push_if(is_valid, "course", fields.number(8), doc);
}

/// Geographic position.
fn gll(fields: &Fields<'_>, doc: &mut Doc) {
    let status = fields.text(6);
    let is_valid = is_good(status, fields.text(7));
    valid(is_valid, doc);
    text("status", status, doc);
    text("time", fields.text(5), doc);
    position(is_valid, 1, fields, doc);
}

/// Course and speed over ground. Before NMEA 0183 2.0 there are no letters behind the numbers.
fn vtg(fields: &Fields<'_>, doc: &mut Doc) {
    let has_letters = !fields.text(2).starts_with(|c: char| c.is_ascii_digit());
    let speed = if has_letters { 5 } else { 3 };
    let is_valid = fields.text(9) != "N";
    valid(is_valid, doc);
    push_if(is_valid, "course", fields.number(1), doc);
    push_if(is_valid, "speed_kn", fields.number(speed), doc);
}

/// Date and time.
fn zda(fields: &Fields<'_>, doc: &mut Doc) {
    let part = |place| fields.text(place).parse::<u16>().ok();
    text("time", fields.text(1), doc);
    let date = (clock(fields.text(1)), part(2), part(3), part(4));
    let (Some(clock), Some(day), Some(month), Some(year)) = date else {
        return valid(false, doc);
    };
    valid(true, doc);
    utc(year, month, day, &clock, doc);
}

/// Wind.
fn mwv(fields: &Fields<'_>, doc: &mut Doc) {
    let is_valid = fields.text(5) == "A";
    valid(is_valid, doc);
    text("status", fields.text(5), doc);
    push_if(is_valid, "wind_angle", fields.number(1), doc);
    text("reference", fields.text(2), doc);
    push_if(is_valid, "wind_speed", fields.number(3), doc);
    let unit = match fields.text(4) {
        "N" => "kn",
        "M" => "m/s",
        "K" => "km/h",
        "S" => "mph",
        other => other,
    };
    text("unit", unit, doc);
}

/// Depth below the transducer, in feet, metres and fathoms, some of which may be empty.
fn dbt(fields: &Fields<'_>, doc: &mut Doc) {
    valid(true, doc);
    let depth = match (fields.number(3), number::float(fields.text(1))) {
        (Scalar::Null, Some(feet)) => Scalar::Float(feet * FEET),
        (metres, _) => metres,
    };
    doc.push("depth_m", depth);
}

/// Transducers: kind, value, unit and name again and again.
fn xdr(fields: &Fields<'_>, doc: &mut Doc) -> Result<(), FormatError> {
    valid(true, doc);
    doc.open_array("transducers").map_err(unfit)?;
    let mut fields = fields.iter();
    while let (Some(kind), Some(value)) = (fields.next(), fields.next()) {
        doc.open_object("").map_err(unfit)?;
        doc.push("kind", Scalar::Text(kind));
        doc.push("value", number::padded(value));
        text("unit", fields.next().unwrap_or_default(), doc);
        text("name", fields.next().unwrap_or_default(), doc);
        doc.close();
    }
    doc.close();
    Ok(())
}

/// `hhmmss` or `hhmmss.sss` in its parts, the last with its fraction.
fn clock(time: &str) -> Option<[&str; 3]> {
    let (hour, rest) = time.split_at_checked(2)?;
    let (minute, second) = rest.split_at_checked(2)?;
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = [hour, minute, whole, fraction].into_iter().all(is_number)
        && whole.len() == 2
        // A leap second is the 61st.
        && (hour < "24" && minute < "60" && whole <= "60");
    is_time.then_some([hour, minute, second.trim_end_matches('.')])
}

/// Day, month and year from `ddmmyy`. GPS began in 1980.
fn short_date(date: &str) -> Option<(u16, u16, u16)> {
    if date.len() != 6 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize| date[from..from + 2].parse::<u16>().ok();
    let year = part(4)?;
    let year = if year < 80 { 2000 + year } else { 1900 + year };
    Some((part(0)?, part(2)?, year))
}

/// Date and time together, as ISO 8601.
fn utc(year: u16, month: u16, day: u16, clock: &[&str; 3], doc: &mut Doc) {
    let [hour, minute, second] = clock;
    let utc = format!("{year:04}-{month:02}-{day:02}T{hour}:{minute}:{second}Z");
    if (1..=12).contains(&month) && (1..=31).contains(&day) {
        doc.push("utc", Scalar::Text(&utc));
    }
}
