//! How large the program is, and what of.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Serialize;

/// Size of a stripped program.
#[derive(Debug, Serialize)]
pub(super) struct Binary {
    /// Bytes of the file.
    bytes: u64,
    /// Bytes by section, the largest first.
    sections: Vec<(String, u64)>,
}

/// Reads the sizes with `size -A`, where that is installed.
pub(super) fn of_binary(program: &Path) -> anyhow::Result<Binary> {
    let bytes = std::fs::metadata(program)
        .with_context(|| format!("cannot read {}", program.display()))?
        .len();
    let listing = Command::new("size").arg("-A").arg(program).output();
    let listing = listing.map_or_else(
        |_| String::new(),
        |o| String::from_utf8_lossy(&o.stdout).into_owned(),
    );
    let sections: BTreeMap<String, u64> = listing
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.strip_prefix('.')?;
            Some((name.to_owned(), words.next()?.parse().ok()?))
        })
        .collect();
    let mut sections: Vec<(String, u64)> = sections.into_iter().collect();
    sections.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    sections.truncate(5);
    Ok(Binary { bytes, sections })
}

impl fmt::Display for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "program, stripped                           {:.1} MiB:",
            mib(self.bytes)
        )?;
        for (name, bytes) in &self.sections {
            write!(f, " {name} {:.1}", mib(*bytes))?;
        }
        Ok(())
    }
}
