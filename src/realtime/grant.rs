//! What a socket's frames bring about.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::hub::Watch;
use super::model::{Origin, Watched};
use super::protocol::{ReadUpto, Refusal, Request};
use super::ways::Ways;
use crate::conversation::messages::{DeleteMessage, EditMessage, MarkRead, SendMessage, Type, Upto};
use crate::conversation::view::{ConversationRead, MessageView};
use crate::presence::messages::{FetchPresence, SetStatus};
use crate::presence::model::Presence;
use crate::users::model::UserId;

/// What a granted frame gets.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) data: Value,
    /// Whether an event of this socket's own comes along.
    pub(super) event: bool,
}

impl Granted {
    fn plain(data: Value) -> Self {
        Self { data, event: false }
    }

    fn of(data: &impl Serialize, event: bool) -> Self {
        let data = serde_json::to_value(data);
        Self { data: data.unwrap_or_else(|error| unreachable!("answers are plain data: {error}")), event }
    }
}

/// Does what `user` asks for over a socket; the event that comes of it, if one does, bears `origin`.
pub(super) async fn grant(
    ways: Arc<Ways>,
    user: UserId,
    request: Request,
    origin: Origin,
) -> Result<Granted, Refusal> {
    match request {
        Request::Send { to, content, client_id } => {
            let send = SendMessage { from: user, to, content, client_id, origin: Some(origin) };
            let sent = ways.send.ask(send).await?;
            Ok(Granted::of(&MessageView::shown(&sent.shown), sent.fresh))
        }
        Request::Read(upto) => {
            let upto = match upto {
                ReadUpto::Message(message) => Upto::Message(message),
                ReadUpto::Conversation(tag) => Upto::Conversation(tag),
            };
            let marked = ways.read.ask(MarkRead { user, upto, origin: Some(origin) }).await?;
            let conversation_id = marked.conversation.id.to_string();
            let read = ConversationRead { conversation_id, unread_count: marked.unread };
            Ok(Granted::of(&read, marked.told))
        }
        Request::Edit { message, content } => {
            let shown = ways.edit.ask(EditMessage { user, message, content }).await?;
            Ok(Granted::of(&MessageView::shown(&shown), false))
        }
        Request::Delete { message } => {
            let shown = ways.delete.ask(DeleteMessage { user, message }).await?;
            Ok(Granted::of(&MessageView::shown(&shown), false))
        }
        Request::Typing { to, typing } => {
            ways.typing.ask(Type { from: user, to, typing }).await?;
            Ok(Granted::plain(json!({})))
        }
        Request::SetStatus(status) => {
            let presence = ways.set_status.ask(SetStatus { user_id: user, status }).await;
            let presence = presence.map_err(|_| Refusal::unavailable())?;
            Ok(Granted::plain(json!({ "status": presence.status })))
        }
        Request::Watch(people) => watch(&ways, people, origin.socket).await,
        Request::Unwatch(_) => Ok(Granted::plain(json!({}))),
        Request::Auth { .. } => Err(Refusal::new("conflict", "This socket is authenticated")),
        Request::Resume(_) => {
            Err(Refusal::new("conflict", "A resume must be the first frame: reconnect to resume"))
        }
    }
}

/// Listens before it looks: what changes in between is heard.
async fn watch(ways: &Ways, people: Vec<UserId>, socket: String) -> Result<Granted, Refusal> {
    let heard = ways.hub.send(Watch { people: people.clone(), socket }).await;
    if !matches!(heard, Ok(true)) {
        return Err(Refusal::unavailable());
    }
    let presences = ways.presence.ask(FetchPresence { ids: people.clone() }).await;
    let presences = presences.map_err(|_| Refusal::unavailable())?;
    let state = |id: &UserId| Watched::new(id, presences.get(id).copied().unwrap_or(Presence::NEVER));
    let states: Vec<Watched> = people.iter().map(state).collect();
    Ok(Granted::plain(json!({ "states": states })))
}
