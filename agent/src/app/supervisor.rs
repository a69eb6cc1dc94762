//! Supervises sources and uplink: whatever ends is started again, after a pause.

use std::collections::HashMap;
use std::time::Duration;

use ractor::{
    Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent,
};

use crate::ingest::{SourceActor, SourceArguments};
use crate::uplink::{UplinkActor, UplinkArguments};

/// Pause before a part is started again. Connections have their own backoff inside the parts; this is for bugs.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one part may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// What is supervised.
pub(super) struct Children {
    pub(super) sources: Vec<SourceArguments>,
    pub(super) uplink: Option<UplinkArguments>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Source(usize),
    Uplink,
}

/// What the supervisor is sent.
#[derive(Debug)]
pub(super) enum SupervisorMessage {
    /// Start a part, for the first time or again.
    Start(Child),
    /// Stop all sources, for good.
    StopSources(RpcReplyPort<()>),
}

pub(super) struct Supervisor;

pub(super) struct SupervisorState {
    children: Children,
    running: HashMap<ActorId, (Child, ActorCell)>,
    stopping: bool,
}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = Children;

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        children: Children,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let sources = (0..children.sources.len()).map(Child::Source);
        for child in sources.chain(children.uplink.as_ref().map(|_| Child::Uplink)) {
            myself.cast(SupervisorMessage::Start(child))?;
        }
        Ok(SupervisorState {
            children,
            running: HashMap::new(),
            stopping: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Start(child) => state.start(&myself, child).await,
            SupervisorMessage::StopSources(done) => {
                state.stopping = true;
                state.stop(|child| child != Child::Uplink).await;
                let _ = done.send(());
            }
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<SupervisorMessage>,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        state.stop(|_| true).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        let (who, why) = match event {
            SupervisionEvent::ActorFailed(who, error) => (who, error.to_string()),
            SupervisionEvent::ActorTerminated(who, _, reason) => (who, reason.unwrap_or_default()),
            _ => return Ok(()),
        };
        let Some((child, _)) = state.running.remove(&who.get_id()) else {
            return Ok(());
        };
        if !state.stopping {
            tracing::error!(?child, error = why, pause = ?PAUSE, "part failed and will be started again");
            drop(myself.send_after(PAUSE, move || SupervisorMessage::Start(child)));
        }
        Ok(())
    }
}

impl SupervisorState {
    async fn start(&mut self, myself: &ActorRef<SupervisorMessage>, child: Child) {
        if self.stopping {
            return;
        }
        let supervisor = myself.get_cell();
        let started = match child {
            Child::Source(i) => {
                let arguments = self.children.sources[i].clone();
                SourceActor::spawn_linked(None, SourceActor, arguments, supervisor)
                    .await
                    .map(|(actor, _)| actor.get_cell())
            }
            Child::Uplink => {
                let Some(arguments) = self.children.uplink.clone() else {
                    return;
                };
                UplinkActor::spawn_linked(None, UplinkActor, arguments, supervisor)
                    .await
                    .map(|(actor, _)| actor.get_cell())
            }
        };
        match started {
            Ok(cell) => {
                self.running.insert(cell.get_id(), (child, cell));
            }
            Err(error) => {
                tracing::error!(?child, %error, pause = ?PAUSE, "part did not start");
                drop(myself.send_after(PAUSE, move || SupervisorMessage::Start(child)));
            }
        }
    }

    async fn stop(&mut self, which: impl Fn(Child) -> bool) {
        let chosen: Vec<ActorCell> = self
            .running
            .values()
            .filter(|(child, _)| which(*child))
            .map(|(_, cell)| cell.clone())
            .collect();
        for cell in chosen {
            let _ = cell.stop_and_wait(None, Some(STOP)).await;
            self.running.remove(&cell.get_id());
        }
    }
}
