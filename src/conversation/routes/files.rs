//! `/api/messages/send-file` and `/uploads/files`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::ToSchema;

use super::{Actor, Answer, MessageBody, api_error, invalid, parse_receiver};
use crate::actor::Ask;
use crate::auth::AuthUser;
use crate::conversation::error::ConversationError;
use crate::conversation::files::{fresh_name, name_of};
use crate::conversation::messages::{FetchAttachment, MaySend, SendFile, SendMessage};
use crate::conversation::model::{Attachment, ClientId, Content, MessageId, MessageType};
use crate::conversation::view::MessageView;
use crate::http::ApiError;
use crate::http::download::{self, Place, Presentation};
use crate::http::envelope::SocialFailure;
use crate::http::multipart::{Form, Shape};
use crate::http::rate_limit::{self, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::upload::{self, Received, Uploads};
use crate::media::Class;
use crate::storage::{Storage, Upload};
use crate::users::model::UserId;

const RECEIVER: &str = "receiverId";
const CLIENT_ID: &str = "clientId";
const SHAPE: Shape = Shape { file: &["file"], texts: &[RECEIVER, CLIENT_ID] };
/// Kept by whoever fetched it, and shown only after asking: a message can be deleted, and a browser be lent.
const ASK_FIRST: &str = "private, no-cache";

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/api/messages/send-file").post(send), at("/uploads/files/{file_id}").get(fetch)]
}

/// A form with a file.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what is read part by part")]
pub struct FileForm {
    /// Whom to. If it stands before the file, a refusal need not wait for the file.
    #[schema(pattern = "^[0-9a-f]{24}$")]
    receiver_id: String,
    /// Makes a retry safe: the same one again returns the first message, and sends nothing.
    #[schema(min_length = 1, max_length = 128)]
    client_id: Option<String>,
    /// Anything, 25 MB by default. What it is is told by its content.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Send a file. PNG, JPEG, GIF and WebP are images and have a width and a height.
#[utoipa::path(post, path = "/api/messages/send-file", tag = "social: messages", security(("access" = [])),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = MessageBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "The receiver has blocked the sender", body = SocialFailure),
        (status = 404, description = "No such receiver", body = SocialFailure),
    ))]
pub async fn send(
    request: HttpRequest,
    user: AuthUser,
    uploads: web::Data<Uploads>,
    (actor, files, storage): (Actor, web::Data<Ask<SendFile>>, web::Data<Storage>),
    payload: web::Payload,
) -> Answer {
    rate_limit::by_user(&request, LimitedAction::Message, user.id().as_str())?;
    let _admission = Uploads::admit(&uploads, &request, user.id().as_str())?;
    let mut form = Form::open(&request, payload, SHAPE, uploads.file_limits())?;
    let mut file = form.file().await?;
    // As early as it can be known: nobody should send 25 MB for a refusal.
    form.text(CLIENT_ID).map(parse_client_id).transpose()?;
    let mut allowed = None;
    if let Some(receiver) = form.text(RECEIVER) {
        allowed = Some(admitted(&actor, &user, receiver).await?);
    }
    let received = upload::receive(&mut form, &mut file, &storage, fresh_name()).await?;
    let mut texts = form.finish(file).await?;
    let to = match (allowed, texts.take(RECEIVER)) {
        (Some(to), _) => to,
        (None, Some(receiver)) => admitted(&actor, &user, &receiver).await?,
        (None, None) => return Err(invalid(RECEIVER, "is missing: whom is the file for?")),
    };
    let client_id = texts.take(CLIENT_ID).as_deref().map(parse_client_id).transpose()?;
    let (content, upload) = content(received);
    let message = SendMessage { from: user.id().clone(), to, content, client_id, origin: None };
    let sent = files.ask(SendFile { message, upload }).await.map_err(api_error)?;
    Ok(HttpResponse::Created().json(MessageBody { message: MessageView::shown(&sent.shown) }))
}

/// The receiver, if the user may write to it.
async fn admitted(actor: &Actor, user: &AuthUser, receiver: &str) -> Result<UserId, ApiError> {
    let to = parse_receiver(receiver)?;
    actor.ask(MaySend { from: user.id().clone(), to: to.clone() }).await.map_err(api_error)?;
    Ok(to)
}

fn parse_client_id(text: &str) -> Result<ClientId, ApiError> {
    ClientId::parse(text).map_err(|problem| invalid(CLIENT_ID, problem))
}

fn content(received: Received) -> (Content, Upload) {
    let Received { upload, kind, file_name } = received;
    let attachment = Attachment {
        object: upload.name().last_segment().to_owned(),
        name: file_name,
        size: upload.size(),
        mime: kind.mime.to_owned(),
        dimensions: kind.dimensions,
    };
    let message_type = match kind.class {
        Class::Image => MessageType::Image,
        Class::Video => MessageType::Video,
        Class::Audio => MessageType::Audio,
        Class::File => MessageType::File,
    };
    (Content::File(message_type, attachment), upload)
}

/// A file, for the two whose conversation it stands in.
#[utoipa::path(get, path = "/uploads/files/{file_id}", tag = "social: messages", security(("access" = [])),
    params(("file_id" = String, Path, description = "As in a message's `fileUrl`")),
    responses(
        (status = 200, description = "Images, video and sound `inline`, all else as an attachment",
            body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The range that was asked for", body = Vec<u8>, content_type = "*/*"),
        (status = 304, description = "As `If-None-Match` says"),
        (status = 401, body = SocialFailure),
        (status = 404, description = "Unknown, deleted, or in a conversation of others", body = SocialFailure),
        (status = 416, description = "No such range", body = SocialFailure),
    ))]
pub async fn fetch(
    request: HttpRequest,
    user: AuthUser,
    actor: Actor,
    storage: web::Data<Storage>,
    id: web::Path<String>,
) -> Answer {
    rate_limit::by_address(&request, LimitedAction::Download)?;
    let missing = || ApiError::of_status(StatusCode::NOT_FOUND);
    let (message, object) = id.split_once('-').ok_or_else(missing)?;
    let message = MessageId::parse(message).ok_or_else(missing)?;
    let name = name_of(object).ok_or_else(missing)?;
    let wanted = FetchAttachment { user: user.id().clone(), message, object: object.to_owned() };
    let (kind, file) = actor.ask(wanted).await.map_err(|error| match error {
        ConversationError::NotFound => missing(),
        error => api_error(error),
    })?;
    let place = match kind {
        MessageType::Image | MessageType::Video | MessageType::Audio => Place::Inline,
        MessageType::Text | MessageType::File => Place::Attachment,
    };
    let presentation =
        Presentation { mime: &file.mime, cache_control: ASK_FIRST, file_name: Some((&file.name, place)) };
    download::answer(&request, &storage, &name, presentation).await
}
