//! What the benches have in common.
//!
//! - [`drive`]: closed loops, by [`wrk`] or [`load`], which also keeps to a fixed rate. [`traffic`] and [`zipf`] say what is asked for.
//! - [`servers`] and [`nodes`]: ayrene and those that it is compared with, as a [`process`] each; [`contenders`] take turns.
//! - [`seed`]: links by the million. [`sockets`]: users at a live socket.
//! - [`options`], [`cores`], [`report`]: what a bench is told, where it runs, what it says.

pub(crate) mod contenders;
pub(crate) mod cores;
pub(crate) mod drive;
pub(crate) mod load;
pub(crate) mod nodes;
pub(crate) mod options;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod seed;
pub(crate) mod servers;
pub(crate) mod sockets;
pub(crate) mod traffic;
pub(crate) mod wrk;
pub(crate) mod zipf;
