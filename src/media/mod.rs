//! What bytes are, and pictures.
//!
//! - [`sniff`]: the type of a file by its content, whatever its name or its sender say.
//! - [`avatar`]: a picture from a stranger made small, square and free of metadata, on a pool of its own ([`painter`]).
//!
//! Invariant: nothing is decoded before its header has been measured against the limits.

pub mod avatar;
pub mod painter;
pub mod sniff;

pub use painter::Painter;
pub use sniff::{Class, Kind, sniff};
