//! What a socket's frames bring about.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::hub::Watch;
use super::model::{Origin, Watched};
use super::protocol::{self, ReadUpto, Refusal, Request};
use super::ways::Ways;
use crate::conversation::messages::{DeleteMessage, EditMessage, MarkRead, SendMessage, Type, Upto};
use crate::conversation::view::{ConversationRead, MessageView};
use crate::presence::messages::{FetchPresence, SetStatus};
use crate::presence::model::Presence;
use crate::users::model::UserId;

/// What a granted frame gets.
#[derive(Debug)]
pub(super) struct Granted {
    /// The frame that says so.
    pub(super) answer: String,
    /// Whether an event of this socket's own comes along.
    pub(super) event: bool,
}

impl Granted {
    fn plain(id: u64, data: &impl Serialize) -> Self {
        Self { answer: protocol::ok(id, data), event: false }
    }
}

/// Does what `user` asks for over a socket in the frame `id`; the event that comes of it, if one does, bears `origin`.
pub(super) async fn grant(
    ways: Arc<Ways>,
    user: UserId,
    id: u64,
    request: Request,
    origin: Origin,
) -> Result<Granted, Refusal> {
    match request {
        Request::Send { to, content, client_id } => {
            let send = SendMessage { from: user, to, content, client_id, origin: Some(origin) };
            let sent = ways.send.ask(send).await?;
            let answer = protocol::ok(id, &MessageView::shown(&sent.shown));
            Ok(Granted { answer, event: sent.fresh })
        }
        Request::Read(upto) => {
            let upto = match upto {
                ReadUpto::Message(message) => Upto::Message(message),
                ReadUpto::Conversation(tag) => Upto::Conversation(tag),
            };
            let marked = ways.read.ask(MarkRead { user, upto, origin: Some(origin) }).await?;
            let conversation_id = marked.conversation.id.to_string();
            let read = ConversationRead { conversation_id, unread_count: marked.unread };
            Ok(Granted { answer: protocol::ok(id, &read), event: marked.told })
        }
        Request::Edit { message, content } => {
            let shown = ways.edit.ask(EditMessage { user, message, content }).await?;
            Ok(Granted::plain(id, &MessageView::shown(&shown)))
        }
        Request::Delete { message } => {
            let shown = ways.delete.ask(DeleteMessage { user, message }).await?;
            Ok(Granted::plain(id, &MessageView::shown(&shown)))
        }
        Request::Typing { to, typing } => {
            ways.typing.ask(Type { from: user, to, typing }).await?;
            Ok(Granted::plain(id, &json!({})))
        }
        Request::SetStatus(status) => {
            let presence = ways.set_status.ask(SetStatus { user_id: user, status }).await;
            let presence = presence.map_err(|_| Refusal::unavailable())?;
            Ok(Granted::plain(id, &json!({ "status": presence.status })))
        }
        Request::Watch(people) => watch(&ways, id, people, origin.socket).await,
        Request::Unwatch(_) => Ok(Granted::plain(id, &json!({}))),
        Request::Auth { .. } => Err(Refusal::new("conflict", "This socket is authenticated")),
        Request::Resume(_) => {
            Err(Refusal::new("conflict", "A resume must be the first frame: reconnect to resume"))
        }
    }
}

/// Listens before it looks: what changes in between is heard.
async fn watch(ways: &Ways, id: u64, people: Vec<UserId>, socket: String) -> Result<Granted, Refusal> {
    let heard = ways.hub.send(Watch { people: people.clone(), socket }).await;
    if !matches!(heard, Ok(true)) {
        return Err(Refusal::unavailable());
    }
    let presences = ways.presence.ask(FetchPresence { ids: people.clone() }).await;
    let presences = presences.map_err(|_| Refusal::unavailable())?;
    let state = |id: &UserId| Watched::new(id, presences.get(id).copied().unwrap_or(Presence::NEVER));
    let states: Vec<Watched> = people.iter().map(state).collect();
    Ok(Granted::plain(id, &json!({ "states": states })))
}
