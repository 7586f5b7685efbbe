//! Where avatars lie in the store, and under which URL paths.

use crate::storage::ObjectName;

/// Where avatars lie in the store, ...
pub(super) const FOLDER: &str = "avatars";
/// ... and what stands before that in their URL paths.
pub(super) const UPLOADS: &str = "/uploads/";

/// The object behind an avatar's URL path.
pub(super) fn object_of(path: &str) -> Option<ObjectName> {
    path.strip_prefix(UPLOADS).and_then(ObjectName::parse)
}
