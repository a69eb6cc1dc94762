//! The uplink: carries out what the pipeline's forwarder decides.
//!
//! Records are fetched from the outbox in pages, published with `QoS` 1 and deleted when `PUBACK` has come,
//! not before. Without a connection they stay where they are.
//!
//! ```text
//!  store ──pages──▶ driver ──publish──▶ request queue ──▶ link (polls the connection) ──▶ upstream
//!    ▲                │ ▲                                    │
//!    └── delivered, ──┘ └────────── acks; up or down ────────┘
//!        in groups
//! ```
//!
//! Two tasks: the *link* does nothing but poll the connection, and never waits for the driver; the
//! *driver* is the forwarder's loop, and never has more requests under way than the queue has places. The
//! actor starts both and ends when either does.

mod actor;
mod driver;
mod encode;
mod event;
mod give_up;
mod heartbeat;
mod hours;
mod link;
mod settle;
#[cfg(test)]
mod tests;

pub use actor::{UplinkActor, UplinkArguments, UplinkMessage};
pub use heartbeat::Report;
