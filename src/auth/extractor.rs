//! Who is calling: the extractor that other domains' handlers take.
//!
//! Invariant: a handler with an [`AuthUser`] runs only for a token whose session lives at this moment.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};

use super::actor::SessionManager;
use super::error::AuthError;
use super::messages::{Authenticate, Caller};
use super::routes::api_error;
use crate::actor::Mailbox;
use crate::http::envelope::Surface;
use crate::http::rate_limit::{self, LimitedAction};
use crate::http::{ApiError, client};
use crate::users::model::UserId;

/// The caller of a request that needs a token.
#[derive(Debug, Clone)]
pub struct AuthUser(pub Caller);

impl AuthUser {
    /// The user.
    pub fn id(&self) -> &UserId {
        &self.0.user_id
    }
}

/// The caller of a request that needs a token, counted against a limit of the user's own. `ACTION` is a [`LimitedAction`]
/// as a number.
#[derive(Debug, Clone)]
pub struct ChargedUser<const ACTION: usize>(pub Caller);

impl<const ACTION: usize> ChargedUser<ACTION> {
    /// The user.
    pub fn id(&self) -> &UserId {
        &self.0.user_id
    }
}

/// The caller of a request that may come without a token; a bad one is refused all the same.
#[derive(Debug, Clone)]
pub struct MaybeUser(pub Option<Caller>);

impl FromRequest for AuthUser {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            rate_limit::by_address(&request, LimitedAction::Api)?;
            let outcome = match bearer(&request) {
                Some(token) => caller(&request, token).await,
                None => Err(AuthError::InvalidToken),
            };
            let caller = outcome.map_err(|error| api_error(Surface::of(request.path()), error))?;
            rate_limit::by_user(&request, LimitedAction::User, caller.user_id.as_str())?;
            Ok(Self(caller))
        })
    }
}

impl<const ACTION: usize> FromRequest for ChargedUser<ACTION> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, user) = (request.clone(), AuthUser::from_request(request, payload));
        Box::pin(async move {
            let AuthUser(caller) = user.await?;
            rate_limit::by_user(&request, LimitedAction::ALL[ACTION], caller.user_id.as_str())?;
            Ok(Self(caller))
        })
    }
}

impl FromRequest for MaybeUser {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !request.headers().contains_key(header::AUTHORIZATION) {
            return Box::pin(async { Ok(Self(None)) });
        }
        let user = AuthUser::from_request(request, payload);
        Box::pin(async move { Ok(Self(Some(user.await?.0))) })
    }
}

/// What stands in the `Authorization` header after `Bearer`; something of another scheme is not a token.
pub fn bearer(request: &HttpRequest) -> Option<&str> {
    client::header(request, "authorization")?;
    Some(bearer_token(request).unwrap_or_default())
}

/// The token of an `Authorization` header that is of the Bearer scheme.
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let value = client::header(request, "authorization")?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn caller(request: &HttpRequest, token: &str) -> Result<Caller, AuthError> {
    match request.app_data::<web::Data<Mailbox<SessionManager>>>() {
        Some(manager) => manager.ask(Authenticate { token: token.to_owned() }).await,
        None => Err(AuthError::Crypto("no session manager is registered".to_owned())),
    }
}
