//! `lua/posts/*`.

use redis::Value;

use crate::Bench;

const AUTHOR: &str = "6932b4f00123456789000001";
const ADA: &str = "6932b4f00123456789000002";
const BOB: &str = "6932b4f00123456789000003";
/// For as long as a lease is good.
const LIMIT: &str = "12000";

/// A post as the server makes it.
fn with_post() -> Bench {
    let mut bench = Bench::new();
    let fields = ["u", AUTHOR, "t", "Title", "d", "About", "b", "Content", "m", "1764932688214", "v", "0"];
    assert_eq!(bench.command::<i64>("HSET", "post", &fields), 6);
    bench
}

/// The server's time in ms.
fn now_ms(bench: &mut Bench) -> u64 {
    let (secs, micros): (u64, u64) = redis::cmd("TIME").query(&mut bench.redis).unwrap();
    secs * 1000 + micros / 1000
}

fn like_under(bench: &mut Bench, user: &str, change: &str, lease: u64, max: &str) -> Vec<Value> {
    let arguments = [user, change, &lease.to_string(), LIMIT, max, "2", "60000", "3"];
    bench.run("posts/like", &["post", "likes", "intents", "unliked"], &arguments)
}

/// The return code.
fn like(bench: &mut Bench, user: &str, change: &str) -> i64 {
    let lease = now_ms(bench);
    code(&like_under(bench, user, change, lease, "100"))
}

fn comment_under(bench: &mut Bench, user: &str, text: &str, lease: u64, max: &str) -> Vec<Value> {
    let arguments = [user, text, "3", &lease.to_string(), LIMIT, max, "2"];
    bench.run("posts/comment", &["post", "comments", "intents"], &arguments)
}

/// The stamp.
fn comment(bench: &mut Bench, user: &str, text: &str) -> u64 {
    let lease = now_ms(bench);
    let reply = comment_under(bench, user, text, lease, "100");
    assert!(matches!(code(&reply), 4 | 5), "{reply:?}");
    redis::from_redis_value(reply[1].clone()).unwrap()
}

fn code(reply: &[Value]) -> i64 {
    redis::from_redis_value(reply[0].clone()).unwrap()
}

fn intents(bench: &mut Bench) -> Vec<(String, u64)> {
    bench.command("ZRANGE", "intents", &["0", "-1", "WITHSCORES"])
}

fn revision(bench: &mut Bench) -> i64 {
    bench.command("HGET", "post", &["v"])
}

type Read = ((String, String, String, String), (i64, u64), (u64, u64, bool), Vec<(String, u64)>, Vec<Entry>);
type Entry = (String, (String, String));

fn read(bench: &mut Bench, viewer: &str, embedded: &str, room: &str) -> Option<Read> {
    bench.run("posts/read", &["post", "likes", "comments"], &[viewer, embedded, room])
}

#[test]
fn announce_gives_rising_ids_that_hold_their_place_in_the_feed() {
    let mut bench = Bench::new();
    let before = now_ms(&mut bench) * 1000;
    for random in ["0123456789", "fedcba9876", "0000000000"] {
        let id: String = bench.run("posts/announce", &["feed"], &[random, "2"]);
        assert_eq!((id.len(), &id[8..18]), (24, random));
        let micros = u64::from_str_radix(&id[..8], 16).unwrap() * 1_000_000
            + u64::from_str_radix(&id[18..], 16).unwrap();
        assert!((before..before + 10_000_000).contains(&micros), "{micros}");
        assert_eq!(bench.command::<u64>("ZSCORE", "feed", &[&id]), micros);
    }
    let kept: Vec<String> = bench.command("ZRANGE", "feed", &["0", "-1"]);
    assert_eq!(kept.iter().map(|id| &id[8..18]).collect::<Vec<_>>(), ["fedcba9876", "0000000000"]);
}

#[test]
fn announce_stays_ahead_of_a_clock_that_went_back() {
    let mut bench = Bench::new();
    let future = (now_ms(&mut bench) + 3_600_000) * 1000 + 999_999;
    bench.command::<i64>("ZADD", "feed", &[&future.to_string(), "later"]);
    let id: String = bench.run("posts/announce", &["feed"], &["0123456789", "10"]);
    assert_eq!(bench.command::<u64>("ZSCORE", "feed", &[&id]), future + 1);
}

#[test]
fn index_lists_a_post_and_knows_its_bound() {
    let mut bench = Bench::new();
    let index = |bench: &mut Bench, id: &str| {
        bench.run::<i64>("posts/index", &["posts"], &[id, "1764932688214001", "2"])
    };
    assert_eq!([index(&mut bench, "a"), index(&mut bench, "b"), index(&mut bench, "c")], [1, 1, 0]);
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "posts", &["0", "-1"]), ["a", "b"]);
}

#[test]
fn read_finds_no_post_where_there_is_none() {
    let mut bench = Bench::new();
    assert_eq!(read(&mut bench, ADA, "100", "1000"), None);
}

#[test]
fn read_gives_the_newest_of_a_post_and_who_reads_it_likes_it() {
    let mut bench = with_post();
    for user in [AUTHOR, ADA, BOB] {
        like(&mut bench, user, "on");
    }
    let stamps =
        [(ADA, "one"), (BOB, "two"), (ADA, "three")].map(|(user, text)| comment(&mut bench, user, text));
    let (texts, numbers, counts, likes, comments) = read(&mut bench, ADA, "2", "1000").unwrap();
    let text = str::to_owned;
    assert_eq!(texts, (text(AUTHOR), text("Title"), text("About"), text("Content")));
    assert_eq!(numbers, (1_764_932_688_214, 6));
    assert_eq!(counts, (3, 3, true));
    assert_eq!(likes.iter().map(|(user, _)| user).collect::<Vec<_>>(), [ADA, BOB]);
    assert!(likes[0].1 < likes[1].1);
    let entry = |stamp: u64, user: &str, words: &str| (format!("{stamp}-0"), (text(user), text(words)));
    assert_eq!(comments, [entry(stamps[2], ADA, "three"), entry(stamps[1], BOB, "two")]);
    assert!(!read(&mut bench, "somebody", "2", "1000").unwrap().2.2);
}

#[test]
fn read_leaves_out_comments_for_which_there_is_no_room() {
    let mut bench = with_post();
    for text in ["12345", "1", "123"] {
        comment(&mut bench, ADA, text);
    }
    let texts = |bench: &mut Bench, room: &str| {
        let comments = read(bench, ADA, "100", room).unwrap().4;
        comments.into_iter().map(|(_, (_, text))| text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&mut bench, "9"), ["123", "1", "12345"]);
    assert_eq!(texts(&mut bench, "8"), ["123", "1"]);
    assert_eq!(texts(&mut bench, "2"), Vec::<String>::new(), "none is skipped for an older one");
}

#[test]
fn update_is_the_authors_and_leaves_the_rest() {
    let mut bench = with_post();
    let update = |bench: &mut Bench, user: &str, key: &str| {
        bench.run::<i64>("posts/update", &[key], &[user, "t", "New", "b", "Newer"])
    };
    assert_eq!(update(&mut bench, AUTHOR, "missing"), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "missing", &[]), 0);
    assert_eq!(update(&mut bench, ADA, "post"), 1);
    assert_eq!(bench.command::<String>("HGET", "post", &["t"]), "Title");
    assert_eq!(update(&mut bench, AUTHOR, "post"), 2);
    assert_eq!(
        bench.command::<Vec<String>>("HMGET", "post", &["t", "d", "b", "v"]),
        ["New", "About", "Newer", "0"]
    );
    assert!(bench.command::<u64>("HGET", "post", &["m"]) > 1_764_932_688_214);
}

#[test]
fn delete_is_the_authors_and_takes_everything_along() {
    let mut bench = with_post();
    let keys = ["post", "likes", "comments", "intents", "unliked"];
    let delete = |bench: &mut Bench, user: &str| bench.run::<i64>("posts/delete", &keys, &[user]);
    like(&mut bench, BOB, "on");
    like(&mut bench, BOB, "off");
    like(&mut bench, ADA, "on");
    comment(&mut bench, ADA, "hello");
    assert_eq!(delete(&mut bench, ADA), 1);
    assert!(keys.iter().all(|key| bench.command::<i64>("EXISTS", key, &[]) == 1));
    assert_eq!(delete(&mut bench, AUTHOR), 2);
    assert!(keys.iter().all(|key| bench.command::<i64>("EXISTS", key, &[]) == 0));
    assert_eq!(delete(&mut bench, AUTHOR), 0);
}

#[test]
fn like_finds_no_post_where_there_is_none() {
    let mut bench = Bench::new();
    for change in ["on", "off", "toggle"] {
        assert_eq!(like(&mut bench, ADA, change), 0);
    }
    assert_eq!(bench.command::<i64>("EXISTS", "likes", &[]), 0);
}

#[test]
fn like_sets_takes_back_and_toggles_and_counts_what_changes() {
    let mut bench = with_post();
    let steps = [
        ("off", 3, 0),
        ("on", 5, 1),
        ("on", 3, 1),
        ("off", 4, 2),
        ("off", 3, 2),
        ("toggle", 4, 3),
        ("toggle", 4, 4),
    ];
    for (change, code, changes) in steps {
        assert_eq!((like(&mut bench, ADA, change), revision(&mut bench)), (code, changes), "{change}");
        assert_eq!(bench.command::<i64>("ZCARD", "likes", &[]), changes % 2);
    }
}

#[test]
fn like_tells_the_author_of_others_and_not_of_oneself() {
    let mut bench = with_post();
    assert_eq!(like(&mut bench, AUTHOR, "toggle"), 4);
    assert_eq!(intents(&mut bench), []);
    let lease = now_ms(&mut bench);
    let reply = like_under(&mut bench, ADA, "on", lease, "100");
    let (_, stamp, pending): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    let intent = format!("{stamp}|liked {AUTHOR} {ADA} 2");
    assert_eq!(pending, [intent.as_str()]);
    assert_eq!(intents(&mut bench), [(intent.clone(), stamp)]);
    assert_eq!(bench.command::<u64>("ZSCORE", "likes", &[ADA]), stamp);
    like(&mut bench, BOB, "on");
    let reply = like_under(&mut bench, "carol", "on", lease, "100");
    let (_, last, pending): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((pending.len(), &pending[0]), (2, &intent), "the oldest, as many as were asked for");
    assert!(last > stamp);
}

#[test]
fn a_like_taken_back_and_given_again_is_news_only_after_a_while() {
    let mut bench = with_post();
    for code in [5, 4, 4] {
        assert_eq!(like(&mut bench, ADA, "on"), code, "told once");
        assert_eq!(like(&mut bench, ADA, "off"), 4);
    }
    assert_eq!(intents(&mut bench).len(), 1);
    assert!((50_000..=60_000).contains(&bench.command::<i64>("PTTL", "unliked", &[])));
    let long_ago = (now_ms(&mut bench) - 61_000) * 1000;
    bench.command::<i64>("ZADD", "unliked", &[&long_ago.to_string(), ADA]);
    assert_eq!(like(&mut bench, ADA, "on"), 5, "that was long ago");
    for user in ["a", "b", "c", "d", "e"] {
        like(&mut bench, user, "on");
        like(&mut bench, user, "off");
    }
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "unliked", &["0", "-1"]), ["c", "d", "e"]);
}

#[test]
fn like_leaves_no_intent_under_a_lapsed_lease_or_beyond_the_bound() {
    let mut bench = with_post();
    let now = now_ms(&mut bench);
    let lapsed = now - 12_100;
    assert_eq!(code(&like_under(&mut bench, ADA, "on", lapsed, "100")), 1);
    assert_eq!(code(&like_under(&mut bench, ADA, "toggle", lapsed, "100")), 1);
    assert_eq!(code(&like_under(&mut bench, ADA, "on", now, "0")), 2);
    assert_eq!(
        (revision(&mut bench), bench.command::<i64>("EXISTS", "likes", &[])),
        (0, 0),
        "nothing changed"
    );
    assert_eq!(code(&like_under(&mut bench, AUTHOR, "on", lapsed, "0")), 4, "the author needs neither");
    assert_eq!(code(&like_under(&mut bench, ADA, "off", lapsed, "0")), 3);
    assert_eq!(code(&like_under(&mut bench, ADA, "on", now, "1")), 5);
    assert_eq!(code(&like_under(&mut bench, ADA, "off", lapsed, "0")), 4, "nor does what takes it back");
    assert_eq!(code(&like_under(&mut bench, BOB, "on", now, "1")), 2);
}

#[test]
fn stamps_rise_even_if_the_clock_does_not() {
    let mut bench = with_post();
    let future = (now_ms(&mut bench) + 3_600_000) * 1000;
    bench.command::<i64>("HSET", "post", &["s", &future.to_string()]);
    assert_eq!(like(&mut bench, ADA, "on"), 5);
    assert_eq!(bench.command::<u64>("ZSCORE", "likes", &[ADA]), future + 1);
    assert_eq!(comment(&mut bench, ADA, "x"), future + 2);
    assert_eq!(comment(&mut bench, AUTHOR, "y"), future + 3);
}

#[test]
fn comment_finds_no_post_where_there_is_none() {
    let mut bench = Bench::new();
    let lease = now_ms(&mut bench);
    assert_eq!(code(&comment_under(&mut bench, ADA, "x", lease, "100")), 0);
    assert_eq!(bench.command::<i64>("EXISTS", "comments", &[]), 0);
}

#[test]
fn comment_is_made_once_counted_and_told_to_the_author() {
    let mut bench = with_post();
    let own = comment(&mut bench, AUTHOR, "my own");
    assert_eq!((revision(&mut bench), intents(&mut bench).len()), (1, 0));
    let lease = now_ms(&mut bench);
    let reply = comment_under(&mut bench, ADA, "a | b\nc", lease, "100");
    let (code, stamp, pending): (i64, u64, Vec<String>) =
        redis::from_redis_value(Value::Array(reply)).unwrap();
    let intent = format!("{stamp}|commented {AUTHOR} {ADA} 2 a | b\nc");
    assert_eq!((code, pending), (5, vec![intent.clone()]));
    assert_eq!(intents(&mut bench), [(intent, stamp)]);
    let entries: Vec<Entry> = bench.command("XRANGE", "comments", &["-", "+"]);
    let entry =
        |stamp: u64, user: &str, text: &str| (format!("{stamp}-0"), (user.to_owned(), text.to_owned()));
    assert_eq!(entries, [entry(own, AUTHOR, "my own"), entry(stamp, ADA, "a | b\nc")]);
    assert_eq!(revision(&mut bench), 2);
}

#[test]
fn comment_is_refused_when_there_are_too_many_or_nobody_would_hear_of_it() {
    let mut bench = with_post();
    let now = now_ms(&mut bench);
    assert_eq!(code(&comment_under(&mut bench, ADA, "x", now - 12_100, "100")), 2);
    assert_eq!(code(&comment_under(&mut bench, ADA, "x", now, "0")), 3);
    assert_eq!((revision(&mut bench), bench.command::<i64>("EXISTS", "comments", &[])), (0, 0));
    assert_eq!(code(&comment_under(&mut bench, AUTHOR, "x", 0, "0")), 4, "the author needs neither");
    comment(&mut bench, ADA, "two");
    comment(&mut bench, ADA, "three");
    assert_eq!(code(&comment_under(&mut bench, ADA, "four", now, "100")), 1);
    assert_eq!(code(&comment_under(&mut bench, AUTHOR, "four", now, "100")), 1);
    assert_eq!((revision(&mut bench), bench.command::<i64>("XLEN", "comments", &[])), (3, 3));
}

#[test]
fn uncomment_is_for_who_wrote_the_comment_or_the_post() {
    let mut bench = with_post();
    let uncomment = |bench: &mut Bench, post: &str, user: &str, stamp: u64| {
        bench.run::<i64>("posts/uncomment", &[post, "comments"], &[user, &format!("{stamp}-0")])
    };
    let (first, second) = (comment(&mut bench, ADA, "one"), comment(&mut bench, ADA, "two"));
    assert_eq!(uncomment(&mut bench, "missing", ADA, first), 0);
    assert_eq!(uncomment(&mut bench, "post", ADA, first - 1), 1);
    assert_eq!(uncomment(&mut bench, "post", BOB, first), 2);
    assert_eq!((revision(&mut bench), bench.command::<i64>("XLEN", "comments", &[])), (2, 2));
    assert_eq!(uncomment(&mut bench, "post", ADA, first), 3);
    assert_eq!(uncomment(&mut bench, "post", ADA, first), 1, "twice");
    assert_eq!(uncomment(&mut bench, "post", AUTHOR, second), 3);
    assert_eq!((revision(&mut bench), bench.command::<i64>("XLEN", "comments", &[])), (4, 0));
    assert!(comment(&mut bench, ADA, "three") > second);
}

#[test]
fn likes_gives_a_slice_newest_first() {
    let mut bench = with_post();
    type Slice = Option<(u64, Vec<(String, u64)>)>;
    let likes = |bench: &mut Bench, post: &str, before: &str, count: &str| {
        bench.run::<Slice>("posts/likes", &[post, "likes"], &[before, count])
    };
    assert_eq!(likes(&mut bench, "missing", "+inf", "10"), None);
    assert_eq!(likes(&mut bench, "post", "+inf", "10"), Some((0, vec![])));
    for user in [AUTHOR, ADA, BOB] {
        like(&mut bench, user, "on");
    }
    let (total, newest) = likes(&mut bench, "post", "+inf", "2").unwrap();
    assert_eq!((total, newest[0].0.as_str(), newest[1].0.as_str()), (3, BOB, ADA));
    let (total, rest) = likes(&mut bench, "post", &format!("({}", newest[1].1), "2").unwrap();
    assert_eq!((total, rest.len(), rest[0].0.as_str()), (3, 1, AUTHOR));
}

#[test]
fn comments_gives_a_slice_newest_first() {
    let mut bench = with_post();
    type Slice = Option<(u64, Vec<Entry>)>;
    let comments = |bench: &mut Bench, post: &str, before: &str, count: &str| {
        bench.run::<Slice>("posts/comments", &[post, "comments"], &[before, count])
    };
    assert_eq!(comments(&mut bench, "missing", "+", "10"), None);
    assert_eq!(comments(&mut bench, "post", "+", "10"), Some((0, vec![])));
    let stamps = ["one", "two", "three"].map(|text| comment(&mut bench, ADA, text));
    let texts = |slice: Slice| slice.unwrap().1.into_iter().map(|(_, (_, text))| text).collect::<Vec<_>>();
    let newest = comments(&mut bench, "post", "+", "2");
    assert_eq!(newest.as_ref().unwrap().0, 3);
    assert_eq!(texts(newest), ["three", "two"]);
    assert_eq!(texts(comments(&mut bench, "post", &format!("({}-0", stamps[1]), "2")), ["one"]);
}

#[test]
fn suspend_hides_a_post_from_all_but_its_author_and_never_goes_back() {
    let mut bench = with_post();
    let suspend = |bench: &mut Bench, author: &str, generation: &str| -> i64 {
        bench.run("posts/suspend", &["post"], &[author, generation])
    };
    assert_eq!(suspend(&mut bench, ADA, "1"), 0, "somebody else's");
    assert_eq!(bench.run::<i64>("posts/suspend", &["none"], &[AUTHOR, "1"]), 0);
    assert_eq!(suspend(&mut bench, AUTHOR, "1"), 1);
    let read = |bench: &mut Bench, viewer: &str| -> Value {
        bench.run("posts/read", &["post", "likes", "comments"], &[viewer, "10", "1000"])
    };
    assert_eq!(read(&mut bench, ADA), Value::Nil);
    assert!(matches!(read(&mut bench, AUTHOR), Value::Array(_)));
    assert_eq!(like(&mut bench, ADA, "on"), 0);
    let lease = now_ms(&mut bench);
    assert_eq!(code(&comment_under(&mut bench, ADA, "hm", lease, "100")), 0);
    assert_eq!(bench.run::<Value>("posts/likes", &["post", "likes"], &["+inf", "10"]), Value::Nil);
    assert_eq!(bench.run::<Value>("posts/comments", &["post", "comments"], &["+", "10"]), Value::Nil);
    assert_eq!(suspend(&mut bench, AUTHOR, "2"), 2);
    assert_eq!(suspend(&mut bench, AUTHOR, "1"), 2, "late");
    assert!(matches!(read(&mut bench, ADA), Value::Array(_)));
    assert_eq!(like(&mut bench, ADA, "on"), 5);
}
