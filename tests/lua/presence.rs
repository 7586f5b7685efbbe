//! `lua/presence/*`.

use redis::PubSub;

use crate::Bench;
use crate::support::redis_server::connection;

/// Runs a script of a user's presence; its last argument is the user's channel.
fn run(bench: &mut Bench, verb: &str, arguments: &[&str]) -> i64 {
    let channel = bench.key("channel");
    let arguments = [arguments, &[&channel]].concat();
    bench.run(&format!("presence/{verb}"), &["presence", "sockets"], &arguments)
}

fn beat(bench: &mut Bench, socket: &str) -> i64 {
    run(bench, "beat", &[socket, "60000"])
}

fn set_status(bench: &mut Bench, status: &str) -> (i64, i64) {
    let channel = bench.key("channel");
    bench.run("presence/set_status", &["presence", "sockets"], &[status, "60000", &channel])
}

fn touch(bench: &mut Bench) -> i64 {
    bench.run("presence/touch", &["presence", "sockets"], &["60000"])
}

fn expire(bench: &mut Bench) -> i64 {
    let channel = bench.key("channel");
    bench.run("presence/expire", &["presence"], &[&channel])
}

fn field(bench: &mut Bench, name: &str) -> Option<String> {
    bench.command("HGET", "presence", &[name])
}

fn millis(bench: &mut Bench, name: &str) -> i64 {
    field(bench, name).unwrap().parse().unwrap()
}

fn sockets(bench: &mut Bench) -> Vec<String> {
    bench.command("ZRANGE", "sockets", &["0", "-1"])
}

fn now(bench: &mut Bench) -> i64 {
    let (secs, micros): (i64, i64) = redis::cmd("TIME").query(&mut bench.redis).unwrap();
    secs * 1000 + micros / 1000
}

fn is_about(expected: i64, found: i64) -> bool {
    (expected - 5000..=expected).contains(&found)
}

/// Lets the user's time run out, as it does when a node dies: the last sign of life was at 1000 ms.
fn let_run_out(bench: &mut Bench) {
    bench.command::<i64>("HSET", "presence", &["until", "2000", "seen", "1000"]);
    for socket in sockets(bench) {
        bench.command::<i64>("ZADD", "sockets", &["2000", &socket]);
    }
}

fn listen<'a>(bench: &Bench, listener: &'a mut redis::Connection) -> PubSub<'a> {
    let mut news = listener.as_pubsub();
    news.subscribe(bench.key("channel")).unwrap();
    news
}

/// What has been told since the last look, times as `seen` or `now`.
fn told(bench: &mut Bench, news: &mut PubSub<'_>) -> Vec<String> {
    redis::cmd("PUBLISH").arg(bench.key("channel")).arg("end").exec(&mut bench.redis).unwrap();
    let (mut told, mut last) = (Vec::new(), None);
    loop {
        let text: String = news.get_message().unwrap().get_payload().unwrap();
        if text == "end" {
            assert!(last.is_none_or(|last| last == millis(bench, "seen")), "what is told is what is kept");
            return told;
        }
        let (status, time) = text.split_once(' ').unwrap();
        let time: i64 = time.parse().unwrap();
        last = Some(time);
        told.push(format!("{status} {}", if time == 1000 { "long ago" } else { "now" }));
    }
}

#[test]
fn beat_opens_a_socket_and_keeps_it() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    let mut news = listen(&bench, &mut listener);
    assert_eq!(beat(&mut bench, "a"), 1, "new");
    let until = millis(&mut bench, "until");
    assert!(is_about(now(&mut bench) + 60_000, until), "{until}");
    assert_eq!(told(&mut bench, &mut news), ["online now"]);
    bench.command::<i64>("HSET", "presence", &["until", "99999999999999", "seen", "1000"]);
    assert_eq!(beat(&mut bench, "a"), 0, "known");
    assert!(is_about(now(&mut bench) + 60_000, millis(&mut bench, "until")));
    assert!(is_about(now(&mut bench), millis(&mut bench, "seen")));
    assert!(bench.command::<i64>("PTTL", "sockets", &[]) > 50_000);
    assert_eq!(run(&mut bench, "beat", &["b", "1000"]), 1, "a second device");
    assert!(millis(&mut bench, "until") >= until, "the last to run out counts");
    assert!(told(&mut bench, &mut news).is_empty(), "only the first socket is news");
}

#[test]
fn beat_begins_anew_after_the_time_ran_out() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    beat(&mut bench, "a");
    beat(&mut bench, "b");
    set_status(&mut bench, "busy");
    let_run_out(&mut bench);
    let mut news = listen(&bench, &mut listener);
    assert_eq!(beat(&mut bench, "b"), 1, "a node that was cut off comes back");
    assert_eq!(told(&mut bench, &mut news), ["online now"]);
    assert_eq!(field(&mut bench, "status"), None, "what was set by hand is gone");
    assert_eq!(sockets(&mut bench), ["b"]);
}

#[test]
fn close_forgets_a_socket_and_the_last_one_takes_the_user_along() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    beat(&mut bench, "a");
    run(&mut bench, "beat", &["b", "90000"]);
    set_status(&mut bench, "away");
    let mut news = listen(&bench, &mut listener);
    assert_eq!(run(&mut bench, "close", &["nobody"]), 0);
    assert_eq!(run(&mut bench, "close", &["b"]), 1, "another lives");
    assert!(is_about(now(&mut bench) + 60_000, millis(&mut bench, "until")), "as long as that one does");
    assert_eq!(field(&mut bench, "status").as_deref(), Some("away"));
    assert_eq!(run(&mut bench, "close", &["a"]), 2);
    assert_eq!(run(&mut bench, "close", &["a"]), 0, "again");
    assert_eq!(field(&mut bench, "status"), None);
    assert_eq!(field(&mut bench, "until").as_deref(), Some("0"));
    assert_eq!(told(&mut bench, &mut news), ["offline now"]);
}

#[test]
fn close_of_a_socket_that_had_run_out_does_not_make_the_user_seen() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    beat(&mut bench, "a");
    let_run_out(&mut bench);
    let mut news = listen(&bench, &mut listener);
    assert_eq!(run(&mut bench, "close", &["a"]), 2);
    assert_eq!(told(&mut bench, &mut news), ["offline long ago"]);
    beat(&mut bench, "a");
    let_run_out(&mut bench);
    expire(&mut bench);
    told(&mut bench, &mut news);
    assert_eq!(run(&mut bench, "close", &["a"]), 2);
    assert!(told(&mut bench, &mut news).is_empty(), "the sweep has told it");
}

#[test]
fn set_status_holds_while_a_socket_lives() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    beat(&mut bench, "a");
    let until = millis(&mut bench, "until");
    let mut news = listen(&bench, &mut listener);
    assert_eq!(set_status(&mut bench, "away").0, 1);
    let (code, seen) = set_status(&mut bench, "away");
    assert_eq!((code, seen), (0, millis(&mut bench, "seen")), "as before");
    beat(&mut bench, "b");
    assert_eq!(field(&mut bench, "status").as_deref(), Some("away"));
    assert_eq!(set_status(&mut bench, "online").0, 1);
    assert!(millis(&mut bench, "until") - until < 30_000, "by the sockets' time");
    assert_eq!(told(&mut bench, &mut news), ["away now", "online now"]);
}

#[test]
fn set_status_lets_somebody_without_a_socket_be_here_for_a_while() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    let mut news = listen(&bench, &mut listener);
    assert_eq!(set_status(&mut bench, "offline"), (0, 0), "never seen, and not now");
    assert_eq!(set_status(&mut bench, "busy").0, 1);
    assert!(is_about(now(&mut bench) + 60_000, millis(&mut bench, "until")));
    assert_eq!(told(&mut bench, &mut news), ["busy now"]);
}

#[test]
fn who_is_here_unseen_leaves_no_trace_of_it() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    beat(&mut bench, "a");
    assert_eq!(set_status(&mut bench, "offline").0, 1);
    bench.command::<i64>("HSET", "presence", &["seen", "1000"]);
    let mut news = listen(&bench, &mut listener);
    beat(&mut bench, "a");
    beat(&mut bench, "b");
    assert_eq!(set_status(&mut bench, "offline"), (0, 1000));
    run(&mut bench, "close", &["a"]);
    assert_eq!(run(&mut bench, "close", &["b"]), 2);
    assert_eq!(millis(&mut bench, "seen"), 1000);
    assert!(told(&mut bench, &mut news).is_empty());
    beat(&mut bench, "a");
    assert_eq!(told(&mut bench, &mut news), ["online now"], "coming back is seen");
}

#[test]
fn sign_in_makes_online_whom_no_socket_knows_better() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    let mut news = listen(&bench, &mut listener);
    assert_eq!(run(&mut bench, "sign_in", &["60000", "100"]), 2);
    assert!(is_about(now(&mut bench) + 60_000, millis(&mut bench, "until")));
    set_status(&mut bench, "away");
    assert_eq!(run(&mut bench, "sign_in", &["60000", "200"]), 2);
    assert_eq!(field(&mut bench, "status"), None, "a login begins anew");
    assert_eq!(told(&mut bench, &mut news), ["online now", "away now", "online now"]);
    assert_eq!(run(&mut bench, "sign_in", &["60000", "150"]), 2);
    assert!(told(&mut bench, &mut news).is_empty(), "no news");
    assert_eq!(field(&mut bench, "in").as_deref(), Some("200"), "the latest");
    beat(&mut bench, "a");
    set_status(&mut bench, "busy");
    assert_eq!(run(&mut bench, "sign_in", &["900000", "300"]), 1);
    assert_eq!(field(&mut bench, "status").as_deref(), Some("busy"), "holds while a socket lives");
    assert!(is_about(now(&mut bench) + 60_000, millis(&mut bench, "until")));
    run(&mut bench, "sign_out", &["400"]);
    assert_eq!(run(&mut bench, "sign_in", &["60000", "350"]), 0, "that session has ended");
    assert_eq!(field(&mut bench, "until").as_deref(), Some("0"));
}

#[test]
fn sign_out_takes_the_user_away_unless_there_was_a_login_since() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    assert_eq!(run(&mut bench, "sign_out", &["50"]), 1, "was not here");
    run(&mut bench, "sign_in", &["60000", "100"]);
    beat(&mut bench, "a");
    set_status(&mut bench, "away");
    let mut news = listen(&bench, &mut listener);
    assert_eq!(run(&mut bench, "sign_out", &["100"]), 0);
    assert_eq!(run(&mut bench, "sign_out", &["99"]), 0);
    assert_eq!(sockets(&mut bench), ["a"]);
    assert_eq!(run(&mut bench, "sign_out", &["101"]), 2);
    assert_eq!(told(&mut bench, &mut news), ["offline now"]);
    assert_eq!(field(&mut bench, "status"), None);
    assert!(sockets(&mut bench).is_empty());
    assert_eq!(run(&mut bench, "close", &["a"]), 0, "the socket closes afterwards");
    assert_eq!(run(&mut bench, "sign_out", &["102"]), 1);
    assert!(told(&mut bench, &mut news).is_empty());
}

#[test]
fn touch_lets_stay_who_is_here_over_http() {
    let mut bench = Bench::new();
    assert_eq!(touch(&mut bench), 0, "never here");
    run(&mut bench, "sign_in", &["1000", "100"]);
    assert_eq!(touch(&mut bench), 2);
    assert!(is_about(now(&mut bench) + 60_000, millis(&mut bench, "until")));
    set_status(&mut bench, "offline");
    bench.command::<i64>("HSET", "presence", &["seen", "1000"]);
    assert_eq!(touch(&mut bench), 2);
    assert_eq!(millis(&mut bench, "seen"), 1000, "unseen");
    run(&mut bench, "beat", &["a", "90000"]);
    assert_eq!(touch(&mut bench), 1, "by a socket");
    let_run_out(&mut bench);
    assert_eq!(touch(&mut bench), 0, "gone");
    assert_eq!(millis(&mut bench, "until"), 2000);
}

#[test]
fn expire_tells_once_that_the_time_ran_out() {
    let (mut bench, mut listener) = (Bench::new(), connection());
    assert_eq!(expire(&mut bench), 0, "never here");
    beat(&mut bench, "a");
    assert_eq!(expire(&mut bench), millis(&mut bench, "until"), "here");
    set_status(&mut bench, "busy");
    let_run_out(&mut bench);
    let mut news = listen(&bench, &mut listener);
    assert_eq!(expire(&mut bench), 0);
    assert_eq!(field(&mut bench, "status"), None);
    assert_eq!(expire(&mut bench), 0);
    assert_eq!(told(&mut bench, &mut news), ["offline long ago"]);
    beat(&mut bench, "a");
    set_status(&mut bench, "offline");
    told(&mut bench, &mut news);
    let_run_out(&mut bench);
    assert_eq!(expire(&mut bench), 0);
    assert!(told(&mut bench, &mut news).is_empty(), "nobody saw this one");
}

fn enlist(bench: &mut Bench, user: &str, delay_ms: &str) -> i64 {
    bench.run("presence/enlist", &["list"], &[user, delay_ms])
}

fn due(bench: &mut Bench, count: &str) -> Vec<(String, i64)> {
    bench.run("presence/due", &["list"], &[count])
}

#[test]
fn enlist_keeps_the_sooner_time_and_moves_what_is_due() {
    let mut bench = Bench::new();
    assert_eq!(enlist(&mut bench, "u", "60000"), 1);
    assert_eq!(enlist(&mut bench, "u", "90000"), 0, "sooner already");
    assert_eq!(enlist(&mut bench, "u", "30000"), 1, "sooner now");
    assert!(due(&mut bench, "9").is_empty());
    bench.command::<i64>("ZADD", "list", &["5", "u"]);
    assert_eq!(enlist(&mut bench, "u", "60000"), 1, "so that a sweep at work sees it");
    assert!(due(&mut bench, "9").is_empty());
}

#[test]
fn due_lists_whose_time_has_come_the_oldest_first() {
    let mut bench = Bench::new();
    bench.command::<i64>("ZADD", "list", &["7", "b", "5", "a", "99999999999999", "c"]);
    assert_eq!(due(&mut bench, "9"), [("a".to_owned(), 5), ("b".to_owned(), 7)]);
    assert_eq!(due(&mut bench, "1"), [("a".to_owned(), 5)]);
}

#[test]
fn reschedule_changes_only_what_was_seen() {
    let mut bench = Bench::new();
    bench.command::<i64>("ZADD", "list", &["5", "gone", "6", "here", "70", "back"]);
    let looks = ["gone", "5", "0", "here", "6", "600", "back", "7", "0", "unknown", "8", "0"];
    assert_eq!(bench.run::<i64>("presence/reschedule", &["list"], &looks), 2);
    let left: Vec<(String, i64)> = bench.command("ZRANGE", "list", &["0", "-1", "WITHSCORES"]);
    assert_eq!(left, [("back".to_owned(), 70), ("here".to_owned(), 600)]);
}
