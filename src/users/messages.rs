//! What the people's actor can be asked.

use std::collections::HashMap;

use actix::Message;

use super::error::UsersError;
use super::model::{Author, DateOfBirth, DirectoryUser, Gender, Participant, User, UserId, Username};

/// Make sure that a user who signs in has a profile and stands in the directory. Safe to repeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UsersError>")]
pub struct Welcome {
    /// Who.
    pub user_id: UserId,
    /// When the account was made, in ms.
    pub created_ms: i64,
    /// The name at registration.
    pub username: String,
    /// The address at registration; empty when the account has none.
    pub email: String,
    /// Whether it has been proven to be the user's. Once it was, it stays so.
    pub email_verified: bool,
}

/// Note that a user's address has been proven to be his. Without a profile there is nothing to note: the next sign-in
/// brings it along.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UsersError>")]
pub struct NoteVerified {
    /// Whose.
    pub user_id: UserId,
}

/// Look up where a user can be written to. Nothing when there is no profile.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Contact>, UsersError>")]
pub struct FetchContact {
    /// Whose.
    pub id: UserId,
}

/// Where a user can be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The account's address, if it has one.
    pub email: Option<String>,
    /// Whether the address has been proven to be the user's.
    pub verified: bool,
    /// The name at this moment.
    pub username: String,
}

/// Whether an account is open or closed, and since when that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Rises with each closing and each recovery: odd is closed.
    pub generation: u64,
    /// A time at which the account had this generation, by the datastore's clock. What was made later does not go by it.
    pub as_of_us: u64,
}

/// Bring a user's profile in line with the account: a closed one's is nobody's. Safe to repeat and to come late.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UsersError>")]
pub struct AlignProfile {
    /// Whose.
    pub user_id: UserId,
    /// The account.
    pub standing: Standing,
}

/// Say whether a picture can be shown: its owner's account may be closed.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, UsersError>")]
pub struct IsShown {
    /// The last segment of the picture's path.
    pub avatar: String,
}

/// Remove a user's picture, entries in the directory and profile, for good. Safe to repeat.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UsersError>")]
pub struct PurgeProfile {
    /// Whose.
    pub user_id: UserId,
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

/// Look up how people look as participants, all in one round trip. Who is gone is missing from the answer.
#[derive(Debug, Message)]
#[rtype(result = "Result<HashMap<UserId, Participant>, UsersError>")]
pub struct FetchParticipants {
    /// Who; each once is enough.
    pub ids: Vec<UserId>,
}

/// Look up everything that is shown of a user.
#[derive(Debug, Message)]
#[rtype(result = "Result<User, UsersError>")]
pub struct FetchUser {
    /// Who.
    pub id: UserId,
    /// Who looks; one's own address is never masked.
    pub viewer: UserId,
}

/// List people by name.
#[derive(Debug, Message)]
#[rtype(result = "Result<DirectoryPage, UsersError>")]
pub struct ListDirectory {
    /// Who looks; one's own address is never masked.
    pub viewer: UserId,
    /// From 1.
    pub page: u32,
    /// People on a page.
    pub limit: u32,
    /// What names must begin with, in whatever case; empty for all.
    pub search: String,
}

/// A page of the directory.
#[derive(Debug)]
pub struct DirectoryPage {
    /// By name; fewer than asked for where names have just changed.
    pub users: Vec<DirectoryUser>,
    /// People on all pages.
    pub total: u64,
}

/// Change a profile. What is not given stays.
#[derive(Debug, Message)]
#[rtype(result = "Result<User, UsersError>")]
pub struct UpdateProfile {
    /// Whose.
    pub user_id: UserId,
    /// Another one.
    pub gender: Option<Gender>,
    /// Another one, or none any more.
    pub date_of_birth: Option<Option<DateOfBirth>>,
    /// Another one; may be empty.
    pub address: Option<String>,
}

/// Give a user another picture.
#[derive(Debug, Message)]
#[rtype(result = "Result<ReplacedAvatar, UsersError>")]
pub struct SetAvatar {
    /// Whose.
    pub user_id: UserId,
    /// URL path of the picture; empty for none.
    pub path: String,
}

/// A picture that was replaced.
#[derive(Debug)]
pub struct ReplacedAvatar {
    /// URL path of the picture before.
    pub old: Option<String>,
    /// The user with the new one.
    pub user: User,
}

/// Look up which names a user goes by. Nothing when there is no profile.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Names>, UsersError>")]
pub struct FetchNames {
    /// Whose.
    pub user_id: UserId,
}

/// The names of a user.
#[derive(Debug)]
pub struct Names {
    /// At this moment.
    pub username: Username,
    /// What it is about to become.
    pub renaming: Option<Username>,
}

impl Names {
    /// Whether `name` is one of them, in whatever spelling.
    pub fn include(&self, name: &Username) -> bool {
        let key = name.key();
        self.username.key() == key || self.renaming.as_ref().is_some_and(|next| next.key() == key)
    }
}

/// Note that a user is about to take a name. It must be claimed.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), UsersError>")]
pub struct BeginRename {
    /// Who.
    pub user_id: UserId,
    /// The next name.
    pub to: Username,
}

/// Give a user the name that was noted before. False when another one has been noted since.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, UsersError>")]
pub struct FinishRename {
    /// Who.
    pub user_id: UserId,
    /// The next name.
    pub to: Username,
}
