//! The page at `/`: one self-contained HTML document, complete without JavaScript; a small script
//! swaps the contents of `<main>` for fresh ones every two seconds.
//!
//! Every part is a type that displays itself. All text that is not ours goes through [`Escaped`]:
//! names of devices come from topics, errors from brokers.

mod devices;
mod freshness;

use std::fmt::{self, Display, Formatter};

use eyot_pipeline::Timestamp;

use self::devices::Devices;
use self::freshness::freshness;
use super::equation::{Equation, Term};
use super::format::{Age, Bytes, Count, Escaped, Years};
use super::health::{Health, Status, health};
use super::view::{DeviceView, Link, Overview, WearView};

pub(super) use self::devices::matches;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/refresh.js");
const LOGO: &str = include_str!("page/logo.svg");

/// The whole document.
pub(super) struct Page<'a> {
    pub(super) content: &'a Content,
    /// What marks our style and script as ours; made of letters and digits.
    pub(super) nonce: &'a str,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { content, nonce } = self;
        let name = Escaped(&content.overview.agent);
        let filter = Escaped(&content.filter);
        write!(
            f,
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name} · Eyot</title>
<style nonce="{nonce}">
{STYLE}</style>
<noscript><meta http-equiv="refresh" content="10"></noscript>
</head>
<body>
<header>
{LOGO}<h1>{name}</h1>
<form action="/" method="get" role="search">
<input type="search" name="device" value="{filter}" placeholder="Filter devices by name" aria-label="Filter devices by name" autocomplete="off" spellcheck="false">
</form>
</header>
<p id="lost" role="alert">The agent does not answer. What you see is old.</p>
<main>
{content}</main>
<script nonce="{nonce}">
{SCRIPT}</script>
</body>
</html>
"#
        )
    }
}

/// What `<main>` holds: all that changes.
pub(super) struct Content {
    overview: Overview,
    health: Health,
    devices: Devices,
    filter: String,
}

impl Content {
    /// Of the devices, those whose name contains `filter`.
    pub(super) fn new(overview: Overview, devices: Vec<DeviceView>, filter: &str) -> Self {
        Self {
            health: health(&overview),
            devices: Devices::new(devices, filter, overview.now),
            filter: filter.to_owned(),
            overview,
        }
    }
}

impl Display for Content {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            overview,
            health,
            devices,
            ..
        } = self;
        banner(f, overview, health)?;
        figures(f, overview)?;
        connections(f, overview)?;
        freshness(f, &overview.freshness)?;
        books(f, overview)?;
        Display::fmt(devices, f)
    }
}

fn banner(f: &mut Formatter<'_>, overview: &Overview, health: &Health) -> fmt::Result {
    let (class, word) = match health.status {
        Status::Healthy => ("good", "Healthy"),
        Status::Degraded => ("bad", "Degraded"),
    };
    let uptime = Age(overview.now - overview.started_at);
    let (version, now) = (Escaped(overview.version), Clock(overview.now));
    writeln!(
        f,
        r#"<section class="banner {class}" aria-label="Health">
<p class="status">{word}</p>
<p class="about">version {version} · up {uptime} · as of <time>{now}</time></p>"#
    )?;
    if !health.reasons.is_empty() {
        f.write_str("<ul>\n")?;
        for reason in &health.reasons {
            writeln!(f, "<li>{}</li>", Escaped(reason))?;
        }
        f.write_str("</ul>\n")?;
    }
    f.write_str("</section>\n")
}

fn figures(f: &mut Formatter<'_>, overview: &Overview) -> fmt::Result {
    let Overview {
        devices,
        limits,
        store,
        ..
    } = overview;
    f.write_str("<section class=\"figures\" aria-label=\"Figures\">\n")?;
    let of = |n: u64| format!("of {} at most", Count(n));
    let not_running = match (devices.restarting, devices.quarantined) {
        (0, 0) if devices.behind > 0 => format!("{} behind the journal", Count(devices.behind)),
        (0, 0) => of(limits.devices),
        (restarting, quarantined) => format!("{restarting} restarting, {quarantined} quarantined"),
    };
    figure(f, "Devices", Count(devices.total()), &not_running)?;
    let in_flight = overview.readings_in_flight();
    figure(
        f,
        "Readings in flight",
        Count(in_flight),
        &of(limits.readings_in_flight),
    )?;
    figure(
        f,
        "Records waiting",
        Count(overview.records_buffered()),
        &of(limits.records),
    )?;
    figure(
        f,
        "Dead letters",
        Count(store.dead_letters),
        &of(limits.dead_letters),
    )?;
    if let Some(journal) = &overview.journal {
        let state = match journal {
            journal if journal.failing.is_some() => "cannot be written".to_owned(),
            journal if journal.full => "full".to_owned(),
            _ => format!("of {} at most", Bytes(journal.max_bytes)),
        };
        figure(f, "Journal", Bytes(journal.bytes), &state)?;
    }
    let state = store.degraded.as_ref().map_or("in order", |_| "degraded");
    figure(f, "Database", Bytes(store.db_bytes), state)?;
    if let Some(wear) = &overview.wear {
        wear_figure(f, wear)?;
    }
    if !overview.clock.set {
        let held = overview.clock.records_held;
        let note = format!("{} records wait for it", Count(held));
        figure(f, "Clock", "not set", &note)?;
    }
    if let Some(last) = &overview.gaps.last {
        let (count, source) = (Count(overview.gaps.count), Escaped(&last.source));
        let note = format!("last {source}, until {}", Clock(last.until));
        figure(f, "Gaps", count, &note)?;
    }
    f.write_str("</section>\n")
}

fn wear_figure(f: &mut Formatter<'_>, wear: &WearView) -> fmt::Result {
    let note = match (wear.budget_per_day, wear.lifetime_days) {
        (Some(budget), _) if wear.pace > 1.0 => {
            format!("of {}; commits wait {:.0} ×", Bytes(budget), wear.pace)
        }
        (Some(budget), _) => format!("of {} at most", Bytes(budget)),
        (None, Some(days)) => format!("lasts {}", Years(days)),
        (None, None) => format!("{} so far", Bytes(wear.written_bytes)),
    };
    match wear.bytes_per_day {
        Some(rate) => figure(f, "Written a day", Bytes(rate), &note),
        None => figure(
            f,
            "Written",
            Bytes(wear.written_bytes),
            "rate not known yet",
        ),
    }
}

fn figure(f: &mut Formatter<'_>, label: &str, value: impl Display, note: &str) -> fmt::Result {
    writeln!(
        f,
        "<p><span>{label}</span><strong>{value}</strong><small>{note}</small></p>"
    )
}

fn connections(f: &mut Formatter<'_>, overview: &Overview) -> fmt::Result {
    f.write_str("<section>\n<h2>Connections</h2>\n<ul class=\"links\">\n")?;
    for source in &overview.sources {
        link(f, "source", &source.name, &source.link)?;
    }
    match &overview.uplink {
        Some(uplink) => link(f, "uplink", "", uplink)?,
        None => f.write_str(
            "<li class=\"off\"><b>uplink</b><span>none configured: records stay in the outbox</span></li>\n",
        )?,
    }
    f.write_str("</ul>\n</section>\n")
}

fn link(f: &mut Formatter<'_>, kind: &str, name: &str, link: &Link) -> fmt::Result {
    let (class, word) = if link.connected {
        ("good", "connected")
    } else {
        ("bad", "not connected")
    };
    let (name, broker) = (Escaped(name), Escaped(&link.broker));
    write!(
        f,
        r#"<li class="{class}"><b>{kind} {name}</b><code>{broker}</code><span class="{class}">{word}"#
    )?;
    match (&link.last_error, link.connected) {
        (Some(error), true) => write!(f, "<small>last error: {}</small>", Escaped(error))?,
        (Some(error), false) => write!(f, ": {}", Escaped(error))?,
        (None, _) => {}
    }
    f.write_str("</span></li>\n")
}

fn books(f: &mut Formatter<'_>, overview: &Overview) -> fmt::Result {
    f.write_str("<section>\n<h2>Books</h2>\n<div class=\"books\">\n")?;
    for source in &overview.sources {
        let unmapped = match source.book.unmapped_fields {
            0 => String::new(),
            n => format!("{} fields that no rule maps", Count(n)),
        };
        writeln!(
            f,
            "<h3>source {}<small>{unmapped}</small></h3>",
            Escaped(&source.name)
        )?;
        equation(f, "messages", &Equation::messages(&source.book))?;
        equation(f, "readings", &Equation::readings(&source.book))?;
        if let Some(dropped) = source.broker_dropped.filter(|dropped| dropped.total > 0) {
            let total = Count(dropped.total);
            writeln!(
                f,
                "<p class=\"unmapped\">{total} messages were dropped by the broker, for all of its clients</p>"
            )?;
        }
        unmapped_paths(f, &source.unmapped)?;
    }
    f.write_str("<h3>outbox</h3>\n")?;
    for lane in &overview.lanes {
        equation(
            f,
            &format!("{} records", lane.lane.name()),
            &Equation::lane(&lane.book),
        )?;
    }
    f.write_str("</div>\n</section>\n")
}

/// The first fields that no rule maps; the overview has all.
fn unmapped_paths(f: &mut Formatter<'_>, paths: &[Box<str>]) -> fmt::Result {
    const SHOWN: usize = 12;
    if paths.is_empty() {
        return Ok(());
    }
    f.write_str("<p class=\"unmapped\">No rule maps")?;
    for path in paths.iter().take(SHOWN) {
        write!(f, " <code>{}</code>", Escaped(path))?;
    }
    match paths.len().saturating_sub(SHOWN) {
        0 => {}
        more => write!(f, " and {} more", Count(more as u64))?,
    }
    f.write_str("</p>\n")
}

/// `total = term + term + …`, a block each, and whether it holds.
fn equation(f: &mut Formatter<'_>, what: &str, equation: &Equation) -> fmt::Result {
    let total = Count(equation.total);
    write!(
        f,
        r#"<div class="equation"><p class="total"><b>{total}</b><span>{what}</span></p>"#
    )?;
    for (i, term) in equation.terms.iter().enumerate() {
        let Term {
            name,
            count,
            reasons,
        } = term;
        let sign = if i == 0 { "=" } else { "+" };
        let class = if *count == 0 { " class=\"zero\"" } else { "" };
        let (count, name) = (Count(*count), name.replace('_', " "));
        write!(
            f,
            r"<p{class}><i>{sign}</i><b>{count}</b><span>{name}</span>"
        )?;
        for reason in reasons {
            let (count, name) = (Count(reason.count), reason.name.replace('_', " "));
            write!(f, "<small>{count} {name}</small>")?;
        }
        f.write_str("</p>")?;
    }
    match equation.difference {
        0 => f.write_str("<em class=\"good\">balances</em></div>\n"),
        off => writeln!(f, "<em class=\"bad\">off by {off}</em></div>"),
    }
}

/// Date and time of day in UTC, to the second.
struct Clock(Timestamp);

impl Display for Clock {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Every i64 of nanoseconds is an instant that jiff can hold.
        let time = jiff::Timestamp::from_nanosecond(self.0.0.into()).map_err(|_| fmt::Error)?;
        write!(f, "{} UTC", time.strftime("%F %T"))
    }
}

#[cfg(test)]
mod tests;
