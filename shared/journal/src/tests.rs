//! The journal as a whole.

mod codec;
mod damage;
mod files;
mod fuzz;
mod golden;
mod invariant_1;
mod model;
mod quota;
mod size;
pub(crate) mod world;
