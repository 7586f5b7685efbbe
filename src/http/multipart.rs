//! Bounded reading of `multipart/form-data` (RFC 7578): small text parts and one file, in any order.
//!
//! Invariant: memory holds a few pieces of the file and the bounded texts, unless a handler asks for a small file whole;
//! a client that falls silent or drips is cut by [`Pace`]; whatever is in the form, the outcome is its parts or a 4xx
//! that names the field.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, DispositionParam};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{StreamExt, TryStreamExt};

use super::error::{ApiError, FieldError};

const FORM_DATA: &str = "multipart/form-data";
const INVALID: &str = "Provided data is invalid";
/// Parts of a form, those that nobody asked for included.
const MAX_PARTS: usize = 32;
/// Longest name of a file, in bytes: that of most file systems.
const MAX_FILE_NAME: usize = 255;
/// What a file is called whose sender did not say.
const NAMELESS: &str = "file";

/// How slowly a body may come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest wait for the next piece.
    pub silence: Duration,
    /// Bytes per second on average, besides one such wait.
    pub min_bytes_per_sec: u64,
}

/// How much of a body is read, and how slowly it may come.
#[derive(Debug, Clone, Copy)]
pub struct FormLimits {
    /// Bytes of the file.
    pub max_file_bytes: u64,
    /// Bytes of all texts together.
    pub max_text_bytes: usize,
    /// How slowly.
    pub pace: Pace,
}

/// What a form is made of.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Names of the file; the first is named when it is missing.
    pub file: &'static [&'static str],
    /// Names of the texts. Parts of other names are skipped.
    pub texts: &'static [&'static str],
}

/// The texts of a form.
#[derive(Debug, Default)]
pub struct Texts(HashMap<&'static str, String>);

impl Texts {
    /// The text called `name`, once.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

/// The file of a form, as far as it has been read.
#[derive(Debug)]
pub struct FilePart {
    field: Field,
    part: &'static str,
    name: String,
    received: u64,
}

impl FilePart {
    /// The part's name in the form.
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// What the file is called: the last segment of what its sender says, without control characters.
    pub fn file_name(&self) -> &str {
        &self.name
    }
}

/// A form that is being read: first up to its file, then the file, then the rest.
pub struct Form {
    multipart: Multipart,
    shape: Shape,
    limits: FormLimits,
    pacer: Pacer,
    texts: Texts,
    text_bytes: usize,
    parts: usize,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Form").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Form {
    /// A form in the body of `request`, of which nothing has been read yet.
    pub fn open(
        request: &HttpRequest,
        payload: Payload,
        shape: Shape,
        limits: FormLimits,
    ) -> Result<Self, ApiError> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let essence = header(header::CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or("");
        if !essence.trim().eq_ignore_ascii_case(FORM_DATA) {
            let message = format!("Send the body as {FORM_DATA} (Content-Type)");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        // The lines between and above the parts get as much room as the texts.
        let max_bytes = limits.max_file_bytes + 2 * limits.max_text_bytes as u64;
        let declared = header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if declared.is_some_and(|length| length > max_bytes) {
            return Err(too_large(shape.file[0], limits.max_file_bytes));
        }
        let pacer = Pacer::new(limits.pace);
        let received = pacer.received.clone();
        let counted = payload.map(move |chunk| {
            let chunk = chunk?;
            received.set(received.get() + chunk.len() as u64);
            match received.get() > max_bytes {
                true => Err(PayloadError::Io(io::ErrorKind::FileTooLarge.into())),
                false => Ok(chunk),
            }
        });
        let multipart = Multipart::new(request.headers(), counted);
        Ok(Self { multipart, shape, limits, pacer, texts: Texts::default(), text_bytes: 0, parts: 0 })
    }

    /// Bytes that the file may have.
    pub fn max_file_bytes(&self) -> u64 {
        self.limits.max_file_bytes
    }

    /// Reads on up to the file. A form without one is a 400.
    pub async fn file(&mut self) -> Result<FilePart, ApiError> {
        while let Some(field) = self.next_part().await? {
            if let Some(part) = self.name_of(&field, self.shape.file) {
                let name = file_name(&field).map_err(|problem| invalid(part, problem))?;
                return Ok(FilePart { field, part, name, received: 0 });
            }
            self.read_text(field).await?;
        }
        Err(invalid(self.shape.file[0], "is missing: send a file in a part of that name"))
    }

    /// The next piece of the file; nothing at its end.
    pub async fn chunk(&mut self, file: &mut FilePart) -> Result<Option<Bytes>, ApiError> {
        let Some(chunk) = self.pacer.next(file.part, file.field.try_next()).await? else { return Ok(None) };
        file.received += chunk.len() as u64;
        if file.received > self.limits.max_file_bytes {
            return Err(too_large(file.part, self.limits.max_file_bytes));
        }
        Ok(Some(chunk))
    }

    /// The text called `name`, if it has been read by now.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.0.get(name).map(String::as_str)
    }

    /// The whole file, for one that is small.
    pub async fn bytes(&mut self, file: &mut FilePart) -> Result<Bytes, ApiError> {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.chunk(file).await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Reads what stands behind the file, and returns all texts.
    pub async fn finish(mut self, file: FilePart) -> Result<Texts, ApiError> {
        drop(file.field);
        while let Some(field) = self.next_part().await? {
            if let Some(part) = self.name_of(&field, self.shape.file) {
                return Err(invalid(part, "one file at a time, please: this is the second"));
            }
            self.read_text(field).await?;
        }
        Ok(self.texts)
    }

    async fn next_part(&mut self) -> Result<Option<Field>, ApiError> {
        let field = self.pacer.next("", self.multipart.try_next()).await?;
        self.parts += usize::from(field.is_some());
        match self.parts > MAX_PARTS {
            true => Err(invalid("", &format!("the form has more than {MAX_PARTS} parts"))),
            false => Ok(field),
        }
    }

    fn name_of(&self, field: &Field, names: &'static [&'static str]) -> Option<&'static str> {
        names.iter().find(|name| field.name() == Some(name)).copied()
    }

    /// Keeps a text that was asked for, skips any other; either counts.
    async fn read_text(&mut self, mut field: Field) -> Result<(), ApiError> {
        let known = self.name_of(&field, self.shape.texts);
        let part = known.unwrap_or_default();
        let mut text = Vec::new();
        while let Some(chunk) = self.pacer.next(part, field.try_next()).await? {
            self.text_bytes += chunk.len();
            let max_bytes = self.limits.max_text_bytes;
            if self.text_bytes > max_bytes {
                let problem = format!("the form has more than {max_bytes} bytes besides its file");
                return Err(named(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large", part, problem));
            }
            if known.is_some() {
                text.extend_from_slice(&chunk);
            }
        }
        let Some(name) = known else { return Ok(()) };
        let text = String::from_utf8(text).map_err(|_| invalid(name, "must be text in UTF-8"))?;
        match self.texts.0.insert(name, text) {
            Some(_) => Err(invalid(name, "is there twice")),
            None => Ok(()),
        }
    }
}

/// Times the waits for the client. What the server does in between is not counted.
#[derive(Debug)]
struct Pacer {
    pace: Pace,
    waited: Duration,
    received: Rc<Cell<u64>>,
}

impl Pacer {
    fn new(pace: Pace) -> Self {
        Self { pace, waited: Duration::ZERO, received: Rc::default() }
    }

    /// What `next` yields, unless it takes too long; failures are those of `part`.
    async fn next<T>(
        &mut self,
        part: &str,
        next: impl Future<Output = Result<Option<T>, MultipartError>>,
    ) -> Result<Option<T>, ApiError> {
        let earned = Duration::from_secs_f64(self.received.get() as f64 / self.pace.min_bytes_per_sec as f64);
        let left = (self.pace.silence + earned).saturating_sub(self.waited);
        let started = Instant::now();
        let outcome = actix::clock::timeout(left.min(self.pace.silence), next).await;
        self.waited += started.elapsed();
        match outcome {
            Ok(outcome) => outcome.map_err(|error| unreadable(part, &error)),
            Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")),
        }
    }
}

fn unreadable(part: &str, error: &MultipartError) -> ApiError {
    match error {
        MultipartError::Payload(PayloadError::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
            let problem = "stands in a form that is too large as a whole".to_owned();
            named(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large", part, problem)
        }
        error => invalid(part, &format!("the form cannot be read: {error}")),
    }
}

fn invalid(part: &str, problem: &str) -> ApiError {
    ApiError::invalid(INVALID, vec![FieldError::new(part, problem)])
}

fn named(status: StatusCode, message: &'static str, part: &str, problem: String) -> ApiError {
    ApiError { fields: vec![FieldError::new(part, problem)], ..ApiError::new(status, message) }
}

fn too_large(part: &str, max_bytes: u64) -> ApiError {
    let problem = format!("must be at most {max_bytes} bytes large");
    named(StatusCode::PAYLOAD_TOO_LARGE, "The file is too large", part, problem)
}

/// The last segment of the name that the sender gave; in `filename*` before `filename` (RFC 6266, 4.3).
fn file_name(field: &Field) -> Result<String, &'static str> {
    let parameters = field.content_disposition().map_or(&[][..], |disposition| &disposition.parameters);
    let extended = parameters.iter().find_map(|parameter| match parameter {
        DispositionParam::FilenameExt(value) => String::from_utf8(value.value.clone()).ok(),
        _ => None,
    });
    let plain = || parameters.iter().find_map(DispositionParam::as_filename).map(str::to_owned);
    match extended.or_else(plain) {
        Some(name) => base_name(&name),
        None if field.content_type().is_some() => Ok(NAMELESS.to_owned()),
        None => Err("must be a file, not a text"),
    }
}

fn base_name(name: &str) -> Result<String, &'static str> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.chars().any(char::is_control) {
        return Err("must have a name without control characters");
    }
    if name.len() > MAX_FILE_NAME {
        return Err("must have a name of at most 255 bytes");
    }
    Ok(if matches!(name, "" | "." | "..") { NAMELESS } else { name }.to_owned())
}
