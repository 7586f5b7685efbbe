//! Key names: prefix, hash tag, suffix.
//!
//! Owns the shape `<prefix>{<kind>:<id>}[:<part>]`. The text in braces is the hash tag: Redis Cluster places
//! a key by the CRC16 of it alone, so keys of one thing live in one slot and one script may touch them all.

use std::sync::Arc;

use redis::{ToRedisArgs, ToSingleRedisArg};

/// Slots of a Redis Cluster.
const SLOTS: u16 = 16384;

/// A complete key name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The name as Redis sees it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cluster slot that holds this key.
    pub fn slot(&self) -> u16 {
        slot(self.0.as_bytes())
    }
}

impl ToRedisArgs for Key {
    fn write_redis_args<W: ?Sized + redis::RedisWrite>(&self, out: &mut W) {
        self.0.write_redis_args(out);
    }
}

impl ToSingleRedisArg for Key {}

/// Makes keys under one prefix.
#[derive(Debug, Clone)]
pub struct Keyspace {
    prefix: Arc<str>,
}

impl Keyspace {
    /// A keyspace whose every key begins with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The key of a thing itself: `<prefix>{<kind>:<id>}`.
    pub fn root(&self, kind: &str, id: &str) -> Key {
        let mut name = String::with_capacity(self.prefix.len() + kind.len() + id.len() + 3);
        for part in [&self.prefix, "{", kind, ":", id, "}"] {
            name.push_str(part);
        }
        Key(name)
    }

    /// A publish/subscribe channel: `<prefix><kind>:<id>`. Channels live in no slot.
    pub fn channel(&self, kind: &str, id: &str) -> String {
        format!("{}{kind}:{id}", self.prefix)
    }

    /// The key of a part of a thing: `<prefix>{<kind>:<id>}:<part>`.
    pub fn part(&self, kind: &str, id: &str, part: &str) -> Key {
        let Key(mut name) = self.root(kind, id);
        name.push(':');
        name.push_str(part);
        Key(name)
    }
}

/// The cluster slot of `key`: CRC16 of its hash tag, or of the whole when it has none
/// (Redis Cluster specification, "Hash tags").
pub fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|&byte| byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16/XMODEM: polynomial 0x1021, initial value 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ CRC16_OF_BYTE[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC16_OF_BYTE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = ((byte as u16) << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
