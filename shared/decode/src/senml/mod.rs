//! SenML (RFC 8428) in JSON and CBOR: a pack of records, resolved (§4.6).
//!
//! The root is an array with one object for each record that has a value or a sum:
//!
//! | key | what |
//! |---|---|
//! | `n` | full name, base and own; absent when both are empty |
//! | `u` | unit, its own or the base; absent when there is none |
//! | `v`, `vb`, `vs`, `vd` | value: number (base added), truth value, text, data in base64url |
//! | `s` | sum, base added |
//! | `t_ns` | nanoseconds since 1970; absent when the record says "now" |
//! | `name_prefix` | base name without what separates it from the rest |
//! | `name_rest` | the record's own name |
//! | `invalid` | instead of all others: what is wrong with this record |
//!
//! The last two names are only there below a base name: it usually is the device, and the rest the
//! channel.

mod cbor;
mod json;
mod number;
mod pack;
mod record;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use cbor::Cbor;
pub(crate) use json::Json;
