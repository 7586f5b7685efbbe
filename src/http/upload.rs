//! What every upload has in common: who may begin one, and the way of a file into the store.
//!
//! Invariant: an upload holds one of a bounded number of places, of which no user has more than a share.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use super::connection::{AnswerClock, Held};
use super::error::{ApiError, FieldError};
use super::multipart::{FilePart, Form, FormLimits, Pace};
use super::rate_limit::{self, LimitedAction};
use crate::config::{ServerConfig, UploadConfig};
use crate::media::avatar::PictureError;
use crate::media::sniff::{HEAD_BYTES, Kind, sniff};
use crate::storage::{ObjectName, Storage, Upload};

/// Seconds after which a user whose uploads are many may begin the next.
const RETRY_SECS: u64 = 5;

/// How many uploads there may be, how large and how slow.
#[derive(Debug)]
pub struct Uploads {
    config: UploadConfig,
    max_text_bytes: usize,
    pace: Pace,
    taken: Mutex<HashMap<String, usize>>,
}

impl Uploads {
    /// Places and limits as configured.
    pub fn new(config: &UploadConfig, server: &ServerConfig) -> Self {
        let pace = Pace {
            silence: Duration::from_secs(server.body_timeout_secs),
            min_bytes_per_sec: config.min_bytes_per_sec,
        };
        Self { config: config.clone(), max_text_bytes: server.max_body_bytes, pace, taken: Mutex::default() }
    }

    /// Of a form with an avatar.
    pub fn avatar_limits(&self) -> FormLimits {
        self.limits(self.config.max_avatar_bytes)
    }

    /// Of a form with a file.
    pub fn file_limits(&self) -> FormLimits {
        self.limits(self.config.max_file_bytes)
    }

    fn limits(&self, max_file_bytes: u64) -> FormLimits {
        FormLimits { max_file_bytes, max_text_bytes: self.max_text_bytes, pace: self.pace }
    }

    /// Counts an upload of `user_id` and gives it a place, until the [`Admission`] is dropped.
    pub fn admit(
        uploads: &web::Data<Self>,
        request: &HttpRequest,
        user_id: &str,
    ) -> Result<Admission, ApiError> {
        rate_limit::by_user(request, LimitedAction::Upload, user_id)?;
        let mut taken = uploads.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= uploads.config.max_concurrent {
            return Err(ApiError::unavailable());
        }
        let own = taken.entry(user_id.to_owned()).or_default();
        if *own >= uploads.config.max_concurrent_per_user {
            return Err(ApiError::too_many("Too many uploads at a time, wait for one to end", RETRY_SECS));
        }
        *own += 1;
        let (uploads, user_id) = (uploads.clone(), user_id.to_owned());
        Ok(Admission { uploads, user_id, _clock: AnswerClock::hold(request) })
    }
}

/// A place, and the time that an upload takes: as long as it lives, the connection does not insist on an answer.
#[derive(Debug)]
pub struct Admission {
    uploads: web::Data<Uploads>,
    user_id: String,
    _clock: Held,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut taken = self.uploads.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.user_id) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user_id);
            }
        }
    }
}

/// A file that has been received and does not exist until its [`Upload`] is committed.
#[derive(Debug)]
pub struct Received {
    /// Commit it, or nothing is left of it.
    pub upload: Upload,
    /// What it is, by its content.
    pub kind: Kind,
    /// What its sender calls it.
    pub file_name: String,
}

/// Streams `file` into the store under `name`. After a failure nothing is left of it.
pub async fn receive(
    form: &mut Form,
    file: &mut FilePart,
    storage: &Storage,
    name: ObjectName,
) -> Result<Received, ApiError> {
    let mut upload = storage.begin(name, form.max_file_bytes());
    match stream(form, file, &mut upload).await {
        Ok(kind) => Ok(Received { upload, kind, file_name: file.file_name().to_owned() }),
        Err(error) => {
            upload.discard().await;
            Err(error)
        }
    }
}

async fn stream(form: &mut Form, file: &mut FilePart, upload: &mut Upload) -> Result<Kind, ApiError> {
    let mut head = Vec::new();
    while let Some(chunk) = form.chunk(file).await? {
        let missing = HEAD_BYTES.saturating_sub(head.len());
        head.extend_from_slice(&chunk[..chunk.len().min(missing)]);
        upload.write(chunk).await?;
    }
    Ok(sniff(&head))
}

/// What becomes of a picture in the part `part` that nobody can paint.
pub fn picture_error(part: &str, error: PictureError) -> ApiError {
    let status = match error {
        PictureError::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PictureError::TooManyPixels(_) => StatusCode::PAYLOAD_TOO_LARGE,
        PictureError::Damaged => StatusCode::BAD_REQUEST,
        PictureError::Ask(error) => return error.into(),
    };
    let fields = vec![FieldError::new(part, error.to_string())];
    ApiError { fields, ..ApiError::new(status, "The picture cannot be used") }
}
