//! Scripts of links: what is not safe, and what is blocked.

use redis::Value;

use crate::Bench;

const EVENT: &str = r#"{"keep":100,"ttl":3600,"h":"GET","i":"203.0.113.0","r":"","a":"desktop"}"#;
const URL: &str = "https://example.com/";

fn claim(bench: &mut Bench, fields: &[&str]) {
    let arguments: Vec<&str> = [&["u1", "u", URL], fields].concat();
    assert_eq!(bench.code("shortener/claim", &["link"], &arguments), 1);
}

fn visit(bench: &mut Bench, takes_notice: &str, edition: &str) -> Value {
    bench.run("shortener/visit", &["link", "events"], &[EVENT, takes_notice, edition])
}

fn vet(bench: &mut Bench, url: &str, stamp: &str) -> i64 {
    bench.run("shortener/vet", &["link"], &[url, stamp])
}

fn clicks(bench: &mut Bench) -> (Option<i64>, Option<i64>) {
    bench.command("HMGET", "link", &["k", "f"])
}

fn successes(bench: &mut Bench) -> Vec<String> {
    let events: Vec<(String, Vec<String>)> = bench.command("XRANGE", "events", &["-", "+"]);
    events.into_iter().map(|(_, fields)| fields[3].clone()).collect()
}

fn text(text: &str) -> Value {
    Value::BulkString(text.into())
}

#[test]
fn visit_stops_at_a_notice_for_who_can_be_shown_one() {
    for fields in [["s", "0"], ["j", "0"]] {
        let mut bench = Bench::new();
        claim(&mut bench, &[&fields[..], &["a", "1"]].concat());
        assert_eq!(visit(&mut bench, "1", ""), Value::Int(4));
        assert_eq!(visit(&mut bench, "0", ""), text(URL));
        assert_eq!(clicks(&mut bench), (Some(1), Some(1)));
        assert_eq!(successes(&mut bench), ["0", "1"]);
    }
}

#[test]
fn visit_takes_the_makers_word_over_what_was_found_out() {
    for fields in [&["s", "1", "j", "0"][..], &["s", "1"], &["j", "1"], &[]] {
        let mut bench = Bench::new();
        claim(&mut bench, fields);
        assert_eq!(visit(&mut bench, "1", ""), text(URL), "{fields:?}");
    }
}

#[test]
fn visit_stops_at_the_protection_without_a_notice() {
    let mut bench = Bench::new();
    claim(&mut bench, &["m", "PASSWORD", "h", "hash", "s", "0"]);
    assert_eq!(visit(&mut bench, "1", ""), Value::Array(vec![text("PASSWORD")]));
}

#[test]
fn visit_asks_for_the_target_to_be_vetted_once_per_edition() {
    let mut bench = Bench::new();
    claim(&mut bench, &["a", "1"]);
    assert_eq!(visit(&mut bench, "0", "e1"), Value::Array(vec![text("e1"), text(URL)]));
    assert_eq!(clicks(&mut bench), (None, None), "nothing was counted");
    assert_eq!(vet(&mut bench, URL, "e1"), 1);
    assert_eq!(visit(&mut bench, "0", "e1"), text(URL));
    assert_eq!(visit(&mut bench, "0", ""), text(URL), "without lists nothing is asked");
    assert_eq!(visit(&mut bench, "0", "e2"), Value::Array(vec![text("e2"), text(URL)]));
    assert_eq!(vet(&mut bench, URL, "e2!"), 1);
    assert_eq!(visit(&mut bench, "1", "e2"), Value::Int(5));
    assert_eq!(clicks(&mut bench), (Some(2), Some(1)));
    assert_eq!(successes(&mut bench), ["1", "1", "0"]);
    assert_eq!(visit(&mut bench, "0", ""), text(URL), "no list, no block");
}

#[test]
fn visit_stops_at_a_blocked_target_before_its_protection() {
    let mut bench = Bench::new();
    claim(&mut bench, &["m", "PASSWORD", "h", "hash", "b", "e1!"]);
    assert_eq!(visit(&mut bench, "1", "e1"), Value::Int(5));
    assert_eq!(clicks(&mut bench), (None, Some(1)));
}

#[test]
fn visit_that_reaches_nothing_is_no_untold_click() {
    let mut bench = Bench::new();
    claim(&mut bench, &["e", "1", "s", "0", "b", "e1!"]);
    assert_eq!(visit(&mut bench, "1", ""), Value::Int(4));
    assert_eq!(visit(&mut bench, "0", "e1"), Value::Int(5));
    assert_eq!(bench.command::<Option<u64>>("HGET", "link", &["n"]), None);
    assert_eq!(visit(&mut bench, "0", ""), Value::Int(2), "one that would");
}

#[test]
fn vet_notes_nothing_of_another_target() {
    let mut bench = Bench::new();
    assert_eq!(vet(&mut bench, URL, "e1"), 0);
    claim(&mut bench, &[]);
    assert_eq!(vet(&mut bench, "https://other.example/", "e1"), 0);
    assert_eq!(bench.command::<Option<String>>("HGET", "link", &["b"]), None);
    let keys = ["link", "events", "tallies", "requests", "asked", "spent"];
    bench.run::<i64>("shortener/delete", &keys, &["u1", "60", "changed", "abc"]);
    assert_eq!(vet(&mut bench, URL, "e1"), 0);
    assert_eq!(bench.command::<i64>("HLEN", "link", &[]), 2, "a tombstone stays one");
}

#[test]
fn classify_notes_what_its_maker_has_not_said_of_the_same_target() {
    let mut bench = Bench::new();
    let classify = |bench: &mut Bench, url: &str| {
        bench.run::<i64>("shortener/classify", &["link"], &[url, "0", "changed", "abc"])
    };
    assert_eq!(classify(&mut bench, URL), 0);
    claim(&mut bench, &[]);
    assert_eq!(classify(&mut bench, "https://other.example/"), 0);
    assert_eq!(classify(&mut bench, URL), 2);
    assert_eq!(bench.command::<String>("HGET", "link", &["j"]), "0");
    assert_eq!(classify(&mut bench, URL), 1, "it is known");
    let mut said = Bench::new();
    claim(&mut said, &["s", "1"]);
    assert_eq!(classify(&mut said, URL), 1);
    assert_eq!(said.command::<Option<String>>("HGET", "link", &["j"]), None);
}
