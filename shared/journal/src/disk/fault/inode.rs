//! One file: what the process sees, what is durable, and what lies between.

use super::random::Random;

const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Cut(usize),
}

#[derive(Debug)]
struct Pending {
    change: Change,
    /// A sync that was to make it durable failed, so that no later one will.
    doomed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

impl Inode {
    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn contents(&self) -> &[u8] {
        &self.live
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        let change = Change::Write {
            offset,
            bytes: bytes.to_vec(),
        };
        change.apply(&mut self.live);
        self.push(change);
    }

    pub(super) fn truncate(&mut self, length: u64) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.live.truncate(length);
        self.push(Change::Cut(length));
    }

    fn push(&mut self, change: Change) {
        self.pending.push(Pending {
            change,
            doomed: false,
        });
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let have = self.live.get(offset..).unwrap_or_default();
        let n = have.len().min(buffer.len());
        buffer[..n].copy_from_slice(&have[..n]);
        n
    }

    pub(super) fn sync(&mut self) {
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            if !pending.doomed {
                pending.change.apply(durable);
            }
            pending.doomed
        });
    }

    pub(super) fn fail_sync(&mut self) {
        for pending in &mut self.pending {
            pending.doomed = true;
        }
    }

    pub(super) fn damage(&mut self, with: impl FnOnce(&mut Vec<u8>)) {
        self.sync();
        with(&mut self.live);
        self.durable.clone_from(&self.live);
        self.pending.clear();
    }

    /// What is left of it afterwards.
    pub(super) fn cut_power(&mut self, random: &mut Random) {
        let length = self.live.len();
        match random.below(4) {
            // Nothing made it, or everything did.
            0 => {}
            1 => self.survive(|_| Fate::Kept),
            // In their order, up to some sector.
            2 => {
                let mut broken = false;
                self.survive(|_| {
                    broken |= random.chance(200);
                    if broken { Fate::Lost } else { Fate::Kept }
                });
            }
            // In any order.
            _ => self.survive(|_| match random.below(10) {
                0..=4 => Fate::Kept,
                5..=8 => Fate::Lost,
                _ => Fate::Garbage(random.number()),
            }),
        }
        if self.durable.len() < length && random.chance(300) {
            // The length made it, and the bytes did not.
            self.durable.resize(length, 0);
        }
        self.pending.clear();
        self.live.clone_from(&self.durable);
    }

    fn survive(&mut self, mut fate: impl FnMut(&Change) -> Fate) {
        for pending in &self.pending {
            for mut piece in pending.change.sectors() {
                match fate(&piece) {
                    Fate::Lost => continue,
                    Fate::Kept => {}
                    Fate::Garbage(seed) => piece.garble(seed),
                }
                piece.apply(&mut self.durable);
            }
        }
    }
}

enum Fate {
    Kept,
    Lost,
    Garbage(u64),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Cut(length) => content.truncate(*length),
        }
    }

    /// The pieces that are written whole or not at all.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { offset, bytes } = self else {
            return vec![self.clone()];
        };
        let (mut offset, mut rest) = (*offset, bytes.as_slice());
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let n = rest.len().min(SECTOR - offset % SECTOR);
            pieces.push(Self::Write {
                offset,
                bytes: rest[..n].to_vec(),
            });
            offset += n;
            rest = &rest[n..];
        }
        pieces
    }

    fn garble(&mut self, seed: u64) {
        if let Self::Write { bytes, .. } = self {
            let mut random = Random::new(seed);
            bytes.fill_with(|| random.number() as u8);
        }
    }
}
