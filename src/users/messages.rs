//! What the people's actor can be asked.

use std::collections::HashMap;

use actix::Message;

use super::error::UsersError;
use super::model::{Author, Participant, UserId};

/// Make sure that a user who signs in has a profile. Safe to repeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UsersError>")]
pub struct Welcome {
    /// Who.
    pub user_id: UserId,
    /// When the account was made, in ms.
    pub created_ms: i64,
    /// The name at registration.
    pub username: String,
    /// The address at registration.
    pub email: String,
}

/// Look up how people look as authors, all in one round trip. Who is gone is missing from the answer.
#[derive(Debug, Message)]
#[rtype(result = "Result<People, UsersError>")]
pub struct FetchPeople {
    /// Who; each once is enough.
    pub ids: Vec<UserId>,
}

/// People by id.
#[derive(Debug, Clone, Default)]
pub struct People(pub HashMap<UserId, Author>);

impl People {
    /// How `id` looks as an author; who is gone still has an id.
    pub fn author(&self, id: &UserId) -> Author {
        self.0.get(id).cloned().unwrap_or_else(|| Author::gone(id))
    }
}

/// Look up how people look as participants, all in one round trip.
#[derive(Debug, Message)]
#[rtype(result = "Result<HashMap<UserId, Participant>, UsersError>")]
pub struct FetchParticipants {
    /// Who.
    pub ids: Vec<UserId>,
}
