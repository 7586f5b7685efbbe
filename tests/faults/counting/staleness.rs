//! How old the answers of another server may be: under traffic, without any, and with its subscription cut or held back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::nodes::{CHANGES, Case, Nodes, judge};
use super::{Ends, pause, repeat};

#[test]
fn what_one_server_changes_the_other_one_answers_in_time_under_traffic() {
    repeat(|_| {
        let nodes = Nodes::start();
        let ages = CHANGES.iter().cycle().take(9);
        let ages = ages.map(|change| (Case::new(&nodes, *change).hammered(&nodes), *change)).collect();
        judge("under traffic", ages);
    });
}

#[test]
fn what_one_server_changes_the_other_one_answers_in_time_without_traffic() {
    repeat(|_| {
        let nodes = Nodes::start();
        let ages = CHANGES.iter().cycle().take(9);
        let ages = ages.map(|change| (Case::new(&nodes, *change).idle(&nodes), *change)).collect();
        judge("idle", ages);
    });
}

#[test]
fn a_subscription_that_is_cut_keeps_no_server_in_the_past() {
    repeat(|_| {
        let nodes = Nodes::start();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _ends = Ends(&stop);
            scope.spawn(|| {
                let mut store = nodes.near.store();
                while !stop.load(Ordering::Relaxed) {
                    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query::<u64>(&mut store).unwrap();
                    pause(20, 150);
                }
            });
            let ages = CHANGES.iter();
            let ages = ages
                .enumerate()
                .map(|(number, change)| {
                    let case = Case::new(&nodes, *change);
                    let age = if number % 2 == 0 { case.hammered(&nodes) } else { case.idle(&nodes) };
                    (age, *change)
                })
                .collect();
            judge("subscriptions cut", ages);
        });
    });
}

#[test]
fn a_subscription_that_is_held_back_keeps_no_server_in_the_past() {
    repeat(|_| {
        let nodes = Nodes::start();
        let ages = CHANGES.iter().enumerate().map(|(number, change)| {
            let case = Case::new(&nodes, *change);
            nodes.way.pause_subscriptions(true);
            pause(0, 300);
            let age = if number % 2 == 0 { case.hammered(&nodes) } else { case.idle(&nodes) };
            nodes.way.pause_subscriptions(false);
            std::thread::sleep(Duration::from_millis(50));
            (age, *change)
        });
        judge("subscription held back", ages.collect());
    });
}
