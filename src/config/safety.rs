//! Settings of what links may lead to.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::{ConfigError, list};

/// Most pages read at a time by one node.
const MAX_PARALLEL: usize = 64;

/// `[safety]`.
#[derive(Debug, Clone, Deserialize)]
pub struct SafetyConfig {
    /// Files with hosts that are not safe for work.
    #[serde(deserialize_with = "paths")]
    pub nsfw_lists: Vec<PathBuf>,
    /// Files with hosts that no link may lead to.
    #[serde(deserialize_with = "paths")]
    pub blocked_lists: Vec<PathBuf>,
    /// Seconds after which files are looked at again.
    pub reload_secs: u64,
    /// Bytes of a file.
    pub max_list_bytes: u64,
    /// Whether pages are read to be judged.
    pub fetch: bool,
    /// Links that may wait for their page to be read.
    pub queue: usize,
    /// Pages read at a time.
    pub parallel: usize,
}

impl SafetyConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, problem: String| Err(ConfigError::Invalid { key, problem });
        if self.reload_secs == 0 || self.max_list_bytes == 0 || self.queue == 0 {
            let problem = "must be 1 or more".to_owned();
            return refuse("safety.reload_secs, safety.max_list_bytes, safety.queue", problem);
        }
        if !(1..=MAX_PARALLEL).contains(&self.parallel) {
            return refuse("safety.parallel", format!("must be from 1 to {MAX_PARALLEL}"));
        }
        Ok(())
    }
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    Ok(list(deserializer)?.into_iter().map(PathBuf::from).collect())
}
