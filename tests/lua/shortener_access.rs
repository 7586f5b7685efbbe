//! Codes, requests for access, grants and untold clicks of links.

use redis::Value;

use crate::Bench;

const EVENT: &str = r#"{"keep":100,"ttl":3600,"h":"POST","i":"203.0.113.0","r":"","a":"desktop"}"#;
const LIMIT_MS: &str = "12000";
const WAITING: &str = "3";
const RETURNED: &str = "16";
const REQUEST_KEYS: [&str; 5] = ["link", "requests", "asked", "closed", "notices"];

fn now_ms() -> String {
    chrono::Utc::now().timestamp_millis().to_string()
}

fn make(bench: &mut Bench, fields: &[&str]) {
    let arguments: Vec<&str> = [&["u1", "u", "https://example.com/"], fields].concat();
    assert_eq!(bench.code("shortener/claim", &["link"], &arguments), 1);
}

fn update(bench: &mut Bench, fields: &[&str]) -> i64 {
    let arguments: Vec<&str> = [&["u1", "changed", "abc"], fields].concat();
    bench.run("shortener/update", &["link", "requests", "asked", "closed"], &arguments)
}

fn delete(bench: &mut Bench) -> i64 {
    let keys = ["link", "events", "tallies", "requests", "asked", "closed"];
    bench.run("shortener/delete", &keys, &["u1", "60", "changed", "abc"])
}

fn url() -> Value {
    Value::BulkString(b"https://example.com/".to_vec())
}

fn refused(method: &str) -> Value {
    Value::Array(vec![Value::BulkString(method.as_bytes().to_vec())])
}

/// The members left to be told.
fn notices(bench: &mut Bench) -> Vec<String> {
    bench.command("ZRANGE", "notices", &["0", "-1"])
}

fn send_code_under(bench: &mut Bench, email: &str, digest: &str, lease: &str) -> Vec<Value> {
    let arguments = [email, digest, "600000", "sealed", lease, LIMIT_MS, WAITING, RETURNED];
    bench.run("shortener/send_code", &["link", "code", "notices"], &arguments)
}

fn send_code(bench: &mut Bench, email: &str, digest: &str) -> Value {
    send_code_under(bench, email, digest, &now_ms())[0].clone()
}

fn unlock(bench: &mut Bench, place: &str, key: [&str; 3], entered: Option<&str>) -> Value {
    let mut arguments = vec![EVENT, key[0], key[1], key[2]];
    arguments.extend(entered.map(|entered| [entered, LIMIT_MS]).into_iter().flatten());
    bench.run("shortener/unlock", &["link", "events", place], &arguments)
}

fn try_code(bench: &mut Bench, digest: &str) -> Value {
    unlock(bench, "code", ["OTP", digest, "5"], None)
}

fn ask_under(bench: &mut Bench, id: &str, patience_ms: &str, lease: &str) -> Vec<Value> {
    ask_with(bench, id, patience_ms, "sealed", lease)
}

fn ask_with(bench: &mut Bench, id: &str, patience_ms: &str, sealed: &str, lease: &str) -> Vec<Value> {
    let email = format!("{id}@example.com");
    let arguments =
        [id, &email, "why / not", sealed, "2", patience_ms, "3", "1000", lease, LIMIT_MS, WAITING, RETURNED];
    bench.run("shortener/ask", &REQUEST_KEYS, &arguments)
}

/// Asks; what it left has been carried.
fn ask(bench: &mut Bench, id: &str, patience_ms: &str) -> Value {
    let reply = ask_under(bench, id, patience_ms, &now_ms())[0].clone();
    bench.command::<i64>("DEL", "notices", &[]);
    reply
}

fn decide_under(
    bench: &mut Bench,
    owner: &str,
    id: &str,
    outcome: &str,
    sealed: &str,
    lease: &str,
) -> Vec<Value> {
    let arguments =
        [owner, id, outcome, "grant", "60000", "1000", sealed, lease, LIMIT_MS, WAITING, RETURNED];
    bench.run("shortener/decide", &REQUEST_KEYS, &arguments)
}

/// Decides; what it left has been carried.
fn decide(bench: &mut Bench, id: &str, outcome: &str) -> Value {
    let reply = decide_under(bench, "u1", id, outcome, "sealed", &now_ms())[0].clone();
    bench.command::<i64>("DEL", "notices", &[]);
    reply
}

fn try_grant(bench: &mut Bench, id: &str, digest: &str) -> Value {
    unlock(bench, "requests", ["APPROVE", id, digest], None)
}

fn digest(bench: &mut Bench, peace_ms: &str, lease: &str) -> Vec<Value> {
    let arguments = [peace_ms, lease, LIMIT_MS, WAITING, RETURNED];
    bench.run("shortener/digest", &["link", "notices"], &arguments)
}

fn visit(bench: &mut Bench, entered: Option<&str>) -> Value {
    let mut arguments = vec![EVENT, "0", ""];
    arguments.extend(entered.map(|entered| [entered, LIMIT_MS]).into_iter().flatten());
    bench.run("shortener/visit", &["link", "events"], &arguments)
}

#[test]
fn send_code_leaves_a_code_and_its_mail_for_links_with_otp() {
    let mut bench = Bench::new();
    assert_eq!(send_code(&mut bench, "a@x.example", "d"), Value::Int(0));
    make(&mut bench, &[]);
    assert_eq!(send_code(&mut bench, "a@x.example", "d"), Value::Int(1));
    update(&mut bench, &["m", "OTP"]);
    assert_eq!(send_code_under(&mut bench, "a@x.example", "d", "1"), [Value::Int(2)]);
    let reply = send_code_under(&mut bench, "a@x.example", "d", &now_ms());
    let (code, id, left): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((code, left), (4, vec![format!("{id}|sealed")]));
    let life: i64 = bench.command("PTTL", "code", &[]);
    assert!((590_000..=600_000).contains(&life), "{life}");
    for _ in 0..2 {
        assert_eq!(send_code(&mut bench, "a@x.example", "d"), Value::Int(4));
    }
    assert_eq!(send_code(&mut bench, "a@x.example", "d"), Value::Int(3), "three wait");
}

#[test]
fn send_code_passes_over_who_is_not_on_the_list() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "OTP", "w", "ada@x.example\nbob@x.example\n"]);
    for stranger in ["a@x.example", "da@x.example", "ADA@x.example", ""] {
        let reply = send_code_under(&mut bench, stranger, "d", &now_ms());
        let (code, id, left): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
        assert_eq!((code, left), (4, vec![format!("{id}|nobody")]), "{stranger}");
        assert_eq!(bench.command::<String>("HGET", "code", &["c"]), "");
        for guess in ["d", "0"] {
            assert_eq!(try_code(&mut bench, guess), refused("OTP"), "no code opens it");
        }
        bench.command::<i64>("DEL", "notices", &[]);
    }
    assert_eq!(send_code(&mut bench, "bob@x.example", "d"), Value::Int(4));
    assert!(notices(&mut bench)[0].ends_with("|sealed"));
    assert_eq!(try_code(&mut bench, "d"), url());
}

#[test]
fn ids_of_what_is_left_rise_even_if_the_clock_does_not() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "OTP", "i", "9000000000000000"]);
    let reply = send_code_under(&mut bench, "a@x.example", "d", &now_ms());
    assert_eq!(reply[1], Value::Int(9_000_000_000_000_001));
    assert_eq!(notices(&mut bench), ["9000000000000001|sealed"]);
}

#[test]
fn unlock_takes_a_code_once_and_five_wrong_tries_at_most() {
    let mut bench = Bench::new();
    assert_eq!(try_code(&mut bench, "d"), Value::Nil);
    make(&mut bench, &["m", "OTP"]);
    assert_eq!(try_code(&mut bench, "d"), refused("OTP"), "none was sent");
    assert_eq!(bench.command::<i64>("EXISTS", "code", &[]), 0, "nor is one made by trying");
    send_code(&mut bench, "a@x.example", "d");
    for _ in 0..4 {
        assert_eq!(try_code(&mut bench, "x"), refused("OTP"));
    }
    assert_eq!(try_code(&mut bench, "d"), url());
    assert_eq!(try_code(&mut bench, "d"), refused("OTP"), "used up");
    send_code(&mut bench, "a@x.example", "d");
    for _ in 0..5 {
        assert_eq!(try_code(&mut bench, "x"), refused("OTP"));
    }
    assert_eq!(try_code(&mut bench, "d"), refused("OTP"), "dead");
    assert_eq!(bench.command::<(i64, i64)>("HMGET", "link", &["k", "f"]), (1, 12));
}

#[test]
fn a_code_ends_with_the_protection_that_it_was_made_for() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "OTP"]);
    send_code(&mut bench, "a@x.example", "d");
    assert_eq!(update(&mut bench, &["m", "OTP", "s", "1"]), 5);
    assert_eq!(update(&mut bench, &["w", "a@x.example\n"]), 5);
    assert_eq!(try_code(&mut bench, "d"), refused("OTP"));
    send_code(&mut bench, "a@x.example", "d");
    update(&mut bench, &["m", ""]);
    assert_eq!(try_code(&mut bench, "d"), Value::Int(3), "open now");
    update(&mut bench, &["m", "OTP"]);
    assert_eq!(try_code(&mut bench, "d"), refused("OTP"));
    send_code(&mut bench, "a@x.example", "d");
    assert_eq!(delete(&mut bench), 2);
    make(&mut bench, &["m", "OTP"]);
    assert_eq!(try_code(&mut bench, "d"), refused("OTP"), "another link's");
}

#[test]
fn a_key_for_another_protection_is_refused_and_counted() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "OTP"]);
    send_code(&mut bench, "a@x.example", "d");
    assert_eq!(unlock(&mut bench, "link", ["PASSWORD", "", "1"], None), refused("OTP"));
    assert_eq!(unlock(&mut bench, "requests", ["APPROVE", "id", "grant"], None), refused("OTP"));
    assert_eq!(bench.command::<Option<i64>>("HGET", "code", &["n"]), None, "it is no try at the code");
    assert_eq!(bench.command::<i64>("HGET", "link", &["f"]), 2);
}

#[test]
fn update_refuses_a_list_without_otp() {
    let mut bench = Bench::new();
    make(&mut bench, &[]);
    assert_eq!(update(&mut bench, &["w", "a@x.example\n"]), 4);
    assert_eq!(update(&mut bench, &["w", ""]), 5);
    assert_eq!(update(&mut bench, &["m", "OTP", "w", "a@x.example\n"]), 5);
    assert_eq!(update(&mut bench, &["m", "APPROVE", "h", "hash"]), 3);
}

#[test]
fn ask_leaves_word_once_per_address() {
    let mut bench = Bench::new();
    assert_eq!(ask(&mut bench, "a", "1000"), Value::Int(0));
    make(&mut bench, &["m", "OTP"]);
    assert_eq!(ask(&mut bench, "a", "1000"), Value::Int(1));
    update(&mut bench, &["m", "APPROVE"]);
    assert_eq!(ask_under(&mut bench, "a", "1000", "1"), [Value::Int(2)]);
    let reply = ask_under(&mut bench, "a", "1000", &now_ms());
    let (code, id, left): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((code, left), (6, vec![format!("{id}|sealed")]));
    assert_eq!(ask(&mut bench, "a", "1000"), Value::Int(5), "it waits");
    for key in ["requests", "asked"] {
        assert!((990..=1000).contains(&bench.command::<i64>("TTL", key, &[])), "{key}");
    }
    bench.command::<i64>("ZADD", "notices", &["1", "1|a", "2", "2|b", "3", "3|c"]);
    assert_eq!(ask_under(&mut bench, "b", "1000", &now_ms()), [Value::Int(3)]);
}

#[test]
fn ask_lists_what_its_owner_is_not_told_of() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "APPROVE"]);
    assert_eq!(ask_with(&mut bench, "a", "1000", "", "1"), [Value::Int(7)], "it needs no lease");
    assert!(notices(&mut bench).is_empty());
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "asked", &["0", "-1"]), ["a"]);
    assert_eq!(ask_with(&mut bench, "a", "1000", "", "1"), [Value::Int(5)], "it waits");
}

#[test]
fn ask_again_after_a_denial_takes_patience_and_has_a_bound() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "APPROVE"]);
    for round in 1..=3 {
        assert_eq!(ask(&mut bench, "a", "0"), Value::Int(6), "{round}");
        assert_eq!(decide(&mut bench, "a", "DENIED"), Value::Int(6));
        assert_eq!(ask(&mut bench, "a", "60000"), Value::Int(5), "too soon");
    }
    assert_eq!(ask(&mut bench, "a", "0"), Value::Int(5), "too often");
    assert_eq!(decide(&mut bench, "a", "APPROVED"), Value::Int(6));
    assert_eq!(ask(&mut bench, "a", "0"), Value::Int(5), "a grant works");
    assert_eq!(decide(&mut bench, "a", "DENIED"), Value::Int(6));
    assert_eq!(ask(&mut bench, "a", "0"), Value::Int(6), "counted anew since the approval");
}

#[test]
fn ask_makes_room_of_what_is_decided_and_over() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "APPROVE"]);
    for id in ["a", "b"] {
        assert_eq!(ask(&mut bench, id, "0"), Value::Int(6));
    }
    assert_eq!(ask(&mut bench, "c", "0"), Value::Int(4), "two wait");
    decide(&mut bench, "a", "APPROVED");
    assert_eq!(ask(&mut bench, "c", "0"), Value::Int(4), "a grant works");
    decide(&mut bench, "b", "DENIED");
    assert_eq!(ask(&mut bench, "c", "0"), Value::Int(6));
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "asked", &["0", "-1"]), ["a", "c"]);
    assert_eq!(bench.command::<Vec<String>>("ZRANGE", "closed", &["0", "-1"]), ["a"]);
    assert_eq!(bench.command::<i64>("HLEN", "requests", &[]), 2);
}

#[test]
fn decide_is_the_owners_and_says_what_it_did() {
    let mut bench = Bench::new();
    let under = |bench: &mut Bench, owner: &str, id: &str, sealed: &str, lease: &str| {
        decide_under(bench, owner, id, "APPROVED", sealed, lease)[0].clone()
    };
    assert_eq!(under(&mut bench, "u1", "a", "sealed", &now_ms()), Value::Int(0));
    make(&mut bench, &["m", "APPROVE"]);
    ask(&mut bench, "a", "0");
    assert_eq!(under(&mut bench, "u2", "a", "sealed", &now_ms()), Value::Int(0));
    assert_eq!(under(&mut bench, "u1", "b", "sealed", &now_ms()), Value::Int(1));
    assert_eq!(under(&mut bench, "u1", "a", "sealed", "1"), Value::Int(3));
    let reply = decide_under(&mut bench, "u1", "a", "APPROVED", "sealed", &now_ms());
    let (code, id, left): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((code, left), (6, vec![format!("{id}|sealed")]));
    assert_eq!(decide(&mut bench, "a", "APPROVED"), Value::Int(2));
    bench.command::<i64>("ZADD", "notices", &["1", "1|a", "2", "2|b", "3", "3|c"]);
    let denied = decide_under(&mut bench, "u1", "a", "DENIED", "sealed", &now_ms());
    assert_eq!(denied, [Value::Int(4)]);
    let silent = decide_under(&mut bench, "u1", "a", "DENIED", "", "0");
    assert_eq!(silent, [Value::Int(5)], "a denial that cannot be told");
    assert_eq!(decide(&mut bench, "a", "DENIED"), Value::Int(2));
}

#[test]
fn unlock_takes_a_grant_until_it_ends() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "APPROVE"]);
    ask(&mut bench, "a", "0");
    assert_eq!(try_grant(&mut bench, "a", "grant"), refused("APPROVE"), "it waits");
    decide(&mut bench, "a", "APPROVED");
    for _ in 0..2 {
        assert_eq!(try_grant(&mut bench, "a", "grant"), url());
    }
    for (id, wrong) in [("a", "other"), ("b", "grant"), ("", "")] {
        assert_eq!(try_grant(&mut bench, id, wrong), refused("APPROVE"), "{id} {wrong}");
    }
    decide(&mut bench, "a", "DENIED");
    assert_eq!(try_grant(&mut bench, "a", "grant"), refused("APPROVE"));
    decide(&mut bench, "a", "APPROVED");
    let stored: String = bench.command("HGET", "requests", &["a"]);
    let mut request: serde_json::Value = serde_json::from_str(&stored).unwrap();
    request["x"] = serde_json::json!(1);
    bench.command::<i64>("HSET", "requests", &["a", &request.to_string()]);
    assert_eq!(try_grant(&mut bench, "a", "grant"), refused("APPROVE"), "over");
    assert_eq!(decide(&mut bench, "a", "APPROVED"), Value::Int(6), "a new one");
    assert_eq!(try_grant(&mut bench, "a", "grant"), url());
    update(&mut bench, &["m", "OTP"]);
    update(&mut bench, &["m", "APPROVE"]);
    assert_eq!(try_grant(&mut bench, "a", "grant"), refused("APPROVE"), "it began anew");
}

#[test]
fn requests_are_listed_for_the_owner_newest_first() {
    let mut bench = Bench::new();
    let list = |bench: &mut Bench, owner: &str, skip: &str, count: &str| {
        bench.run::<Vec<Value>>("shortener/requests", &["link", "requests", "asked"], &[owner, skip, count])
    };
    assert_eq!(list(&mut bench, "u1", "0", "10"), [Value::Int(0)]);
    make(&mut bench, &["m", "APPROVE"]);
    assert_eq!(list(&mut bench, "u2", "0", "10"), [Value::Int(0)]);
    assert_eq!(list(&mut bench, "u1", "0", "10"), [Value::Int(1), Value::Int(0), Value::Array(vec![])]);
    for id in ["a", "b"] {
        ask(&mut bench, id, "0");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let reply = list(&mut bench, "u1", "0", "1");
    let (_, total, slice): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((total, slice[0].as_str(), slice.len()), (2, "b", 2));
    assert!(slice[1].contains(r#""s":"PENDING""#), "{slice:?}");
    let reply = list(&mut bench, "u1", "1", "10");
    let (_, _, slice): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((slice[0].as_str(), slice.len()), ("a", 2));
}

#[test]
fn a_click_is_counted_as_untold_only_where_a_sweep_will_find_it() {
    let mut bench = Bench::new();
    make(&mut bench, &["e", "1"]);
    assert_eq!(visit(&mut bench, None), Value::Int(2), "never told");
    assert_eq!(visit(&mut bench, Some("1")), Value::Int(2), "entered too long ago");
    assert_eq!(bench.command::<Option<i64>>("HGET", "link", &["k"]), None, "nothing was counted");
    assert_eq!(visit(&mut bench, Some(&now_ms())), url());
    for _ in 0..4 {
        assert_eq!(visit(&mut bench, None), url());
    }
    assert_eq!(bench.command::<(i64, i64)>("HMGET", "link", &["k", "n"]), (5, 5));
    assert_eq!(digest(&mut bench, "60000", &now_ms())[0], Value::Int(4));
    assert_eq!(visit(&mut bench, None), Value::Int(1), "told before");
    assert_eq!(visit(&mut bench, Some(&now_ms())), url());
    assert_eq!(bench.command::<(i64, i64)>("HMGET", "link", &["k", "n"]), (6, 1));
}

#[test]
fn an_unlock_is_untold_like_a_click_and_uses_nothing_up_before() {
    let mut bench = Bench::new();
    make(&mut bench, &["e", "1", "m", "OTP"]);
    assert_eq!(visit(&mut bench, None), refused("OTP"), "who is refused is nothing to tell");
    send_code(&mut bench, "a@x.example", "d");
    assert_eq!(try_code(&mut bench, "x"), refused("OTP"));
    assert_eq!(try_code(&mut bench, "d"), Value::Int(2));
    assert_eq!(unlock(&mut bench, "code", ["OTP", "d", "5"], Some(&now_ms())), url(), "the code was left");
    digest(&mut bench, "0", &now_ms());
    bench.command::<i64>("DEL", "notices", &[]);
    send_code(&mut bench, "a@x.example", "d");
    assert_eq!(try_code(&mut bench, "d"), Value::Int(1));
    assert_eq!(bench.command::<(i64, i64, i64)>("HMGET", "link", &["k", "f", "n"]), (1, 2, 0));
}

#[test]
fn digest_tells_what_is_untold_once() {
    let mut bench = Bench::new();
    assert_eq!(digest(&mut bench, "0", &now_ms()), [Value::Int(0)]);
    make(&mut bench, &["e", "1"]);
    assert_eq!(digest(&mut bench, "0", &now_ms()), [Value::Int(0)]);
    for _ in 0..3 {
        visit(&mut bench, Some(&now_ms()));
    }
    assert_eq!(digest(&mut bench, "60000", "1"), [Value::Int(2)]);
    let reply = digest(&mut bench, "60000", &now_ms());
    let (code, id, left): (i64, u64, Vec<String>) = redis::from_redis_value(Value::Array(reply)).unwrap();
    assert_eq!((code, left), (4, vec![format!("{id}|clicked u1 3")]));
    assert_eq!(digest(&mut bench, "60000", &now_ms()), [Value::Int(0)]);
    visit(&mut bench, Some(&now_ms()));
    assert_eq!(digest(&mut bench, "60000", &now_ms()), [Value::Int(1)], "told too recently");
    bench.command::<i64>("ZADD", "notices", &["1", "1|a", "2", "2|b"]);
    assert_eq!(digest(&mut bench, "0", &now_ms()), [Value::Int(3)]);
    bench.command::<i64>("DEL", "notices", &[]);
    assert_eq!(digest(&mut bench, "0", &now_ms())[0], Value::Int(4));
}

#[test]
fn without_mails_what_is_untold_is_dropped() {
    let mut bench = Bench::new();
    make(&mut bench, &["e", "1"]);
    visit(&mut bench, Some(&now_ms()));
    assert_eq!(update(&mut bench, &["e", ""]), 5);
    assert_eq!(digest(&mut bench, "0", &now_ms()), [Value::Int(0)]);
    assert_eq!(visit(&mut bench, None), url());
    assert_eq!(bench.command::<Option<i64>>("HGET", "link", &["n"]), None);
    update(&mut bench, &["e", "1"]);
    assert_eq!(visit(&mut bench, None), Value::Int(2), "as if never told");
}

#[test]
fn delete_takes_the_requests_along() {
    let mut bench = Bench::new();
    make(&mut bench, &["m", "APPROVE"]);
    ask(&mut bench, "a", "0");
    ask(&mut bench, "b", "0");
    decide(&mut bench, "a", "DENIED");
    assert_eq!(delete(&mut bench), 2);
    for key in ["requests", "asked", "closed"] {
        assert_eq!(bench.command::<i64>("EXISTS", key, &[]), 0, "{key}");
    }
}
