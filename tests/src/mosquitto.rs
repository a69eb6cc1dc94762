//! A real mosquitto, one for each test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::broker::free_port;
use crate::child::signal;

/// A mosquitto process on loopback, killed when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    /// Its port.
    pub port: u16,
    config: PathBuf,
    child: Option<Child>,
    _dir: TempDir,
}

impl Mosquitto {
    /// Starts one with these lines added to its configuration.
    ///
    /// # Errors
    /// When mosquitto is not installed or does not start.
    pub fn start(extra: &str) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let port = free_port()?;
        let config = dir.path().join("mosquitto.conf");
        // As root it would change to a user that cannot read the test's files.
        let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n{extra}\n");
        std::fs::write(&config, text)?;
        let mut broker = Self {
            port,
            config,
            child: None,
            _dir: dir,
        };
        broker.resume()?;
        Ok(broker)
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it in order: what it keeps, it has written. Killed if that takes longer than `limit`.
    ///
    /// # Errors
    /// When it does.
    pub fn stop(&mut self, limit: Duration) -> anyhow::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        signal(pid, "-TERM");
        let deadline = Instant::now() + limit;
        while let Some(child) = &mut self.child {
            if child.try_wait()?.is_some() {
                self.child = None;
            } else if Instant::now() > deadline {
                self.kill();
                anyhow::bail!("mosquitto was still running after {limit:?}");
            } else {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    /// Sends it a signal by its name, like `-STOP`.
    pub fn signal(&self, name: &str) {
        if let Some(pid) = self.pid() {
            signal(pid, name);
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Starts it again on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let log = self.config.with_extension("log");
        let child = Command::new(program()?)
            .arg("-c")
            .arg(&self.config)
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("mosquitto does not start")?;
        let child = self.child.insert(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = child.try_wait()?;
            anyhow::ensure!(
                ended.is_none() && Instant::now() < deadline,
                "mosquitto does not listen on port {}: {}",
                self.port,
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> anyhow::Result<&'static Path> {
    [
        "/usr/sbin/mosquitto",
        "/usr/local/sbin/mosquitto",
        "/usr/bin/mosquitto",
        "/opt/homebrew/sbin/mosquitto",
    ]
    .map(Path::new)
    .into_iter()
    .find(|path| path.exists())
    .context("mosquitto is not installed; on Debian: apt-get install mosquitto")
}
