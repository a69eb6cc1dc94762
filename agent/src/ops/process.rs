//! What the kernel says about this process, under the names that every Prometheus exporter uses.

use std::fs;

/// What a process has written since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes that went, or will go, to storage: whole pages, each time that one is written back.
    pub to_storage: u64,
    /// Bytes handed to the system, sockets included.
    pub by_calls: u64,
}

/// What this process has written; `None` where the system does not say.
pub fn written() -> Option<Written> {
    parse_written(&fs::read_to_string("/proc/self/io").ok()?)
}

fn parse_written(io: &str) -> Option<Written> {
    let field = |name: &str| {
        let mut lines = io.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    Some(Written {
        to_storage: field("write_bytes:")?.saturating_sub(field("cancelled_write_bytes:")?),
        by_calls: field("wchar:")?,
    })
}

/// The process as `/proc/self` shows it; what cannot be read, as on other systems, is `None`.
#[derive(Debug, PartialEq)]
pub(super) struct Process {
    /// Resident memory.
    pub(super) resident_bytes: Option<u64>,
    /// User and system time.
    pub(super) cpu_seconds: Option<f64>,
    /// Open file descriptors.
    pub(super) open_fds: Option<u64>,
}

impl Process {
    /// Asks now.
    pub(super) fn read() -> Self {
        let text = |file| fs::read_to_string(file).ok();
        Self {
            resident_bytes: text("/proc/self/status").and_then(|status| resident_bytes(&status)),
            cpu_seconds: text("/proc/self/stat").and_then(|stat| cpu_seconds(&stat)),
            // The folder's own descriptor is open while it is read.
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|fds| (fds.count() as u64).saturating_sub(1)),
        }
    }
}

/// From `/proc/self/status`, which states its unit, unlike `statm` with its pages of unknown size.
fn resident_bytes(status: &str) -> Option<u64> {
    let rest = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = rest.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// From fields 14 and 15 of `/proc/self/stat`. The second, the program's name, may contain anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    /// `USER_HZ`: part of the kernel's interface, the same on every architecture we build for.
    const TICKS_PER_SECOND: f64 = 100.0;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_called_anything_at_all_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 900 0 0 0 150 25 0 0 20 0 5 0 1234 0 0";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(cpu_seconds("42 (a) S 1 2"), None);
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            resident_bytes("Name:\teyot\nVmRSS:\t   13800 kB\nThreads: 3\n"),
            Some(14_131_200)
        );
        assert_eq!(resident_bytes("Name:\teyot\n"), None);
    }

    #[test]
    fn what_was_written_is_without_what_was_taken_back() {
        let io = "rchar: 9\nwchar: 12345\nsyscr: 1\nsyscw: 2\nread_bytes: 0\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n";
        let written = parse_written(io).unwrap();
        assert_eq!((written.to_storage, written.by_calls), (4_096, 12_345));
        assert_eq!(parse_written("wchar: 1\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_can_be_read() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 100_000);
        assert!(process.cpu_seconds.unwrap() >= 0.0);
        assert!(process.open_fds.unwrap() >= 3);
    }
}
