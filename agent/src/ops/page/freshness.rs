//! The table of how old data is: a row for each class, a column for each stage of its way.

use std::fmt::{self, Formatter};

use crate::ops::format::{Age, Escaped};
use crate::ops::metrics::Stage;
use crate::ops::view::FreshnessView;

/// Writes it; nothing before there is data.
pub(super) fn freshness(f: &mut Formatter<'_>, views: &[FreshnessView]) -> fmt::Result {
    if views.is_empty() {
        return Ok(());
    }
    f.write_str(
        "<section>\n<h2>Freshness<small>age of the oldest data within the last minute</small></h2>\n\
         <table>\n<thead><tr><th scope=\"col\">Class</th>",
    )?;
    for stage in Stage::ALL {
        write!(f, "<th scope=\"col\">{}</th>", stage.name())?;
    }
    f.write_str("</tr></thead>\n<tbody>\n")?;
    // They come class by class.
    for of_class in views.chunk_by(|a, b| a.class == b.class) {
        let name = of_class.first().map_or("", |view| &view.class);
        write!(f, "<tr><th scope=\"row\">{}</th>", Escaped(name))?;
        for stage in Stage::ALL {
            cell(f, stage, of_class.iter().find(|view| view.stage == stage))?;
        }
        f.write_str("</tr>\n")?;
    }
    f.write_str("</tbody>\n</table>\n</section>\n")
}

fn cell(f: &mut Formatter<'_>, stage: Stage, view: Option<&FreshnessView>) -> fmt::Result {
    let age = view.and_then(|view| view.recent_max);
    let limit = view.and_then(|view| view.limit);
    let class = match (age, limit) {
        (Some(age), Some(limit)) if age > limit => "bad",
        (Some(_), Some(_)) => "good",
        _ => "calm",
    };
    write!(f, "<td class=\"{class}\" data-label=\"{}\">", stage.name())?;
    match age {
        Some(age) => write!(f, "{}", Age(age))?,
        None => f.write_str("–")?,
    }
    let device = view.and_then(|view| view.device.as_deref());
    match (limit, device) {
        (Some(limit), Some(device)) => {
            write!(f, "<small>of {limit} allowed · {}</small>", Escaped(device))?;
        }
        (Some(limit), None) => write!(f, "<small>of {limit} allowed</small>")?,
        (None, Some(device)) => write!(f, "<small>{}</small>", Escaped(device))?,
        (None, None) => {}
    }
    f.write_str("</td>")
}
