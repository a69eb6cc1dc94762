//! A link that can be cut: a TCP relay between an agent and a broker.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// So many bytes, and then a pause, make a slow link.
const SLOW_BYTES: usize = 512;
const SLOW_PAUSE: Duration = Duration::from_millis(32);

/// What a [`Link`] does with what is sent over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Everything goes through.
    Open,
    /// What the agent sends goes through; the broker's answers wait.
    Deaf,
    /// Everything goes through at 16 KiB a second in each direction.
    Slow,
    /// Connections are torn down, and new ones are refused.
    Cut,
}

/// A relay to a port on loopback.
#[derive(Debug)]
pub struct Link {
    /// Where to connect instead.
    pub port: u16,
    state: watch::Sender<LinkState>,
    task: JoinHandle<()>,
}

impl Link {
    /// An open link to `target`.
    ///
    /// # Errors
    /// When there is no port left.
    pub async fn to(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (state, watched) = watch::channel(LinkState::Open);
        Ok(Self {
            port: listener.local_addr()?.port(),
            state,
            task: tokio::spawn(accept(listener, target, watched)),
        })
    }

    /// Changes what becomes of traffic from now on.
    pub fn set(&self, state: LinkState) {
        self.state.send_replace(state);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: u16, state: watch::Receiver<LinkState>) {
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    while let Ok((agent, _)) = listener.accept().await {
        if *state.borrow() != LinkState::Cut {
            connections.spawn(relay(agent, target, state.clone()));
        }
    }
}

async fn relay(agent: TcpStream, target: u16, mut state: watch::Receiver<LinkState>) {
    let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        return;
    };
    let (agent_says, to_agent) = agent.into_split();
    let (broker_says, to_broker) = broker.into_split();
    let questions = carry(agent_says, to_broker, state.clone(), |_| false);
    let answers = carry(broker_says, to_agent, state.clone(), |state| {
        state == LinkState::Deaf
    });
    // Whichever ends first takes the others with it, as a broken connection does.
    tokio::select! {
        _ = questions => {}
        _ = answers => {}
        _ = state.wait_for(|state| *state == LinkState::Cut) => {}
    }
}

/// One direction; it stands still while `waits`.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<LinkState>,
    waits: fn(LinkState) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let slow = *state.borrow() == LinkState::Slow;
        let most = if slow { SLOW_BYTES } else { buffer.len() };
        let n = from.read(&mut buffer[..most]).await?;
        let goes_on = match state.wait_for(|state| !waits(*state)).await {
            // What was held back is lost with the connection: let through now, an acknowledgement would
            // be a true one, and whoever gets it at the last moment is right to believe it.
            Ok(state) => *state != LinkState::Cut,
            Err(_) => false,
        };
        if n == 0 || !goes_on {
            return Ok(());
        }
        to.write_all(&buffer[..n]).await?;
        if slow {
            tokio::time::sleep(SLOW_PAUSE).await;
        }
    }
}
