//! The status for people. It is read leniently, since the agent asked may be of another version.

use std::fmt::{self, Display, Formatter};

use eyot_pipeline::Span;
use serde_json::Value;

use crate::cli::text::Plain;
use crate::ops::format::{Age, Bytes, Count, Years};

/// What [`super::status`] found.
pub(super) struct Table<'s>(pub(super) &'s Value);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let status = self.0;
        head(f, status)?;
        for source in list(&status["sources"]) {
            write!(f, "\nsource {}", text(&source["name"]))?;
            link(f, &source["link"])?;
            equation(f, "messages", &source["messages"])?;
            equation(f, "readings", &source["readings"])?;
            if let Some(total) = source["broker_dropped"]["total"].as_u64() {
                write!(
                    f,
                    "\n  dropped by the broker, for all of its clients: {}",
                    Count(total)
                )?;
            }
        }
        write!(f, "\noutbox")?;
        if status["running"] == true {
            match &status["uplink"] {
                Value::Null => write!(f, "  no uplink: records stay here")?,
                uplink => link(f, uplink)?,
            }
        }
        for lane in list(&status["lanes"]) {
            self::lane(f, lane)?;
        }
        f.write_str("\n")?;
        devices(f, status)?;
        journal(f, &status["journal"])?;
        database(f, status)?;
        freshness(f, &status["freshness_max_s"])?;
        wear(f, &status["wear"])?;
        clock(f, &status["clock"])?;
        gaps(f, &status["gaps"])
    }
}

fn head(f: &mut Formatter<'_>, status: &Value) -> fmt::Result {
    let agent = text(&status["agent"]);
    if status["as_of"].is_string() {
        if let Some(why) = status["unanswered"].as_str() {
            write!(
                f,
                "{agent}: running, but it does not answer ({})",
                Plain(why)
            )?;
        } else {
            let how = match &status["clean_stop"] {
                Value::Bool(true) => "not running",
                _ => "not running, and not stopped in order",
            };
            write!(f, "{agent}: {how}")?;
        }
        return writeln!(f, "; as of {}", time(&status["as_of"]));
    }
    write!(f, "{agent}: {}", text(&status["health"]["status"]))?;
    for reason in list(&status["health"]["reasons"]) {
        write!(f, "\n  - {}", text(reason))?;
    }
    write!(
        f,
        "\nversion {}, started {}, now {}\n",
        text(&status["version"]),
        time(&status["started_at"]),
        time(&status["now"])
    )
}

fn link(f: &mut Formatter<'_>, link: &Value) -> fmt::Result {
    match link["connected"].as_bool() {
        Some(true) => write!(f, "  connected to {}", text(&link["broker"])),
        Some(false) => write!(f, "  NOT connected to {}", text(&link["broker"])),
        None => Ok(()),
    }
}

/// `total = term (reasons) + term …`; what is 0 is left out.
fn equation(f: &mut Formatter<'_>, what: &str, equation: &Value) -> fmt::Result {
    write!(f, "\n  {what} {}", Count(number(&equation["total"])))?;
    let mut sign = "=";
    for term in list(&equation["terms"]) {
        let count = number(&term["count"]);
        if count == 0 {
            continue;
        }
        write!(f, " {sign} {} {}", Count(count), text(&term["name"]))?;
        sign = "+";
        let reasons = list(&term["reasons"]).map(|reason| {
            let count = Count(number(&reason["count"]));
            format!("{count} {}", text(&reason["name"]))
        });
        parenthesis(f, reasons)?;
    }
    match equation["difference"].as_i64() {
        Some(0) | None => Ok(()),
        Some(off) => write!(f, " OFF BY {off}"),
    }
}

fn parenthesis(f: &mut Formatter<'_>, parts: impl Iterator<Item = String>) -> fmt::Result {
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        return Ok(());
    }
    write!(f, " ({})", parts.join(", "))
}

fn lane(f: &mut Formatter<'_>, lane: &Value) -> fmt::Result {
    let [enqueued, delivered, buffered, evicted] =
        ["enqueued", "delivered", "buffered", "evicted"].map(|term| number(&lane[term]));
    write!(
        f,
        "\n  {} {} = {} delivered + {} buffered + {} evicted",
        text(&lane["lane"]),
        Count(enqueued),
        Count(delivered),
        Count(buffered),
        Count(evicted)
    )?;
    let reasons = lane["evictions"].as_object().into_iter().flatten();
    parenthesis(
        f,
        reasons.map(|(reason, n)| format!("{} {}", Count(number(n)), Plain(reason))),
    )?;
    match enqueued
        .wrapping_sub(delivered + buffered + evicted)
        .cast_signed()
    {
        0 => Ok(()),
        off => write!(f, " OFF BY {off}"),
    }
}

/// A line with a label.
fn line(f: &mut Formatter<'_>, label: &str, value: impl Display) -> fmt::Result {
    write!(f, "\n{label:<13} {value}")
}

fn devices(f: &mut Formatter<'_>, status: &Value) -> fmt::Result {
    let (devices, limits) = (&status["devices"], &status["limits"]);
    if let Some(known) = devices["known"].as_u64() {
        return line(f, "devices", format_args!("{} known", Count(known)));
    }
    let counts = ["running", "restarting", "quarantined", "behind"];
    let counts = counts.map(|state| format!("{} {state}", Count(number(&devices[state]))));
    let of = Count(number(&limits["devices"]));
    line(
        f,
        "devices",
        format_args!("{}; {of} at most", counts.join(", ")),
    )?;
    let in_flight = list(&status["sources"]).map(|source| {
        let terms = list(&source["readings"]["terms"]);
        let in_flight = terms.filter(|term| term["name"] == "in_flight");
        in_flight.map(|term| number(&term["count"])).sum::<u64>()
    });
    let in_flight = Count(in_flight.sum());
    let of = Count(number(&limits["readings_in_flight"]));
    line(
        f,
        "in flight",
        format_args!("{in_flight} readings; {of} at most"),
    )
}

fn journal(f: &mut Formatter<'_>, journal: &Value) -> fmt::Result {
    if journal.is_null() {
        return Ok(());
    }
    let [bytes, most, readings, written, commits] =
        ["bytes", "max_bytes", "readings", "written_bytes", "commits"]
            .map(|field| number(&journal[field]));
    line(
        f,
        "journal",
        format_args!("{} of {}", Bytes(bytes), Bytes(most)),
    )?;
    if readings > 0 && commits > 0 {
        let each = written as f64 / readings as f64;
        let together = readings as f64 / commits as f64;
        write!(
            f,
            "; {each:.1} B a reading, {together:.1} readings a commit"
        )?;
    }
    if journal["full"] == true {
        f.write_str("; FULL")?;
    }
    if let Some(why) = journal["failing"].as_str() {
        write!(f, "; CANNOT BE WRITTEN: {}", Plain(why))?;
    }
    Ok(())
}

fn database(f: &mut Formatter<'_>, status: &Value) -> fmt::Result {
    let store = &status["store"];
    line(f, "database", Bytes(number(&store["db_bytes"])))?;
    if let Some(why) = store["degraded"].as_str() {
        write!(f, "; DEGRADED: {}", Plain(why))?;
    }
    let left = ["evicted", "dropped", "replayed"].map(|how| {
        let n = number(&store[format!("dead_letters_{how}")]);
        format!("{} {how}", Count(n))
    });
    let kept = Count(number(&store["dead_letters"]));
    line(
        f,
        "dead letters",
        format_args!("{kept} kept; {}", left.join(", ")),
    )
}

fn freshness(f: &mut Formatter<'_>, freshness: &Value) -> fmt::Result {
    let stages = ["admit", "score", "commit", "delivery"].into_iter();
    let stages: Vec<_> = stages
        .filter_map(|stage| {
            let age = Span::from_millis((freshness[stage].as_f64()? * 1e3) as i64);
            Some(format!("{stage} {}", Age(age)))
        })
        .collect();
    if stages.is_empty() {
        return Ok(());
    }
    line(f, "oldest at", stages.join(", "))
}

fn wear(f: &mut Formatter<'_>, wear: &Value) -> fmt::Result {
    if wear.is_null() {
        return Ok(());
    }
    line(f, "written", Bytes(number(&wear["written_bytes"])))?;
    if let Some(rate) = wear["bytes_per_day"].as_u64() {
        let over = Age(Span::from_secs(number(&wear["measured_s"]).cast_signed()));
        write!(f, "; {} a day, measured over {over}", Bytes(rate))?;
    }
    if let Some(budget) = wear["budget_per_day"].as_u64() {
        write!(f, ", of {} allowed", Bytes(budget))?;
    }
    if let Some(pace) = wear["pace"].as_f64().filter(|pace| *pace > 1.0) {
        write!(f, "; commits wait {pace:.1} times as long as configured")?;
    }
    if let Some(days) = wear["lifetime_days"].as_f64() {
        write!(f, "; the medium lasts {}", Years(days))?;
    }
    Ok(())
}

fn clock(f: &mut Formatter<'_>, clock: &Value) -> fmt::Result {
    if clock["set"].as_bool() != Some(false) {
        return Ok(());
    }
    let held = Count(number(&clock["records_held"]));
    line(
        f,
        "clock",
        format_args!("not set; {held} records wait for it"),
    )
}

fn gaps(f: &mut Formatter<'_>, gaps: &Value) -> fmt::Result {
    let count = number(&gaps["count"]);
    if count == 0 {
        return Ok(());
    }
    let last = &gaps["last"];
    line(
        f,
        "gaps",
        format_args!(
            "{}; the last of source {}, {} to {}, {}",
            Count(count),
            text(&last["source"]),
            time(&last["since"]),
            time(&last["until"]),
            match last["at_most"].as_u64() {
                Some(n) => format!("at most {} messages", Count(n)),
                None => "nothing says how many messages: the source has no `rate`".to_owned(),
            }
        ),
    )
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// A time, to the second.
fn time(value: &Value) -> String {
    let text = text(value).to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

fn text(value: &Value) -> Plain<'_> {
    Plain(value.as_str().unwrap_or("?"))
}
