//! The scripts as files, and the slots of keys.

use std::path::{Path, PathBuf};

use ayrene::redis::Keyspace;
use ayrene::redis::key::slot;

fn scripts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
    let folders =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files =
        folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    files.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn slots_are_those_of_redis_cluster() {
    for (key, expected) in [
        ("123456789", 12739),
        ("foo", 12182),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", slot(b"{bar")),
        ("foo{bar}{zap}", slot(b"bar")),
        ("", 0),
    ] {
        assert_eq!(slot(key.as_bytes()), expected, "{key}");
    }
}

#[test]
fn our_slots_are_those_that_redis_itself_computes() {
    let mut redis = crate::support::redis_server::connection();
    let space = Keyspace::new("ay:");
    for key in [
        space.root("link", "aB3-_x"),
        space.part("user", "6b02da338ffee355d8be71c3", "sessions"),
        space.root("email", "x"),
    ] {
        // CLUSTER KEYSLOT needs cluster mode; DEBUG has none, so the reference is CRC16 by a script of Redis's own manual.
        let reference = "local t=ARGV[1]:match('{(.-)}') or ARGV[1] local c=0 for i=1,#t do c=bit.bxor(c,bit.lshift(t:byte(i),8)) \
            for _=1,8 do if bit.band(c,0x8000)~=0 then c=bit.bxor(bit.lshift(c,1),0x1021) else c=bit.lshift(c,1) end c=bit.band(c,0xffff) end end return c%16384";
        let expected: u16 = redis::Script::new(reference).arg(key.as_str()).invoke(&mut redis).unwrap();
        assert_eq!(key.slot(), expected, "{key:?}");
    }
}

#[test]
fn every_script_begins_with_its_shebang_and_says_its_keys_and_returns() {
    let scripts = scripts();
    assert!(scripts.len() >= 17, "{}", scripts.len());
    for (file, text) in scripts {
        let opens = text.starts_with("#!lua\n-- ") || text.starts_with("#!lua flags=allow-oom\n-- ");
        assert!(opens, "{file:?}");
        let header: String =
            text.lines().take_while(|line| line.starts_with("--") || line.starts_with("#!")).collect();
        let says_keys = header.contains("KEYS[1]") || !text.contains("KEYS");
        assert!(says_keys && header.contains("Returns "), "{file:?}");
        for other in ["ARGV[1] ..", "KEYS[1] .."] {
            assert!(!text.contains(other), "{file:?} builds a key name");
        }
        let used = (1..9).filter(|number| text.contains(&format!("KEYS[{number}]"))).count();
        let described = (1..9).filter(|number| header.contains(&format!("-- KEYS[{number}]"))).count();
        assert_eq!(used, described, "{file:?}");
    }
}

#[test]
fn a_full_memory_refuses_a_script_whole() {
    let mut bench = crate::Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("full.sock");
    let arguments = ["--maxmemory", "1", "--maxmemory-policy", "noeviction"];
    let mut child = crate::support::redis_server::spawn_on(&socket, &arguments);
    bench.redis =
        redis::Client::open(format!("redis+unix://{}", socket.display())).unwrap().get_connection().unwrap();
    for (file, text) in scripts() {
        let outcome = redis::Script::new(&text)
            .key("{t}:a")
            .key("{t}:b")
            .arg(&["1"; 8])
            .invoke::<redis::Value>(&mut bench.redis);
        match text.starts_with("#!lua flags=allow-oom\n") {
            true => assert!(outcome.is_ok(), "{file:?}: {outcome:?}"),
            false => assert_eq!(outcome.unwrap_err().code(), Some("OOM"), "{file:?}"),
        }
    }
    assert_eq!(redis::cmd("DBSIZE").query::<u64>(&mut bench.redis).unwrap(), 0);
    child.kill().unwrap();
    child.wait().unwrap();
}
