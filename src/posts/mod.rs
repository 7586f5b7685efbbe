//! Posts, and what people say to them: likes and comments.
//!
//! Owns posts with their likes and comments, the feed, and the index of each user's posts; keys in [`keys`], messages in
//! [`messages`]. [`carrier`] brings what others did to a post to its author's devices.
//!
//! Invariants: the number of likes, the likes themselves and the revision of a post agree in every answer, because one
//! script changes and one script reads them. A post's id holds the microsecond of its place in the feed, and the id of a
//! like or comment that of its place in the post: so an id is a cursor, also when what it named is gone.

pub mod actor;
mod carrier;
pub mod error;
mod keys;
pub mod messages;
pub mod model;
pub mod routes;
mod standing;
mod store;

pub use actor::{Asks, PostKeeper};
