//! The people's actor: one per worker, all state in Redis.

use std::collections::HashMap;
use std::rc::Rc;

use actix::{Actor, Context};
use futures_util::future::try_join;

use super::error::UsersError;
use super::messages::{
    AlignProfile, BeginRename, Contact, DirectoryPage, FetchContact, FetchNames, FetchParticipants,
    FetchPeople, FetchUser, FinishRename, IsShown, ListDirectory, Names, NoteVerified, People, PurgeProfile,
    ReplacedAvatar, SetAvatar, UpdateProfile, Welcome,
};
use super::model::{DateOfBirth, Gender, Participant, User, UserId};
use super::profile::Profile;
use super::store::{Changes, Entry, PeopleStore, Renamed};
use crate::actor::Ask;
use crate::config::{DirectoryConfig, EmailsShown};
use crate::presence::messages::FetchPresence;
use crate::presence::model::Presence;
use crate::redis::Redis;
use crate::storage::Storage;
use crate::values::text::folded;

/// Owns profiles and the directory.
#[derive(Debug)]
pub struct PeopleKeeper {
    keeper: Rc<Keeper>,
}

#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) store: PeopleStore,
    pub(super) storage: Storage,
    presence: Ask<FetchPresence>,
    emails: EmailsShown,
}

impl PeopleKeeper {
    /// A keeper on this worker's connection.
    pub fn new(
        redis: Redis,
        storage: Storage,
        presence: Ask<FetchPresence>,
        config: &DirectoryConfig,
    ) -> Self {
        let store = PeopleStore::new(redis);
        let keeper = Keeper { store, storage, presence, emails: config.emails };
        Self { keeper: Rc::new(keeper) }
    }
}

impl Actor for PeopleKeeper {
    type Context = Context<Self>;
}

crate::delegate!(PeopleKeeper, keeper {
    Welcome => welcome,
    NoteVerified => note_verified,
    FetchPeople => fetch_people,
    FetchParticipants => fetch_participants,
    FetchUser => fetch_user,
    FetchContact => fetch_contact,
    ListDirectory => list_directory,
    UpdateProfile => update_profile,
    SetAvatar => set_avatar,
    FetchNames => fetch_names,
    BeginRename => begin_rename,
    FinishRename => finish_rename,
    AlignProfile => align,
    IsShown => is_shown,
    PurgeProfile => purge,
});

/// Somebody with all that is shown.
type Known = (UserId, Profile, Presence);

impl Keeper {
    /// The profile comes before the entry in the directory, so that a reader does not take the entry for a leftover.
    async fn welcome(&self, message: Welcome) -> Result<(), UsersError> {
        let username = self.store.welcome(&message).await?;
        Ok(self.store.list(&Entry::new(&username, &message.user_id)).await?)
    }

    async fn note_verified(&self, message: NoteVerified) -> Result<(), UsersError> {
        self.store.note_verified(&message.user_id).await?;
        Ok(())
    }

    async fn fetch_people(&self, message: FetchPeople) -> Result<People, UsersError> {
        Ok(self.store.people(&distinct(message.ids)).await?)
    }

    async fn fetch_participants(
        &self,
        message: FetchParticipants,
    ) -> Result<HashMap<UserId, Participant>, UsersError> {
        let known = self.known(distinct(message.ids)).await?.into_iter().flatten();
        Ok(known
            .map(|(id, profile, presence)| {
                let participant = profile.participant(&id, presence);
                (id, participant)
            })
            .collect())
    }

    async fn fetch_user(&self, message: FetchUser) -> Result<User, UsersError> {
        let FetchUser { id, viewer } = message;
        let masked = self.masks(&id, &viewer);
        let known = self.known(vec![id]).await?.pop().flatten();
        known.map(|(id, profile, presence)| profile.user(&id, presence, masked)).ok_or(UsersError::NotFound)
    }

    async fn fetch_contact(&self, message: FetchContact) -> Result<Option<Contact>, UsersError> {
        Ok(self.store.contact(&message.id).await?)
    }

    /// An entry counts while its user goes by that name. One that never will, a crash or a race left: it is taken off.
    async fn list_directory(&self, message: ListDirectory) -> Result<DirectoryPage, UsersError> {
        let ListDirectory { viewer, page, limit, search } = message;
        let skip = u64::from(page - 1) * u64::from(limit);
        let (entries, total) = self.store.page(&search, skip, limit).await?;
        let known = self.known(entries.iter().map(|entry| entry.id.clone()).collect()).await?;
        let (mut users, mut leftover) = (Vec::new(), Vec::new());
        for (entry, known) in entries.into_iter().zip(known) {
            match known {
                Some((id, profile, presence)) if folded(&profile.username) == entry.name => {
                    users.push(profile.directory_user(&id, presence, self.masks(&id, &viewer)));
                }
                Some((_, Profile { renaming: Some(next), .. }, _)) if folded(&next) == entry.name => {}
                _ => leftover.push(entry),
            }
        }
        let total = total.saturating_sub(leftover.len() as u64);
        if !leftover.is_empty() {
            self.store.unlist(&leftover).await?;
        }
        Ok(DirectoryPage { users, total })
    }

    async fn update_profile(&self, message: UpdateProfile) -> Result<User, UsersError> {
        let UpdateProfile { user_id, gender, date_of_birth, address } = message;
        let mut changes: Changes = Vec::new();
        changes.extend(gender.map(|gender| match gender {
            Gender::PreferNotToSay => ("gender", String::new()),
            gender => ("gender", gender.as_str().to_owned()),
        }));
        changes
            .extend(date_of_birth.map(|date| ("birth", date.map(DateOfBirth::to_text).unwrap_or_default())));
        changes.extend(address.map(|address| ("address", address)));
        if !self.store.update(&user_id, &changes).await? {
            return Err(UsersError::NotFound);
        }
        self.own(user_id).await
    }

    async fn set_avatar(&self, message: SetAvatar) -> Result<ReplacedAvatar, UsersError> {
        let SetAvatar { user_id, path } = message;
        let old = self.store.set_avatar(&user_id, &path).await?.ok_or(UsersError::NotFound)?;
        let old = (!old.is_empty()).then_some(old);
        Ok(ReplacedAvatar { old, user: self.own(user_id).await? })
    }

    async fn fetch_names(&self, message: FetchNames) -> Result<Option<Names>, UsersError> {
        Ok(self.store.names(&message.user_id).await?)
    }

    async fn begin_rename(&self, message: BeginRename) -> Result<(), UsersError> {
        let noted = self.store.begin_rename(&message.user_id, &message.to).await?;
        if noted { Ok(()) } else { Err(UsersError::NotFound) }
    }

    /// The new entry in the directory comes first: with the old name gone, a crash would hide the user until the next
    /// login.
    async fn finish_rename(&self, message: FinishRename) -> Result<bool, UsersError> {
        let FinishRename { user_id, to } = message;
        let entry = Entry::new(to.as_str(), &user_id);
        self.store.list(&entry).await?;
        match self.store.finish_rename(&user_id, &to).await? {
            Renamed::NoUser => Err(UsersError::NotFound),
            Renamed::AnotherNoted => Ok(false),
            Renamed::Done { before } => {
                let before = Entry::new(&before, &user_id);
                if before != entry {
                    self.store.unlist(&[before]).await?;
                }
                Ok(true)
            }
        }
    }

    /// How users see themselves.
    async fn own(&self, id: UserId) -> Result<User, UsersError> {
        self.fetch_user(FetchUser { viewer: id.clone(), id }).await
    }

    fn masks(&self, id: &UserId, viewer: &UserId) -> bool {
        self.emails == EmailsShown::Masked && id != viewer
    }

    /// People in the order of `ids`: profiles and presence, at once.
    async fn known(&self, ids: Vec<UserId>) -> Result<Vec<Option<Known>>, UsersError> {
        let presence = async { Ok(self.presence.ask(FetchPresence { ids: ids.clone() }).await?) };
        let profiles = async { Ok::<_, UsersError>(self.store.profiles(&ids).await?) };
        let (profiles, presence) = try_join(profiles, presence).await?;
        let known = ids.into_iter().zip(profiles).map(|(id, profile)| {
            let presence = presence.get(&id).copied().unwrap_or(Presence::NEVER);
            Some((id, profile?, presence))
        });
        Ok(known.collect())
    }
}

fn distinct(mut ids: Vec<UserId>) -> Vec<UserId> {
    ids.sort();
    ids.dedup();
    ids
}
