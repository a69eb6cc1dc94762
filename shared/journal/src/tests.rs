//! The journal as a whole.

mod model;
mod size;
mod world;
