//! A reconnect storm.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::device::{Device, Script, Sender};
use super::nodes::Nodes;

const SOCKETS: usize = 200;
const RECEIVERS: usize = 25;
const CUTS: usize = 10;
const SENDERS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sockets_cut_ten_times_in_a_stream_of_messages_lose_and_double_nothing() {
    let nodes = Nodes::start(&[]);
    let addresses = nodes.addresses();
    let mut people = Vec::new();
    for number in 0..RECEIVERS + SENDERS {
        people.push(nodes.person(&format!("person-{number}")).await);
    }
    let (receivers, senders) = people.split_at(RECEIVERS);
    let (cut, expect, script) = Script::new();
    let mut receiving = Vec::new();
    for number in 0..SOCKETS {
        let person = &receivers[number % RECEIVERS];
        let device = Device::open(person, &addresses, number / RECEIVERS).await;
        receiving.push((person.id.clone(), tokio::spawn(device.receive(script.clone()))));
    }
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sending: Vec<_> = senders
        .iter()
        .enumerate()
        .map(|(number, from)| {
            let (from, to, nodes) = (from.clone(), receivers.to_vec(), addresses.clone());
            let (acknowledged, stopped) = (acknowledged.clone(), stopped.clone());
            tokio::spawn(async move {
                // Round after round, each to everybody once, so that all expect as many.
                let mut all = super::device::Acknowledged::new();
                for round in 0.. {
                    if *stopped.borrow() {
                        return (round, all);
                    }
                    let sender = Sender {
                        from: from.clone(),
                        to: to.clone(),
                        nodes: nodes.clone(),
                        acknowledged: acknowledged.clone(),
                    };
                    let name = format!("{number} in round {round}");
                    for (person, ids) in sender.send(&name, to.len(), Duration::from_millis(5)).await {
                        all.entry(person).or_default().extend(ids);
                    }
                }
                unreachable!()
            })
        })
        .collect();
    let started = Instant::now();
    for round in 1..=CUTS {
        // Some messages between any two cuts, and never the same moment of a connection's life.
        let before = acknowledged.load(Ordering::Relaxed);
        let pause = Duration::from_millis(100 + 70 * (round as u64 % 4));
        tokio::time::sleep(pause).await;
        while acknowledged.load(Ordering::Relaxed) < before + 20 {
            assert!(started.elapsed() < Duration::from_secs(50), "the stream stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cut.send(round).unwrap();
    }
    stop.send(true).unwrap();
    let mut sent = super::device::Acknowledged::new();
    let mut rounds = 0;
    for sender in sending {
        let (sent_rounds, acknowledged) = sender.await.unwrap();
        rounds += sent_rounds;
        for (person, ids) in acknowledged {
            sent.entry(person).or_default().extend(ids);
        }
    }
    expect.send(Some(rounds)).unwrap();
    let mut resumed = 0;
    for (person, device) in receiving {
        let mut device = device.await.unwrap();
        let mut expected = sent[&person].clone();
        expected.sort();
        device.got.sort();
        assert_eq!(device.got, expected);
        resumed += device.resumed;
    }
    assert!(resumed >= SOCKETS * CUTS * 9 / 10, "{resumed} returns: the cuts came too fast to be ten");
    assert!(acknowledged.load(Ordering::Relaxed) > CUTS * 20);
}
