//! The people's only way to the datastore: one function per script.

use std::collections::HashMap;

use redis::{Value, cmd, pipe};

use super::keys;
use super::messages::{Contact, Names, People, Welcome};
use super::model::{Author, UserId, Username};
use super::profile::{Profile, is_closed};
use crate::redis::{Key, Redis, RedisFailure, Script};
use crate::script;
use crate::values::text::folded;

static WELCOME: Script = script!("users/welcome", 1);
static NOTE_VERIFIED: Script = script!("users/note_verified", 1);
static UPDATE: Script = script!("users/update", 1);
static SET_AVATAR: Script = script!("users/set_avatar", 1);
static BEGIN_RENAME: Script = script!("users/begin_rename", 1);
static FINISH_RENAME: Script = script!("users/finish_rename", 1);
static ALIGN: Script = script!("users/align", 1);
static VEIL: Script = script!("users/veil", 1);
static PAGE: Script = script!("users/page", 1);

/// How long it is remembered that a picture is shown again: longer than anybody who would hide it can be late.
const UNVEILED_MS: u64 = 3_600_000;

/// Fields of a profile with what they become; an empty value removes one.
pub(super) type Changes = Vec<(&'static str, String)>;

/// Outcome of giving somebody the name that was noted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Renamed {
    NoUser,
    AnotherNoted,
    Done { before: String },
}

/// A profile that has been brought in line with its account.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Aligned {
    /// Perhaps a later one than was asked for.
    pub(super) generation: u64,
    pub(super) username: String,
    /// URL path, perhaps empty.
    pub(super) avatar: String,
}

/// An entry of the directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Folded.
    pub(super) name: String,
    pub(super) id: UserId,
}

impl Entry {
    pub(super) fn new(name: &str, id: &UserId) -> Self {
        Self { name: folded(name), id: id.clone() }
    }

    fn parse(member: &str) -> Option<Self> {
        let (name, id) = member.split_once('\0')?;
        Some(Self { name: name.to_owned(), id: UserId::parse(id)? })
    }

    fn member(&self) -> String {
        format!("{}\0{}", self.name, self.id)
    }
}

#[derive(Debug, Clone)]
pub(super) struct PeopleStore {
    redis: Redis,
}

impl PeopleStore {
    pub(super) fn new(redis: Redis) -> Self {
        Self { redis }
    }

    fn profile_key(&self, id: &UserId) -> Key {
        keys::profile(self.redis.keyspace(), id)
    }

    /// The name that the user goes by.
    pub(super) async fn welcome(&self, user: &Welcome) -> Result<String, RedisFailure> {
        let (_written, username): (u8, String) = WELCOME
            .keys([&self.profile_key(&user.user_id)])
            .arg(user.created_ms)
            .arg(&user.username)
            .arg(&user.email)
            .arg(u8::from(user.email_verified))
            .run(&self.redis)
            .await?;
        Ok(username)
    }

    /// False when there is no such user.
    pub(super) async fn note_verified(&self, id: &UserId) -> Result<bool, RedisFailure> {
        NOTE_VERIFIED.keys([&self.profile_key(id)]).run(&self.redis).await
    }

    pub(super) async fn people(&self, ids: &[UserId]) -> Result<People, RedisFailure> {
        if ids.is_empty() {
            return Ok(People::default());
        }
        let mut pipeline = pipe();
        for id in ids {
            pipeline.cmd("HMGET").arg(self.profile_key(id)).arg(&["username", "avatar", "gen"]);
        }
        let rows: Vec<(Option<String>, Option<String>, Option<String>)> =
            self.redis.pipeline("HMGET profiles", &pipeline).await?;
        let rows = rows.into_iter().map(|(username, avatar, generation)| {
            (username.filter(|_| !generation.as_deref().is_some_and(is_closed)), avatar)
        });
        let people = ids.iter().zip(rows).filter_map(|(id, (username, avatar))| {
            let author =
                Author { id: id.to_string(), username: username?, avatar: avatar.unwrap_or_default() };
            Some((id.clone(), author))
        });
        Ok(People(people.collect::<HashMap<_, _>>()))
    }

    /// In the order of `ids`.
    pub(super) async fn profiles(&self, ids: &[UserId]) -> Result<Vec<Option<Profile>>, RedisFailure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = pipe();
        for id in ids {
            pipeline.cmd("HGETALL").arg(self.profile_key(id));
        }
        let rows: Vec<HashMap<String, String>> = self.redis.pipeline("HGETALL profiles", &pipeline).await?;
        Ok(rows.into_iter().map(Profile::read).collect())
    }

    /// False when there is no such user.
    pub(super) async fn update(&self, id: &UserId, changes: &Changes) -> Result<bool, RedisFailure> {
        let key = self.profile_key(id);
        let mut call = UPDATE.keys([&key]);
        for (field, value) in changes {
            call = call.arg(*field).arg(value);
        }
        call.run(&self.redis).await
    }

    /// The path before, perhaps empty; nothing when there is no such user.
    pub(super) async fn set_avatar(&self, id: &UserId, path: &str) -> Result<Option<String>, RedisFailure> {
        let reply: Vec<Value> = SET_AVATAR.keys([&self.profile_key(id)]).arg(path).run(&self.redis).await?;
        match reply.into_iter().nth(1) {
            Some(before) => SET_AVATAR.read(before).map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn names(&self, id: &UserId) -> Result<Option<Names>, RedisFailure> {
        let command = cmd("HMGET").arg(self.profile_key(id)).arg(&["username", "renaming"]).to_owned();
        let (username, renaming): (Option<String>, Option<String>) =
            self.redis.command("HMGET names", &command).await?;
        Ok(username.map(|username| Names {
            username: Username::accepted(username),
            renaming: renaming.map(Username::accepted),
        }))
    }

    pub(super) async fn contact(&self, id: &UserId) -> Result<Option<Contact>, RedisFailure> {
        let command =
            cmd("HMGET").arg(self.profile_key(id)).arg(&["username", "email", "verified"]).to_owned();
        let (username, email, verified): (Option<String>, Option<String>, Option<String>) =
            self.redis.command("HMGET contact", &command).await?;
        Ok(username.map(|username| Contact {
            email: email.filter(|email| !email.is_empty()),
            verified: verified.is_some(),
            username,
        }))
    }

    /// False when there is no such user.
    pub(super) async fn begin_rename(&self, id: &UserId, to: &Username) -> Result<bool, RedisFailure> {
        BEGIN_RENAME.keys([&self.profile_key(id)]).arg(to.as_str()).run(&self.redis).await
    }

    pub(super) async fn finish_rename(&self, id: &UserId, to: &Username) -> Result<Renamed, RedisFailure> {
        let reply: Vec<Value> =
            FINISH_RENAME.keys([&self.profile_key(id)]).arg(to.as_str()).run(&self.redis).await?;
        if let [code] = reply.as_slice() {
            let code: u8 = FINISH_RENAME.read(code.clone())?;
            return Ok(if code == 0 { Renamed::NoUser } else { Renamed::AnotherNoted });
        }
        let (_done, before): (u8, String) = FINISH_RENAME.read(Value::Array(reply))?;
        Ok(Renamed::Done { before })
    }

    /// Nothing when there is no profile.
    pub(super) async fn align(&self, id: &UserId, generation: u64) -> Result<Option<Aligned>, RedisFailure> {
        let reply: Vec<Value> = ALIGN.keys([&self.profile_key(id)]).arg(generation).run(&self.redis).await?;
        if reply.is_empty() {
            return Ok(None);
        }
        let (generation, username, avatar) = ALIGN.read(Value::Array(reply))?;
        Ok(Some(Aligned { generation, username, avatar }))
    }

    /// False when the picture is in line with this generation or a later one already.
    pub(super) async fn veil(&self, avatar: &str, generation: u64) -> Result<bool, RedisFailure> {
        let key = keys::avatar(self.redis.keyspace(), avatar);
        VEIL.keys([&key]).arg(generation).arg(UNVEILED_MS).run(&self.redis).await
    }

    /// Of a picture; 0 when its owner's account was never closed.
    pub(super) async fn generation_of(&self, avatar: &str) -> Result<u64, RedisFailure> {
        let command = cmd("GET").arg(keys::avatar(self.redis.keyspace(), avatar)).to_owned();
        let generation: Option<u64> = self.redis.command("GET avatar", &command).await?;
        Ok(generation.unwrap_or_default())
    }

    /// Forgets a picture that is gone.
    pub(super) async fn unveil(&self, avatar: &str) -> Result<(), RedisFailure> {
        let command = cmd("DEL").arg(keys::avatar(self.redis.keyspace(), avatar)).to_owned();
        self.redis.command("DEL avatar", &command).await
    }

    /// The URL path of a user's picture, hidden or not.
    pub(super) async fn avatar(&self, id: &UserId) -> Result<Option<String>, RedisFailure> {
        self.redis.command("HGET avatar", cmd("HGET").arg(self.profile_key(id)).arg("avatar")).await
    }

    /// Removes a profile.
    pub(super) async fn erase(&self, id: &UserId) -> Result<(), RedisFailure> {
        self.redis.command("DEL profile", cmd("DEL").arg(self.profile_key(id))).await
    }

    /// Puts an entry into the directory, or leaves it there.
    pub(super) async fn list(&self, entry: &Entry) -> Result<(), RedisFailure> {
        let directory = keys::directory(self.redis.keyspace());
        let command = cmd("ZADD").arg(directory).arg(0).arg(entry.member()).to_owned();
        self.redis.command("ZADD directory", &command).await
    }

    /// Takes entries off the directory.
    pub(super) async fn unlist(&self, entries: &[Entry]) -> Result<(), RedisFailure> {
        let members: Vec<String> = entries.iter().map(Entry::member).collect();
        let command = cmd("ZREM").arg(keys::directory(self.redis.keyspace())).arg(members).to_owned();
        self.redis.command("ZREM directory", &command).await
    }

    /// Entries whose names begin with `prefix`, by name, and how many there are.
    pub(super) async fn page(
        &self,
        prefix: &str,
        skip: u64,
        count: u32,
    ) -> Result<(Vec<Entry>, u64), RedisFailure> {
        let directory = keys::directory(self.redis.keyspace());
        let reply: Vec<Value> =
            PAGE.keys([&directory]).arg(folded(prefix)).arg(skip).arg(count).run(&self.redis).await?;
        let mut items = reply.into_iter();
        let total = PAGE.read(items.next().unwrap_or(Value::Int(0)))?;
        let members: Vec<String> = PAGE.read(Value::Array(items.collect()))?;
        Ok((members.iter().filter_map(|member| Entry::parse(member)).collect(), total))
    }
}
