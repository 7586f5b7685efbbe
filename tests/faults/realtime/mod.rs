//! Sockets on two nodes before one Redis, any of which may die.

mod device;
mod ends;
mod nodes;
mod presence;
mod storm;
mod stream;
