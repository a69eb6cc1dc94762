//! Makes the faults of a schedule happen, each lane in a task of its own.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use eyot::clock;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, sleep_until};

use super::devices::Devices;
use super::dice::Dice;
use super::rig::{Agent, Disk, PATIENCE, Shore};
use super::schedule::{Fault, Kind};
use super::watch::Watch;
use crate::link::{Link, LinkState};
use crate::mosquitto::Mosquitto;

/// Bytes that a corruption overwrites.
const SCRIBBLE: usize = 1024;

/// The agent's lane.
pub(super) struct AgentLane {
    pub(super) agent: Agent,
    pub(super) disk: Option<Disk>,
    /// Each time the database or the journal was scribbled upon: what had left by then, and when it was, both in milliseconds since
    /// the epoch.
    pub(super) corruptions: Vec<(i64, i64)>,
}

/// The plant's lane.
pub(super) struct IngestLane {
    pub(super) broker: Mosquitto,
    /// Between broker and agent.
    pub(super) link: Link,
    /// Between devices and broker.
    pub(super) devices: Link,
}

/// The upstream lane.
pub(super) struct UpstreamLane {
    pub(super) broker: Mosquitto,
    pub(super) link: Link,
    pub(super) shore: Shore,
}

/// One lane's way to make a fault happen.
pub(super) trait Inject: Send {
    fn inject(
        &mut self,
        fault: &Fault,
        watch: &Watch,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Fails if something is not running that should be.
    fn check(&mut self) -> anyhow::Result<()>;
}

/// Goes through the lane's faults and gives the lane back; ends early, without an error, once `stop` is set.
pub(super) async fn run<L: Inject>(
    mut lane: L,
    plan: Vec<Fault>,
    (start, watch, stop): (Instant, Arc<Watch>, Arc<AtomicBool>),
) -> anyhow::Result<L> {
    let run = async {
        for fault in plan {
            let at = start + fault.starts();
            if at > Instant::now() {
                sleep_until(at).await;
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
            lane.check()?;
            watch.begins(&fault);
            let done = lane.inject(&fault, &watch).await;
            watch.ends(&fault);
            done.with_context(|| format!("at {fault}"))?;
        }
        lane.check()
    };
    let result = run.await;
    if result.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    result.map(|()| lane)
}

impl Inject for AgentLane {
    async fn inject(&mut self, fault: &Fault, watch: &Watch) -> anyhow::Result<()> {
        let mut dice = Dice::new(fault.dice, 0);
        match fault.kind {
            Kind::AgentKill => {
                self.agent.kill();
                block_in_place(|| self.agent.start())
            }
            Kind::AgentKillTwice => {
                self.agent.kill();
                self.agent.launch()?;
                sleep(dice.millis(10, 800)).await;
                self.agent.kill();
                block_in_place(|| self.agent.start())
            }
            Kind::AgentStop => {
                block_in_place(|| self.agent.stop())?;
                sleep(fault.lasts()).await;
                block_in_place(|| self.agent.start())
            }
            Kind::AgentPause => {
                self.agent.signal("-STOP");
                sleep(fault.lasts()).await;
                self.agent.signal("-CONT");
                Ok(())
            }
            Kind::DiskFull => {
                let disk = self.disk.as_ref().context("there is no such disk")?;
                block_in_place(|| disk.fill())?;
                sleep(fault.lasts()).await;
                disk.free()
            }
            Kind::DiskFullKill => {
                let disk = self.disk.as_ref().context("there is no such disk")?;
                block_in_place(|| disk.fill())?;
                sleep(fault.lasts() / 2).await;
                self.agent.kill();
                self.agent.launch()?;
                sleep(fault.lasts() / 2).await;
                disk.free()?;
                block_in_place(|| self.agent.ready())
            }
            Kind::CorruptDatabase => {
                let left = watch.frontier().unwrap_or(0);
                block_in_place(|| self.agent.stop())?;
                let now = clock::now().0 / 1_000_000;
                self.corruptions.push((left, now));
                scribble(&self.agent.data.join("eyot.db"), &mut dice)?;
                block_in_place(|| self.agent.start())
            }
            Kind::CorruptJournal => {
                let left = watch.frontier().unwrap_or(0);
                self.agent.kill();
                let now = clock::now().0 / 1_000_000;
                self.corruptions.push((left, now));
                if let Some(segment) = any_segment(&self.agent.data.join("journal"), &mut dice)? {
                    scribble(&segment, &mut dice)?;
                }
                block_in_place(|| self.agent.start())
            }
            other => anyhow::bail!("{} is not the agent's", other.name()),
        }
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.agent.check()
    }
}

/// A segment of the journal that is worth damaging.
fn any_segment(folder: &Path, dice: &mut Dice) -> anyhow::Result<Option<PathBuf>> {
    let mut segments = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let large = path.metadata()?.len() > SCRIBBLE as u64;
        if large && path.extension().is_some_and(|extension| extension == "seg") {
            segments.push(path);
        }
    }
    segments.sort();
    let n = segments.len() as u64;
    Ok((n > 0).then(|| segments.swap_remove(dice.below(n) as usize)))
}

/// Random bytes at random places of a file; it stays as long as it is.
fn scribble(path: &Path, dice: &mut Dice) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    for _ in 0..=dice.below(4) {
        let bytes: Vec<u8> = (0..SCRIBBLE).map(|_| dice.bits() as u8).collect();
        let at = dice.below(length.saturating_sub(SCRIBBLE as u64).max(1));
        file.write_all_at(&bytes, at)?;
    }
    Ok(file.sync_all()?)
}

async fn set_for(link: &Link, state: LinkState, fault: &Fault) {
    link.set(state);
    sleep(fault.lasts()).await;
    link.set(LinkState::Open);
}

async fn restart(broker: &mut Mosquitto, fault: &Fault) -> anyhow::Result<()> {
    block_in_place(|| broker.stop(PATIENCE))?;
    sleep(fault.lasts()).await;
    block_in_place(|| broker.resume())
}

async fn pause(broker: &Mosquitto, fault: &Fault) {
    broker.signal("-STOP");
    sleep(fault.lasts()).await;
    broker.signal("-CONT");
}

impl Inject for IngestLane {
    async fn inject(&mut self, fault: &Fault, _: &Watch) -> anyhow::Result<()> {
        match fault.kind {
            Kind::IngestRestart => restart(&mut self.broker, fault).await?,
            Kind::IngestPause => pause(&self.broker, fault).await,
            Kind::IngestCut => set_for(&self.link, LinkState::Cut, fault).await,
            Kind::IngestSlow => set_for(&self.link, LinkState::Slow, fault).await,
            Kind::IngestDeaf => set_for(&self.link, LinkState::Deaf, fault).await,
            Kind::DevicesCut => set_for(&self.devices, LinkState::Cut, fault).await,
            other => anyhow::bail!("{} is not the plant's", other.name()),
        }
        Ok(())
    }

    fn check(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.broker.has_ended(),
            "the plant's broker ended by itself"
        );
        Ok(())
    }
}

impl Inject for UpstreamLane {
    async fn inject(&mut self, fault: &Fault, _: &Watch) -> anyhow::Result<()> {
        match fault.kind {
            Kind::UpstreamRestart => restart(&mut self.broker, fault).await?,
            Kind::UpstreamPause => pause(&self.broker, fault).await,
            Kind::UpstreamCut => set_for(&self.link, LinkState::Cut, fault).await,
            Kind::UpstreamSlow => set_for(&self.link, LinkState::Slow, fault).await,
            Kind::UpstreamDeaf => set_for(&self.link, LinkState::Deaf, fault).await,
            Kind::CollectorKill => {
                self.shore.kill();
                self.shore.start()?;
            }
            other => anyhow::bail!("{} is not upstream's", other.name()),
        }
        Ok(())
    }

    fn check(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.broker.has_ended(),
            "the upstream broker ended by itself"
        );
        self.shore.check()
    }
}

impl Inject for Devices {
    async fn inject(&mut self, fault: &Fault, _: &Watch) -> anyhow::Result<()> {
        self.trouble(fault.kind, &mut Dice::new(fault.dice, 0));
        Ok(())
    }

    fn check(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}
