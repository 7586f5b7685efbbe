//! The session manager: one per worker, all state in Redis.
//!
//! Each message is handled in a future of its own; what must be atomic is a script.

use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Context};

use super::error::AuthError;
use super::keys;
use super::messages::{
    Authenticate, Caller, CheckSession, EndSessionOf, EndSessions, FetchAccount, HashPassword, Identity,
    ListSessions, LogIn, LogOutEverywhere, Refresh, Register, SignedIn, VerifyPassword, Which,
};
use super::model::{Account, Device, Password, Session, SessionId};
use super::store::{AuthStore, Claim, Credentials, Liveness, Name, Opened, Rotation};
use super::tokens::{RefreshToken, Tokens};
use crate::actor::Ask;
use crate::config::{AuthConfig, GuessConfig};
use crate::redis::{Key, Redis};
use crate::users::messages::Welcome;
use crate::users::model::{Email, UserId, Username};

/// How often, and how long in between, a name that another registration holds is looked at again.
const CLAIM_TRIES: usize = 30;
const CLAIM_PAUSE: Duration = Duration::from_millis(30);

/// Owns accounts, sessions and tokens.
#[derive(Debug)]
pub struct SessionManager {
    manager: Rc<Manager>,
}

#[derive(Debug)]
struct Manager {
    store: AuthStore,
    tokens: Tokens,
    hash: Ask<HashPassword>,
    verify: Ask<VerifyPassword>,
    welcome: Ask<Welcome>,
    account_guesses: GuessConfig,
    ip_guesses: GuessConfig,
    refresh_ttl_secs: u64,
}

impl SessionManager {
    /// A session manager on this worker's connection.
    pub fn new(
        redis: Redis,
        tokens: Tokens,
        hash: Ask<HashPassword>,
        verify: Ask<VerifyPassword>,
        welcome: Ask<Welcome>,
        config: &AuthConfig,
    ) -> Self {
        let manager = Manager {
            store: AuthStore::new(redis, config),
            tokens,
            hash,
            verify,
            welcome,
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
});

impl Manager {
    /// Claims the names, writes the account, confirms the names, opens the session. Claims and account
    /// lapse by themselves unless the next step confirms them, so a crash in between leaves nothing behind.
    async fn register(&self, message: Register) -> Result<SignedIn, AuthError> {
        let Register { email, username, password, device } = message;
        let password_hash = self.hash.ask(HashPassword { password, refuse_common: true }).await?;
        let id = UserId::generate(chrono::Utc::now());
        let username = username.unwrap_or_else(|| Username::of(&id));
        if let Err(error) = self.found_account(&id, &email, &username, &password_hash).await {
            // They would lapse anyway; sooner is kinder to who tries again, but not worth making this client wait.
            // Only here: once a session may have made the account permanent, its names are its own.
            let store = self.store.clone();
            actix::spawn(async move {
                for name in [Name::Email(&email), Name::Username(&username)] {
                    if let Err(error) = store.release_claim(name, id.as_str()).await {
                        tracing::debug!(%error, "a claim is left to lapse");
                    }
                }
            });
            return Err(error);
        }
        self.sign_in(&id, &device, false).await
    }

    async fn found_account(
        &self,
        id: &UserId,
        email: &Email,
        username: &Username,
        password_hash: &str,
    ) -> Result<(), AuthError> {
        let names = [Name::Email(email), Name::Username(username)];
        if !self.claim(names[0], id).await? {
            return Err(AuthError::EmailTaken);
        }
        if !self.claim(names[1], id).await? {
            return Err(AuthError::UsernameTaken);
        }
        if !self.store.create_account(id, email, username, password_hash).await? {
            return Err(AuthError::Crypto(format!("the user id {id} was made twice")));
        }
        for name in names {
            if !self.store.confirm_claim(name, id).await? {
                return Err(AuthError::Lapsed);
            }
        }
        Ok(())
    }

    /// False when somebody else has the name. A claim that is not confirmed yet is waited for: its account
    /// is being made at this moment, or never will be. A confirmed one without an account is what a crash leaves.
    async fn claim(&self, name: Name<'_>, id: &UserId) -> Result<bool, AuthError> {
        for _ in 0..CLAIM_TRIES {
            let Claim::Taken { holder, confirmed } = self.store.claim(name, id).await? else {
                return Ok(true);
            };
            if !confirmed {
                actix::clock::sleep(CLAIM_PAUSE).await;
                continue;
            }
            let account = match UserId::parse(&holder) {
                Some(holder) => self.store.credentials(&holder).await?,
                None => None,
            };
            if account.is_some() {
                return Ok(false);
            }
            self.store.release_claim(name, &holder).await?;
        }
        Err(AuthError::Lapsed)
    }

    async fn log_in(&self, message: LogIn) -> Result<SignedIn, AuthError> {
        let LogIn { identity, password, device } = message;
        let id = self.prove(&identity, password, &device).await?;
        self.sign_in(&id, &device, true).await
    }

    async fn log_out_everywhere(&self, message: LogOutEverywhere) -> Result<(), AuthError> {
        let LogOutEverywhere { identity, password, device } = message;
        let user_id = self.prove(&identity, password, &device).await?;
        self.end_sessions(EndSessions { user_id, which: Which::All }).await
    }

    /// Whose password this is. Counted before it is looked at, so that parallel guesses cannot outrun the count.
    async fn prove(
        &self,
        identity: &Identity,
        password: Password,
        device: &Device,
    ) -> Result<UserId, AuthError> {
        let ip = device.network;
        self.store.begin_guess_from(ip, self.ip_guesses).await?.pass().map_err(AuthError::Wait)?;
        let known = self.find(identity).await?;
        let who = known.as_ref().map_or_else(|| identity.digest(), |(id, _)| id.to_string());
        let guess = self.store.guess_key(&who, ip).await?;
        if let Err(time) = self.store.begin_guess(&guess, self.account_guesses).await?.pass() {
            self.store.forgive_guess_from(ip).await?;
            return Err(AuthError::Wait(time));
        }

        let hash = known.as_ref().and_then(|(_, credentials)| credentials.password_hash.clone());
        let verdict = self.verify.ask(VerifyPassword { password, hash }).await;
        match (verdict, known) {
            (Ok(true), Some((id, _))) => {
                self.forgive(&guess, ip).await?;
                self.store.remember_address(&who, ip).await?;
                Ok(id)
            }
            (Ok(_), _) => Err(AuthError::WrongCredentials),
            (Err(error), _) => {
                self.forgive(&guess, ip).await?;
                Err(error.into())
            }
        }
    }

    async fn forgive(&self, guess: &Key, ip: std::net::IpAddr) -> Result<(), AuthError> {
        self.store.forgive_guess(guess).await?;
        Ok(self.store.forgive_guess_from(ip).await?)
    }

    async fn find(&self, identity: &Identity) -> Result<Option<(UserId, Credentials)>, AuthError> {
        let holder = match identity {
            Identity::Email(email) => self.store.holder(Name::Email(email)).await?,
            Identity::Username(username) => self.store.holder(Name::Username(username)).await?,
            Identity::Impossible(_) => None,
        };
        let Some(id) = holder else { return Ok(None) };
        Ok(self.store.credentials(&id).await?.map(|credentials| (id, credentials)))
    }

    async fn sign_in(&self, id: &UserId, device: &Device, login: bool) -> Result<SignedIn, AuthError> {
        let (session_id, jti) = (SessionId::generate(), nanoid::nanoid!());
        match self.store.open_session(id, &session_id, &jti, device, login).await? {
            Opened::NoAccount => Err(AuthError::AccountGone),
            Opened::Opened { issued_ms, expires_ms } => {
                let user_id = id.clone();
                let token = RefreshToken { user_id, session_id, generation: 1, jti, issued_ms, expires_ms };
                let signed_in = self.signed_in(token).await?;
                self.welcome(id, &signed_in.account).await?;
                Ok(signed_in)
            }
        }
    }

    /// Not only once: whoever crashed between account and profile gets the profile with the next login.
    async fn welcome(&self, id: &UserId, account: &Account) -> Result<(), AuthError> {
        let welcome = Welcome {
            user_id: id.clone(),
            created_ms: account.created_ms,
            username: account.username.clone(),
            email: account.email.clone(),
        };
        Ok(self.welcome.ask(welcome).await?)
    }

    async fn signed_in(&self, token: RefreshToken) -> Result<SignedIn, AuthError> {
        let account = self.account(&token.user_id).await?;
        Ok(SignedIn {
            account,
            access_token: self.tokens.access(&token.user_id, &token.session_id)?,
            refresh_token: self.tokens.refresh(&token)?,
            refresh_ttl_secs: self.refresh_ttl_secs,
        })
    }

    async fn refresh(&self, message: Refresh) -> Result<SignedIn, AuthError> {
        let presented = self.tokens.read_refresh(&message.token)?;
        match self.store.rotate_session(&presented, &nanoid::nanoid!()).await? {
            Rotation::Current(token) => self.signed_in(token).await,
            Rotation::NoAccount => Err(AuthError::AccountGone),
            Rotation::NoSession => Err(AuthError::InvalidToken),
            Rotation::Reused => {
                tracing::warn!(user_id = %presented.user_id, "a refresh token was used again: its session has ended");
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
            Liveness::Alive => Ok(()),
        }
    }

    async fn end_sessions(&self, message: EndSessions) -> Result<(), AuthError> {
        let EndSessions { user_id, which } = message;
        let ended = match &which {
            Which::One(session) => self.store.end_sessions(&user_id, session.as_str()).await?,
            Which::All => self.store.end_sessions(&user_id, "*").await?,
        };
        if matches!(which, Which::One(_)) && ended == 0 {
            return Err(AuthError::UnknownSession);
        }
        Ok(())
    }

    async fn end_session_of(&self, message: EndSessionOf) -> Result<(), AuthError> {
        let RefreshToken { user_id, session_id, .. } = self.tokens.read_refresh(&message.token)?;
        match self.end_sessions(EndSessions { user_id, which: Which::One(session_id) }).await {
            Err(AuthError::UnknownSession) => Err(AuthError::InvalidToken),
            outcome => outcome,
        }
    }

    async fn list_sessions(&self, message: ListSessions) -> Result<Vec<Session>, AuthError> {
        Ok(self.store.sessions(&message.user_id).await?)
    }

    async fn fetch_account(&self, message: FetchAccount) -> Result<Account, AuthError> {
        self.account(&message.user_id).await
    }

    async fn account(&self, id: &UserId) -> Result<Account, AuthError> {
        let credentials = self.store.credentials(id).await?;
        credentials.map(|credentials| credentials.account).ok_or(AuthError::AccountGone)
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
