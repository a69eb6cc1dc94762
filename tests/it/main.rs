//! The end-to-end suite: real brokers, real files, the agent in this process where something has to be
//! injected, and as a process of its own where signals or the command line matter.
//!
//! Every test has brokers, ports and folders of its own, so all run side by side. Event times are
//! given in the payloads: minutes of them pass in a moment. Tests that start the `eyot` program need
//! it built beside this binary; `scripts/test` sees to that, by hand it is `cargo build -p eyot`.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is test, also what is not in a test function"
)]

mod accuracy;
mod clock;
mod collect;
mod config;
mod dead_letters;
mod decoding;
mod dlq;
mod durability;
mod export;
mod flood;
mod health;
mod isolation;
mod models;
mod outage;
mod path;
mod recovery;
mod security;
mod shuffled;
mod shutdown;
mod status;
mod structure;
mod support;
mod uplink;
mod windows;
