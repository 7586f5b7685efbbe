//! A way to a datastore that loses replies, or holds back what is published.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::below;

#[derive(Default)]
struct Faults {
    /// One reply of so many is lost, with its connection; 0: none.
    lose_one_of: AtomicU64,
    lost: AtomicU64,
    /// What comes over connections that subscribe waits.
    paused: AtomicBool,
    ended: AtomicBool,
}

/// The way; it ends with its test.
pub struct Proxy {
    port: u16,
    faults: Arc<Faults>,
}

impl Proxy {
    /// A way to a datastore on this machine.
    pub fn start(to: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Faults::default());
        let shared = faults.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(far) = UnixStream::connect(&to) {
                    carry(near, far, &shared);
                }
            }
        });
        Self { port, faults }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on one of `of` replies is lost after the datastore has given it: the connection ends instead.
    pub fn lose_replies(&self, of: u64) {
        self.faults.lose_one_of.store(of, Ordering::SeqCst);
    }

    /// How often that has happened.
    pub fn lost(&self) -> u64 {
        self.faults.lost.load(Ordering::SeqCst)
    }

    /// Holds back, or lets go on, what comes over connections that have subscribed to something.
    pub fn pause_subscriptions(&self, paused: bool) {
        self.faults.paused.store(paused, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.faults.ended.store(true, Ordering::SeqCst);
        self.pause_subscriptions(false);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn carry(near: TcpStream, far: UnixStream, faults: &Arc<Faults>) {
    near.set_nodelay(true).unwrap();
    let subscribes = Arc::new(AtomicBool::new(false));
    let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let sees = subscribes.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let upper = buffer[..length].to_ascii_uppercase();
            if upper.windows(9).any(|word| word == b"SUBSCRIBE") {
                sees.store(true, Ordering::SeqCst);
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let faults = faults.clone();
    std::thread::spawn(move || {
        bring_back(far, &near, &subscribes, &faults);
        let _ = near.shutdown(Shutdown::Both);
    });
}

/// Brings replies back, as long as that is meant to be.
fn bring_back(mut far: UnixStream, mut near: &TcpStream, subscribes: &AtomicBool, faults: &Faults) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = far.read(&mut buffer) {
        while subscribes.load(Ordering::SeqCst) && faults.paused.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let of = faults.lose_one_of.load(Ordering::SeqCst);
        if of > 0 && below(of) == 0 {
            faults.lost.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if near.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = far.shutdown(Shutdown::Both);
}
