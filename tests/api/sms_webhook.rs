//! SMS that go to a gateway.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use ayrene::notifier::model::SEAL;
use ayrene::secrets::Seal;
use serde_json::{Value, json};

use crate::support::TestServer;
use crate::support::mail::{code, eventually};
use crate::support::redis_server::connection;

const SECRET: &str = "a secret of the gateway";
const JWT_SECRET: &str = "a secret of this test, long enough to sign";
const NUMBER: &str = "+4915112345678";

/// A request to the gateway.
#[derive(Clone, Debug)]
struct Received {
    signature: String,
    body: String,
}

/// A gateway that fails the first time; its URL and what it was sent.
fn gateway() -> (String, Arc<Mutex<Vec<Received>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sms?key=k3y", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let sink = received.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(8) {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut signature, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim();
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(": ") {
                    match name.to_lowercase().as_str() {
                        "x-ayrene-signature" => signature = value.to_owned(),
                        "content-length" => length = value.parse().unwrap(),
                        _ => {}
                    }
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut all = sink.lock().unwrap();
            all.push(Received { signature, body: String::from_utf8(body).unwrap() });
            let status = if all.len() == 1 { "500 Oops" } else { "202 Accepted" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, received)
}

#[tokio::test]
async fn a_gateway_gets_signed_requests_and_the_same_id_when_it_failed() {
    let (url, received) = gateway();
    let server = TestServer::start_with(|config| {
        config.sms.transport = ayrene::config::SmsTransport::Webhook;
        config.sms.webhook_url = url;
        config.sms.webhook_secret = SECRET.to_owned().into();
        config.notifier.first_retry_secs = 1;
    });
    let client = server.client();
    let answer = client.post("/api/v1/auth/otp").json(&json!({ "phone": NUMBER })).send().await;
    assert_eq!((answer.status, &answer.json["message"]), (200, &json!("OTP sent successfully")));

    let all = eventually("a second request", || {
        let all = received.lock().unwrap().clone();
        (all.len() >= 2).then_some(all)
    })
    .await;
    let bodies: Vec<Value> = all.iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect();
    assert_eq!(bodies[0], bodies[1], "the same message");
    assert_eq!(bodies[0]["to"], NUMBER);
    for Received { signature, body } in &all {
        let (time, digest) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let age = chrono::Utc::now().timestamp() - time.parse::<i64>().unwrap();
        assert!((0..60).contains(&age), "{signature}");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
        let digest = data_encoding::HEXLOWER.decode(digest.as_bytes()).unwrap();
        aws_lc_rs::hmac::verify(&key, format!("{time}.{body}").as_bytes(), &digest).unwrap();
    }
    let body = json!({ "phone": NUMBER, "OTP": code(bodies[0]["text"].as_str().unwrap()) });
    let answer = client.post("/api/v1/auth/otp/verify").json(&body).send().await;
    assert_eq!((answer.status, &answer.json["message"]), (201, &json!("User created successfully")));
}

#[tokio::test]
async fn a_code_that_waited_for_longer_than_it_lives_is_not_sent_any_more() {
    let (url, received) = gateway();
    let server = TestServer::start_with(|config| {
        config.sms.transport = ayrene::config::SmsTransport::Webhook;
        config.sms.webhook_url = url;
        config.sms.webhook_secret = SECRET.to_owned().into();
        config.auth.jwt_secret = JWT_SECRET.to_owned().into();
        // It fails the first time; nobody tries again by himself within this test.
        config.notifier.first_retry_secs = 1_000;
    });
    let client = server.client();
    assert_eq!(client.post("/api/v1/auth/otp").json(&json!({ "phone": NUMBER })).send().await.status, 200);

    let (later, mut redis) = (server.key("{outgoing:sms}:later"), connection());
    let waiting = eventually("the code waits", || {
        redis::cmd("ZRANGE").arg(&later).arg(0).arg(0).query::<Vec<String>>(&mut redis).unwrap().pop()
    })
    .await;
    let (head, sealed) = waiting.rsplit_once('|').unwrap();
    let seal = Seal::new(&JWT_SECRET.to_owned().into(), SEAL);
    let mut letter: Value = seal.open(sealed).expect("a letter");
    let life_ms = letter["until_ms"].as_i64().unwrap() - chrono::Utc::now().timestamp_millis();
    assert!((540_000..=600_000).contains(&life_ms), "{life_ms}");
    letter["until_ms"] = json!(1);
    let old = format!("{head}|{}", seal.close(&letter));
    redis::cmd("ZREM").arg(&later).arg(&waiting).exec(&mut redis).unwrap();
    redis::cmd("ZADD").arg(&later).arg(0).arg(old).exec(&mut redis).unwrap();

    let queue = server.key("{outgoing:sms}");
    eventually("nothing waits", || {
        let [waits, queued]: [u64; 2] =
            redis::pipe().cmd("ZCARD").arg(&later).cmd("XLEN").arg(&queue).query(&mut redis).unwrap();
        (waits + queued == 0).then_some(())
    })
    .await;
    assert_eq!(received.lock().unwrap().len(), 1, "the first try alone");
}
