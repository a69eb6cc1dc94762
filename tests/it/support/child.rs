//! The `eyot` program as a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

use eyot_lab::broker::free_port;
use eyot_lab::child::{self, Process};
use serde_json::Value;

use super::{PATIENCE, Setup, until};

/// A running `eyot run`, killed when dropped.
pub(crate) struct ChildAgent {
    pub(crate) process: Process,
    pub(crate) page: String,
    log: PathBuf,
}

impl ChildAgent {
    /// Starts the agent in `folder` with a page of its own and waits until it is healthy.
    pub(crate) async fn start(
        setup: &Setup<'_>,
        plant: u16,
        shore: Option<u16>,
        folder: &Path,
    ) -> Self {
        Self::start_by(Command::new(eyot()), setup, plant, shore, folder).await
    }

    /// The same for a command that ends in the program.
    pub(crate) async fn start_by(
        command: Command,
        setup: &Setup<'_>,
        plant: u16,
        shore: Option<u16>,
        folder: &Path,
    ) -> Self {
        let mut agent = Self::spawn(command, setup, plant, shore, folder);
        until("the agent to be healthy", async || {
            agent.assert_runs();
            child::get(&agent.page, "/healthz")
                .is_ok_and(|(status, _)| status == 200)
                .then_some(())
        })
        .await;
        agent
    }

    /// The same where there is something that it is not healthy for: waits until its sources are connected.
    pub(crate) async fn start_unhealthy_by(
        command: Command,
        setup: &Setup<'_>,
        plant: u16,
        shore: Option<u16>,
        folder: &Path,
    ) -> Self {
        let mut agent = Self::spawn(command, setup, plant, shore, folder);
        until("the agent to be connected", async || {
            agent.assert_runs();
            let (_, body) = child::get(&agent.page, "/api/overview.json").ok()?;
            let overview: Value = serde_json::from_str(&body).ok()?;
            (overview["sources"][0]["link"]["connected"] == true).then_some(())
        })
        .await;
        agent
    }

    fn assert_runs(&mut self) {
        let ended = self.process.ended();
        assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
    }

    fn spawn(
        mut command: Command,
        setup: &Setup<'_>,
        plant: u16,
        shore: Option<u16>,
        folder: &Path,
    ) -> Self {
        let page = format!("127.0.0.1:{}", free_port().unwrap());
        let setup = Setup {
            http: Some(&page),
            ..*setup
        };
        let config = write(folder, &setup.text(plant, shore));
        let log = folder.join("agent.log");
        command.args(["run", "--config"]).arg(config);
        Self {
            process: Process::start(&mut command, &log).unwrap(),
            page: page.clone(),
            log,
        }
    }

    /// What `/api/overview.json` says.
    pub(crate) fn overview(&self) -> Value {
        let (status, body) = child::get(&self.page, "/api/overview.json").unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// One side of the first source's books: `messages` or `readings`.
    pub(crate) fn books(&self, side: &str) -> Equation {
        let overview = self.overview();
        Equation(overview["sources"][0][side].clone())
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.terminate();
        self.process.wait(PATIENCE).unwrap()
    }
}

/// One side of the books as the page shows it.
#[derive(Debug)]
pub(crate) struct Equation(Value);

impl Equation {
    /// Total minus terms.
    pub(crate) fn difference(&self) -> i64 {
        self.0["difference"].as_i64().unwrap()
    }

    /// A term; 0 if the page does not list it.
    pub(crate) fn term(&self, name: &str) -> u64 {
        named(&self.0["terms"], name).map_or(0, |term| term["count"].as_u64().unwrap())
    }
}

fn named<'v>(list: &'v Value, name: &str) -> Option<&'v Value> {
    list.as_array()?.iter().find(|entry| entry["name"] == name)
}

/// The program.
pub(crate) fn eyot() -> PathBuf {
    child::eyot().unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `eyot` to its end and returns what it said.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(eyot()).args(arguments).output().unwrap()
}

/// Writes a configuration into `folder`.
pub(crate) fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("eyot.toml");
    fs::write(&path, text).unwrap();
    path
}
