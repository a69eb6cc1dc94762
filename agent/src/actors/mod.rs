//! The devices: who is known, who is running, what they may have in flight.
//!
//! ```text
//! source ──deliver──▶ DeviceEntry ──cast──▶ DeviceActor ──commit──▶ store
//!            │ permits                          ▲
//!            └─────────────◀── released ────────┘ start, restart, timer
//!                                             FleetActor
//! ```
//!
//! ractor's mailboxes are unbounded, so every batch carries a [`Permit`] taken before it is sent and
//! given back when its readings are settled. A permit that is dropped unsettled (its actor failed
//! with the batch in hand or in its mailbox) settles itself as a counted loss.

mod admission;
mod bell;
mod catch_up;
mod clock;
mod device;
mod door;
mod entry;
mod feed;
mod fleet;
mod progress;
mod retention;
mod supervisor;

pub use admission::{Gate, Permit};
pub use catch_up::CatchUp;
pub use device::{Batch, DeviceMessage};
pub use door::{DeviceState, Refusal};
pub use entry::{DeviceEntry, Liveness};
pub use feed::Feed;
pub use fleet::{ClassRuntime, Fleet, Resolution};
pub use retention::keep_journal_short;
#[cfg(test)]
pub(crate) use retention::{ask_for_checkpoints, shorten};
pub use supervisor::{FleetActor, FleetArguments, FleetMessage};

#[cfg(test)]
mod tests;
