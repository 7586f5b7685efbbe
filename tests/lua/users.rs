//! `lua/users/*`.

use redis::Value;

use crate::Bench;

fn with_profile() -> Bench {
    let mut bench = Bench::new();
    let arguments = ["1700000000000", "ada", "ada@example.com", "0"];
    assert_eq!(bench.code("users/welcome", &["profile"], &arguments), 1);
    bench
}

fn field(bench: &mut Bench, name: &str) -> Option<String> {
    bench.command("HGET", "profile", &[name])
}

fn updated(bench: &mut Bench) -> bool {
    field(bench, "updated").unwrap() != "1700000000000"
}

#[test]
fn welcome_writes_a_profile_once_and_says_the_name_in_it() {
    let mut bench = Bench::new();
    let mut welcome = |name: &str| {
        bench.run::<(i64, String)>("users/welcome", &["profile"], &["1700000000000", name, "a@b.c", "0"])
    };
    assert_eq!(welcome("ada"), (1, "ada".to_owned()));
    assert_eq!(welcome("other"), (0, "ada".to_owned()));
    assert_eq!(field(&mut bench, "username").as_deref(), Some("ada"));
    assert!(!updated(&mut bench));
}

#[test]
fn welcome_notes_that_an_address_is_proven_and_never_that_it_is_not() {
    let mut bench = with_profile();
    assert_eq!(field(&mut bench, "verified"), None);
    let welcome = |bench: &mut Bench, verified: &str| {
        bench.code("users/welcome", &["profile"], &["1700000000000", "ada", "ada@example.com", verified])
    };
    for verified in ["1", "0", "1"] {
        assert_eq!(welcome(&mut bench, verified), 0);
        assert_eq!(field(&mut bench, "verified").as_deref(), Some("1"));
    }
    let mut bench = Bench::new();
    assert_eq!(welcome(&mut bench, "1"), 1);
    assert_eq!(field(&mut bench, "verified").as_deref(), Some("1"));
}

#[test]
fn note_verified_makes_no_profile() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("users/note_verified", &["profile"], &[]), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "profile", &[]), 0);
    let mut bench = with_profile();
    for _ in 0..2 {
        assert_eq!(bench.run::<i64>("users/note_verified", &["profile"], &[]), 1);
        assert_eq!(field(&mut bench, "verified").as_deref(), Some("1"));
    }
    assert!(!updated(&mut bench));
}

#[test]
fn update_sets_and_removes_fields() {
    let mut bench = Bench::new();
    let update =
        |bench: &mut Bench, changes: &[&str]| bench.run::<i64>("users/update", &["profile"], changes);
    assert_eq!(update(&mut bench, &["address", "here"]), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "profile", &[]), 0, "nothing is written");
    let mut bench = with_profile();
    assert_eq!(update(&mut bench, &["address", "here", "gender", "other"]), 1);
    assert!(updated(&mut bench));
    assert_eq!(update(&mut bench, &["address", ""]), 1);
    assert_eq!((field(&mut bench, "address"), field(&mut bench, "gender").as_deref()), (None, Some("other")));
    assert_eq!(update(&mut bench, &[]), 1, "nothing but the time");
}

#[test]
fn set_avatar_says_which_one_was_replaced() {
    let mut bench = Bench::new();
    assert_eq!(bench.code("users/set_avatar", &["profile"], &["/uploads/avatars/1"]), 0);
    let mut bench = with_profile();
    let mut set = |path: &str| bench.run::<(i64, String)>("users/set_avatar", &["profile"], &[path]);
    assert_eq!(set("/uploads/avatars/1"), (1, String::new()));
    assert_eq!(set(""), (1, "/uploads/avatars/1".to_owned()));
    assert_eq!(set("/uploads/avatars/2"), (1, String::new()));
    assert_eq!(field(&mut bench, "avatar").as_deref(), Some("/uploads/avatars/2"));
    assert!(updated(&mut bench));
}

#[test]
fn begin_rename_notes_the_next_name() {
    let mut bench = Bench::new();
    assert_eq!(bench.run::<i64>("users/begin_rename", &["profile"], &["eve"]), 0);
    let mut bench = with_profile();
    assert_eq!(bench.run::<i64>("users/begin_rename", &["profile"], &["eve"]), 1);
    assert_eq!(field(&mut bench, "renaming").as_deref(), Some("eve"));
    assert_eq!(field(&mut bench, "username").as_deref(), Some("ada"));
    assert!(!updated(&mut bench));
}

#[test]
fn finish_rename_takes_the_name_that_was_noted_and_no_other() {
    let mut bench = Bench::new();
    assert_eq!(bench.code("users/finish_rename", &["profile"], &["eve"]), 0);
    let mut bench = with_profile();
    assert_eq!(bench.code("users/finish_rename", &["profile"], &["eve"]), 1, "nothing was noted");
    bench.run::<i64>("users/begin_rename", &["profile"], &["bob"]);
    assert_eq!(bench.code("users/finish_rename", &["profile"], &["eve"]), 1, "another was noted");
    assert_eq!(field(&mut bench, "username").as_deref(), Some("ada"));
    let finish =
        |bench: &mut Bench| bench.run::<(i64, String)>("users/finish_rename", &["profile"], &["bob"]);
    assert_eq!(finish(&mut bench), (2, "ada".to_owned()));
    assert!(updated(&mut bench));
    assert_eq!(field(&mut bench, "renaming"), None);
    assert_eq!(finish(&mut bench), (2, "bob".to_owned()), "again");
}

#[test]
fn page_counts_and_lists_those_whose_names_begin_with_a_text() {
    let mut bench = Bench::new();
    let page = |bench: &mut Bench, prefix: &str, skip: &str, count: &str| {
        let mut reply: Vec<redis::Value> = bench.run("users/page", &["directory"], &[prefix, skip, count]);
        let total: i64 = redis::from_redis_value(reply.remove(0)).unwrap();
        let entries: Vec<String> = redis::from_redis_value(redis::Value::Array(reply)).unwrap();
        (total, entries)
    };
    assert_eq!(page(&mut bench, "", "0", "9"), (0, vec![]), "an empty directory");
    for name in ["ada\0", "ad\0", "adam\0", "ae\0", "a\0", "\u{e9}mile\0", "\u{10ffff}\0", "zoe\0"] {
        bench.command::<i64>("ZADD", "directory", &["0", name]);
    }
    let everybody = page(&mut bench, "", "0", "100");
    assert_eq!((everybody.0, everybody.1.len()), (8, 8));
    assert_eq!(page(&mut bench, "ad", "0", "2"), (3, vec!["ad\0".to_owned(), "ada\0".to_owned()]));
    assert_eq!(page(&mut bench, "ad", "2", "2"), (3, vec!["adam\0".to_owned()]));
    assert_eq!(page(&mut bench, "ad", "3", "2"), (3, vec![]), "past the end");
    assert_eq!(page(&mut bench, "ad", "100000000", "100"), (3, vec![]));
    assert_eq!(page(&mut bench, "\u{e9}", "0", "9").0, 1);
    assert_eq!(page(&mut bench, "\u{10ffff}", "0", "9").0, 1);
    assert_eq!(page(&mut bench, "nobody", "0", "9"), (0, vec![]));
}

#[test]
fn align_keeps_the_newest_generation_of_the_account() {
    let mut bench = Bench::new();
    let align = |bench: &mut Bench, generation: &str| -> Vec<Value> {
        bench.run("users/align", &["profile"], &[generation])
    };
    assert!(align(&mut bench, "1").is_empty(), "no profile");
    assert_eq!(bench.command::<i64>("EXISTS", "profile", &[]), 0);
    bench.command::<i64>("HSET", "profile", &["username", "Ada", "avatar", "/a.png"]);
    for (given, holds) in [("1", 1), ("2", 2), ("1", 2)] {
        let reply = align(&mut bench, given);
        let reply: (u64, String, String) = redis::from_redis_value(Value::Array(reply)).unwrap();
        assert_eq!(reply, (holds, "Ada".to_owned(), "/a.png".to_owned()));
    }
    bench.command::<i64>("HDEL", "profile", &["avatar"]);
    let reply: (u64, String, String) = redis::from_redis_value(Value::Array(align(&mut bench, "3"))).unwrap();
    assert_eq!(reply.2, "");
}

#[test]
fn veil_keeps_a_picture_hidden_for_as_long_as_the_account_is_closed() {
    let mut bench = Bench::new();
    let veil = |bench: &mut Bench, generation: &str| -> i64 {
        bench.run("users/veil", &["avatar"], &[generation, "60000"])
    };
    assert_eq!(veil(&mut bench, "0"), 0, "never closed");
    assert_eq!((veil(&mut bench, "1"), veil(&mut bench, "1")), (1, 0));
    assert_eq!(bench.command::<i64>("PTTL", "avatar", &[]), -1);
    assert_eq!((veil(&mut bench, "2"), veil(&mut bench, "1")), (1, 0));
    assert!(bench.command::<i64>("PTTL", "avatar", &[]) > 0);
    assert_eq!(veil(&mut bench, "3"), 1);
    assert_eq!(bench.command::<i64>("PTTL", "avatar", &[]), -1);
}
