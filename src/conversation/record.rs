//! How a message is written down: `created|updated|deleted|side|sent by a so far|body`, the body JSON.
//!
//! What scripts decide stands before the body, what only the host reads within it.

use serde::{Deserialize, Serialize};

use super::model::{Attachment, Content, Conversation, Message, MessageType, Place, Side, Status};
use crate::redis::RedisFailure;

/// The body: `k` type · `c` text · of a file `f` object, `n` name, `s` bytes, `m` media type, `w` and `h` pixels.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Body {
    k: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    n: String,
    #[serde(skip_serializing_if = "is_zero")]
    s: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    m: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    h: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far each side had received and read, at which time: steps from the first message of a page on.
#[derive(Debug, Default)]
pub(super) struct Steps {
    received: [Vec<(u64, i64)>; 2],
    read: [Vec<(u64, i64)>; 2],
    oneself: bool,
}

type Entries = Vec<(String, Vec<String>)>;

impl Steps {
    /// Nobody has received what has just been said; but what one says to oneself is read at once.
    pub(super) fn new(conversation: &Conversation) -> Self {
        Self { oneself: conversation.is_with_oneself(), ..Self::default() }
    }

    pub(super) fn parse(conversation: &Conversation, received: [Entries; 2], read: [Entries; 2]) -> Self {
        let steps = |entries: Entries| {
            let parsed = entries.iter().filter_map(|(id, fields)| {
                Some((id.split('-').next()?.parse().ok()?, fields.get(1)?.parse().ok()?))
            });
            parsed.collect()
        };
        Self { received: received.map(steps), read: read.map(steps), ..Self::new(conversation) }
    }

    fn status(&self, seq: u64, from: Side, created_ms: i64) -> Status {
        if self.oneself {
            return Status::Read(created_ms, created_ms);
        }
        let receiver = from.other() as usize;
        let first = |steps: &[(u64, i64)]| steps.iter().find(|(upto, _)| *upto >= seq).map(|(_, at)| *at);
        match (first(&self.received[receiver]), first(&self.read[receiver])) {
            (received, Some(read)) => Status::Read(received.unwrap_or(read), read),
            (Some(received), None) => Status::Delivered(received),
            (None, None) => Status::Sent,
        }
    }
}

/// The body of a message that says `content`.
pub(super) fn body(content: &Content) -> String {
    let kind = content.kind().as_str().to_owned();
    let body = match content {
        Content::Text(text) => Body { k: kind, c: Some(text.clone()), ..Body::default() },
        Content::File(_, file) => Body {
            k: kind,
            f: Some(file.object.clone()),
            n: file.name.clone(),
            s: file.size,
            m: file.mime.clone(),
            w: file.dimensions.map(|(width, _)| width),
            h: file.dimensions.map(|(_, height)| height),
            ..Body::default()
        },
        Content::Gone(_) => Body { k: kind, ..Body::default() },
    };
    serde_json::to_string(&body).unwrap_or_else(|error| unreachable!("plain data: {error}"))
}

/// What a body says.
pub(super) fn content(body: &str, deleted: bool) -> Result<Content, RedisFailure> {
    let Body { k, c, f, n, s, m, w, h } = serde_json::from_str(body).map_err(|_| malformed("its body"))?;
    let kind = MessageType::parse(&k).ok_or_else(|| malformed("its type"))?;
    Ok(match (deleted, c, f) {
        (true, ..) => Content::Gone(kind),
        (false, Some(text), _) => Content::Text(text),
        (false, None, Some(object)) => {
            Content::File(kind, Attachment { object, name: n, size: s, mime: m, dimensions: w.zip(h) })
        }
        (false, None, None) => return Err(malformed("its content")),
    })
}

/// The message with the number `seq`.
pub(super) fn message(seq: u64, text: &str, steps: &Steps) -> Result<Message, RedisFailure> {
    let mut parts = text.splitn(6, '|');
    let mut next = || parts.next().ok_or_else(|| malformed("its fields"));
    let mut number = || -> Result<i64, RedisFailure> { next()?.parse().map_err(|_| malformed("its times")) };
    let (created_ms, updated_ms, deleted_ms) = (number()?, number()?, number()?);
    let side = Side::parse(next()?).ok_or_else(|| malformed("its side"))?;
    next()?;
    Ok(Message {
        place: Place { seq, secs: (created_ms / 1000) as u32 },
        side,
        content: content(next()?, deleted_ms > 0)?,
        status: steps.status(seq, side, created_ms),
        created_ms,
        updated_ms,
        deleted_ms: (deleted_ms > 0).then_some(deleted_ms),
    })
}

fn malformed(what: &'static str) -> RedisFailure {
    RedisFailure::malformed("conversation/message", what)
}
