//! The table of devices: the anomalous first, and never more rows than a browser likes.

use std::fmt::{self, Display, Formatter};

use eyot_pipeline::effect::Verdict;
use eyot_pipeline::{Span, Timestamp};

use crate::ops::format::{Age, Count, Escaped};
use crate::ops::view::{DeviceState, DeviceView};

/// Rows shown at most.
const MAX_ROWS: usize = 500;

/// The columns, in order; on a narrow screen they label the cells.
const COLUMNS: [&str; 14] = [
    "Device",
    "Class",
    "Age",
    "Verdict",
    "Score",
    "Windows",
    "Alerts",
    "Processed",
    "Late",
    "Duplicate",
    "Rejected",
    "Missing",
    "Restarts",
    "State",
];

/// Whether `device` is among those asked for: its name contains `filter`, in either case.
pub(in crate::ops) fn matches(device: &DeviceView, filter: &str) -> bool {
    filter.is_empty() || device.name.to_lowercase().contains(&filter.to_lowercase())
}

/// What the table shows.
pub(super) struct Devices {
    rows: Vec<DeviceView>,
    matching: usize,
    known: usize,
    filter: String,
    now: Timestamp,
}

impl Devices {
    /// The first of those that match, sorted: anomalous, then quarantined, then the rest, by name.
    pub(super) fn new(mut rows: Vec<DeviceView>, filter: &str, now: Timestamp) -> Self {
        let known = rows.len();
        rows.retain(|device| matches(device, filter));
        let matching = rows.len();
        let order = |a: &DeviceView, b: &DeviceView| (rank(a), &a.name).cmp(&(rank(b), &b.name));
        if matching > MAX_ROWS {
            rows.select_nth_unstable_by(MAX_ROWS, order);
            rows.truncate(MAX_ROWS);
        }
        rows.sort_unstable_by(order);
        Self {
            rows,
            matching,
            known,
            filter: filter.to_owned(),
            now,
        }
    }
}

fn rank(device: &DeviceView) -> u8 {
    match (device.verdict, device.state) {
        (Verdict::Anomalous, _) => 0,
        (_, DeviceState::Quarantined) => 1,
        _ => 2,
    }
}

impl Display for Devices {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<section>\n<h2>Devices")?;
        self.note(f)?;
        f.write_str("</h2>\n")?;
        if self.rows.is_empty() {
            let why = match self.known {
                0 => "No device has reported yet.",
                _ => "No device has such a name.",
            };
            return writeln!(f, "<p class=\"none\">{why}</p>\n</section>");
        }
        f.write_str("<table class=\"devices\">\n<thead><tr>")?;
        for column in COLUMNS {
            write!(f, "<th scope=\"col\">{column}</th>")?;
        }
        f.write_str("</tr></thead>\n<tbody>\n")?;
        for device in &self.rows {
            Row {
                device,
                now: self.now,
            }
            .fmt(f)?;
        }
        f.write_str("</tbody>\n</table>\n</section>\n")
    }
}

impl Devices {
    /// How many are shown of how many, where that is not all.
    fn note(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count = |n: usize| Count(n as u64);
        if !self.filter.is_empty() {
            let (matching, known) = (count(self.matching), count(self.known));
            let filter = Escaped(&self.filter);
            write!(
                f,
                "<small>{matching} of {known} with “{filter}” in their name · <a href=\"/\">show all</a></small>"
            )?;
        }
        match self.matching - self.rows.len() {
            0 => Ok(()),
            hidden => write!(
                f,
                "<small>{} more not shown: narrow them by name</small>",
                count(hidden)
            ),
        }
    }
}

struct Row<'a> {
    device: &'a DeviceView,
    now: Timestamp,
}

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let device = self.device;
        let [
            name,
            class,
            age,
            verdict,
            score,
            windows,
            alerts,
            processed,
            late,
            duplicate,
            rejected,
            missing,
            restarts,
            state,
        ] = COLUMNS;
        write!(
            f,
            "<tr><th scope=\"row\" data-label=\"{name}\">{}</th>",
            Escaped(&device.name)
        )?;
        write!(
            f,
            "<td data-label=\"{class}\">{}</td>",
            Escaped(&device.class)
        )?;
        self.write_age(f, age)?;
        self.write_verdict(f, verdict)?;
        self.write_score(f, score)?;
        let counts = [
            (windows, device.windows, false),
            (alerts, device.alerts, false),
            (processed, device.processed, false),
            (late, device.late, true),
            (duplicate, device.duplicate, true),
            (rejected, device.rejected, true),
            (missing, device.time.missing(), true),
            (restarts, device.restarts, true),
        ];
        for (label, count, unwanted) in counts {
            let class = match (count, unwanted) {
                (0, _) => "number zero",
                (_, true) => "number warn",
                (_, false) => "number",
            };
            write!(
                f,
                "<td class=\"{class}\" data-label=\"{label}\">{}</td>",
                Count(count)
            )?;
        }
        let (class, name) = match device.state {
            DeviceState::Running if device.online == Some(false) => ("warn", "offline"),
            DeviceState::Running if device.behind => ("warn", "behind"),
            DeviceState::Running => ("calm", device.state.name()),
            DeviceState::Restarting => ("warn", device.state.name()),
            DeviceState::Quarantined => ("bad", device.state.name()),
        };
        writeln!(
            f,
            "<td data-label=\"{state}\"><span class=\"{class}\">{name}</span></td></tr>"
        )
    }
}

impl Row<'_> {
    /// Now minus the event time of the newest reading.
    fn age(&self) -> Option<Span> {
        self.device.last_event_time.map(|time| self.now - time)
    }

    /// The limit that the age is over.
    fn exceeded(&self) -> Option<Span> {
        let age = self.age()?;
        self.device.freshness_limit.filter(|&limit| age > limit)
    }

    fn write_age(&self, f: &mut Formatter<'_>, label: &str) -> fmt::Result {
        let class = match self.exceeded() {
            Some(_) => "number bad",
            None => "number",
        };
        write!(f, "<td class=\"{class}\" data-label=\"{label}\"")?;
        if let Some(seen) = self.device.last_seen {
            write!(f, " title=\"arrived {} ago\"", Age(self.now - seen))?;
        }
        match self.age() {
            Some(age) => write!(f, ">{}", Age(age))?,
            None => f.write_str(">–")?,
        }
        if let Some(limit) = self.exceeded() {
            write!(f, "<small>over {}</small>", Age(limit))?;
        }
        f.write_str("</td>")
    }

    /// A verdict that rests on old readings is no longer told as if it still held.
    fn write_verdict(&self, f: &mut Formatter<'_>, label: &str) -> fmt::Result {
        let device = self.device;
        let old = device.state != DeviceState::Running
            || device.online == Some(false)
            || self.exceeded().is_some();
        let (class, was) = match device.verdict {
            Verdict::Unknown => ("unknown", ""),
            Verdict::Normal if old => ("unknown", "was "),
            Verdict::Normal => ("good", ""),
            Verdict::Anomalous if old => ("bad", "was "),
            Verdict::Anomalous => ("bad", ""),
        };
        let name = device.verdict.name();
        write!(
            f,
            "<td data-label=\"{label}\"><span class=\"pill {class}\">{was}{name}</span>"
        )?;
        if let Some(reason) = device.model_degraded {
            let reason = reason.name().replace('_', " ");
            write!(f, "<small class=\"warn\">no model: {reason}</small>")?;
        }
        f.write_str("</td>")
    }

    fn write_score(&self, f: &mut Formatter<'_>, label: &str) -> fmt::Result {
        let class = match self.device.last_score {
            Some(score) if score >= 1.0 => "number bad",
            _ => "number",
        };
        write!(f, "<td class=\"{class}\" data-label=\"{label}\">")?;
        match self.device.last_score {
            Some(score) => write!(f, "{score:.2}</td>"),
            None => f.write_str("–</td>"),
        }
    }
}
