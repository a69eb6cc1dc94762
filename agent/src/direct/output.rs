//! Where what devices say goes.

use std::io::{self, Write};

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::{Device, Effect, Numbered};

use crate::record::Encoder;

/// Takes the effects of all devices, in the order in which they come.
pub trait Output {
    /// Of the device of that name.
    ///
    /// # Errors
    /// When it takes no more.
    fn effect(&mut self, name: &str, device: &Device, numbered: &Numbered) -> io::Result<()>;
}

/// Records, one JSON object a line.
pub struct Lines<W> {
    encoder: Encoder,
    out: W,
    /// What is added to the revision of each window.
    revision: u32,
    /// Summaries so far.
    pub summaries: u64,
    /// Alerts so far.
    pub alerts: u64,
}

impl<W: Write> Lines<W> {
    /// Records with such ids go to `out`.
    pub fn new(encoder: Encoder, out: W) -> Self {
        Self {
            encoder,
            out,
            revision: 0,
            summaries: 0,
            alerts: 0,
        }
    }

    /// The same, of windows that were summed up before: these take the place of revisions below `revision`.
    #[must_use]
    pub fn revising(mut self, revision: u32) -> Self {
        self.revision = revision;
        self
    }

    /// Where they went.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }
}

impl<W: Write> Output for Lines<W> {
    fn effect(&mut self, name: &str, device: &Device, numbered: &Numbered) -> io::Result<()> {
        let record = match &numbered.effect {
            Effect::Window(window) if self.revision > 0 => {
                let mut window = window.clone();
                window.revision = window.revision.saturating_add(self.revision);
                let revised = Numbered {
                    effect: Effect::Window(window),
                    ..*numbered
                };
                self.encoder.encode(name, device, &revised, 0)
            }
            _ => self.encoder.encode(name, device, numbered, 0),
        };
        match record.lane {
            Lane::Summary => self.summaries += 1,
            Lane::Alert => self.alerts += 1,
            // Nothing waits here, so nothing is given up.
            Lane::Loss => {}
        }
        self.out.write_all(&record.body)?;
        self.out.write_all(b"\n")
    }
}
