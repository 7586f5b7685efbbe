//! Plain values that every domain shares: ids, bounded text, times, networks, links to us. Imports nothing of ours.

pub mod network;
pub mod object_id;
pub mod public_url;
pub mod text;
pub mod time;

pub use public_url::PublicUrl;
