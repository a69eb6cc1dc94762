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
mod device;
mod entry;
mod fleet;

pub use admission::{Gate, Permit};
pub use device::{Batch, DeviceMessage};
pub use entry::{DeviceEntry, DeviceState, Liveness, Refusal};
pub use fleet::{ClassRuntime, Fleet, FleetActor, FleetArguments, FleetMessage, Resolution};

#[cfg(test)]
mod tests;
