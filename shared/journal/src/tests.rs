//! The journal as a whole.

mod codec;
mod damage;
mod fuzz;
mod invariant_1;
mod model;
mod quota;
mod size;
mod threads;
mod world;
