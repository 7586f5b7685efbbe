//! Signing in by phone: a code goes out by SMS, who enters it rightly is in.
//!
//! Everything about a number lives in the slot of its digest. Invariants: a guess is counted in the step that compares it,
//! a code is spent in the step that finds a guess right; neither a number nor a code can be read in the datastore, nor
//! found by trying them all, without the secret. Strangers who ask and guess cannot keep somebody out who comes from where he
//! has been before.

use std::net::IpAddr;
use std::rc::Rc;

use secrecy::SecretString;

use super::actor::{Manager, welcome};
use super::courier::source_of_phone;
use super::error::AuthError;
use super::messages::{EnterByPhone, Entered, SendPhoneCode, SignedIn};
use super::model::{Device, Phone};
use super::opening::Arrival;
use super::store::{Asker, Guessed, Issued, Name, NewAccount};
use crate::notifier::model::{Notice, Recipient, What};
use crate::secrets::{CODE_DIGITS, Digester, one_time_code};
use crate::users::model::{UserId, Username};

/// How numbers and codes look in the datastore.
#[derive(Debug)]
pub(super) struct Phones {
    numbers: Digester,
    codes: Digester,
}

impl Phones {
    pub(super) fn new(secret: &SecretString) -> Self {
        Self {
            numbers: Digester::new(secret, "auth: phone numbers"),
            codes: Digester::new(secret, "auth: phone codes"),
        }
    }

    fn digest(&self, phone: &Phone) -> String {
        self.numbers.of(&[phone.as_str()])
    }

    fn code(&self, phone: &Phone, code: &str) -> String {
        self.codes.of(&[phone.as_str(), code])
    }
}

impl Manager {
    pub(super) async fn send_phone_code(&self, message: SendPhoneCode) -> Result<(), AuthError> {
        let SendPhoneCode { phone, network } = message;
        let number = self.phones.digest(&phone);
        let asker = self.asker(&number, network).await?;
        self.store.begin_phone_code(asker).await?.pass().map_err(AuthError::CodeWait)?;
        let (code, to) = (one_time_code(), Recipient::Phone(phone.as_str().to_owned()));
        let digest = self.phones.code(&phone, &code);
        let (source, notice) = (source_of_phone(&number), Notice { to, what: What::PhoneCode { code } });
        let issue = async |slip| self.store.issue_code(asker, &digest, slip).await;
        match self.post.leave(&source, &notice, issue).await {
            Ok(Issued::Left(left)) => {
                self.post.relay_later(source, left);
                Ok(())
            }
            Ok(Issued::Wait(time)) => Err(AuthError::CodeWait(time)),
            Err(error) => {
                self.store.forgive_phone_code(asker).await?;
                Err(error)
            }
        }
    }

    /// The code is spent whatever happens after it was right; then the user asks for another one.
    pub(super) async fn enter_by_phone(self: &Rc<Self>, message: EnterByPhone) -> Result<Entered, AuthError> {
        let EnterByPhone { phone, code, device } = message;
        // What cannot be a code costs nobody a try.
        if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AuthError::WrongCode);
        }
        let number = self.phones.digest(&phone);
        let asker = self.asker(&number, device.network).await?;
        match self.store.check_code(asker, &self.phones.code(&phone, &code)).await? {
            Guessed::Wrong => return Err(AuthError::WrongCode),
            Guessed::Wait(time) => return Err(AuthError::CodeWait(time)),
            Guessed::Right => {}
        }
        let entered = self.open_or_found(&number, &device).await?;
        self.store.remember_address(entered.signed_in.user_id.as_str(), device.network).await?;
        Ok(entered)
    }

    async fn open_or_found(self: &Rc<Self>, number: &str, device: &Device) -> Result<Entered, AuthError> {
        if let Some((id, known)) = self.find_by(Name::Phone(number)).await? {
            let welcome = welcome(&id, &known.account, &known.first_username);
            match self.open_session(&id, device, welcome, Arrival::SIGNED_IN).await {
                // It went for good this moment.
                Err(AuthError::AccountGone) => {}
                opened => return Ok(Entered { signed_in: opened?, is_new: false }),
            }
        }
        Ok(Entered { signed_in: self.register_phone(number, device).await?, is_new: true })
    }

    async fn asker<'a>(&self, number: &'a str, network: IpAddr) -> Result<Asker<'a>, AuthError> {
        let claim = self.store.claim_on(Name::Phone(number)).await?;
        let is_known = match claim.and_then(|claim| claim.holder()) {
            Some(holder) => self.store.is_known(holder.as_str(), network).await?,
            None => false,
        };
        Ok(Asker { number, known: is_known.then_some(network) })
    }

    async fn register_phone(self: &Rc<Self>, number: &str, device: &Device) -> Result<SignedIn, AuthError> {
        let id = UserId::generate(chrono::Utc::now());
        let username = Username::of(&id);
        let names = [Name::Phone(number), Name::Username(&username)];
        let account = NewAccount {
            email: None,
            username: &username,
            password_hash: None,
            google: None,
            phone: Some(number),
            via: "PHONE",
        };
        match self.found_account(&id, &names, &account).await {
            Ok(welcome) => self.open_session(&id, device, welcome, Arrival::REGISTERED).await,
            Err(error) => {
                self.store.give_back(&id, &names).await;
                Err(error)
            }
        }
    }
}
