//! The painter: pictures on a pool of its own.
//!
//! A sync actor with `uploads.image_threads` threads behind a gate, so that however large a picture claims to be, the
//! rest of the server does not notice.

use std::panic::catch_unwind;

use actix::{Actor, Handler, Message, SyncContext};
use bytes::Bytes;

use super::avatar::{self, Picture, PictureError};

/// Make an avatar of what a user sent.
#[derive(Debug, Message)]
#[rtype(result = "Result<Picture, PictureError>")]
pub struct PaintAvatar {
    /// As received.
    pub bytes: Bytes,
}

/// One thread of the pool.
#[derive(Debug)]
pub struct Painter {
    max_pixels: u64,
}

impl Painter {
    /// A painter of pictures that have at most `max_pixels`.
    pub fn new(max_pixels: u64) -> Self {
        Self { max_pixels }
    }
}

impl Actor for Painter {
    type Context = SyncContext<Self>;
}

impl Handler<PaintAvatar> for Painter {
    type Result = Result<Picture, PictureError>;

    fn handle(&mut self, message: PaintAvatar, _: &mut Self::Context) -> Self::Result {
        // Decoders of hostile bytes: a panic in one must not cost the pool a thread.
        let painted = catch_unwind(|| avatar::prepare(&message.bytes, self.max_pixels));
        painted.unwrap_or_else(|_| {
            tracing::error!("a picture made its decoder panic");
            Err(PictureError::Damaged)
        })
    }
}
