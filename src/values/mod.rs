//! Plain values that every domain shares: ids, bounded text, times. Imports nothing of ours.

pub mod object_id;
pub mod text;
pub mod time;
