//! `/api/messages`, and the block list below `/api/users`; files are in [`files`].

pub mod files;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Conversations;
use super::error::ConversationError;
use super::messages::{
    DeleteMessage, EditMessage, FetchMessages, ListBlocks, ListConversations, ListPlace, MarkRead,
    SendMessage, SetBlock, Upto,
};
use super::model::{ClientId, Content, ConversationId, MessageId};
use super::view::{ConversationView, MessageView};
use crate::actor::{Ask, Mailbox};
use crate::auth::AuthUser;
use crate::auth::extractor::ChargedUser;
use crate::http::envelope::SocialFailure;
use crate::http::query::number;
use crate::http::rate_limit::LimitedAction;
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, JsonBody, Then};
use crate::users::messages::{FetchParticipants, FetchPeople};
use crate::users::model::{Author, Participant, UserId};

const DEFAULT_MESSAGES: u32 = 50;
const DEFAULT_CONVERSATIONS: u32 = 20;
const MAX_ON_PAGE: u32 = 100;

type Actor = web::Data<Mailbox<Conversations>>;
type Answer = Result<HttpResponse, ApiError>;
type Writer = ChargedUser<{ LimitedAction::Message as usize }>;

/// What a message may be.
#[derive(Debug, Clone, Copy)]
pub struct MessageRules {
    /// Bytes of a text.
    pub max_bytes: usize,
}

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/messages/send").post(send),
        at("/api/messages/conversations").get(list),
        at("/api/messages/conversation/{user_id}").get(fetch),
        at("/api/messages/mark-read/{id}").put(mark_read),
        at("/api/messages/{id}").put(edit).delete(delete),
        at("/api/users/blocks").get(blocks),
        at("/api/users/{id}/block").put(block).delete(unblock),
    ]
}

/// A message to send.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// Whom to.
    #[schema(pattern = "^[0-9a-f]{24}$")]
    receiver_id: String,
    /// Text, 16 KB of UTF-8 by default.
    #[schema(min_length = 1, max_length = 16384)]
    content: String,
    /// Makes a retry safe: the same one again returns the first message, and sends nothing.
    #[schema(min_length = 1, max_length = 128)]
    client_id: Option<String>,
}

/// The new text of a message.
#[derive(Deserialize, ToSchema)]
pub struct MessageChange {
    /// Text, 16 KB of UTF-8 by default.
    #[schema(min_length = 1, max_length = 16384)]
    content: String,
}

/// Page of a conversation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// Only messages before this one; `nextBefore` of the last page.
    before: Option<String>,
    /// Messages on a page, 50 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// Page of a list of conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ConversationsQuery {
    /// Only conversations after this place: `nextBefore` of the last page, or a conversation's id.
    before: Option<String>,
    /// Conversations on a page, 20 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    limit: Option<String>,
}

/// Wraps a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageBody {
    message: MessageView<Author>,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    message: &'static str,
}

/// That messages were read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarkedBody {
    message: &'static str,
    /// Which conversation.
    conversation: String,
    /// What is left unread.
    unread_count: u64,
}

/// A page of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagesBody {
    /// The oldest first.
    messages: Vec<MessageView<Author>>,
    /// The conversation's id.
    conversation: String,
    /// Whether there are older ones.
    has_more: bool,
    /// `before` of the next page, or null.
    #[schema(required = true)]
    next_before: Option<String>,
    limit: u32,
}

/// A page of conversations, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConversationsBody {
    conversations: Vec<ConversationView>,
    has_more: bool,
    /// `before` of the next page, or null.
    #[schema(required = true)]
    next_before: Option<String>,
    limit: u32,
}

/// Who is blocked, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct BlocksBody {
    users: Vec<Author>,
}

/// The one place where a [`ConversationError`] becomes an HTTP answer.
pub(crate) fn api_error(error: ConversationError) -> ApiError {
    let forbidden = |message: &'static str| ApiError::new(StatusCode::FORBIDDEN, message);
    match error {
        ConversationError::UnknownUser => ApiError::not_found("There is no such user"),
        ConversationError::NotFound => ApiError::not_found("There is no such conversation or message"),
        ConversationError::NotSender => forbidden("Only the sender can change a message"),
        ConversationError::Deleted => {
            ApiError::new(StatusCode::CONFLICT, "The message was deleted and cannot be edited")
        }
        ConversationError::NotText => invalid("content", "a file has no text to edit"),
        ConversationError::Blocked => forbidden("This user does not take messages from you"),
        ConversationError::OwnBlock => invalid("id", "is your own: you cannot block yourself"),
        ConversationError::TooManyBlocks => forbidden("The block list is full; take somebody off it first"),
        ConversationError::Full => forbidden("This conversation has as many messages as allowed"),
        ConversationError::Busy => ApiError::unavailable(),
        ConversationError::Ask(error) => error.into(),
        ConversationError::Redis(failure) => (&failure).into(),
        ConversationError::Storage(error) => error.into(),
    }
}

fn invalid(field: &str, problem: impl Into<String>) -> ApiError {
    ApiError::invalid("Provided data is invalid", vec![FieldError::new(field, problem)])
}

/// A user id in a body.
pub(crate) fn parse_receiver(text: &str) -> Result<UserId, ApiError> {
    UserId::parse(text)
        .ok_or_else(|| invalid("receiverId", "must be a user's id: 24 lower-case hex characters"))
}

/// Send a message.
#[utoipa::path(post, path = "/api/messages/send", tag = "social: messages", security(("access" = [])),
    request_body = NewMessage,
    responses(
        (status = 201, body = MessageBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "The receiver has blocked the sender", body = SocialFailure),
        (status = 404, description = "No such receiver", body = SocialFailure),
    ))]
pub async fn send(
    actor: Actor,
    rules: web::Data<MessageRules>,
    Then(user, JsonBody(body)): Then<Writer, JsonBody<NewMessage>>,
) -> Answer {
    let to = parse_receiver(&body.receiver_id)?;
    let content = parse_content(&body.content, &rules)?;
    let client_id = body.client_id.as_deref().map(ClientId::parse).transpose();
    let client_id = client_id.map_err(|problem| invalid("clientId", problem))?;
    let message = SendMessage { from: user.id().clone(), to, content, client_id, origin: None };
    let sent = actor.ask(message).await.map_err(api_error)?;
    Ok(HttpResponse::Created().json(MessageBody { message: MessageView::shown(&sent.shown) }))
}

fn parse_content(text: &str, rules: &MessageRules) -> Result<Content, ApiError> {
    Content::parse_text(text, rules.max_bytes).map_err(|problem| invalid("content", problem))
}

/// Mark as read what was received in a conversation, up to a message or all of it.
#[utoipa::path(put, path = "/api/messages/mark-read/{id}", tag = "social: messages", security(("access" = [])),
    params(("id" = String, Path, description = "Id of a message, of a conversation, or of the other user")),
    responses(
        (status = 200, body = MarkedBody),
        (status = 401, body = SocialFailure),
        (status = 404, description = "Unknown, or not yours", body = SocialFailure),
    ))]
pub async fn mark_read(user: AuthUser, actor: Actor, id: web::Path<String>) -> Answer {
    let upto = Upto::Any(id.into_inner());
    let marked =
        actor.ask(MarkRead { user: user.id().clone(), upto, origin: None }).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(MarkedBody {
        message: "Messages marked as read",
        conversation: marked.conversation.id.to_string(),
        unread_count: marked.unread,
    }))
}

/// Read the conversation with a user; what is read counts as delivered.
#[utoipa::path(get, path = "/api/messages/conversation/{user_id}", tag = "social: messages",
    security(("access" = [])),
    params(("user_id" = String, Path, description = "The other user, or oneself"), MessagesQuery),
    responses(
        (status = 200, body = MessagesBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 404, description = "No such user", body = SocialFailure),
    ))]
pub async fn fetch(
    request: HttpRequest,
    user: AuthUser,
    actor: Actor,
    with: web::Path<String>,
    query: web::Query<MessagesQuery>,
) -> Answer {
    let limit = number(request.path(), "limit", query.limit.as_deref(), DEFAULT_MESSAGES, MAX_ON_PAGE)?;
    let before = query
        .before
        .as_deref()
        .map(|id| MessageId::parse(id).ok_or_else(|| invalid("before", "must be the id of a message")));
    let with = UserId::parse(&with).ok_or_else(|| api_error(ConversationError::UnknownUser))?;
    let message = FetchMessages { user: user.id().clone(), with, before: before.transpose()?, limit };
    let page = actor.ask(message).await.map_err(api_error)?;
    let views: Vec<_> = page
        .messages
        .iter()
        .map(|message| MessageView::of(&page.conversation, message, &page.people))
        .collect();
    Ok(HttpResponse::Ok().json(MessagesBody {
        next_before: views.first().filter(|_| page.more).map(|oldest| oldest.id.clone()),
        messages: views,
        conversation: page.conversation.id.to_string(),
        has_more: page.more,
        limit,
    }))
}

/// One's conversations, newest first.
#[utoipa::path(get, path = "/api/messages/conversations", tag = "social: messages", security(("access" = [])),
    params(ConversationsQuery),
    responses(
        (status = 200, body = ConversationsBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 404, description = "`before` is no conversation in the list", body = SocialFailure),
    ))]
pub async fn list(
    request: HttpRequest,
    user: AuthUser,
    actor: Actor,
    participants: web::Data<Ask<FetchParticipants>>,
    query: web::Query<ConversationsQuery>,
) -> Answer {
    let limit = number(request.path(), "limit", query.limit.as_deref(), DEFAULT_CONVERSATIONS, MAX_ON_PAGE)?;
    let before = query.before.as_deref().map(|text| {
        parse_place(text)
            .ok_or_else(|| invalid("before", "must be a nextBefore, or the id of a conversation"))
    });
    let message = ListConversations { user: user.id().clone(), before: before.transpose()?, limit };
    let page = actor.ask(message).await.map_err(api_error)?;
    let ids = page.conversations.iter().flat_map(|overview| overview.conversation.people.clone()).collect();
    let people = participants.ask(FetchParticipants { ids }).await.map_err(ConversationError::from);
    let people = people.map_err(api_error)?;
    let participant = |id: &UserId| people.get(id).cloned().unwrap_or_else(|| Participant::gone(id));
    Ok(HttpResponse::Ok().json(ConversationsBody {
        conversations: page
            .conversations
            .iter()
            .map(|overview| ConversationView::of(overview, participant))
            .collect(),
        has_more: page.next.is_some(),
        next_before: page.next.map(|place| match place.last_ms {
            Some(ms) => format!("{ms}_{}", place.id),
            None => place.id.to_string(),
        }),
        limit,
    }))
}

/// `<ms>_<conversation>`, or a conversation alone.
fn parse_place(text: &str) -> Option<ListPlace> {
    let (last_ms, id) = match text.split_once('_') {
        Some((ms, id)) => (Some(ms.parse().ok().filter(|ms| *ms >= 0)?), id),
        None => (None, text),
    };
    Some(ListPlace { last_ms, id: ConversationId::parse(id)? })
}

/// Replace the text of one's own message.
#[utoipa::path(put, path = "/api/messages/{id}", tag = "social: messages", security(("access" = [])),
    params(("id" = String, Path, description = "The message")), request_body = MessageChange,
    responses(
        (status = 200, body = MessageBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Somebody else's, or blocked", body = SocialFailure),
        (status = 404, description = "Unknown, or in a conversation of others", body = SocialFailure),
        (status = 409, description = "Deleted", body = SocialFailure),
    ))]
pub async fn edit(
    actor: Actor,
    rules: web::Data<MessageRules>,
    id: web::Path<String>,
    Then(user, JsonBody(body)): Then<Writer, JsonBody<MessageChange>>,
) -> Answer {
    let content = parse_content(&body.content, &rules)?;
    let message = parse_message(&id)?;
    let shown =
        actor.ask(EditMessage { user: user.id().clone(), message, content }).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(MessageBody { message: MessageView::shown(&shown) }))
}

/// Delete one's own message: it keeps its place, without content. Its file is removed.
#[utoipa::path(delete, path = "/api/messages/{id}", tag = "social: messages", security(("access" = [])),
    params(("id" = String, Path, description = "The message")),
    responses(
        (status = 200, body = MessageBody),
        (status = 401, body = SocialFailure),
        (status = 403, description = "Somebody else's", body = SocialFailure),
        (status = 404, description = "Unknown, or in a conversation of others", body = SocialFailure),
    ))]
pub async fn delete(user: AuthUser, actor: Actor, id: web::Path<String>) -> Answer {
    let message = parse_message(&id)?;
    let shown = actor.ask(DeleteMessage { user: user.id().clone(), message }).await.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(MessageBody { message: MessageView::shown(&shown) }))
}

fn parse_message(text: &str) -> Result<MessageId, ApiError> {
    MessageId::parse(text).ok_or_else(|| api_error(ConversationError::NotFound))
}

/// Take no messages from a user any more.
#[utoipa::path(put, path = "/api/users/{id}/block", tag = "social: users", security(("access" = [])),
    params(("id" = String, Path, description = "The user")),
    responses(
        (status = 200, body = Done),
        (status = 400, description = "Oneself", body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "The list is full", body = SocialFailure),
        (status = 404, description = "No such user", body = SocialFailure),
    ))]
pub async fn block(user: AuthUser, actor: Actor, id: web::Path<String>) -> Answer {
    set_block(&user, &actor, &id, true).await?;
    Ok(HttpResponse::Ok().json(Done { message: "User blocked successfully" }))
}

/// Take messages from a user again.
#[utoipa::path(delete, path = "/api/users/{id}/block", tag = "social: users", security(("access" = [])),
    params(("id" = String, Path, description = "The user")),
    responses(
        (status = 200, body = Done),
        (status = 400, description = "Oneself", body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 404, description = "No such user", body = SocialFailure),
    ))]
pub async fn unblock(user: AuthUser, actor: Actor, id: web::Path<String>) -> Answer {
    set_block(&user, &actor, &id, false).await?;
    Ok(HttpResponse::Ok().json(Done { message: "User unblocked successfully" }))
}

async fn set_block(user: &AuthUser, actor: &Actor, id: &str, blocked: bool) -> Result<(), ApiError> {
    let other = UserId::parse(id).ok_or_else(|| api_error(ConversationError::UnknownUser))?;
    actor.ask(SetBlock { user: user.id().clone(), other, blocked }).await.map_err(api_error)
}

/// Whom one has blocked.
#[utoipa::path(get, path = "/api/users/blocks", tag = "social: users", security(("access" = [])), responses(
    (status = 200, body = BlocksBody),
    (status = 401, body = SocialFailure),
))]
pub async fn blocks(user: AuthUser, actor: Actor, people: web::Data<Ask<FetchPeople>>) -> Answer {
    let ids = actor.ask(ListBlocks { user: user.id().clone() }).await.map_err(api_error)?;
    let people = people.ask(FetchPeople { ids: ids.clone() }).await.map_err(ConversationError::from);
    let people = people.map_err(api_error)?;
    Ok(HttpResponse::Ok().json(BlocksBody { users: ids.iter().map(|id| people.author(id)).collect() }))
}
