//! `/api/users/uploads/avatar` and `/uploads/avatars`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, People, fail, invalid, own_failure, presence_failure};
use crate::actor::{Ask, Mailbox};
use crate::auth::AuthUser;
use crate::http::ApiError;
use crate::http::download::{self, Presentation};
use crate::http::envelope::SocialFailure;
use crate::http::multipart::{Form, Shape};
use crate::http::rate_limit::{self, LimitedAction};
use crate::http::router::{Endpoint, at};
use crate::http::upload::{Uploads, picture_error};
use crate::media::Painter;
use crate::media::avatar::{Picture, mime_of};
use crate::media::painter::PaintAvatar;
use crate::presence::messages::SetStatus;
use crate::presence::model::OnlineStatus;
use crate::storage::{ObjectName, Storage};
use crate::users::avatar::{FOLDER, UPLOADS, object_of};
use crate::users::messages::{IsShown, SetAvatar};
use crate::users::model::{User, UserId};

const SHAPE: Shape = Shape { file: &["avatar", "file"], texts: &["_id", "status"] };
/// A name never comes again, so whoever has it need not ask.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

type Store = web::Data<Storage>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/api/users/uploads/avatar").post(change), at("/uploads/avatars/{name}").get(show)]
}

/// A form with a picture.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read part by part")]
pub struct AvatarForm {
    /// PNG, JPEG, GIF or WebP, 4 MB and 50 megapixels by default; `file` is another name for this part.
    #[schema(value_type = String, format = Binary)]
    avatar: Vec<u8>,
    /// The caller's own id, if anything.
    #[schema(rename = "_id")]
    id: Option<String>,
    /// Set along with the avatar, as by `PUT /api/users/status`.
    status: Option<OnlineStatus>,
}

/// A user with a new avatar.
#[derive(Debug, Serialize, ToSchema)]
pub struct AvatarBody {
    message: &'static str,
    status: OnlineStatus,
    /// URL path of the picture.
    avatar: String,
    user: User,
}

/// Change one's avatar, and one's status along with it.
#[utoipa::path(post, path = "/api/users/uploads/avatar", tag = "social: users", security(("access" = [])),
    request_body(content = AvatarForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = AvatarBody),
        (status = 400, body = SocialFailure),
        (status = 401, body = SocialFailure),
        (status = 403, description = "`_id` is somebody else's", body = SocialFailure),
        (status = 415, description = "Not a form, or not a picture", body = SocialFailure),
    ))]
pub async fn change(
    request: HttpRequest,
    user: AuthUser,
    uploads: web::Data<Uploads>,
    (painter, store, people): (web::Data<Mailbox<Painter>>, Store, People),
    presence: web::Data<Ask<SetStatus>>,
    payload: web::Payload,
) -> Answer {
    let _admission = Uploads::admit(&uploads, &request, user.id().as_str())?;
    let mut form = Form::open(&request, payload, SHAPE, uploads.avatar_limits())?;
    let mut file = form.file().await?;
    let part = file.part();
    let bytes = form.bytes(&mut file).await?;
    let mut texts = form.finish(file).await?;
    if texts.take("_id").is_some_and(|id| id != user.id().as_str()) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "Only one's own avatar can be changed"));
    }
    let status = texts.take("status").map(|text| OnlineStatus::parse(&text));
    let status = status.transpose().map_err(|problem| invalid(&request, "status", problem))?;
    let painted = painter.ask(PaintAvatar { bytes }).await;
    let picture = painted.map_err(|error| picture_error(part, error))?;
    let mut changed = replace(store, people, user.id().clone(), picture).await?;
    if let Some(status) = status {
        let set = SetStatus { user_id: user.id().clone(), status };
        changed.online_status = presence.ask(set).await.map_err(presence_failure)?.status;
    }
    let body = AvatarBody {
        message: "Avatar updated successfully",
        status: changed.online_status,
        avatar: changed.avatar.clone(),
        user: changed,
    };
    Ok(HttpResponse::Ok().json(body))
}

/// Stores the picture, points the profile to it and removes the one before, in this order: a crash in between leaves a
/// picture too many, never one too few. Goes on to the end even if the client has gone.
async fn replace(store: Store, people: People, user_id: UserId, picture: Picture) -> Result<User, ApiError> {
    let replacing = actix::spawn(async move {
        let object = ObjectName::unguessable(FOLDER, picture.extension);
        store.put(&object, picture.bytes).await?;
        let path = format!("{UPLOADS}{}", object.as_str());
        // After a failure nobody knows to which of the two the profile points, so both stay.
        let replaced = people.ask(SetAvatar { user_id, path }).await.map_err(own_failure)?;
        if let Some(old) = replaced.old.as_deref().and_then(object_of)
            && let Err(error) = store.delete(&old).await
        {
            tracing::warn!(%error, object = old.as_str(), "an avatar that nobody has any more stays behind");
        }
        Ok(replaced.user)
    });
    replacing.await.unwrap_or_else(|_| Err(ApiError::unavailable()))
}

/// An avatar.
#[utoipa::path(get, path = "/uploads/avatars/{name}", tag = "social: users",
    params(("name" = String, Path, description = "As in a user's `avatar`")),
    responses(
        (status = 200, content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
        (status = 206, description = "The range that was asked for", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
        (status = 304, description = "As `If-None-Match` says"),
        (status = 404, body = SocialFailure),
        (status = 416, description = "No such range", body = SocialFailure),
    ))]
pub async fn show(request: HttpRequest, store: Store, people: People, name: web::Path<String>) -> Answer {
    rate_limit::by_address(&request, LimitedAction::Download)?;
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let object = ObjectName::parse(&format!("{FOLDER}/{name}"));
    let (Some(object), Some(mime)) = (object, mime_of(extension)) else {
        return Err(ApiError::of_status(StatusCode::NOT_FOUND));
    };
    if !people.ask(IsShown { avatar: name.into_inner() }).await.map_err(fail)? {
        return Err(ApiError::of_status(StatusCode::NOT_FOUND));
    }
    let presentation = Presentation { mime, cache_control: FOR_EVER, file_name: None };
    download::answer(&request, &store, &object, presentation).await
}
