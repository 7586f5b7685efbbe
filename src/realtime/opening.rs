//! How a socket finds out who it belongs to and where it is.

use std::sync::Arc;

use futures_util::future::join3;

use super::hub::{Attach, Leave, NotAttached};
use super::messages::{LogOpened, OpenLog};
use super::model::Resume;
use super::protocol::Closing;
use super::ways::Ways;
use crate::auth::error::AuthError;
use crate::auth::messages::{Authenticate, Caller, CheckSession};
use crate::presence::messages::{SocketClosed, SocketOpened};
use crate::users::model::UserId;

/// A socket that was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) caller: Caller,
    pub(super) log: LogOpened,
}

/// A socket that was not.
#[derive(Debug)]
pub(super) struct NotOpened {
    /// Whose it would have been, once anything is to be taken back.
    pub(super) caller: Option<Caller>,
    pub(super) closing: Closing,
}

/// Listens before it looks where the log stands: what happens in between is heard, and known by its number. So is the
/// end of the session, which is why it is looked at again.
pub(super) async fn open(
    ways: &Ways,
    socket: &str,
    token: String,
    resume: Option<Resume>,
) -> Result<Opened, NotOpened> {
    let caller = ways
        .authenticate
        .ask(Authenticate { token })
        .await
        .map_err(|error| NotOpened { caller: None, closing: of_auth(&error) })?;
    let (user, socket) = (caller.user_id.clone(), socket.to_owned());
    let attach = Attach { user: user.clone(), socket: socket.clone() };
    match ways.hub.send(attach).await {
        Ok(Ok(())) => {}
        Ok(Err(NotAttached::TooMany)) => {
            return Err(NotOpened { caller: None, closing: Closing::RateLimit });
        }
        Ok(Err(NotAttached::Deaf)) | Err(_) => {
            return Err(NotOpened { caller: Some(caller), closing: Closing::GoingAway });
        }
    }
    let check = CheckSession { user_id: user.clone(), session_id: caller.session_id.clone() };
    let (log, session, presence) = join3(
        ways.open_log.ask(OpenLog { user: user.clone(), resume }),
        ways.check_session.ask(check),
        ways.opened.ask(SocketOpened { user_id: user, socket }),
    )
    .await;
    match (log, session, presence) {
        (_, Err(error), _) => Err(NotOpened { caller: Some(caller), closing: of_auth(&error) }),
        (Ok(log), Ok(()), Ok(())) => Ok(Opened { caller, log }),
        _ => Err(NotOpened { caller: Some(caller), closing: Closing::GoingAway }),
    }
}

fn of_auth(error: &AuthError) -> Closing {
    match error {
        AuthError::Ask(_) | AuthError::Redis(_) => Closing::GoingAway,
        _ => Closing::BadToken,
    }
}

/// Takes back what [`open`] did.
pub(super) async fn leave(ways: Arc<Ways>, user: UserId, socket: String, watched: Vec<UserId>) {
    ways.hub.do_send(Leave { user: Some(user.clone()), socket: socket.clone(), watched });
    if let Err(error) = ways.closed.ask(SocketClosed { user_id: user, socket }).await {
        tracing::debug!(%error, "a closed socket is left to run out");
    }
}
