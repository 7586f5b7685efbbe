//! `/api/v1/url/:id/otp`: links that open with a code mailed to the visitor.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestServer};

const TARGET: &str = "https://example.com/closed";

async fn link(owner: &Client, extra: Value) -> String {
    let mut body = json!({ "longUrl": TARGET, "protectionMethod": "OTP", "isAnalyticsEnabled": true });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    owner.shorten(&body).await
}

async fn ask(client: &Client, code: &str, email: &str) -> Answer {
    client.post(&format!("/api/v1/url/{code}/otp")).json(&json!({ "email": email })).send().await
}

async fn open(client: &Client, code: &str, email: &str, otp: &str) -> Answer {
    client.post(&format!("/api/v1/url/{code}")).json(&json!({ "email": email, "OTP": otp })).send().await
}

fn refused(answer: &Answer) -> bool {
    (answer.status, answer.json["error"].as_str()) == (401, Some("OTP is incorrect"))
}

/// A code that is not `code`.
fn other(code: &str) -> String {
    let last = if code.ends_with('7') { '8' } else { '7' };
    format!("{}{last}", &code[..5])
}

/// Waits that do not matter to a test.
fn patient(config: &mut ayrene::config::Config) {
    for policy in [
        &mut config.shortener.code_mails,
        &mut config.shortener.link_mails,
        &mut config.shortener.mailbox_mails,
        &mut config.shortener.mailbox_codes,
    ] {
        policy.free = 1_000;
    }
}

#[tokio::test]
async fn a_mailed_code_opens_the_link_once() {
    let server = TestServer::start();
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    let sent = ask(&visitor, &code, "ada@example.com").await;
    assert_eq!((sent.status, sent.json["message"].as_str()), (200, Some("OTP sent successfully")));
    let otp = server.mail_to("ada@example.com", "Your code").await.code();

    assert!(refused(&open(&visitor, &code, "ada@example.com", &other(&otp)).await));
    assert!(refused(&open(&visitor, &code, "eve@example.com", &otp).await), "it is Ada's");
    let opened = open(&visitor, &code, "Ada@Example.com", &format!(" {otp} ")).await;
    assert_eq!(
        (opened.status, opened.json["message"].as_str()),
        (200, Some("Long URL fetched successfully"))
    );
    assert_eq!(opened.json["data"], json!({ "url": TARGET }));
    assert!(refused(&open(&visitor, &code, "ada@example.com", &otp).await), "it is used up");

    let stats = owner.get(&format!("/api/v1/url/stats/{code}")).send().await;
    let tries: Vec<(&str, bool)> = stats.json["data"]["stats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stat| (stat["method"].as_str().unwrap(), stat["success"].as_bool().unwrap()))
        .collect();
    assert_eq!(tries, [("OTP", false), ("OTP", true), ("OTP", false), ("OTP", false)]);
    let url = owner.get(&format!("/api/v1/url/get/{code}")).send().await.json["data"]["url"].clone();
    assert_eq!((&url["totalClicks"], &url["totalSuccessClicks"]), (&json!(4), &json!(1)));
}

#[tokio::test]
async fn a_code_dies_of_five_wrong_tries_however_many_come_at_once() {
    let server = TestServer::start_with(|config| {
        config.server.workers = 2;
        patient(config);
    });
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({ "isAnalyticsEnabled": false })).await;
    for (tries, opens) in [(4, true), (5, false)] {
        ask(&visitor, &code, "ada@example.com").await;
        let otp = server.mails_about("ada@example.com", "Your code", if opens { 1 } else { 2 }).await;
        let otp = otp.last().unwrap().code();
        for _ in 0..tries {
            assert!(refused(&open(&visitor, &code, "ada@example.com", &other(&otp)).await));
        }
        assert_eq!(open(&visitor, &code, "ada@example.com", &otp).await.status == 200, opens, "{tries}");
    }

    ask(&visitor, &code, "ada@example.com").await;
    let otp = server.mails_about("ada@example.com", "Your code", 3).await.last().unwrap().code();
    let guesses: Vec<String> =
        (0..1_000_u32).map(|number| format!("{number:06}")).filter(|guess| *guess != otp).collect();
    let answers = join_all(guesses.iter().map(|guess| open(&visitor, &code, "ada@example.com", guess))).await;
    let others: Vec<&Answer> = answers.iter().filter(|answer| !refused(answer)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(refused(&open(&visitor, &code, "ada@example.com", &otp).await), "it died of the guesses");
}

#[tokio::test]
async fn of_parallel_guesses_with_the_right_one_among_them_one_opens_at_most() {
    let server = TestServer::start_with(patient);
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    for round in 1..=3 {
        ask(&visitor, &code, "ada@example.com").await;
        let otp = server.mails_about("ada@example.com", "Your code", round).await.last().unwrap().code();
        let answers = join_all((0..50).map(|_| open(&visitor, &code, "ada@example.com", &otp))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    }
}

#[tokio::test]
async fn only_those_on_the_list_get_a_code_and_the_answer_does_not_tell() {
    let server = TestServer::start();
    let (owner, visitor) = (server.user().await, server.client());
    let list = json!({ "otpAllowedEmails": ["Ada@Example.com", "ada@example.com", "bob@example.com"] });
    let code = link(&owner, list).await;
    let path = format!("/api/v1/url/get/{code}");
    let shown = owner.get(&path).send().await.json["data"]["url"]["otpAllowedEmails"].clone();
    assert_eq!(shown, json!(["ada@example.com", "bob@example.com"]));

    let [listed, stranger] =
        [ask(&visitor, &code, "ADA@example.com").await, ask(&visitor, &code, "eve@example.com").await];
    assert_eq!((listed.status, &listed.json), (stranger.status, &stranger.json));
    for email in ["ada@example.com", "eve@example.com"] {
        for tries in 0..5 {
            assert_eq!(ask(&visitor, &code, email).await.status == 429, tries >= 3, "{email} {tries}");
        }
    }
    server.mail_to("ADA@example.com", "Your code").await;
    assert!(server.mails_to("eve@example.com").is_empty());

    let code = link(&owner, json!({ "otpAllowedEmails": ["kasia@example.com"] })).await;
    assert_eq!(ask(&visitor, &code, "\u{212a}asia@example.com").await.status, 200);
    assert_eq!(ask(&visitor, &code, "Kasia@example.com").await.status, 200);
    server.mail_to("Kasia@example.com", "Your code").await;
    assert!(server.mails_to("\u{212a}asia@example.com").is_empty(), "a Kelvin sign is no k");
}

#[tokio::test]
async fn another_list_or_another_protection_ends_the_codes_given() {
    let server = TestServer::start_with(patient);
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    let path = format!("/api/v1/url/{code}");
    let changes = [
        vec![json!({ "newOtpAllowedEmails": ["ada@example.com"] })],
        vec![json!({ "newOtpAllowedEmails": [] })],
        vec![json!({ "newProtectionMethod": "NONE" }), json!({ "newProtectionMethod": "OTP" })],
    ];
    for (round, changes) in changes.iter().enumerate() {
        ask(&visitor, &code, "ada@example.com").await;
        let otp = server.mails_about("ada@example.com", "Your code", round + 1).await;
        for change in changes {
            assert_eq!(owner.patch(&path).json(change).send().await.status, 200, "{change}");
        }
        assert!(refused(&open(&visitor, &code, "ada@example.com", &otp.last().unwrap().code()).await));
    }
    ask(&visitor, &code, "ada@example.com").await;
    let otp = server.mails_about("ada@example.com", "Your code", 4).await.last().unwrap().code();
    let same = json!({ "newProtectionMethod": "OTP", "newIsUrlSFW": true });
    assert_eq!(owner.patch(&path).json(&same).send().await.status, 200);
    assert_eq!(open(&visitor, &code, "ada@example.com", &otp).await.status, 200, "nothing changed for it");
}

#[tokio::test]
async fn nobody_is_buried_in_codes() {
    let server = TestServer::start_with(|config| {
        config.shortener.code_mails.free = 2;
        config.shortener.mailbox_mails.free = 5;
        config.shortener.link_mails.free = 6;
    });
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    let answers = join_all((0..20).map(|_| ask(&visitor, &code, "ada@example.com"))).await;
    let sent = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(sent, 3, "two are free, the third starts the wait");
    let waiting = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert!(waiting.header("retry-after").parse::<u32>().unwrap() >= 29, "{waiting:?}");

    let mut sent = 0;
    for number in 0..8 {
        let (code, email) = (link(&owner, json!({})).await, format!("ada+{number}@example.com"));
        sent += usize::from(ask(&visitor, &code, &email).await.status == 200);
    }
    assert_eq!(sent, 3, "to one mailbox over all links, with those above");

    let mut sent = 0;
    for number in 0..10 {
        sent += usize::from(ask(&visitor, &code, &format!("u{number}@example.com")).await.status == 200);
    }
    assert_eq!(sent, 4, "by one link, with those above");
}

#[tokio::test]
async fn somebodys_links_do_not_stop_the_codes_for_others() {
    let server = TestServer::start_with(|config| config.shortener.mailbox_codes.free = 30);
    let (owner, villain, visitor) = (server.user().await, server.user().await, server.client());
    let mut sent = 0;
    for number in 0..20 {
        let code = link(&villain, json!({})).await;
        let spelling = format!("a{}da+{number}@gmail.com", if number % 2 == 0 { "." } else { "" });
        sent += usize::from(ask(&visitor, &code, &spelling).await.status == 200);
    }
    assert_eq!(sent, 11, "ten are free, the eleventh starts the wait");
    let code = link(&owner, json!({})).await;
    assert_eq!(ask(&visitor, &code, "ada@gmail.com").await.status, 200);
    server.mail_to("ada@gmail.com", "Your code").await;

    let approve = owner.shorten(&json!({ "longUrl": TARGET, "protectionMethod": "APPROVE" })).await;
    let path = format!("/api/v1/url/{approve}/requests");
    let asked = visitor.post(&path).json(&json!({ "email": "ada@gmail.com" })).send().await;
    let request = asked.json["data"]["requestId"].as_str().unwrap().to_owned();
    let decision = json!({ "decision": "APPROVE" });
    assert_eq!(owner.patch(&format!("{path}/{request}")).json(&decision).send().await.status, 200);
    server.mail_to("ada@gmail.com", "Access granted").await;
}

#[tokio::test]
async fn a_mailbox_gets_only_so_many_codes_whoever_owns_the_links() {
    let server = TestServer::start_with(|config| config.shortener.mailbox_codes.free = 5);
    let visitor = server.client();
    let mut sent = 0;
    for number in 0..8 {
        let code = link(&server.user().await, json!({})).await;
        sent += usize::from(ask(&visitor, &code, &format!("ada+{number}@example.com")).await.status == 200);
    }
    assert_eq!(sent, 6, "five are free, the sixth starts the wait");
}

#[tokio::test]
async fn codes_that_are_used_keep_nobody_waiting() {
    let server = TestServer::start_with(|config| {
        for policy in [
            &mut config.shortener.code_mails,
            &mut config.shortener.link_mails,
            &mut config.shortener.mailbox_mails,
            &mut config.shortener.mailbox_codes,
        ] {
            policy.free = 1;
            policy.first_wait_secs = 60;
        }
    });
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    for round in 1..=5 {
        assert_eq!(ask(&visitor, &code, "ada@example.com").await.status, 200, "{round}");
        let otp = server.mails_about("ada@example.com", "Your code", round).await.last().unwrap().code();
        assert_eq!(open(&visitor, &code, "ada@example.com", &otp).await.status, 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_address_can_ask_only_so_often() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.send_code.requests = 3;
    });
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    for number in 0..5 {
        let answer = ask(&visitor, &code, &format!("u{number}@example.com")).await;
        assert_eq!(answer.status, if number < 3 { 200 } else { 429 });
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = TestServer::start();
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    let open_code = owner.shorten(&json!({ "longUrl": TARGET })).await;
    assert_eq!(ask(&visitor, "missing1", "ada@example.com").await.status, 404);
    for (code, email, field) in [
        (&open_code, json!("ada@example.com"), "id"),
        (&code, json!("nobody"), "email"),
        (&code, json!("\"a b\"@example.com"), "email"),
        (&code, json!(7), "email"),
    ] {
        let path = format!("/api/v1/url/{code}/otp");
        let answer = visitor.post(&path).json(&json!({ "email": email })).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{answer:?}");
    }
    let path = format!("/api/v1/url/{code}");
    for (body, field) in [
        (json!({ "OTP": "123456" }), "email"),
        (json!({ "email": "ada@example.com" }), "OTP"),
        (json!({ "email": "nobody", "OTP": "123456" }), "email"),
        (json!({ "email": "ada@example.com", "OTP": 123_456 }), "OTP"),
        (json!({ "email": "ada@example.com", "OTP": "123456", "password": "x" }), "OTP"),
        (json!({ "grant": "x", "password": "x" }), "grant"),
    ] {
        let answer = visitor.post(&path).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body} {answer:?}");
    }
    for (key, text) in [
        (json!({ "password": "sesame" }), "Password is incorrect"),
        (json!({ "grant": "x" }), "Grant is invalid or expired"),
    ] {
        let answer = visitor.post(&path).json(&key).send().await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (401, Some(text)));
    }
    for _ in 0..10 {
        let answer = visitor.post(&path).json(&json!({ "password": "sesame" })).send().await;
        assert_eq!(answer.status, 401, "where there is no password nobody guesses one");
    }
}

#[tokio::test]
async fn the_list_goes_with_otp_alone_and_needs_an_account() {
    let server = TestServer::start();
    let owner = server.user().await;
    let many: Vec<String> = (0..101).map(|number| format!("u{number}@example.com")).collect();
    for (body, field) in [
        (json!({ "otpAllowedEmails": ["ada@example.com"] }), "otpAllowedEmails"),
        (
            json!({ "protectionMethod": "APPROVE", "otpAllowedEmails": ["ada@example.com"] }),
            "otpAllowedEmails",
        ),
        (json!({ "protectionMethod": "OTP", "otpAllowedEmails": ["nobody"] }), "otpAllowedEmails"),
        (json!({ "protectionMethod": "OTP", "otpAllowedEmails": ["\"a b\"@x.example"] }), "otpAllowedEmails"),
        (json!({ "protectionMethod": "OTP", "otpAllowedEmails": many }), "otpAllowedEmails"),
        (json!({ "protectionMethod": "OTP", "urlPassword": "sesame" }), "protectionMethod"),
    ] {
        let mut body = body;
        body["longUrl"] = json!(TARGET);
        let answer = owner.post("/api/v1/url").json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body} {answer:?}");
    }
    for method in ["OTP", "APPROVE"] {
        let body = json!({ "longUrl": TARGET, "protectionMethod": method });
        assert_eq!(server.client().post("/api/v1/url").json(&body).send().await.status, 401);
    }
    let code = owner.shorten(&json!({ "longUrl": TARGET })).await;
    let path = format!("/api/v1/url/{code}");
    for (body, field) in [
        (json!({ "newOtpAllowedEmails": ["ada@example.com"] }), "newOtpAllowedEmails"),
        (
            json!({ "newProtectionMethod": "NONE", "newOtpAllowedEmails": ["ada@example.com"] }),
            "newOtpAllowedEmails",
        ),
        (json!({ "newProtectionMethod": "OTP", "newPassword": "sesame" }), "newProtectionMethod"),
    ] {
        let answer = owner.patch(&path).json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body} {answer:?}");
    }
    let both = json!({ "newProtectionMethod": "OTP", "newOtpAllowedEmails": ["ada@example.com"] });
    assert_eq!(owner.patch(&path).json(&both).send().await.status, 200);
    let gone = owner.patch(&path).json(&json!({ "newProtectionMethod": "NONE" })).send().await;
    assert_eq!(gone.json["data"]["url"]["otpAllowedEmails"], json!([]));
}

#[tokio::test]
async fn neither_codes_nor_addresses_stand_readable_in_the_datastore() {
    let server = TestServer::start();
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({})).await;
    ask(&visitor, &code, "ada@example.com").await;
    let otp = server.mail_to("ada@example.com", "Your code").await.code();
    let mut redis = crate::support::redis_server::connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg(server.key("*")).query(&mut redis).unwrap();
    assert!(!keys.iter().any(|key| key.contains("ada@example.com")), "{keys:?}");
    let sent = keys.iter().find(|key| key.contains(":otp:")).expect("a code");
    let stored: std::collections::HashMap<String, String> =
        redis::cmd("HGETALL").arg(sent).query(&mut redis).unwrap();
    assert!(stored.values().all(|value| !value.contains(&otp)), "{stored:?}");
    let life: i64 = redis::cmd("TTL").arg(sent).query(&mut redis).unwrap();
    assert!((500..=600).contains(&life), "{life}");
}

#[tokio::test]
async fn neither_the_first_nor_the_next_answer_is_slower_for_who_is_on_the_list() {
    let server = TestServer::start_with(patient);
    let (owner, visitor) = (server.user().await, server.client());
    let code = link(&owner, json!({ "otpAllowedEmails": ["ada@example.com"] })).await;
    let mut times = [const { Vec::new() }; 4];
    for round in 0..120 {
        for (place, email) in ["ada@example.com", "eve@example.com"].into_iter().enumerate() {
            let started = Instant::now();
            assert_eq!(ask(&visitor, &code, email).await.status, 200);
            let asked = started.elapsed();
            // What still goes on for the one before would be seen here.
            let started = Instant::now();
            visitor.get("/healthz").send().await;
            if round >= 20 {
                times[place].push(asked);
                times[place + 2].push(started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let [listed, stranger, after_listed, after_stranger] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let alike = |one: Duration, other: Duration| one < other * 3 / 2 && other < one * 3 / 2;
    assert!(alike(listed, stranger), "{listed:?} {stranger:?}");
    assert!(alike(after_listed, after_stranger), "afterwards {after_listed:?} {after_stranger:?}");
}
