//! Eyot's lab: what the tests, the demo and the benchmarks need around an agent.
//!
//! Nothing of this is in the shipped program: the embedded broker forgets its messages when it
//! stops, and the collector keeps everything in memory.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the demo, the benchmark and chaos speak to a terminal"
)]

pub mod bench;
pub mod broker;
pub mod chaos;
pub mod child;
pub mod collector;
pub mod demo;
pub mod evaluate;
pub mod features;
pub mod link;
pub mod mosquitto;
pub mod skab;
