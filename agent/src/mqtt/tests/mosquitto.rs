//! A mosquitto of one's own for a test: free port, temporary folder, killed on drop.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running broker, or one that is stopped for a while.
pub(super) struct Mosquitto {
    dir: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts one that anybody may use. `None`, with the reason printed, where mosquitto isn't installed.
    pub(super) fn start() -> Option<Self> {
        Self::with("allow_anonymous true\n", &[])
    }

    /// Starts one with these lines in its configuration, where `{dir}` is a folder that holds `files`.
    #[expect(
        clippy::print_stderr,
        reason = "the one place where a test can say that it was skipped"
    )]
    pub(super) fn with(config: &str, files: &[(&str, &[u8])]) -> Option<Self> {
        if program().is_none() {
            eprintln!("skipped: mosquitto is neither on the PATH nor in /usr/sbin");
            return None;
        }
        let dir = TempDir::new().expect("temporary folder");
        for (name, contents) in files {
            fs::write(dir.path().join(name), contents).expect("write a file for mosquitto");
        }
        let config = config.replace("{dir}", &dir.path().display().to_string());
        // Another process may take the port between our letting it go and mosquitto's taking it.
        for _ in 0..5 {
            let port = free_port();
            // As root it would drop to a user that can't read the folder.
            let own = format!("listener {port} 127.0.0.1\nuser root\n{config}");
            fs::write(dir.path().join("mosquitto.conf"), own).expect("write mosquitto.conf");
            if let Some(process) = spawn(dir.path(), port) {
                return Some(Self {
                    dir,
                    port,
                    process: Some(process),
                });
            }
        }
        panic!("mosquitto does not start with this configuration:\n{config}");
    }

    /// Its port on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Ends it in good order, so that it saves its sessions if it is configured to.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let pid = process.id().to_string();
            let _ = Command::new("kill").args(["-TERM", &pid]).status();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same port, after `kill` or `stop`.
    pub(super) fn restart(&mut self) {
        self.process = spawn(self.dir.path(), self.port);
        assert!(self.process.is_some(), "mosquitto does not start again");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs it and waits until it accepts connections; `None` if it ends instead.
fn spawn(dir: &Path, port: u16) -> Option<Child> {
    let mut process = Command::new(program()?)
        .arg("-c")
        .arg(dir.join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("run mosquitto");
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if process
            .try_wait()
            .expect("ask for mosquitto's state")
            .is_some()
        {
            return None;
        }
        assert!(
            Instant::now() < deadline,
            "mosquitto does not accept connections"
        );
        sleep(Duration::from_millis(10));
    }
    Some(process)
}

fn program() -> Option<&'static str> {
    ["mosquitto", "/usr/sbin/mosquitto"]
        .into_iter()
        .find(|program| {
            Command::new(program)
                .arg("-h")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok()
        })
}

/// A port that nothing listens on at this moment.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a free port");
    listener.local_addr().expect("local address").port()
}
