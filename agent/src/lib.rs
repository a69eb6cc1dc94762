//! Eyot, the edge agent: everything that touches the world.
//!
//! The thinking is done by `eyot-pipeline`; this crate reads, stores, sends and shows. Parts know
//! each other by the types in their `mod.rs` alone, and [`app`] wires them together.

pub mod actors;
pub mod app;
pub mod books;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod direct;
pub mod discover;
pub mod error;
pub mod export;
pub mod infer;
pub mod ingest;
pub mod journal;
pub mod link;
pub mod models;
pub mod mqtt;
pub mod ops;
pub mod record;
pub mod sim;
pub mod store;
pub mod uplink;
