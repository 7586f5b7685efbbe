//! Names of objects.

use object_store::path::Path;

/// Characters of an unguessable name: 160 bits and more.
const RANDOM_CHARS: usize = 27;
const MAX_BYTES: usize = 128;

/// A name of segments of `A-Z a-z 0-9 . _ -`, none of which is empty or begins with a dot; so it leads nowhere but down.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName(String);

impl ObjectName {
    /// The name in `text`, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let good = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed);
        (text.len() <= MAX_BYTES && text.split('/').all(good)).then(|| Self(text.to_owned()))
    }

    /// A name in `folder` that nobody can guess and that never comes again.
    pub fn unguessable(folder: &str, extension: &str) -> Self {
        let random = nanoid::nanoid!(RANDOM_CHARS);
        Self(if extension.is_empty() {
            format!("{folder}/{random}")
        } else {
            format!("{folder}/{random}.{extension}")
        })
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the last slash.
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn location(&self) -> Path {
        Path::from(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_but_down() {
        for right in ["a", "avatars/Zz09_-.png", "a/b/c.d.e", "x..y"] {
            assert!(ObjectName::parse(right).is_some(), "{right}");
        }
        let long = "x".repeat(MAX_BYTES + 1);
        for wrong in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.b", "a b", "a%2fb", "a#1", "\u{e4}",
            "a\\b", "a\0", &long,
        ] {
            assert!(ObjectName::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn unguessable_names_are_names_and_differ() {
        let (one, other) = (ObjectName::unguessable("files", ""), ObjectName::unguessable("avatars", "png"));
        assert!(one.last_segment().len() == RANDOM_CHARS && other.as_str().ends_with(".png"));
        assert_eq!(ObjectName::parse(other.as_str()), Some(other));
        assert_ne!(ObjectName::unguessable("files", ""), one);
    }
}
