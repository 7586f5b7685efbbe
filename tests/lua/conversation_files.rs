//! What `lua/conversation/*` does about files.

use crate::conversation::{A, B, Talk, item};

const FILE: &str = r#"{"k":"file","f":"object","n":"a"}"#;
const TEXT: &str = r#"{"k":"text","c":"text"}"#;

impl Talk {
    /// Whether the file is in doubt, and how.
    fn doubt(&mut self) -> Option<String> {
        self.bench.command("HGET", "files", &["object"])
    }

    fn condemn(&mut self) -> i64 {
        self.bench.run("conversation/condemn", &["files"], &["object"])
    }

    fn send(&mut self, body: &str) -> i64 {
        item(&self.append(A, body, None, ""), 0)
    }

    fn withdraw(&mut self, side: &str, seq: u64) -> i64 {
        let secs = self.secs(seq);
        item(&self.delete(side, seq, secs), 0)
    }
}

#[test]
fn reserve_puts_a_file_in_doubt_unless_it_was_registered_long_ago() {
    let mut talk = Talk::new();
    talk.lease_age = 12_500;
    assert_eq!((talk.reserve("object"), talk.doubt()), (0, None));
    talk.lease_age = 11_000;
    assert_eq!((talk.reserve("object"), talk.doubt().as_deref()), (1, Some("1")));
}

#[test]
fn a_reserved_file_is_referred_to_once() {
    let mut talk = Talk::new();
    talk.refuses(7, |talk| talk.append(A, FILE, None, ""));
    talk.reserve("object");
    talk.reserve("another");
    assert_eq!((talk.send(FILE), talk.doubt()), (6, None), "in doubt no more");
    talk.refuses(7, |talk| talk.append(A, FILE, None, ""));
    assert_eq!(talk.send(TEXT), 6, "a text needs none");
    assert_eq!(talk.bench.command::<i64>("HLEN", "files", &[]), 1, "the other one");
}

#[test]
fn condemn_ends_a_reservation_for_good() {
    let mut talk = Talk::new();
    assert_eq!((talk.condemn(), talk.doubt()), (0, None), "not in doubt");
    talk.reserve("object");
    assert_eq!((talk.condemn(), talk.condemn()), (1, 1));
    talk.refuses(7, |talk| talk.append(A, FILE, None, ""));
    assert_eq!(talk.doubt().as_deref(), Some("0"));
}

#[test]
fn a_send_that_is_none_leaves_the_file_in_doubt() {
    let mut talk = Talk::new();
    talk.append(A, TEXT, Some("again"), "");
    talk.reserve("object");
    talk.refuses(2, |talk| talk.append(A, FILE, Some("again"), ""));
    talk.messages_allowed = 1;
    talk.refuses(3, |talk| talk.append(A, FILE, None, ""));
    talk.block(B, "1");
    talk.refuses(1, |talk| talk.append(A, FILE, None, ""));
    assert_eq!((talk.condemn(), talk.doubt().as_deref()), (1, Some("0")));
}

#[test]
fn delete_condemns_the_file_with_its_message() {
    let mut talk = Talk::new();
    talk.reserve("object");
    assert_eq!((talk.send(FILE), talk.send(TEXT)), (6, 6));
    assert_eq!((talk.withdraw(B, 1), talk.withdraw(A, 2)), (1, 5));
    assert_eq!(talk.doubt(), None, "somebody else's, and a text");
    assert_eq!((talk.withdraw(A, 1), talk.doubt().as_deref()), (5, Some("0")));
    talk.bench.command::<i64>("HDEL", "files", &["object"]);
    assert_eq!((talk.withdraw(A, 1), talk.doubt()), (2, None), "deleted before, and removed");
}
