//! Ids in ObjectId layout: 4 bytes of seconds, 5 random, 3 of a counter, as 24 lower-case hex characters.
//!
//! Invariant: a value of a type made by [`crate::object_id!`] has that form.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};

/// Characters of an id.
pub const LENGTH: usize = 24;

/// Where the random part stands in the text.
pub const RANDOM: std::ops::Range<usize> = 8..18;

/// A new id, unique by the process's random part and a counter.
pub fn generate(now: DateTime<Utc>) -> String {
    static PROCESS: LazyLock<[u8; 8]> = LazyLock::new(random);
    static COUNTER: LazyLock<AtomicU32> =
        LazyLock::new(|| AtomicU32::new(u32::from_be_bytes([0, PROCESS[5], PROCESS[6], PROCESS[7]])));
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    compose(now.timestamp() as u32, &data_encoding::HEXLOWER.encode(&PROCESS[..5]), count)
}

/// A new id whose random part is its own, so that it identifies the thing by itself. Its counter is 0: other ids may share
/// that part and count from 1.
pub fn generate_apart(now: DateTime<Utc>) -> String {
    compose(now.timestamp() as u32, &data_encoding::HEXLOWER.encode(&random()[..5]), 0)
}

/// The id of these parts; `random` is ten hex characters, of `counter` the low 24 bits count.
pub fn compose(secs: u32, random: &str, counter: u32) -> String {
    format!("{secs:08x}{random}{:06x}", counter & 0x00ff_ffff)
}

/// Whether `text` has the form of an id.
pub fn is_well_formed(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes = nanoid::nanoid!(8).into_bytes().try_into().unwrap_or_default();
    }
    bytes
}

/// Declares a type for the ids of one kind of thing.
#[macro_export]
macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A new id.
            pub fn generate(now: ::chrono::DateTime<::chrono::Utc>) -> Self {
                Self($crate::values::object_id::generate(now))
            }

            /// The id in `text`, if it is one.
            pub fn parse(text: &str) -> Option<Self> {
                $crate::values::object_id::is_well_formed(text).then(|| Self(text.to_owned()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or("not an id")
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    mod declared {
        crate::object_id!(
            /// Of a test.
            TestId
        );
    }
    use declared::TestId;

    #[test]
    fn ids_have_the_layout_of_an_object_id() {
        let now = DateTime::from_timestamp(0x0102_0304, 0).unwrap();
        let (first, second) = (TestId::generate(now), TestId::generate(now));
        assert_eq!(&first.as_str()[..8], "01020304");
        assert_eq!(first.as_str().len(), LENGTH);
        assert_ne!(first, second);
        assert_eq!(first.as_str()[RANDOM], second.as_str()[RANDOM]);
        assert_eq!(TestId::parse(first.as_str()), Some(first));
        assert_eq!(TestId::parse("0102030405060708090a0b0C"), None);
        assert_ne!(generate_apart(now)[RANDOM], generate_apart(now)[RANDOM]);
    }
}
