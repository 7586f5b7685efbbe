//! Who may import whom, over the `use` lines of `src/`. The rules are in ARCHITECTURE.md.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

const DOMAINS: [&str; 8] =
    ["auth", "users", "presence", "conversation", "realtime", "shortener", "posts", "notifier"];
const SHARED: [&str; 9] =
    ["http", "actor", "redis", "outbox", "journal", "values", "storage", "media", "secrets"];

/// A file of `src/` with its imports, tests left out.
struct Source {
    path: String,
    imports: Vec<String>,
}

impl Source {
    fn folder(&self) -> &str {
        self.path.split('/').next().unwrap()
    }

    /// `routes`, `actor`, `store`, ...
    fn layer(&self) -> &str {
        let parts: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        parts.get(1).copied().unwrap_or(parts[0])
    }
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let read = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
        Source {
            path: file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
            imports: imports(&code),
        }
    };
    files.iter().map(read).collect()
}

/// Every path of every `use` item, groups expanded, and every inline `crate::` path. `super::` and `self::` are
/// resolved by nobody: they stay within the folder.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines: Vec<&str> = code.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect();
    let text = lines.join(" ");
    for item in text.split("use ").skip(1) {
        let item = item.split(';').next().unwrap();
        expand("", item.trim(), &mut found);
    }
    for inline in text.split("crate::").skip(1) {
        let path: String =
            inline.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
        found.push(format!("crate::{path}"));
    }
    for name in ["actix_web", "actix_web_actors", "redis"] {
        if text.contains(&format!(" {name}::"))
            || text.contains(&format!("({name}::"))
            || text.contains(&format!("<{name}::"))
        {
            found.push(format!("{name}::"));
        }
    }
    found
}

fn expand(prefix: &str, item: &str, found: &mut Vec<String>) {
    match item.split_once('{') {
        None => found.push(format!("{prefix}{item}")),
        Some((head, group)) => {
            let head = format!("{prefix}{}", head.trim());
            let (mut depth, mut part) = (0, String::new());
            for c in group.trim_end().trim_end_matches('}').chars() {
                match c {
                    ',' if depth == 0 => {
                        expand(&head, part.trim(), found);
                        part.clear();
                    }
                    _ => {
                        depth += i32::from(c == '{') - i32::from(c == '}');
                        part.push(c);
                    }
                }
            }
            if !part.trim().is_empty() {
                expand(&head, part.trim(), found);
            }
        }
    }
}

/// Fails with every import of every file for which `wrong` gives a reason.
fn refuse(wrong: impl Fn(&Source, &str) -> Option<String>) {
    let problems: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            let found = source
                .imports
                .iter()
                .filter_map(|import| Some(format!("{}: {import}: {}", source.path, wrong(source, import)?)));
            found.collect::<Vec<_>>()
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn imports_are_read_with_groups_expanded() {
    let found = imports(
        "use a::{b, c::{d, e}};\nuse crate::auth::model;\nlet x = crate::http::body::f();\n// use z;\n",
    );
    for path in ["a::b", "a::c::d", "a::c::e", "crate::auth::model", "crate::http::body::f"] {
        assert!(found.iter().any(|import| import == path), "{path} in {found:?}");
    }
    assert!(!found.iter().any(|import| import == "z"));
}

#[test]
fn shared_plumbing_knows_no_domain() {
    refuse(|source, import| {
        let domain = DOMAINS.iter().find(|domain| import.starts_with(&format!("crate::{domain}")))?;
        SHARED.contains(&source.folder()).then(|| format!("shared code imports the domain {domain}"))
    });
}

#[test]
fn of_another_domain_only_messages_model_error_view_and_the_extractor_are_imported() {
    refuse(|source, import| {
        let domain = DOMAINS.iter().find(|domain| import.starts_with(&format!("crate::{domain}")))?;
        if !DOMAINS.contains(&source.folder()) || *domain == source.folder() {
            return None;
        }
        let public = ["messages", "model", "error", "view", "extractor", "AuthUser"];
        let part = import.split("::").nth(2).unwrap_or("");
        let routes_only = matches!(part, "extractor" | "AuthUser") && source.layer() != "routes";
        (!public.contains(&part) || routes_only).then(|| "another domain's inside".to_owned())
    });
}

#[test]
fn models_import_values_and_models_only() {
    refuse(|source, import| {
        let model = DOMAINS.contains(&source.folder()) && source.layer() == "model";
        let value = import.starts_with("crate::values") || import == "crate::object_id";
        let other_model = import.split("::").nth(2) == Some("model");
        (model && import.starts_with("crate::") && !value && !other_model)
            .then(|| "a model knows values and models only".to_owned())
    });
}

#[test]
fn only_the_edge_knows_actix_web() {
    refuse(|source, import| {
        let allowed = matches!(source.folder(), "app.rs" | "worker.rs" | "http" | "realtime" | "openapi.rs")
            || matches!(source.layer(), "routes" | "extractor");
        (import.starts_with("actix_web") && !allowed).then(|| "HTTP below the routes".to_owned())
    });
}

#[test]
fn only_stores_speak_to_redis() {
    refuse(|source, import| {
        let allowed = source.folder() == "redis" || source.layer() == "store" || source.folder() == "app.rs";
        (import.starts_with("redis::") && !allowed).then(|| "Redis outside of a store".to_owned())
    });
}

#[test]
fn routes_go_through_their_actor() {
    for source in sources().iter().filter(|source| source.layer() == "routes") {
        let reaches = source
            .imports
            .iter()
            .find(|import| import.split("::").any(|part| matches!(part, "store" | "keys")));
        assert!(reaches.is_none(), "{}: {reaches:?}", source.path);
    }
}

#[test]
fn keys_are_named_in_keys_rs_alone() {
    for source in sources() {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path))
                .unwrap();
        let makes_keys = text.contains("space.root(") || text.contains("space.part(");
        assert!(!makes_keys || source.layer() == "keys", "{} makes keys", source.path);
    }
}

#[test]
fn no_two_schemas_share_a_name() {
    // The description has one of each name: the second would silently stand for both.
    let mut seen: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    for source in sources() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path);
        let text = std::fs::read_to_string(path).unwrap();
        for derived in text.split("ToSchema)]").skip(1) {
            let mut words = derived.split_whitespace().skip_while(|word| !matches!(*word, "struct" | "enum"));
            let word = words.nth(1).unwrap();
            let name: String = word.chars().take_while(|c| c.is_alphanumeric()).collect();
            let other = seen.insert(name.clone(), source.path.clone());
            assert!(other.is_none(), "{name} in {} and {}", source.path, other.unwrap_or_default());
        }
    }
    assert!(seen.len() > 40, "{}", seen.len());
}
