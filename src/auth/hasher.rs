//! The password hasher: argon2id on a pool of its own.
//!
//! A sync actor with `auth.hash_threads` threads, so that a login storm keeps no request thread busy. Invariant:
//! a verification costs the same whether or not there is a hash to compare with.

use std::sync::LazyLock;

use actix::{Actor, Handler, SyncContext};
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use zxcvbn::matching::Match;
use zxcvbn::matching::patterns::MatchPattern;

use super::error::HashError;
use super::messages::{HashPassword, VerifyPassword};
use super::model::Password;
use crate::config::AuthConfig;

/// One thread of the pool.
#[derive(Debug)]
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    /// What a claimed password is compared with when there is no account.
    nobody: LazyLock<Option<String>, Box<dyn FnOnce() -> Option<String> + Send>>,
}

impl PasswordHasher {
    /// A hasher with the configured cost.
    pub fn new(config: &AuthConfig) -> Result<Self, HashError> {
        let params =
            Params::new(config.argon2_memory_kib, config.argon2_iterations, 1, None).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let same = argon2.clone();
        let nobody =
            move || same.hash_password(b"nobody has this password").ok().map(|hash| hash.to_string());
        Ok(Self { argon2, nobody: LazyLock::new(Box::new(nobody)) })
    }

    fn hash(&self, password: &Password) -> Result<String, HashError> {
        metrics::counter!("ayrene_password_hashes_total").increment(1);
        let hash: PasswordHash = self.argon2.hash_password(password.expose().as_bytes()).map_err(failed)?;
        Ok(hash.to_string())
    }

    fn verify(&self, password: &Password, hash: Option<&str>) -> Result<bool, HashError> {
        metrics::counter!("ayrene_password_hashes_total").increment(1);
        let compared = match hash {
            Some(hash) => hash,
            None => self.nobody.as_deref().ok_or_else(|| failed("no hash to compare with"))?,
        };
        let parsed = PasswordHash::new(compared).map_err(failed)?;
        let matches = self.argon2.verify_password(password.expose().as_bytes(), &parsed).is_ok();
        Ok(matches && hash.is_some())
    }
}

fn failed(problem: impl ToString) -> HashError {
    HashError::Failed(problem.to_string())
}

/// Whether the password as a whole stands in zxcvbn's list of common passwords, in whatever disguise of case, direction
/// or look-alike digits, or is as quickly guessed as those. Its dictionaries of words and names are no such lists.
fn is_common(password: &Password) -> bool {
    let estimate = zxcvbn::zxcvbn(password.expose(), &[]);
    let listed = match estimate.sequence() {
        // The type of the name is private, its text is not.
        [Match { pattern: MatchPattern::Dictionary(word), .. }] => {
            format!("{:?}", word.dictionary_name) == "Passwords"
        }
        _ => false,
    };
    listed || estimate.score() == zxcvbn::Score::Zero
}

impl Actor for PasswordHasher {
    type Context = SyncContext<Self>;
}

impl Handler<HashPassword> for PasswordHasher {
    type Result = Result<String, HashError>;

    fn handle(&mut self, message: HashPassword, _: &mut Self::Context) -> Self::Result {
        if message.refuse_common && is_common(&message.password) {
            return Err(HashError::Common);
        }
        self.hash(&message.password)
    }
}

impl Handler<VerifyPassword> for PasswordHasher {
    type Result = Result<bool, HashError>;

    fn handle(&mut self, message: VerifyPassword, _: &mut Self::Context) -> Self::Result {
        self.verify(&message.password, message.hash.as_deref())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_are_told_from_words() {
        for common in ["password", "Password1", "P@ssw0rd", "12345678", "qwertyuiop", "iloveyou", "aaaaaaaa"]
        {
            assert!(is_common(&Password::parse(common).unwrap()), "{common}");
        }
        for fine in
            ["crystallography", "accomplishments", "correct horse battery staple", "plum tractor 71 violet"]
        {
            assert!(!is_common(&Password::parse(fine).unwrap()), "{fine}");
        }
    }
}
