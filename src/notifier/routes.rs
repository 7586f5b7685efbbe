//! `/api/v1/user/notification…`: one's notifications, and what one wants by mail.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::actor::Notifier;
use super::error::NotifierError;
use super::messages::{Change, ChangeNotification, ListNotifications, SetMailing};
use super::model::Mailing;
use super::record::Notification;
use crate::actor::Mailbox;
use crate::auth::AuthUser;
use crate::http::envelope::{self, LinksAnswer, LinksDone, LinksFailure};
use crate::http::query::{MAX_PAGE, number};
use crate::http::router::{Endpoint, at};
use crate::http::{ApiError, FieldError, JsonBody, Then};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

type Desk = web::Data<Mailbox<Notifier>>;
type Answer = Result<HttpResponse, ApiError>;

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![
        at("/api/v1/user/notifications").get(list),
        at("/api/v1/user/notification/{id}").patch(mark_read).delete(delete),
        at("/api/v1/user/notification-settings").get(settings).patch(set_settings),
    ]
}

/// Page of a list of notifications.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NotificationQuery {
    /// From 1.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    page: Option<String>,
    /// Notifications on a page, 50 by default.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// A page of notifications, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationsBody {
    notifications: Vec<Notification>,
    page: u32,
    limit: u32,
    /// Notifications on all pages.
    total: u64,
    /// How many of all have not been read.
    unread: u64,
    has_next: bool,
}

/// What comes by mail, besides what concerns the account's safety and what is asked for link by link.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailSettings {
    /// Messages that arrive while away.
    mail_messages: bool,
    /// Likes.
    mail_likes: bool,
    /// Comments.
    mail_comments: bool,
}

/// What to change; at least one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailSettingsChanges {
    mail_messages: Option<bool>,
    mail_likes: Option<bool>,
    mail_comments: Option<bool>,
}

impl From<Mailing> for MailSettings {
    fn from(mailing: Mailing) -> Self {
        let Mailing { messages, likes, comments } = mailing;
        Self { mail_messages: messages, mail_likes: likes, mail_comments: comments }
    }
}

/// The one place where a [`NotifierError`] becomes an HTTP answer.
fn fail(error: NotifierError) -> ApiError {
    match error {
        NotifierError::NotFound => ApiError::new(StatusCode::BAD_REQUEST, "Notification ID is invalid"),
        NotifierError::Redis(failure) => (&failure).into(),
        _ => ApiError::unavailable(),
    }
}

/// The caller's notifications.
#[utoipa::path(get, path = "/api/v1/user/notifications", tag = "links: user", security(("access" = [])),
    params(NotificationQuery), responses(
    (status = 200, body = LinksAnswer<NotificationsBody>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn list(
    request: HttpRequest,
    user: AuthUser,
    desk: Desk,
    query: web::Query<NotificationQuery>,
) -> Answer {
    let page = number(request.path(), "page", query.page.as_deref(), 1, MAX_PAGE)?;
    let limit = number(request.path(), "limit", query.limit.as_deref(), DEFAULT_LIMIT, MAX_LIMIT)?;
    let found = desk.ask(ListNotifications { user: user.id().clone(), page, limit }).await.map_err(fail)?;
    let body = NotificationsBody {
        notifications: found.notifications,
        page,
        limit,
        total: found.total,
        unread: found.unread,
        has_next: u64::from(page) * u64::from(limit) < found.total,
    };
    Ok(envelope::links(StatusCode::OK, "Notifications fetched sucessfully", body))
}

/// Mark a notification as read.
#[utoipa::path(patch, path = "/api/v1/user/notification/{id}", tag = "links: user", security(("access" = [])),
    params(("id" = String, Path, description = "From the list")), responses(
    (status = 200, body = LinksDone),
    (status = 400, description = "No such notification", body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn mark_read(user: AuthUser, desk: Desk, id: web::Path<String>) -> Answer {
    change(user, desk, id, Change::Read).await?;
    Ok(envelope::links_done("Notification marked as read"))
}

/// Delete a notification.
#[utoipa::path(delete, path = "/api/v1/user/notification/{id}", tag = "links: user", security(("access" = [])),
    params(("id" = String, Path, description = "From the list")), responses(
    (status = 200, body = LinksDone),
    (status = 400, description = "No such notification", body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn delete(user: AuthUser, desk: Desk, id: web::Path<String>) -> Answer {
    change(user, desk, id, Change::Delete).await?;
    Ok(envelope::links_done("Notification deleted"))
}

async fn change(user: AuthUser, desk: Desk, id: web::Path<String>, change: Change) -> Result<(), ApiError> {
    let message = ChangeNotification { user: user.id().clone(), id: id.into_inner(), change };
    desk.ask(message).await.map_err(fail)
}

/// What the caller wants by mail.
#[utoipa::path(get, path = "/api/v1/user/notification-settings", tag = "links: user", security(("access" = [])),
    responses(
    (status = 200, body = LinksAnswer<MailSettings>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn settings(user: AuthUser, desk: Desk) -> Answer {
    let none = SetMailing { user: user.id().clone(), messages: None, likes: None, comments: None };
    let mailing = desk.ask(none).await.map_err(fail)?;
    Ok(envelope::links(
        StatusCode::OK,
        "Notification settings fetched successfully",
        MailSettings::from(mailing),
    ))
}

/// Change what the caller wants by mail.
#[utoipa::path(patch, path = "/api/v1/user/notification-settings", tag = "links: user", security(("access" = [])),
    request_body = MailSettingsChanges, responses(
    (status = 200, body = LinksAnswer<MailSettings>),
    (status = 400, body = LinksFailure),
    (status = 401, body = LinksFailure),
))]
pub async fn set_settings(
    Then(user, JsonBody(body)): Then<AuthUser, JsonBody<MailSettingsChanges>>,
    desk: Desk,
) -> Answer {
    let MailSettingsChanges { mail_messages: messages, mail_likes: likes, mail_comments: comments } = body;
    if messages.or(likes).or(comments).is_none() {
        let problem = "send at least one of mailMessages, mailLikes, mailComments";
        return Err(ApiError::invalid("Provided data is invalid", vec![FieldError::new("", problem)]));
    }
    let message = SetMailing { user: user.id().clone(), messages, likes, comments };
    let mailing = desk.ask(message).await.map_err(fail)?;
    Ok(envelope::links(
        StatusCode::OK,
        "Notification settings updated successfully",
        MailSettings::from(mailing),
    ))
}
