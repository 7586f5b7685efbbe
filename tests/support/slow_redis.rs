//! A way to the binary's Redis that takes a while: what waits for the datastore takes as long as it asks it, however busy
//! the machine is.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::redis_server;

/// The URL of a way that brings everything `delay` late. It stays until the process ends.
pub fn url(delay: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let path = redis_server::shared_url().replacen("redis+unix://", "", 1);
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let Ok(far) = UnixStream::connect(&path) else { return };
            near.set_nodelay(true).unwrap();
            let (back, forth) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            carry(near, far, delay);
            carry(forth, back, Duration::ZERO);
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// Carries bytes, each `delay` after it came: what comes soon after another does not wait for it.
fn carry<R, W>(mut from: R, mut to: W, delay: Duration)
where
    R: Read + Send + 'static,
    W: Write + Send + 'static,
{
    let (sender, receiver) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut buffer = [0; 16_384];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        for (due, bytes) in receiver {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
    });
}
