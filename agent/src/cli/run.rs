//! `eyot run`: the agent, until it is told to stop.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::Builder;
use crate::config::Config;
use crate::error::chain;
use crate::store::has_room_to_start;

/// How often it is looked whether the disk has room.
const ROOM_LOOK: Duration = Duration::from_secs(1);

/// Runs the agent as configured in the file at `path`. Faults of the configuration are printed, all
/// of them, before any data is touched.
pub fn run(path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    let mut runtime = match config.agent.workers {
        1 => runtime::Builder::new_current_thread(),
        workers => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    let result = runtime
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(serve(config)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(error.as_ref()), "agent failed");
            ExitCode::FAILURE
        }
    }
}

/// Waits until there is room for a start: a disk that is full to the last byte is no reason to give up, since it may
/// not stay so.
async fn room(data_dir: &Path) {
    if has_room_to_start(data_dir) {
        return;
    }
    tracing::error!(
        data_dir = %data_dir.display(),
        "the disk is full: the agent starts once there is some room; it needs 1 MiB"
    );
    while !has_room_to_start(data_dir) {
        tokio::time::sleep(ROOM_LOOK).await;
    }
    tracing::info!("the disk has room again");
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = room(&config.agent.data_dir) => {}
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    let agent = Builder::new(config).start().await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // A second signal means now.
    tokio::select! {
        result = agent.stop() => Ok(result?),
        _ = terminate.recv() => anyhow::bail!("stopped at once by a second signal"),
        _ = interrupt.recv() => anyhow::bail!("stopped at once by a second signal"),
    }
}
