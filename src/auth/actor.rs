//! The session manager: one per worker, all state in Redis.
//!
//! Each message is handled in a future of its own; what must be atomic is a script.

use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Context};
use futures_util::future::{try_join, try_join_all};
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::closing::{AT_HAND, AT_ONCE, CLOSED};
use super::courier::Post;
use super::error::AuthError;
use super::estate::Estate;
use super::google::Google;
use super::keys;
use super::messages::{
    Authenticate, Caller, ChangeUsername, CheckSession, CloseAccount, EndSessionOf, EndSessions,
    EnterByPhone, FetchAccount, FetchGoogleKey, HashPassword, Identity, ListSessions, LogIn,
    LogOutEverywhere, Refresh, Register, RequestReset, RequestVerification, ResetPassword, SendPhoneCode,
    SignInWithGoogle, SignedIn, Sweep, SweepClosed, VerifyEmail, VerifyPassword, Which,
};
use super::model::{Account, Device, Password, Session};
use super::opening::{Arrival, Devices};
use super::phone::Phones;
use super::proofs::Proofs;
use super::store::{AuthStore, Credentials, Ended, Liveness, Name, NewAccount, Rotation};
use super::tokens::{RefreshToken, Tokens};
use crate::actor::Ask;
use crate::config::{AuthConfig, GoogleConfig, GuessConfig};
use crate::notifier::messages::Notify;
use crate::outbox::Register as SourceRegister;
use crate::presence::messages::{SignedIn as LoggedIn, SignedOut, Touch};
use crate::redis::{Key, Redis};
use crate::users::messages::{BeginRename, FetchNames, FinishRename, NoteVerified, Welcome};
use crate::users::model::{UserId, Username};

/// Owns accounts, sessions and tokens.
#[derive(Debug)]
pub struct SessionManager {
    manager: Rc<Manager>,
}

/// The ways to others.
#[derive(Debug)]
pub struct Asks {
    /// To the pool that hashes passwords.
    pub hash: Ask<HashPassword>,
    /// To the same.
    pub verify: Ask<VerifyPassword>,
    /// To the people's actor.
    pub welcome: Ask<Welcome>,
    /// To the same.
    pub note_verified: Ask<NoteVerified>,
    /// To the same.
    pub names: Ask<FetchNames>,
    /// To the same.
    pub begin_rename: Ask<BeginRename>,
    /// To the same.
    pub finish_rename: Ask<FinishRename>,
    /// To the presence keeper.
    pub signed_in: Ask<LoggedIn>,
    /// To the same.
    pub signed_out: Ask<SignedOut>,
    /// To the same.
    pub touch: Ask<Touch>,
    /// To the notifier.
    pub notify: Ask<Notify>,
    /// To who has Google's keys.
    pub google_key: Ask<FetchGoogleKey>,
    /// To those who keep what accounts own.
    pub estate: Estate,
}

#[derive(Debug)]
pub(super) struct Manager {
    pub(super) store: AuthStore,
    pub(super) asks: Asks,
    pub(super) post: Post,
    pub(super) proofs: Proofs,
    pub(super) devices: Devices,
    pub(super) google: Google,
    pub(super) phones: Phones,
    /// Accounts that something is to be done about, ...
    pub(super) at_hand: SourceRegister,
    /// ... and closed ones.
    pub(super) closed: SourceRegister,
    pub(super) turns: Arc<Semaphore>,
    pub(super) recovery_ms: u64,
    tokens: Tokens,
    account_guesses: GuessConfig,
    ip_guesses: GuessConfig,
    refresh_ttl_secs: u64,
}

impl SessionManager {
    /// A session manager on this worker's connection.
    pub fn new(
        redis: Redis,
        secret: &SecretString,
        asks: Asks,
        config: &AuthConfig,
        google: &GoogleConfig,
    ) -> Self {
        let manager = Manager {
            post: Post::new(redis.clone(), secret, asks.notify.clone()),
            proofs: Proofs::new(secret, config),
            devices: Devices::new(secret),
            google: Google::new(google),
            phones: Phones::new(secret),
            at_hand: SourceRegister::new(redis.clone(), AT_HAND),
            closed: SourceRegister::new(redis.clone(), CLOSED),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            recovery_ms: config.recovery_secs * 1000,
            store: AuthStore::new(redis, config),
            asks,
            tokens: Tokens::new(secret, config),
            account_guesses: config.account_guesses,
            ip_guesses: config.ip_guesses,
            refresh_ttl_secs: config.refresh_ttl_secs,
        };
        Self { manager: Rc::new(manager) }
    }
}

impl Actor for SessionManager {
    type Context = Context<Self>;
}

crate::delegate!(SessionManager, manager {
    Register => register,
    LogIn => log_in,
    LogOutEverywhere => log_out_everywhere,
    Refresh => refresh,
    Authenticate => authenticate,
    CheckSession => check_session,
    EndSessions => end_sessions,
    EndSessionOf => end_session_of,
    ListSessions => list_sessions,
    FetchAccount => fetch_account,
    SignInWithGoogle => sign_in_with_google,
    SendPhoneCode => send_phone_code,
    EnterByPhone => enter_by_phone,
    RequestReset => request_reset,
    ResetPassword => reset_password,
    RequestVerification => request_verification,
    VerifyEmail => verify_email,
    ChangeUsername => change_username,
    CloseAccount => close_account,
    Sweep => sweep,
    SweepClosed => sweep_closed,
});

impl Manager {
    async fn register(self: &Rc<Self>, message: Register) -> Result<SignedIn, AuthError> {
        let Register { email, username, password, device } = message;
        let password_hash = self.asks.hash.ask(HashPassword { password, refuse_common: true }).await?;
        let id = UserId::generate(chrono::Utc::now());
        let username = username.unwrap_or_else(|| Username::of(&id));
        if self.find_as_before(&email).await?.is_some() {
            return Err(AuthError::EmailTaken);
        }
        let account = NewAccount {
            email: Some(&email),
            username: &username,
            password_hash: Some(&password_hash),
            google: None,
            phone: None,
            via: "EMAIL",
        };
        let names = [Name::Email(&email), Name::Username(&username)];
        match self.found_account(&id, &names, &account).await {
            Ok(welcome) => {
                let arrival = Arrival { is_new: true, password_hash: Some(password_hash) };
                self.open_session(&id, &device, welcome, arrival).await.map_err(|error| match error {
                    // The owner of the address came with Google meanwhile, and has the account now.
                    AuthError::AccountGone => AuthError::EmailTaken,
                    error => error,
                })
            }
            Err(error) => {
                // They would lapse anyway; sooner is kinder to who tries again, but not worth making this client
                // wait. Only here: once a session may have made the account permanent, its names are its own.
                let store = self.store.clone();
                actix::spawn(async move {
                    store.give_back(&id, &[Name::Email(&email), Name::Username(&username)]).await;
                });
                Err(error)
            }
        }
    }

    /// Claims the names, writes the account, confirms the names; its first session makes it permanent. Claims and
    /// account lapse by themselves unless the next step confirms them, so a crash in between leaves nothing behind.
    pub(super) async fn found_account(
        &self,
        id: &UserId,
        names: &[Name<'_>],
        account: &NewAccount<'_>,
    ) -> Result<Welcome, AuthError> {
        for name in names {
            if !self.claim(*name, id).await? {
                return Err(match name {
                    Name::Email(_) => AuthError::EmailTaken,
                    Name::Username(_) => AuthError::UsernameTaken,
                    Name::Google(_) => AuthError::GoogleTaken,
                    // Somebody entered another code at the same time; the next one opens that account.
                    Name::Phone(_) => AuthError::Lapsed,
                });
            }
        }
        let created_ms = self.store.create_account(id, account).await?;
        let created_ms =
            created_ms.ok_or_else(|| AuthError::Crypto(format!("the user id {id} was made twice")))?;
        let confirmed = try_join_all(names.iter().map(|name| self.store.confirm_claim(*name, id))).await?;
        if confirmed.contains(&None) {
            return Err(AuthError::Lapsed);
        }
        Ok(Welcome {
            user_id: id.clone(),
            created_ms,
            username: account.username.as_str().to_owned(),
            email: account.email.map(|email| email.as_str().to_owned()).unwrap_or_default(),
            email_verified: account.has_proven_email(),
        })
    }

    async fn log_in(self: &Rc<Self>, message: LogIn) -> Result<SignedIn, AuthError> {
        let LogIn { identity, password, device } = message;
        let (id, Credentials { account, first_username, password_hash, .. }) =
            self.prove(&identity, password, &device).await?;
        let welcome = welcome(&id, &account, &first_username);
        let password_hash = Some(password_hash.ok_or(AuthError::WrongCredentials)?);
        let arrival = Arrival { is_new: false, password_hash };
        self.open_session(&id, &device, welcome, arrival).await.map_err(|error| match error {
            AuthError::AccountGone => AuthError::WrongCredentials,
            error => error,
        })
    }

    async fn log_out_everywhere(&self, message: LogOutEverywhere) -> Result<(), AuthError> {
        let LogOutEverywhere { identity, password, device } = message;
        let (user_id, _) = self.prove(&identity, password, &device).await?;
        self.end_sessions(EndSessions { user_id, which: Which::All }).await
    }

    /// Whose password this is. Counted before it is looked at, so that parallel guesses cannot outrun the count.
    async fn prove(
        &self,
        identity: &Identity,
        password: Password,
        device: &Device,
    ) -> Result<(UserId, Credentials), AuthError> {
        let ip = device.network;
        let counted = async { Ok(self.store.begin_guess_from(ip, self.ip_guesses).await?) };
        let (verdict, known) = try_join(counted, self.find(identity)).await?;
        verdict.pass().map_err(AuthError::Wait)?;
        let who = known.as_ref().map_or_else(|| identity.digest(), |(id, _)| id.to_string());
        let guess = self.store.guess_key(&who, ip).await?;
        if let Err(time) = self.store.begin_guess(&guess, self.account_guesses).await?.pass() {
            self.store.forgive_guess_from(ip).await?;
            return Err(AuthError::Wait(time));
        }

        let hash = known.as_ref().and_then(|(_, credentials)| credentials.password_hash.clone());
        let verdict = self.asks.verify.ask(VerifyPassword { password, hash }).await;
        match (verdict, known) {
            (Ok(true), Some(known)) => {
                try_join(self.forgive(&guess, ip), async {
                    Ok(self.store.remember_address(&who, ip).await?)
                })
                .await?;
                Ok(known)
            }
            (Ok(_), _) => Err(AuthError::WrongCredentials),
            (Err(error), _) => {
                self.forgive(&guess, ip).await?;
                Err(error.into())
            }
        }
    }

    async fn forgive(&self, guess: &Key, ip: std::net::IpAddr) -> Result<(), AuthError> {
        try_join(self.store.forgive_guess(guess), self.store.forgive_guess_from(ip)).await?;
        Ok(())
    }

    pub(super) async fn find(&self, identity: &Identity) -> Result<Option<(UserId, Credentials)>, AuthError> {
        match identity {
            Identity::Email(email) => self.find_by(Name::Email(email)).await,
            Identity::Username(username) => self.find_by(Name::Username(username)).await,
            Identity::Impossible(_) => Ok(None),
        }
    }

    /// Whose a name is.
    pub(super) async fn find_by(&self, name: Name<'_>) -> Result<Option<(UserId, Credentials)>, AuthError> {
        let claim = self.store.claim_on(name).await?;
        let found = match claim.and_then(|claim| claim.holder()) {
            Some(id) => self.store.credentials(&id).await?.map(|credentials| (id, credentials)),
            None => None,
        };
        let Name::Email(email) = name else { return Ok(found) };
        match found.filter(|(_, credentials)| credentials.has(email)) {
            None => self.find_as_before(email).await,
            found => Ok(found),
        }
    }

    pub(super) fn signed_in(&self, token: RefreshToken) -> Result<SignedIn, AuthError> {
        Ok(SignedIn {
            access_token: self.tokens.access(&token.user_id, &token.session_id)?,
            refresh_token: self.tokens.refresh(&token)?,
            refresh_ttl_secs: self.refresh_ttl_secs,
            user_id: token.user_id,
        })
    }

    async fn refresh(&self, message: Refresh) -> Result<SignedIn, AuthError> {
        let presented = self.tokens.read_refresh(&message.token)?;
        match self.store.rotate_session(&presented, &nanoid::nanoid!()).await? {
            Rotation::Current(token) => {
                self.touch(&token.user_id, token.issued_ms * 1000);
                self.signed_in(token)
            }
            Rotation::NoAccount => Err(AuthError::AccountGone),
            Rotation::NoSession => Err(AuthError::InvalidToken),
            Rotation::Reused(ended) => {
                tracing::warn!(user_id = %presented.user_id, "a refresh token was used again: its session has ended");
                self.tell_end(&presented.user_id, &ended).await;
                Err(AuthError::InvalidToken)
            }
        }
    }

    async fn authenticate(&self, message: Authenticate) -> Result<Caller, AuthError> {
        let (user_id, session_id) = self.tokens.read_access(&message.token)?;
        self.check_session(CheckSession { user_id: user_id.clone(), session_id: session_id.clone() }).await?;
        Ok(Caller { user_id, session_id })
    }

    async fn check_session(&self, message: CheckSession) -> Result<(), AuthError> {
        match self.store.check_session(&message.user_id, &message.session_id).await? {
            Liveness::NoAccount => Err(AuthError::AccountGone),
            Liveness::NoSession => Err(AuthError::InvalidToken),
            Liveness::Alive { noted_us } => {
                if let Some(at_us) = noted_us {
                    self.touch(&message.user_id, at_us);
                }
                Ok(())
            }
        }
    }

    async fn end_sessions(&self, message: EndSessions) -> Result<(), AuthError> {
        let EndSessions { user_id, which } = message;
        let ended = match &which {
            Which::One(session) => self.store.end_sessions(&user_id, session.as_str()).await?,
            Which::All => self.store.end_sessions(&user_id, "*").await?,
        };
        if matches!(which, Which::One(_)) && ended.ended == 0 {
            return Err(AuthError::UnknownSession);
        }
        self.tell_end(&user_id, &ended).await;
        Ok(())
    }

    /// The sessions have ended whether or not this succeeds; without it presence runs out by itself.
    pub(super) async fn tell_end(&self, user_id: &UserId, ended: &Ended) {
        if ended.ended == 0 || ended.left > 0 {
            return;
        }
        let signed_out = SignedOut { user_id: user_id.clone(), at_us: ended.at_us };
        if let Err(error) = self.asks.signed_out.ask(signed_out).await {
            tracing::warn!(%error, %user_id, "presence has not heard of a logout");
        }
    }

    /// Nobody waits for it.
    fn touch(&self, user_id: &UserId, at_us: i64) {
        let (touch, user_id) = (self.asks.touch.clone(), user_id.clone());
        actix::spawn(async move {
            if let Err(error) = touch.ask(Touch { user_id, at_us }).await {
                tracing::debug!(%error, "presence has not heard of a use");
            }
        });
    }

    async fn end_session_of(&self, message: EndSessionOf) -> Result<(), AuthError> {
        let RefreshToken { user_id, session_id, .. } = self.tokens.read_refresh(&message.token)?;
        match self.end_sessions(EndSessions { user_id, which: Which::One(session_id) }).await {
            Err(AuthError::UnknownSession) => Err(AuthError::InvalidToken),
            outcome => outcome,
        }
    }

    async fn sweep(&self, _: Sweep) -> Result<(), AuthError> {
        self.post.sweep().await
    }

    async fn list_sessions(&self, message: ListSessions) -> Result<Vec<Session>, AuthError> {
        Ok(self.store.sessions(&message.user_id).await?)
    }

    async fn fetch_account(&self, message: FetchAccount) -> Result<Account, AuthError> {
        self.account(&message.user_id).await
    }

    pub(super) async fn account(&self, id: &UserId) -> Result<Account, AuthError> {
        let credentials = self.store.credentials(id).await?;
        credentials.map(|credentials| credentials.account).ok_or(AuthError::AccountGone)
    }
}

/// What the people's actor is told of an account that signs in.
pub(super) fn welcome(id: &UserId, account: &Account, first_username: &Username) -> Welcome {
    Welcome {
        user_id: id.clone(),
        created_ms: account.created_ms,
        username: first_username.as_str().to_owned(),
        email: account.email.clone(),
        email_verified: account.email_verified_ms.is_some(),
    }
}

impl Identity {
    fn digest(&self) -> String {
        match self {
            Self::Email(email) => keys::digest(email.key()),
            Self::Username(username) => keys::digest(&username.key()),
            Self::Impossible(text) => keys::digest(text),
        }
    }
}
