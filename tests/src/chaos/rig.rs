//! The parts of a run and how they are started and stopped: two brokers, three links, the agent, the collector, and
//! a disk that can be filled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::books::Books;
use crate::child::{self, Process};
use crate::mosquitto::Mosquitto;

/// How long anything may take to start or to stop.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Size of the disk that can be filled, in bytes.
const DISK: usize = 64 << 20;

/// A broker that keeps what it has acknowledged over a stop, and never gives anything up.
pub(super) fn broker(folder: &Path) -> anyhow::Result<Mosquitto> {
    fs::create_dir_all(folder)?;
    Mosquitto::start(&format!(
        "persistence true\npersistence_location {}/\nautosave_interval 5\n\
         max_queued_messages 0\nmax_queued_bytes 0\nset_tcp_nodelay true\n\
         log_dest file {}\nlog_type error\nlog_type warning\nlog_type notice\nlog_type subscribe",
        folder.display(),
        folder.join("mosquitto.log").display(),
    ))
}

/// Waits until somebody has subscribed to what begins with `filter` at the broker in `folder`.
pub(super) async fn subscribed(folder: &Path, filter: &str) -> anyhow::Result<()> {
    let log = folder.join("mosquitto.log");
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains(filter)) {
        anyhow::ensure!(
            Instant::now() < deadline,
            "nobody has subscribed to {filter} after {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// How the agent of a run is configured; it follows from the seed.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) version: &'static str,
    pub(super) durability: String,
}

impl Variant {
    /// Both versions of MQTT and both levels that promise something come up.
    pub(super) fn of(seed: u64) -> Self {
        Self {
            version: ["3.1.1", "5"][(seed % 2) as usize],
            durability: ["power", "process", "process"][(seed % 3) as usize].to_owned(),
        }
    }
}

/// The agent's program and its files.
pub(super) struct Agent {
    pub(super) page: String,
    pub(super) data: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    process: Option<Process>,
    pub(super) starts: u32,
}

impl Agent {
    /// Writes the configuration for an agent in `folder`; nothing runs yet.
    pub(super) fn new(
        folder: &Path,
        page: String,
        data: PathBuf,
        (plant, shore): (u16, u16),
        variant: &Variant,
    ) -> anyhow::Result<Self> {
        let Variant {
            version,
            durability,
        } = variant;
        let config = folder.join("eyot.toml");
        // The idle timeout is out of reach, so that no outage makes a reading late.
        let text = format!(
            r#"
[agent]
name = "chaos"
data_dir = "{data}"

[journal]
durability = "{durability}"
max_bytes = "24MiB"

[[source]]
name = "plant"
url = "mqtt://127.0.0.1:{plant}"
client_id = "chaos-agent"
version = "{version}"

[[source.rule]]
name = "reading"
topic = "plant/{{device}}/{{channel}}"
time = "ts"
time_format = "unix_ms"
value = "v"

[[class]]
name = "machine"
devices = ["m-*"]
window = "1s"
out_of_orderness = "1s"
idle_timeout = "1h"
channels = {{ a = {{}}, b = {{}}, c = {{}} }}

# Jumpy, so that alerts come and go.
[class.detectors.robust_z]
threshold = 1.5
history = 10
warmup = 3

[class.verdict]
enter_after = 1
exit_after = 1
cooldown = "1s"

[uplink]
url = "mqtt://127.0.0.1:{shore}"
client_id = "chaos-agent-uplink"
backoff_min = "100ms"
backoff_max = "1s"

[http]
listen = "{page}"
"#,
            data = data.display(),
        );
        fs::write(&config, text)?;
        Ok(Self {
            page,
            data,
            folder: folder.to_owned(),
            config,
            process: None,
            starts: 0,
        })
    }

    /// The log of its `n`th start.
    fn log(&self, n: u32) -> PathBuf {
        self.folder.join(format!("agent-{n:03}.log"))
    }

    /// Starts it and waits until it is at work, whether or not it has anybody to talk to.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.ready()
    }

    /// Waits until it is at work.
    pub(super) fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answers = child::get(&self.page, "/api/overview.json")
                .is_ok_and(|(_, body)| body.contains(r#""running""#));
            if answers {
                return Ok(());
            }
            self.check()?;
            anyhow::ensure!(
                Instant::now() < deadline,
                "the agent is not at work {PATIENCE:?} after its start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What its page says of its books.
    pub(super) fn books(&self) -> anyhow::Result<Books> {
        Books::parse(&child::get(&self.page, "/api/overview.json")?.1)
    }

    /// Starts it and does not wait.
    pub(super) fn launch(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        let mut command = Command::new(child::eyot()?);
        command.arg("run").arg("--config").arg(&self.config);
        self.process = Some(Process::start(&mut command, &self.log(self.starts))?);
        Ok(())
    }

    /// Sends it a signal.
    pub(super) fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name);
        }
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        // Dropping kills, and waits.
        self.process = None;
    }

    /// Stops it in order.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("the agent is not running")?;
        process.terminate();
        let status = process.wait(PATIENCE).context("stopping the agent")?;
        anyhow::ensure!(status.success(), "the agent stopped with {status}");
        Ok(())
    }

    /// Fails if it has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.process.as_mut().and_then(Process::ended);
        match ended {
            None => Ok(()),
            Some(status) => anyhow::bail!("the agent ended by itself with {status}"),
        }
    }

    /// Lines of all its logs that contain `text`.
    pub(super) fn logged(&self, text: &str) -> Vec<String> {
        let logs = (1..=self.starts).map(|n| fs::read_to_string(self.log(n)).unwrap_or_default());
        let lines = logs.flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>());
        lines.filter(|line| line.contains(text)).collect()
    }
}

/// `eyot collect` as a process.
pub(super) struct Shore {
    pub(super) database: PathBuf,
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
    starts: u32,
}

impl Shore {
    /// A collector for the upstream broker at `port`; it does not run yet.
    pub(super) fn new(folder: &Path, port: u16) -> Self {
        Self {
            database: folder.join("collected.db"),
            folder: folder.to_owned(),
            port,
            process: None,
            starts: 0,
        }
    }

    /// Starts it.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        let log = self.folder.join(format!("collect-{:03}.log", self.starts));
        let mut command = Command::new(child::eyot()?);
        command
            .arg("collect")
            .args(["--broker", &format!("mqtt://127.0.0.1:{}", self.port)])
            .arg("--sqlite")
            .arg(&self.database)
            .arg("--latest");
        self.process = Some(Process::start(&mut command, &log)?);
        Ok(())
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// Fails if it has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.process.as_mut().and_then(Process::ended) {
            None => Ok(()),
            Some(status) => anyhow::bail!("the collector ended by itself with {status}"),
        }
    }

    /// Stops it in order.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let mut process = self.process.take().context("no collector is running")?;
        process.terminate();
        let status = process.wait(PATIENCE).context("stopping the collector")?;
        anyhow::ensure!(status.success(), "the collector stopped with {status}");
        Ok(())
    }
}

/// A small file system of its own for the agent's folder, if this process may mount one.
pub(super) struct Disk {
    pub(super) path: PathBuf,
}

impl Disk {
    /// Mounts it at `path`.
    ///
    /// # Errors
    /// Where that is not allowed, with what the system says.
    pub(super) fn mount(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&path)?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
            .arg(&path)
            .output()
            .context("there is no `mount`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{}", said.trim());
        Ok(Self { path })
    }

    /// Fills it to the last byte.
    pub(super) fn fill(&self) -> anyhow::Result<()> {
        use std::io::Write;
        let mut file = fs::File::create(self.filling())?;
        let mut written = 0;
        for block in [1 << 20, 4096, 1] {
            let block = vec![0_u8; block];
            while file.write_all(&block).is_ok() {
                written += block.len();
                // Whatever this is, it is not the disk that was mounted here.
                anyhow::ensure!(written <= DISK, "the disk does not get full");
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub(super) fn free(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.filling())?)
    }

    fn filling(&self) -> PathBuf {
        self.path.join("filling")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What is on it goes where it lay, to be looked at after the run.
        let aside = self.path.with_extension("kept");
        let copied = Command::new("cp")
            .arg("-r")
            .arg(&self.path)
            .arg(&aside)
            .status();
        let unmounted = Command::new("umount").arg(&self.path).status();
        if let (Ok(_), Ok(_)) = (copied, unmounted) {
            let _ = fs::remove_dir(&self.path).and_then(|()| fs::rename(aside, &self.path));
        }
    }
}
