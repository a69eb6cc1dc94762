//! What is found in the folder when the journal is opened.
//!
//! Only headers and the newest segment are looked at, so that this is quick; damage in older ones shows when
//! they are read.

use std::path::PathBuf;

use crate::Position;
use crate::disk::{Disk, DiskFile};
use crate::entry::flag;
use crate::error::{FileError, on};
use crate::segment::scan::Scan;
use crate::segment::{self, BadHeader, HEADER, Header};
use crate::writer::SegmentInfo;

/// So many segments that were set aside are kept for whoever wants to look at them.
const KEPT_ASIDE: usize = 4;
const ASIDE: &str = ".corrupt";

/// What was found when the journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Position of the oldest entry; the same as `next` if there is none.
    pub first: Position,
    /// Position of the next entry.
    pub next: Position,
    /// Bytes that were cut off the end, of entries that were not written whole.
    pub truncated: u64,
    /// Segments that cannot be read.
    pub set_aside: Vec<SetAside>,
    /// Positions that were given away and are not there, as far as that is known already. A reader that comes
    /// by says so again, and of older damage only then.
    pub gaps: Vec<Gap>,
}

/// A segment that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// Bytes of it.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

/// Positions whose entries are not there: lost, or never committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first.
    pub from: Position,
    /// The last.
    pub to: Position,
}

/// What one file comes to.
enum Found {
    /// A segment.
    Segment(SegmentInfo),
    /// Nothing, and nothing before this position is to be given away again.
    Nothing(Position),
}

/// Looks at every segment; sets aside, cuts off and deletes what has to be.
pub(crate) fn recover<D: Disk>(
    disk: &D,
    at_least: Position,
) -> Result<(Vec<SegmentInfo>, Recovery), FileError> {
    let files = disk.list().map_err(on("list", || disk.path("")))?;
    forget_old(disk, &files);
    let mut files: Vec<(Position, u64)> = files
        .iter()
        .filter_map(|(name, length)| Some((segment::first_of(name)?, *length)))
        .collect();
    files.sort_unstable();

    let mut recovery = Recovery::default();
    let mut segments: Vec<SegmentInfo> = Vec::new();
    let mut next = at_least.max(1);
    // One more than the last position that is accounted for.
    let mut known = files.first().map_or(next, |&(first, _)| first);
    for (i, &(first, length)) in files.iter().enumerate() {
        let follower = files.get(i + 1).map(|&(first, _)| first);
        let mut gaps = Vec::new();
        match look_at(disk, first, length, follower, &mut recovery, &mut gaps) {
            Found::Segment(segment) => {
                recovery.gaps.extend(gap(known, segment.first));
                recovery.gaps.append(&mut gaps);
                known = segment.end;
                next = next.max(segment.end);
                segments.push(segment);
            }
            Found::Nothing(end) => next = next.max(end),
        }
    }
    recovery.gaps.extend(gap(known, next));
    recovery.first = segments.first().map_or(next, |segment| segment.first);
    recovery.next = next;
    Ok((segments, recovery))
}

fn gap(from: Position, end: Position) -> Option<Gap> {
    (from < end).then(|| Gap { from, to: end - 1 })
}

fn look_at<D: Disk>(
    disk: &D,
    first: Position,
    length: u64,
    follower: Option<Position>,
    recovery: &mut Recovery,
    gaps: &mut Vec<Gap>,
) -> Found {
    let name = segment::name(first);
    if length <= HEADER as u64 {
        // It was being created and has no entry.
        recovery.truncated += length;
        let _ = disk.remove(&name);
        return Found::Nothing(first);
    }
    let aside = |recovery: &mut Recovery, reason: String| {
        let new_name = format!("{name}{ASIDE}");
        let renamed = disk.rename(&name, &new_name).is_ok();
        recovery.set_aside.push(SetAside {
            path: disk.path(if renamed { &new_name } else { &name }),
            bytes: length,
            reason,
        });
    };
    let mut file = match disk.open(&name) {
        Ok(file) => file,
        Err(error) => {
            aside(recovery, error.to_string());
            return Found::Nothing(highest_possible(first, length));
        }
    };
    let bad = match read_header(&mut file, first) {
        Ok(header) => header.err().map(|bad| bad.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let mut scan = Scan::new(file, first);
    if let Some(reason) = bad {
        let end = match scan_positions(&mut scan, first, length, &mut Vec::new()) {
            Ok((end, _)) if end > first => end,
            _ => highest_possible(first, length),
        };
        aside(recovery, reason);
        return Found::Nothing(end);
    }
    if let Some(end) = follower {
        return Found::Segment(SegmentInfo {
            first,
            end,
            bytes: length,
        });
    }
    match scan_positions(&mut scan, first, length, gaps) {
        Ok((end, _)) if end == first => {
            recovery.truncated += length;
            let _ = disk.remove(&name);
            Found::Nothing(first)
        }
        Ok((end, bytes)) => {
            if bytes < length && scan.window.file().truncate(bytes).is_ok() {
                recovery.truncated += length - bytes;
            }
            // What is going to be read may have been written without a sync. It must not disappear after
            // someone acted upon it. If this fails, it is no worse than not to know.
            let _ = scan.window.file().sync().and_then(|()| disk.sync_dir());
            Found::Segment(SegmentInfo { first, end, bytes })
        }
        Err(error) => {
            aside(recovery, error.to_string());
            Found::Nothing(highest_possible(first, length))
        }
    }
}

/// The header of an open segment.
pub(crate) fn read_header<F: DiskFile>(
    file: &mut F,
    first: Position,
) -> std::io::Result<Result<Header, BadHeader>> {
    let mut bytes = [0; HEADER];
    file.read_at(&mut bytes, 0)?;
    Ok(Header::read(&bytes, first))
}

/// One more than the last position that counts, and where its entry ends.
///
/// Of entries that were committed together, a power cut may leave later ones without earlier ones. Nobody was told
/// that they are safe, so whoever sent them sends all of them again: in their order only if those that were left do not
/// count either.
fn scan_positions<F: DiskFile>(
    scan: &mut Scan<F>,
    first: Position,
    length: u64,
    gaps: &mut Vec<Gap>,
) -> std::io::Result<(Position, u64)> {
    let (mut end, mut bytes) = (first, HEADER as u64);
    // Where the gap begins that is in the commit at hand, and how many were before it.
    let mut torn = None;
    while let Some(found) = scan.find(length)? {
        let flags = scan.window.at(found.body.start, 1, length)?;
        if flags.first().is_none_or(|flags| flags & flag::FOLLOWS == 0) {
            torn = None;
        } else if found.position > end {
            torn.get_or_insert((end, bytes, gaps.len()));
        }
        gaps.extend(gap(end, found.position));
        scan.pass(&found);
        (end, bytes) = (found.position + 1, found.body.end);
    }
    if let Some((torn_end, torn_bytes, before)) = torn {
        gaps.truncate(before);
        (end, bytes) = (torn_end, torn_bytes);
    }
    Ok((end, bytes))
}

/// One more than the last position that fits into so many bytes.
fn highest_possible(first: Position, length: u64) -> Position {
    first.saturating_add(length / segment::MIN_FRAME as u64)
}

/// Deletes the oldest of those that were set aside, so that they take no more than so much room.
fn forget_old<D: Disk>(disk: &D, files: &[(String, u64)]) {
    let mut aside: Vec<&str> = files
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.ends_with(ASIDE))
        .collect();
    aside.sort_unstable();
    let old = aside.len().saturating_sub(KEPT_ASIDE);
    for name in &aside[..old] {
        let _ = disk.remove(name);
    }
}
