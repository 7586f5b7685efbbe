//! What lies in a folder.

use std::path::Path;

/// The path of every file below `folder`.
pub fn below(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { below(&path) } else { vec![path.to_str().unwrap().to_owned()] })
        .collect()
}
