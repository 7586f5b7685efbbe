//! The conversations' only way to the datastore: one function per script.

use redis::{Value, cmd, pipe};

use super::keys::{self, UNCONFIRMED_MS};
use super::model::{ClientId, Content, Conversation, ConversationId, Message, Overview, Place, Side, Tag};
use super::record::{self, Steps};
use crate::config::ConversationConfig;
use crate::outbox::{BATCH, Intent, LEASE_LIMIT_MS, MAX_WAITING};
use crate::redis::{Key, Keyspace, Redis, RedisFailure, Script};
use crate::script;
use crate::users::model::UserId;

static OPEN: Script = script!("conversation/open", 1);
static APPEND: Script = script!("conversation/append", 5);
static RECEIVE: Script = script!("conversation/receive", 6);
static EDIT: Script = script!("conversation/edit", 3);
static DELETE: Script = script!("conversation/delete", 6);
static RESERVE: Script = script!("conversation/reserve", 1);
static CONDEMN: Script = script!("conversation/condemn", 1);
static INDEX: Script = script!("conversation/index", 1);
static BLOCK: Script = script!("conversation/block", 1);
static BLOCK_LIST: Script = script!("conversation/block_list", 1);
static TYPE: Script = script!("conversation/type", 1);

const HOUR_MS: u64 = 3_600_000;

/// An intent's number, and the oldest ones that wait.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) number: u64,
    pub(super) pending: Vec<Intent>,
}

/// Why a change has to be tried again, now or later.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Register the source again.
    Lapsed,
    /// Too much waits.
    Busy,
}

#[derive(Debug)]
pub(super) enum Appended {
    Missing,
    Blocked,
    Before {
        seq: u64,
    },
    Full,
    Again(Retry),
    /// The file was given up.
    Unreserved,
    Done {
        message: Box<Message>,
        left: Left,
    },
}

#[derive(Debug)]
pub(super) enum Received {
    Missing,
    Again(Retry),
    /// What is unread, and an intent if somebody is to be told.
    Done {
        unread: u64,
        left: Option<Left>,
    },
}

#[derive(Debug)]
pub(super) enum Edited {
    Missing,
    NotSender,
    Deleted,
    NotText,
    Blocked,
    Again(Retry),
    Done { left: Left },
}

#[derive(Debug)]
pub(super) enum Erased {
    Missing,
    NotSender,
    Before,
    Again(Retry),
    Done { left: Left },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Another conversation has the same tag.
    Taken,
    Ready,
}

#[derive(Debug, Clone)]
pub(super) struct ConversationStore {
    redis: Redis,
    /// For reads with large answers, which must not stand in front of small ones.
    bulk: Redis,
    max_messages: u64,
    max_per_user: u32,
    max_blocks: u32,
    client_id_ttl_ms: u64,
}

impl ConversationStore {
    pub(super) fn new(redis: Redis, bulk: Redis, config: &ConversationConfig) -> Self {
        Self {
            redis,
            bulk,
            max_messages: config.max_messages,
            max_per_user: config.max_per_user,
            max_blocks: config.max_blocks,
            client_id_ttl_ms: u64::from(config.client_id_ttl_hours) * HOUR_MS,
        }
    }

    fn space(&self) -> &Keyspace {
        self.redis.keyspace()
    }

    pub(super) fn intents_key(&self, tag: &Tag) -> Key {
        keys::intents(self.space(), tag)
    }

    pub(super) async fn pair(&self, people: &[UserId; 2]) -> Result<Option<ConversationId>, RedisFailure> {
        let key = keys::pair(self.space(), people);
        let id: Option<String> = self.redis.command("GET pair", cmd("GET").arg(key)).await?;
        Ok(id.as_deref().and_then(ConversationId::parse))
    }

    /// The conversation of `people`: `id`, or the one that somebody else was quicker to claim.
    pub(super) async fn claim_pair(
        &self,
        people: &[UserId; 2],
        id: &ConversationId,
    ) -> Result<ConversationId, RedisFailure> {
        let command =
            cmd("SET").arg(keys::pair(self.space(), people)).arg(id.as_str()).arg("NX").arg("GET").to_owned();
        let winner: Option<String> = self.redis.command("SET pair", &command).await?;
        Ok(winner.as_deref().and_then(ConversationId::parse).unwrap_or_else(|| id.clone()))
    }

    /// Makes sure that the conversation is there; for a minute only, unless `confirmed`.
    pub(super) async fn open(
        &self,
        conversation: &Conversation,
        confirmed: bool,
    ) -> Result<Opened, RedisFailure> {
        let code: u8 = OPEN
            .keys([&keys::conversation(self.space(), &conversation.tag())])
            .arg(conversation.id.as_str())
            .arg(&[conversation.people[0].as_str(), conversation.people[1].as_str()])
            .arg(if confirmed { 0 } else { UNCONFIRMED_MS })
            .run(&self.redis)
            .await?;
        Ok(if code == 0 { Opened::Taken } else { Opened::Ready })
    }

    /// The conversation under `tag`, whosoever's.
    pub(super) async fn known(&self, tag: &Tag) -> Result<Option<Conversation>, RedisFailure> {
        let command =
            cmd("HMGET").arg(keys::conversation(self.space(), tag)).arg(&["id", "a", "b"]).to_owned();
        let fields: (Option<String>, Option<String>, Option<String>) =
            self.redis.command("HMGET conversation", &command).await?;
        Ok(conversation(fields))
    }

    pub(super) async fn append(
        &self,
        conversation: &Conversation,
        side: Side,
        content: &Content,
        client_id: Option<&ClientId>,
        lease_ms: u64,
        origin: &str,
    ) -> Result<Appended, RedisFailure> {
        let (space, tag) = (self.space(), &conversation.tag());
        let reply: Vec<Value> = APPEND
            .keys([
                &keys::conversation(space, tag),
                &keys::messages(space, tag),
                &keys::intents(space, tag),
                &keys::client(space, tag, side, client_id),
                &keys::files(space, tag),
            ])
            .arg(side.as_str())
            .arg(record::body(content))
            .arg(client_id.map(|_| self.client_id_ttl_ms.to_string()).unwrap_or_default())
            .arg(lease_ms)
            .arg(LEASE_LIMIT_MS)
            .arg(origin)
            .arg(self.max_messages)
            .arg(MAX_WAITING)
            .arg(BATCH)
            .arg(content.object().unwrap_or_default())
            .run(&self.redis)
            .await?;
        let mut reply = Reply::new(&APPEND, reply)?;
        Ok(match reply.code {
            0 => Appended::Missing,
            1 => Appended::Blocked,
            2 => Appended::Before { seq: reply.next()? },
            3 => Appended::Full,
            4 => Appended::Again(Retry::Busy),
            5 => Appended::Again(Retry::Lapsed),
            7 => Appended::Unreserved,
            _ => {
                let (seq, text): (u64, String) = (reply.next()?, reply.next()?);
                let message = record::message(seq, &text, &Steps::new(conversation))?;
                Appended::Done { message: Box::new(message), left: reply.left()? }
            }
        })
    }

    pub(super) async fn receive(
        &self,
        tag: &Tag,
        side: Side,
        upto: Option<u64>,
        reading: bool,
        lease_ms: u64,
        origin: &str,
    ) -> Result<Received, RedisFailure> {
        let space = self.space();
        let reply: Vec<Value> = RECEIVE
            .keys([
                &keys::conversation(space, tag),
                &keys::messages(space, tag),
                &keys::intents(space, tag),
                &keys::received(space, tag, side),
                &keys::read(space, tag, side),
                &keys::deleted(space, tag, side),
            ])
            .arg(side.as_str())
            .arg(upto.unwrap_or_default())
            .arg(u8::from(reading))
            .arg(lease_ms)
            .arg(LEASE_LIMIT_MS)
            .arg(origin)
            .arg(MAX_WAITING)
            .arg(BATCH)
            .run(&self.redis)
            .await?;
        let mut reply = Reply::new(&RECEIVE, reply)?;
        Ok(match reply.code {
            0 => Received::Missing,
            1 => Received::Done { unread: reply.next()?, left: None },
            2 => Received::Again(Retry::Busy),
            3 => Received::Again(Retry::Lapsed),
            _ => {
                let unread = reply.next()?;
                let left = reply.left()?;
                Received::Done { unread, left: (left.number > 0).then_some(left) }
            }
        })
    }

    pub(super) async fn edit(
        &self,
        tag: &Tag,
        side: Side,
        place: Place,
        content: &Content,
        lease_ms: u64,
    ) -> Result<Edited, RedisFailure> {
        let space = self.space();
        let reply: Vec<Value> = EDIT
            .keys([&keys::conversation(space, tag), &keys::messages(space, tag), &keys::intents(space, tag)])
            .arg(side.as_str())
            .arg(place.seq)
            .arg(place.secs)
            .arg(record::body(content))
            .arg(lease_ms)
            .arg(LEASE_LIMIT_MS)
            .arg(MAX_WAITING)
            .arg(BATCH)
            .run(&self.redis)
            .await?;
        let mut reply = Reply::new(&EDIT, reply)?;
        Ok(match reply.code {
            0 => Edited::Missing,
            1 => Edited::NotSender,
            2 => Edited::Deleted,
            3 => Edited::NotText,
            4 => Edited::Again(Retry::Busy),
            5 => Edited::Again(Retry::Lapsed),
            6 => Edited::Blocked,
            _ => {
                let _message: String = reply.next()?;
                Edited::Done { left: reply.left()? }
            }
        })
    }

    pub(super) async fn delete(
        &self,
        tag: &Tag,
        side: Side,
        place: Place,
        lease_ms: u64,
    ) -> Result<Erased, RedisFailure> {
        let space = self.space();
        let reply: Vec<Value> = DELETE
            .keys([
                &keys::conversation(space, tag),
                &keys::messages(space, tag),
                &keys::intents(space, tag),
                &keys::deleted(space, tag, Side::A),
                &keys::deleted(space, tag, Side::B),
                &keys::files(space, tag),
            ])
            .arg(side.as_str())
            .arg(place.seq)
            .arg(place.secs)
            .arg(lease_ms)
            .arg(LEASE_LIMIT_MS)
            .arg(MAX_WAITING)
            .arg(BATCH)
            .run(&self.redis)
            .await?;
        let mut reply = Reply::new(&DELETE, reply)?;
        Ok(match reply.code {
            0 => Erased::Missing,
            1 => Erased::NotSender,
            2 => Erased::Before,
            3 => Erased::Again(Retry::Busy),
            4 => Erased::Again(Retry::Lapsed),
            _ => {
                let _message: String = reply.next()?;
                Erased::Done { left: reply.left()? }
            }
        })
    }

    /// False when the file was registered too long ago.
    pub(super) async fn reserve(
        &self,
        tag: &Tag,
        object: &str,
        registered_ms: u64,
    ) -> Result<bool, RedisFailure> {
        let key = keys::files(self.space(), tag);
        RESERVE.keys([&key]).arg(object).arg(registered_ms).arg(LEASE_LIMIT_MS).run(&self.redis).await
    }

    /// False when the file is not in doubt; else it stays without a message.
    pub(super) async fn condemn(&self, tag: &Tag, object: &str) -> Result<bool, RedisFailure> {
        CONDEMN.keys([&keys::files(self.space(), tag)]).arg(object).run(&self.redis).await
    }

    /// Forgets a file that has been removed.
    pub(super) async fn forget_file(&self, tag: &Tag, object: &str) -> Result<(), RedisFailure> {
        let command = cmd("HDEL").arg(keys::files(self.space(), tag)).arg(object).to_owned();
        self.redis.command("HDEL file", &command).await
    }

    /// How many messages the conversation has, and when the last one was sent or it was made, in ms.
    pub(super) async fn extent(&self, tag: &Tag) -> Result<(u64, i64), RedisFailure> {
        let command = cmd("HMGET").arg(keys::conversation(self.space(), tag)).arg(&["q", "l"]).to_owned();
        let (length, last_ms): (Option<u64>, Option<i64>) =
            self.redis.command("HMGET conversation", &command).await?;
        Ok((length.unwrap_or_default(), last_ms.unwrap_or_default()))
    }

    /// The messages from `first` to `last`, in their order. One round trip, whatever the conversation's length.
    pub(super) async fn messages(
        &self,
        conversation: &Conversation,
        first: u64,
        last: u64,
    ) -> Result<Vec<Message>, RedisFailure> {
        if first > last {
            return Ok(Vec::new());
        }
        let (space, tag) = (self.space(), conversation.tag());
        let seqs: Vec<u64> = (first..=last).collect();
        let mut pipeline = pipe();
        pipeline.cmd("HMGET").arg(keys::messages(space, &tag)).arg(&seqs);
        // At most one step per message of the page, and the one that covers its end.
        for side in [Side::A, Side::B] {
            for key in [keys::received(space, &tag, side), keys::read(space, &tag, side)] {
                pipeline.cmd("XRANGE").arg(key).arg(first).arg("+").arg("COUNT").arg(seqs.len() + 1);
            }
        }
        type Entries = Vec<(String, Vec<String>)>;
        let (texts, a_received, a_read, b_received, b_read): (
            Vec<Option<String>>,
            Entries,
            Entries,
            Entries,
            Entries,
        ) = self.bulk.pipeline("HMGET messages", &pipeline).await?;
        let steps = Steps::parse(conversation, [a_received, b_received], [a_read, b_read]);
        let found = seqs.into_iter().zip(texts).filter_map(|(seq, text)| Some((seq, text?)));
        found.map(|(seq, text)| record::message(seq, &text, &steps)).collect()
    }

    /// The message at `place`, if there is one.
    pub(super) async fn message(
        &self,
        conversation: &Conversation,
        place: Place,
    ) -> Result<Option<Message>, RedisFailure> {
        let found = self.messages(conversation, place.seq, place.seq).await?;
        Ok(found.into_iter().find(|message| message.place == place))
    }

    /// The message with this number, whenever it was made.
    pub(super) async fn message_at(
        &self,
        conversation: &Conversation,
        seq: u64,
    ) -> Result<Option<Message>, RedisFailure> {
        Ok(self.messages(conversation, seq, seq).await?.into_iter().next())
    }

    pub(super) async fn index(
        &self,
        user: &UserId,
        id: &ConversationId,
        last_ms: i64,
    ) -> Result<(), RedisFailure> {
        let _added: u8 = INDEX
            .keys([&keys::conversations_of(self.space(), user)])
            .arg(id.as_str())
            .arg(last_ms)
            .arg(self.max_per_user)
            .run(&self.redis)
            .await?;
        Ok(())
    }

    /// Takes a conversation off a user's list.
    pub(super) async fn unlist(&self, user: &UserId, id: &ConversationId) -> Result<(), RedisFailure> {
        let key = keys::conversations_of(self.space(), user);
        self.redis.command("ZREM conversations", cmd("ZREM").arg(key).arg(id.as_str())).await
    }

    /// Removes a user's lists.
    pub(super) async fn forget_lists(&self, user: &UserId) -> Result<(), RedisFailure> {
        let lists = [keys::conversations_of(self.space(), user), keys::blocks_of(self.space(), user)];
        self.redis.command("UNLINK lists", cmd("UNLINK").arg(&lists)).await
    }

    /// Removes a conversation that nobody is left of. What leads to it comes first: without it nobody would know whose it
    /// was. Files in doubt stay until they are resolved.
    pub(super) async fn erase(&self, conversation: &Conversation) -> Result<(), RedisFailure> {
        let (space, tag) = (self.space(), conversation.tag());
        let pair = cmd("DEL").arg(keys::pair(space, &conversation.people)).to_owned();
        let () = self.redis.command("DEL pair", &pair).await?;
        let mut command = cmd("UNLINK");
        command.arg(keys::conversation(space, &tag)).arg(keys::messages(space, &tag));
        command.arg(keys::intents(space, &tag));
        for side in [Side::A, Side::B] {
            command.arg(keys::received(space, &tag, side)).arg(keys::read(space, &tag, side));
            command.arg(keys::deleted(space, &tag, side));
        }
        self.redis.command("UNLINK conversation", &command).await
    }

    /// When the last message of a conversation came, in ms, as a user's list has it.
    pub(super) async fn listed(
        &self,
        user: &UserId,
        id: &ConversationId,
    ) -> Result<Option<i64>, RedisFailure> {
        let key = keys::conversations_of(self.space(), user);
        let command = cmd("ZSCORE").arg(key).arg(id.as_str()).to_owned();
        let ms: Option<f64> = self.redis.command("ZSCORE conversations", &command).await?;
        Ok(ms.map(|ms| ms as i64))
    }

    /// A user's conversations after a time in ms and an id, the newest first. One round trip.
    pub(super) async fn list(
        &self,
        user: &UserId,
        after: Option<(i64, &ConversationId)>,
        count: usize,
    ) -> Result<Vec<(ConversationId, i64)>, RedisFailure> {
        let key = keys::conversations_of(self.space(), user);
        let mut pipeline = pipe();
        // Those of one millisecond come in falling order of their ids; no command begins in the middle of them.
        if let Some((ms, _)) = after {
            pipeline.cmd("ZREVRANGEBYSCORE").arg(&key).arg(ms).arg(ms).arg("WITHSCORES");
        }
        let below = after.map_or_else(|| "+inf".to_owned(), |(ms, _)| format!("({ms}"));
        let rest = pipeline.cmd("ZREVRANGEBYSCORE").arg(&key).arg(below).arg("-inf").arg("WITHSCORES");
        rest.arg("LIMIT").arg(0).arg(count);
        let replies: Vec<Vec<(String, f64)>> =
            self.bulk.pipeline("ZREVRANGEBYSCORE conversations", &pipeline).await?;
        let rows = replies.into_iter().flatten();
        let rows = rows.filter_map(|(id, ms)| Some((ConversationId::parse(&id)?, ms as i64)));
        let later = rows.filter(|(id, ms)| after.is_none_or(|(last_ms, last)| *ms < last_ms || id < last));
        Ok(later.take(count).collect())
    }

    /// Those conversations as they stand, each with its last message. Two round trips.
    pub(super) async fn overviews(&self, ids: &[ConversationId]) -> Result<Vec<Overview>, RedisFailure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let space = self.space();
        let mut pipeline = pipe();
        let tags: Vec<Tag> = ids.iter().filter_map(|id| Tag::of(id.as_str())).collect();
        for tag in &tags {
            pipeline.cmd("HMGET").arg(keys::conversation(space, tag)).arg(&HEAD);
        }
        let rows: Vec<Vec<Option<String>>> = self.bulk.pipeline("HMGET conversations", &pipeline).await?;
        let heads: Vec<Head> = rows.iter().filter_map(|row| Head::parse(row)).collect();
        if heads.is_empty() {
            return Ok(Vec::new());
        }

        let mut pipeline = pipe();
        for head in &heads {
            let tag = head.conversation.tag();
            pipeline.cmd("HGET").arg(keys::messages(space, &tag)).arg(head.last);
            for side in [Side::A, Side::B] {
                for key in [keys::received(space, &tag, side), keys::read(space, &tag, side)] {
                    pipeline.cmd("XRANGE").arg(key).arg(head.last).arg("+").arg("COUNT").arg(1);
                }
            }
        }
        let replies: Vec<Value> = self.bulk.pipeline("HGET last messages", &pipeline).await?;
        heads.into_iter().zip(replies.chunks(5)).map(|(head, reply)| head.overview(reply)).collect()
    }

    /// False when there is no such conversation.
    pub(super) async fn block(&self, tag: &Tag, side: Side, blocked: bool) -> Result<bool, RedisFailure> {
        let key = keys::conversation(self.space(), tag);
        BLOCK.keys([&key]).arg(side.as_str()).arg(u8::from(blocked)).run(&self.redis).await
    }

    /// False when the list is full.
    pub(super) async fn block_list(
        &self,
        user: &UserId,
        other: &UserId,
        blocked: bool,
    ) -> Result<bool, RedisFailure> {
        BLOCK_LIST
            .keys([&keys::blocks_of(self.space(), user)])
            .arg(other.as_str())
            .arg(u8::from(blocked))
            .arg(self.max_blocks)
            .run(&self.redis)
            .await
    }

    /// Whether `other` is on the list of `user`.
    pub(super) async fn lists(&self, user: &UserId, other: &UserId) -> Result<bool, RedisFailure> {
        let command = cmd("ZSCORE").arg(keys::blocks_of(self.space(), user)).arg(other.as_str()).to_owned();
        let since: Option<f64> = self.redis.command("ZSCORE blocks", &command).await?;
        Ok(since.is_some())
    }

    pub(super) async fn blocks(&self, user: &UserId) -> Result<Vec<UserId>, RedisFailure> {
        let command =
            cmd("ZREVRANGE").arg(keys::blocks_of(self.space(), user)).arg(0).arg(self.max_blocks).to_owned();
        let ids: Vec<String> = self.bulk.command("ZREVRANGE blocks", &command).await?;
        Ok(ids.iter().filter_map(|id| UserId::parse(id)).collect())
    }

    /// Whether `side` has blocked the other.
    pub(super) async fn has_blocked(&self, tag: &Tag, side: Side) -> Result<bool, RedisFailure> {
        let field = format!("k{}", side.as_str());
        let command = cmd("HEXISTS").arg(keys::conversation(self.space(), tag)).arg(field).to_owned();
        self.redis.command("HEXISTS block", &command).await
    }

    /// False when nobody was told.
    pub(super) async fn tell_typing(
        &self,
        tag: &Tag,
        side: Side,
        to: &UserId,
        push: &str,
    ) -> Result<bool, RedisFailure> {
        TYPE.keys([&keys::conversation(self.space(), tag)])
            .arg(side.as_str())
            .arg(keys::events_channel(self.space(), to))
            .arg(push)
            .run(&self.redis)
            .await
    }
}

/// Fields of a conversation in the order in which [`Head`] reads them.
const HEAD: [&str; 9] = ["id", "a", "b", "q", "n0", "n1", "l", "t", "u"];

struct Head {
    conversation: Conversation,
    last: u64,
    unread: [u64; 2],
    last_ms: i64,
    created_ms: i64,
    updated_ms: i64,
}

impl Head {
    fn parse(row: &[Option<String>]) -> Option<Self> {
        let [id, a, b, last, unread_a, unread_b, last_ms, created, updated] = row else { return None };
        let number = |field: &Option<String>| field.as_deref().and_then(|text| text.parse::<i64>().ok());
        Some(Self {
            conversation: conversation((id.clone(), a.clone(), b.clone()))?,
            last: number(last).unwrap_or_default() as u64,
            unread: [unread_a, unread_b].map(|field| number(field).unwrap_or_default().max(0) as u64),
            last_ms: number(last_ms).unwrap_or_default(),
            created_ms: number(created).unwrap_or_default(),
            updated_ms: number(updated).unwrap_or_default(),
        })
    }

    fn overview(self, reply: &[Value]) -> Result<Overview, RedisFailure> {
        type Entries = Vec<(String, Vec<String>)>;
        let (text, a_received, a_read, b_received, b_read): (
            Option<String>,
            Entries,
            Entries,
            Entries,
            Entries,
        ) = APPEND.read(Value::Array(reply.to_vec()))?;
        let steps = Steps::parse(&self.conversation, [a_received, b_received], [a_read, b_read]);
        Ok(Overview {
            last: text.map(|text| record::message(self.last, &text, &steps)).transpose()?,
            conversation: self.conversation,
            unread: self.unread,
            last_ms: self.last_ms,
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
        })
    }
}

fn conversation((id, a, b): (Option<String>, Option<String>, Option<String>)) -> Option<Conversation> {
    Some(Conversation {
        id: ConversationId::parse(&id?)?,
        people: [UserId::parse(&a?)?, UserId::parse(&b?)?],
    })
}

/// A script's array: a code, then what belongs to it.
struct Reply {
    script: &'static Script,
    code: u8,
    items: std::vec::IntoIter<Value>,
}

impl Reply {
    fn new(script: &'static Script, reply: Vec<Value>) -> Result<Self, RedisFailure> {
        let mut items = reply.into_iter();
        let code = script.read(items.next().unwrap_or(Value::Nil))?;
        Ok(Self { script, code, items })
    }

    fn next<T: redis::FromRedisValue>(&mut self) -> Result<T, RedisFailure> {
        self.script.read(self.items.next().unwrap_or(Value::Nil))
    }

    /// What is left of the array: an intent's number and those that wait.
    fn left(mut self) -> Result<Left, RedisFailure> {
        let number = self.next()?;
        let members: Vec<String> = self.script.read(Value::Array(self.items.collect()))?;
        Ok(Left { number, pending: members.iter().filter_map(|member| Intent::parse(member)).collect() })
    }
}
