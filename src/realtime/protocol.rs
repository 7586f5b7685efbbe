//! Frames: what clients may send, what they get back, and the codes with which a socket closes.
//!
//! Invariant: a frame with an id gets exactly one answer; one without, or that is no JSON, closes the socket.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::model::Resume;
use crate::conversation::error::ConversationError;
use crate::conversation::model::{ClientId, Content, MessageId, Tag};
use crate::presence::model::OnlineStatus;
use crate::users::model::UserId;
use crate::values::object_id::LENGTH;

/// The type of the frame that says who one is.
const AUTH: &str = "auth";

/// Why a socket closes. 3000 to 3499: come back; 3500 to 3999: do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    GoingAway,
    MissedHeartbeat,
    TooSlow,
    BadToken,
    AuthTimeout,
    SessionRevoked,
    BadFrame,
    FrameTooLarge,
    RateLimit,
    Origin,
}

impl Closing {
    /// What a frame hears that asked for a socket and did not get it.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::BadToken => Refusal::new("bad_token", "The token is expired, revoked or none"),
            Self::RateLimit => Refusal::new("too_many_sockets", "This user has too many sockets open here"),
            _ => Refusal::unavailable(),
        }
    }

    /// The close code, and the reason in words.
    pub(super) const fn code(self) -> (u16, &'static str) {
        match self {
            Self::GoingAway => (3000, "going away: reconnect and resume"),
            Self::MissedHeartbeat => (3001, "missed heartbeat: reconnect and resume"),
            Self::TooSlow => (3008, "too slow: reconnect and resume"),
            Self::BadToken => (3500, "bad token"),
            Self::AuthTimeout => (3501, "no auth frame in time"),
            Self::SessionRevoked => (3502, "session revoked"),
            Self::BadFrame => (3503, "bad frame: send JSON objects with id, type and data as text"),
            Self::FrameTooLarge => (3504, "frame too large"),
            Self::RateLimit => (3505, "too many frames or sockets"),
            Self::Origin => (3506, "origin not allowed"),
        }
    }
}

/// Why a frame was not granted.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Whether the same frame may be granted later.
    pub(super) temporary: bool,
}

impl Refusal {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), temporary: false }
    }

    pub(super) fn invalid(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::new("invalid", format!("{field} {problem}"))
    }

    pub(super) fn unavailable() -> Self {
        let message = "The service is busy or its datastore is away, try again after some time";
        Self { code: "unavailable", message: message.to_owned(), temporary: true }
    }
}

impl From<ConversationError> for Refusal {
    fn from(error: ConversationError) -> Self {
        let code = match &error {
            ConversationError::UnknownUser | ConversationError::NotFound => "not_found",
            ConversationError::NotSender
            | ConversationError::Blocked
            | ConversationError::TooManyBlocks
            | ConversationError::Full => "forbidden",
            ConversationError::Deleted => "conflict",
            ConversationError::NotText | ConversationError::OwnBlock => "invalid",
            ConversationError::Busy | ConversationError::Ask(_) | ConversationError::Storage(_) => {
                return Self::unavailable();
            }
            ConversationError::Redis(failure) => {
                tracing::debug!(%failure, "a frame was not granted");
                return Self::unavailable();
            }
        };
        Self::new(code, error.to_string())
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Request {
    Auth { token: String, resume: Option<Resume> },
    Resume(Resume),
    Send { to: UserId, content: Content, client_id: Option<ClientId> },
    Read(ReadUpto),
    Edit { message: MessageId, content: Content },
    Delete { message: MessageId },
    Typing { to: UserId, typing: bool },
    SetStatus(OnlineStatus),
    Watch(Vec<UserId>),
    Unwatch(Vec<UserId>),
}

/// What was read.
#[derive(Debug)]
pub(super) enum ReadUpto {
    Message(MessageId),
    Conversation(Tag),
}

/// A frame of a client.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) id: u64,
    /// Whether it is, or tries to be, an `auth`.
    pub(super) is_auth: bool,
    pub(super) request: Result<Request, Refusal>,
}

/// Not a frame at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAFrame;

/// Bounds of what frames carry.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameRules {
    pub(super) max_message_bytes: usize,
    pub(super) max_watched: usize,
}

#[derive(Deserialize)]
struct Envelope {
    id: u64,
    r#type: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct AuthData {
    token: String,
    resume: Option<Resume>,
}

#[derive(Deserialize)]
struct ResumeData {
    resume: Resume,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendData {
    receiver_id: String,
    content: String,
    client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadData {
    message_id: Option<String>,
    conversation_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EditData {
    message_id: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteData {
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypingData {
    receiver_id: String,
    typing: bool,
}

#[derive(Deserialize)]
struct StatusData {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WatchData {
    user_ids: Vec<String>,
}

impl Frame {
    /// Reads a text frame.
    pub(super) fn parse(text: &str, rules: FrameRules) -> Result<Self, NotAFrame> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(NotAFrame);
        }
        let Envelope { id, r#type, data } = serde_json::from_str(text).map_err(|_| NotAFrame)?;
        Ok(Self { id, is_auth: r#type == AUTH, request: request(&r#type, data, rules) })
    }
}

fn request(kind: &str, data: Value, rules: FrameRules) -> Result<Request, Refusal> {
    Ok(match kind {
        AUTH => {
            let AuthData { token, resume } = read(data)?;
            Request::Auth { token, resume }
        }
        // As `auth` carries it, or by itself.
        "resume" if data.get("resume").is_some() => {
            let ResumeData { resume } = read(data)?;
            Request::Resume(resume)
        }
        "resume" => Request::Resume(read(data)?),
        "message.send" => {
            let SendData { receiver_id, content, client_id } = read(data)?;
            let client_id = client_id.as_deref().map(ClientId::parse).transpose();
            Request::Send {
                to: user("receiverId", &receiver_id)?,
                content: parse_content(&content, rules)?,
                client_id: client_id.map_err(|problem| Refusal::invalid("clientId", problem))?,
            }
        }
        "message.read" => Request::Read(match read(data)? {
            ReadData { message_id: Some(id), .. } => ReadUpto::Message(message(&id)?),
            ReadData { conversation_id: Some(id), .. } => ReadUpto::Conversation(
                Tag::of(&id)
                    .ok_or_else(|| Refusal::invalid("conversationId", "must be a conversation's id"))?,
            ),
            _ => return Err(Refusal::invalid("messageId", "or conversationId is needed")),
        }),
        "message.edit" => {
            let EditData { message_id, content } = read(data)?;
            Request::Edit { message: message(&message_id)?, content: parse_content(&content, rules)? }
        }
        "message.delete" => {
            let DeleteData { message_id } = read(data)?;
            Request::Delete { message: message(&message_id)? }
        }
        "typing" => {
            let TypingData { receiver_id, typing } = read(data)?;
            Request::Typing { to: user("receiverId", &receiver_id)?, typing }
        }
        "presence.set" => {
            let StatusData { status } = read(data)?;
            let status = OnlineStatus::parse(&status);
            Request::SetStatus(status.map_err(|problem| Refusal::invalid("status", problem))?)
        }
        "presence.watch" => Request::Watch(people(read(data)?, rules)?),
        "presence.unwatch" => Request::Unwatch(people(read(data)?, rules)?),
        _ => return Err(Refusal::new("unknown_type", "There is no frame of this type")),
    })
}

fn read<T: DeserializeOwned>(data: Value) -> Result<T, Refusal> {
    let data = if data.is_null() { Value::Object(serde_json::Map::new()) } else { data };
    if !data.is_object() {
        return Err(Refusal::invalid("data", "must be an object"));
    }
    serde_path_to_error::deserialize(data).map_err(|error| {
        let problem: String = error.inner().to_string().chars().take(200).collect();
        match error.path().to_string().as_str() {
            "." => Refusal::new("invalid", problem),
            path => Refusal::invalid(path, problem),
        }
    })
}

fn user(field: &str, id: &str) -> Result<UserId, Refusal> {
    UserId::parse(id)
        .ok_or_else(|| Refusal::invalid(field, "must be a user's id: 24 lower-case hex characters"))
}

fn message(id: &str) -> Result<MessageId, Refusal> {
    MessageId::parse(id)
        .ok_or_else(|| Refusal::invalid("messageId", "must be a message's id: 24 lower-case hex characters"))
}

fn parse_content(text: &str, rules: FrameRules) -> Result<Content, Refusal> {
    Content::parse_text(text, rules.max_message_bytes).map_err(|problem| Refusal::invalid("content", problem))
}

fn people(data: WatchData, rules: FrameRules) -> Result<Vec<UserId>, Refusal> {
    if data.user_ids.len() > rules.max_watched {
        return Err(Refusal::invalid("userIds", format!("must be at most {}", rules.max_watched)));
    }
    let mut people =
        data.user_ids.iter().map(|id| user("userIds", id)).collect::<Result<Vec<UserId>, Refusal>>()?;
    people.sort();
    people.dedup();
    Ok(people)
}

#[derive(Serialize)]
struct Answer<'a, T> {
    id: u64,
    r#type: &'static str,
    data: &'a T,
}

fn answer(id: u64, kind: &'static str, data: &impl Serialize) -> String {
    serde_json::to_string(&Answer { id, r#type: kind, data })
        .unwrap_or_else(|error| unreachable!("answers are plain data: {error}"))
}

/// The answer to a frame that was granted.
pub(super) fn ok(id: u64, data: &impl Serialize) -> String {
    answer(id, "ok", data)
}

/// The answer to a frame that was not.
pub(super) fn refused(id: u64, refusal: &Refusal) -> String {
    answer(id, "error", refusal)
}

/// The answer to the frame `id` that caused an event, made of the event: same data, and its `seq`.
pub(super) fn ok_from_event(id: u64, event: &str) -> Option<String> {
    let data = event.find(r#","data":"#)?;
    Some(format!(r#"{{"id":{id},"type":"ok"{}"#, &event[data..]))
}

/// The id and the sender's id of a new message, from the frame that brings it: they stand before anything that people
/// have written.
pub(super) fn new_message(event: &str) -> Option<(MessageId, UserId)> {
    let data = event.strip_prefix(r#"{"type":"message.new","data":{"_id":""#)?;
    let sender = data.split_once(r#""sender":{"_id":""#)?.1;
    let id = |text: &str| text.get(..LENGTH).map(str::to_owned);
    Some((MessageId::parse(&id(data)?)?, UserId::parse(&id(sender)?)?))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    const RULES: FrameRules = FrameRules { max_message_bytes: 16, max_watched: 2 };
    const ID: &str = "6b02e40bfe720a9a565412cf";

    fn refusal(text: &str) -> Refusal {
        Frame::parse(text, RULES).unwrap().request.unwrap_err()
    }

    #[test]
    fn what_has_no_id_or_is_no_object_is_no_frame() {
        for text in
            ["", "x", "[]", "[1,\"auth\",{}]", "{}", r#"{"id":-1,"type":"a"}"#, r#"{"id":"1","type":"a"}"#]
        {
            assert_eq!(Frame::parse(text, RULES).unwrap_err(), NotAFrame, "{text}");
        }
    }

    #[test]
    fn wrong_data_is_refused_by_field() {
        assert_eq!(refusal(r#"{"id":1,"type":"nonsense"}"#).code, "unknown_type");
        for (kind, data, field) in [
            ("message.send", r#"{"content":"a"}"#, "receiverId"),
            ("message.send", r#"{"receiverId":"x","content":"a"}"#, "receiverId"),
            ("message.send", &format!(r#"{{"receiverId":"{ID}","content":"12345678901234567"}}"#), "content"),
            ("message.send", &format!(r#"{{"receiverId":"{ID}","content":7}}"#), "content"),
            ("message.read", "null", "messageId"),
            ("typing", &format!(r#"{{"receiverId":"{ID}"}}"#), "typing"),
            ("presence.set", r#"{"status":"asleep"}"#, "status"),
            ("presence.watch", r#"{"userIds":["a","b","c"]}"#, "userIds"),
            ("auth", "[]", "data"),
        ] {
            let refusal = refusal(&format!(r#"{{"id":1,"type":"{kind}","data":{data}}}"#));
            assert!(
                refusal.code == "invalid" && refusal.message.contains(field),
                "{kind} {data}: {refusal:?}"
            );
        }
    }

    #[test]
    fn an_event_becomes_the_answer_of_who_caused_it() {
        let sender = ID.replace('c', "d");
        let data = format!(r#"{{"_id":"{ID}","sender":{{"_id":"{sender}"}},"content":",\"data\":"}}"#);
        let event = format!(r#"{{"type":"message.new","data":{data},"seq":7}}"#);
        let (message, from) = new_message(&event).unwrap();
        assert_eq!((message.as_str(), from.as_str()), (ID, sender.as_str()));
        assert_eq!(
            ok_from_event(3, &event).unwrap(),
            format!(r#"{{"id":3,"type":"ok","data":{data},"seq":7}}"#)
        );
    }

    #[test]
    fn resume_is_read_wrapped_and_bare() {
        for data in [r#"{"resume":{"epoch":"e","seq":4}}"#, r#"{"epoch":"e","seq":4}"#] {
            let frame = Frame::parse(&format!(r#"{{"id":1,"type":"resume","data":{data}}}"#), RULES).unwrap();
            assert!(matches!(frame.request, Ok(Request::Resume(Resume { seq: 4, .. }))), "{data}");
        }
    }
}
