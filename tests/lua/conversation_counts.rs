//! Unread counts and receipts, compared with a model in plain Rust over thousands of random steps of both sides.

use redis::Value;

use crate::conversation::{A, B, Talk};

const STEPS: u64 = 3_000;
const SIDES: [&str; 2] = [A, B];

/// A message of the model.
struct Said {
    side: usize,
    secs: u64,
    deleted: bool,
    edits: u64,
}

/// What a conversation is, without anything clever.
#[derive(Default)]
struct Model {
    said: Vec<Said>,
    received: [u64; 2],
    read: [u64; 2],
    /// Deleted before their receiver had read them.
    deleted_unread: [Vec<u64>; 2],
}

impl Model {
    fn to(&self, side: usize) -> impl Iterator<Item = (u64, &Said)> {
        (1..).zip(&self.said).filter(move |(_, said)| said.side != side)
    }

    fn unread(&self, side: usize) -> u64 {
        self.to(side).filter(|(seq, said)| *seq > self.read[side] && !said.deleted).count() as u64
    }

    /// How many messages to `side` are among the first `upto`.
    fn until(&self, side: usize, upto: u64) -> usize {
        self.to(side).filter(|(seq, _)| *seq <= upto).count()
    }
}

/// xorshift64*: enough to be surprised, and the same again for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

fn code(reply: &[Value]) -> i64 {
    redis::from_redis_value(reply[0].clone()).unwrap()
}

fn number(reply: &[Value], index: usize) -> u64 {
    redis::from_redis_value(reply[index].clone()).unwrap()
}

fn receive(talk: &mut Talk, model: &mut Model, random: &mut Random, side: usize, reading: bool) {
    let last = model.said.len() as u64;
    // Old ones, new ones, the last one by its name, and beyond it.
    let asked = random.below(last + 4);
    let upto = if asked == 0 { last } else { asked.min(last) };
    let mark = if reading { model.read[side] } else { model.received[side] };
    let before = model.until(side, mark);
    let reply = talk.receive(SIDES[side], asked, reading, "");
    if upto <= mark {
        assert_eq!((code(&reply), number(&reply, 1)), (1, model.unread(side)));
        return;
    }
    model.received[side] = model.received[side].max(upto);
    if reading {
        model.read[side] = upto;
        model.deleted_unread[side].retain(|seq| *seq > upto);
    }
    assert_eq!((code(&reply), number(&reply, 1)), (4, model.unread(side)));
    assert_eq!(
        number(&reply, 2) > 0,
        model.until(side, upto) > before,
        "an intent if the other is concerned"
    );
}

fn delete(talk: &mut Talk, model: &mut Model, random: &mut Random, side: usize) {
    let last = model.said.len() as u64;
    let seq = random.below(last + 1) + 1;
    let Some(said) = model.said.get_mut(seq as usize - 1) else {
        assert_eq!(code(&talk.delete(SIDES[side], seq, 1)), 0);
        return;
    };
    let expected = match (said.side == side, said.deleted) {
        (false, _) => 1,
        (true, true) => 2,
        (true, false) => 5,
    };
    assert_eq!(code(&talk.delete(SIDES[side], seq, said.secs)), expected);
    if expected == 5 {
        said.deleted = true;
        if seq > model.read[1 - side] {
            model.deleted_unread[1 - side].push(seq);
        }
    }
}

fn edit(talk: &mut Talk, model: &mut Model, random: &mut Random, side: usize) {
    let last = model.said.len() as u64;
    let seq = random.below(last.max(1)) + 1;
    let Some(said) = model.said.get_mut(seq as usize - 1) else { return };
    let expected = match (said.side == side, said.deleted) {
        (false, _) => 1,
        (true, true) => 2,
        (true, false) => 7,
    };
    let body = format!(r#"{{"k":"text","c":"{}"}}"#, said.edits + 1);
    assert_eq!(code(&talk.edit(SIDES[side], seq, said.secs, &body)), expected);
    said.edits += u64::from(expected == 7);
}

fn step(talk: &mut Talk, model: &mut Model, random: &mut Random) {
    let side = random.below(2) as usize;
    match random.below(10) {
        0..=3 => {
            let seq = talk.say(SIDES[side]);
            model.said.push(Said { side, secs: talk.secs(seq), deleted: false, edits: 0 });
            assert_eq!(seq, model.said.len() as u64);
        }
        4 => receive(talk, model, random, side, false),
        5..=6 => receive(talk, model, random, side, true),
        7..=8 => delete(talk, model, random, side),
        _ => edit(talk, model, random, side),
    }
}

/// The counts and marks, after every step.
fn agree(talk: &mut Talk, model: &Model) {
    for side in 0..2 {
        let field = |talk: &mut Talk, name: &str| talk.field(&format!("{name}{side}")).unwrap_or_default();
        assert_eq!(field(talk, "n"), model.unread(side) as i64, "unread of {side}");
        assert_eq!(field(talk, "d"), model.received[side] as i64, "received by {side}");
        assert_eq!(field(talk, "r"), model.read[side] as i64, "read by {side}");
    }
}

/// Everything else, at the end.
fn agree_in_all(talk: &mut Talk, model: &Model) {
    for (seq, said) in (1..).zip(&model.said) {
        let record = talk.record(seq);
        assert_eq!((record.side.as_str(), record.deleted > 0), (SIDES[said.side], said.deleted), "{seq}");
        assert_eq!(record.sent as usize, model.until(1, seq), "sent by a up to {seq}");
    }
    for side in 0..2 {
        for (name, mark) in [("received", model.received[side]), ("read", model.read[side])] {
            let steps = talk.steps(&format!("{name}:{side}"));
            assert!(steps.is_sorted_by(|(one, at), (next, then)| one < next && at <= then), "{name} {side}");
            assert_eq!(steps.last().map_or(0, |(upto, _)| *upto), mark, "{name} {side}");
        }
        let deleted: Vec<u64> = talk.bench.command("ZRANGE", &format!("deleted:{side}"), &["0", "-1"]);
        let mut expected = model.deleted_unread[side].clone();
        expected.sort_unstable();
        assert_eq!(deleted, expected);
    }
    let numbers: Vec<u64> =
        talk.intents().iter().map(|intent| intent.split('|').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "intents are numbered without gaps");
}

#[expect(clippy::print_stdout, reason = "a failure names its seed")]
fn walk(seed: u64) {
    println!("seed {seed}");
    let (mut talk, mut model, mut random) = (Talk::new(), Model::default(), Random(seed));
    for _ in 0..STEPS {
        step(&mut talk, &mut model, &mut random);
        agree(&mut talk, &model);
    }
    agree_in_all(&mut talk, &model);
    for side in SIDES {
        assert_eq!(talk.read(side, 0).1, 0, "all read");
    }
}

#[test]
fn counts_and_marks_are_those_of_the_model_after_any_mix_of_steps() {
    walk(1);
}

#[test]
fn and_of_another_mix_each_time() {
    let (secs, micros): (u64, u64) =
        redis::cmd("TIME").query(&mut crate::support::redis_server::connection()).unwrap();
    walk(secs * 1_000_000 + micros);
}
