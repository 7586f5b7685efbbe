//! `/api/v1/auth/otp`.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::TestServer;
use crate::support::client::{Answer, Client};
use crate::support::mail::code;

const PHONE: &str = "+14155550123";

async fn ask(client: &Client, phone: &str) -> Answer {
    client.post("/api/v1/auth/otp").json(&json!({ "phone": phone })).send().await
}

async fn enter(client: &Client, phone: &str, otp: &str) -> Answer {
    client.post("/api/v1/auth/otp/verify").json(&json!({ "phone": phone, "OTP": otp })).send().await
}

/// Asks for the `count`th code of a number; returns it.
async fn fresh_code(server: &TestServer, phone: &str, count: usize) -> String {
    let answer = ask(&server.client(), phone).await;
    assert_eq!((answer.status, answer.json["message"].as_str().unwrap()), (200, "OTP sent successfully"));
    code(server.sms_about(phone, count).await.last().unwrap())
}

/// A code that is not this one.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn a_code_makes_an_account_and_the_next_one_opens_it() {
    let server = TestServer::start();
    let client = server.client();
    let first = fresh_code(&server, PHONE, 1).await;
    let made = enter(&client, PHONE, &first).await;
    assert_eq!((made.status, made.json["message"].as_str().unwrap()), (201, "User created successfully"));
    assert!(made.json["data"]["refreshToken"].is_string());
    let second = fresh_code(&server, PHONE, 2).await;
    let web = client
        .post("/api/v1/auth/otp/verify")
        .header("x-client-type", "web")
        .json(&json!({ "phone": PHONE, "OTP": second }))
        .send()
        .await;
    assert_eq!((web.status, web.json["message"].as_str().unwrap()), (200, "User logged in successfully"));
    assert_eq!(web.json["data"]["id"], made.json["data"]["id"]);
    assert!(web.json["data"]["refreshToken"].is_null());
    assert!(web.header("set-cookie").starts_with("refreshToken=ey"));
}

#[tokio::test]
async fn who_has_no_address_is_shown_without_one() {
    for emails in [ayrene::config::EmailsShown::Full, ayrene::config::EmailsShown::Masked] {
        let server = TestServer::start_with(|config| config.directory.emails = emails);
        let otp = fresh_code(&server, PHONE, 1).await;
        let data = enter(&server.client(), PHONE, &otp).await.json["data"].clone();
        let user = server.client().with_token(data["accessToken"].as_str().unwrap());
        let profile = user.get("/api/v1/user/me").send().await.json["data"]["user"].clone();
        assert_eq!((&profile["email"], &profile["signedUpUsing"]), (&json!(""), &json!("PHONE")));
        assert_eq!(profile["isEmailVerified"], false);
        let me = user.get("/api/v1/auth/me").send().await.json["data"].clone();
        assert_eq!(me, json!({ "id": data["id"], "email": "", "emailVerified": false }));
        let me = user.get("/api/auth/me").send().await;
        assert_eq!((me.status, &me.json["user"]["email"]), (200, &json!("")));
        let ada = server.person("ada").await;
        let path = format!("/api/users/{}", data["id"].as_str().unwrap());
        let seen = ada.client.get(&path).send().await.json["user"].clone();
        assert_eq!(seen["email"], "");
        let listed = ada.client.get("/api/users?search=user-").send().await.json["users"][0].clone();
        assert_eq!((&listed["_id"], &listed["email"]), (&data["id"], &json!("")));
    }
}

#[tokio::test]
async fn what_is_no_number_is_named() {
    let server = TestServer::start();
    let client = server.client();
    for wrong in ["", "+", "14155550123", "+0415555012", "+123456", "+1234567890123456", "+1 4155550123"] {
        for answer in [ask(&client, wrong).await, enter(&client, wrong, "123456").await] {
            assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["phone"]), "{wrong}");
            assert_eq!(answer.json["error"], "Provided data is invalid");
        }
    }
    for body in [json!({ "phone": PHONE }), json!({ "phone": PHONE, "OTP": 123456 })] {
        let answer = client.post("/api/v1/auth/otp/verify").json(&body).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["OTP"]), "{body}");
    }
    let none = client.post("/api/v1/auth/otp").json(&json!({})).send().await;
    assert_eq!((none.status, none.fields_at_fault()), (400, vec!["phone"]));
}

#[tokio::test]
async fn wrong_spent_and_replaced_codes_are_incorrect() {
    let server = TestServer::start();
    let client = server.client();
    let refused = |answer: Answer| {
        assert_eq!((answer.status, answer.json["error"].as_str().unwrap()), (401, "OTP is incorrect"));
    };
    refused(enter(&client, PHONE, "123456").await);
    let first = fresh_code(&server, PHONE, 1).await;
    refused(enter(&client, PHONE, &other(&first)).await);
    refused(enter(&client, "+14155550124", &first).await);
    for nonsense in ["", "12345", "1234567", "12345a", "\u{661}\u{661}\u{661}", &"9".repeat(10_000)] {
        refused(enter(&client, PHONE, nonsense).await);
    }
    let second = fresh_code(&server, PHONE, 2).await;
    if first != second {
        refused(enter(&client, PHONE, &first).await);
    }
    assert_eq!(enter(&client, PHONE, &second).await.status, 201);
    refused(enter(&client, PHONE, &second).await);
}

#[tokio::test]
async fn a_right_code_opens_one_session_however_often_it_is_entered_at_once() {
    let server = TestServer::start();
    let client = server.client();
    let otp = fresh_code(&server, PHONE, 1).await;
    let answers = join_all((0..20).map(|_| enter(&client, PHONE, &otp))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 401)));
}

#[tokio::test]
async fn of_a_thousand_guesses_at_once_five_are_looked_at() {
    let server = TestServer::start();
    let client = server.client();
    let right = fresh_code(&server, PHONE, 1).await;
    let wrong = |number: u32| format!("{:06}", (right.parse::<u32>().unwrap() + 1 + number) % 1_000_000);
    let guesses: Vec<String> = (0..1_000).map(wrong).collect();
    let answers = join_all(guesses.iter().map(|otp| enter(&client, PHONE, otp))).await;
    assert!(answers.iter().all(|answer| answer.status == 401));
    let mut redis = crate::support::redis_server::connection();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}{{phone:*}}:wrong", server.prefix)).query(&mut redis).unwrap();
    assert_eq!(redis::cmd("GET").arg(&keys[0]).query::<u32>(&mut redis).unwrap(), 5);
    assert_eq!(enter(&client, PHONE, &right).await.status, 401, "dead");
}

#[tokio::test]
async fn neither_new_codes_nor_guesses_are_without_end() {
    let server = TestServer::start_with(|config| {
        config.auth.phone_codes.free = 2;
        config.auth.phone_wrong_per_day = 7;
    });
    let client = server.client();
    for count in 1..=3 {
        fresh_code(&server, PHONE, count).await;
    }
    let waits = ask(&client, PHONE).await;
    assert_eq!(waits.status, 429, "{waits:?}");
    assert!((1..=30).contains(&waits.header("retry-after").parse::<u32>().unwrap()));
    assert_eq!(ask(&client, "+14155550124").await.status, 200, "others do not wait");

    let server = TestServer::start_with(|config| config.auth.phone_wrong_per_day = 7);
    for count in 1..=2 {
        let otp = fresh_code(&server, PHONE, count).await;
        for _ in 0..5 {
            enter(&server.client(), PHONE, &other(&otp)).await;
        }
    }
    let refused = ask(&server.client(), PHONE).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 80_000);
}

#[tokio::test]
async fn neither_number_nor_code_can_be_read_in_the_datastore() {
    let server = TestServer::start();
    let otp = fresh_code(&server, PHONE, 1).await;
    let mut redis = crate::support::redis_server::connection();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}*phone*", server.prefix)).query(&mut redis).unwrap();
    assert!(keys.iter().any(|key| key.ends_with(":code")), "{keys:?}");
    for key in keys {
        let value: Vec<u8> = redis::cmd("DUMP").arg(&key).query(&mut redis).unwrap();
        let value = String::from_utf8_lossy(&value).into_owned();
        for secret in [&PHONE[1..], &otp] {
            assert!(!key.contains(secret) && !value.contains(secret), "{key}");
        }
    }
}

#[tokio::test]
async fn a_number_whose_account_is_gone_makes_another() {
    let server = TestServer::start();
    let client = server.client();
    let first = fresh_code(&server, PHONE, 1).await;
    let first = enter(&client, PHONE, &first).await.json["data"]["id"].clone();
    let mut redis = crate::support::redis_server::connection();
    let account = server.key(&format!("{{user:{}}}:account", first.as_str().unwrap()));
    redis::cmd("DEL").arg(&account).query::<u8>(&mut redis).unwrap();
    let second = fresh_code(&server, PHONE, 2).await;
    let second = enter(&client, PHONE, &second).await;
    assert_eq!(second.status, 201, "{second:?}");
    assert_ne!(second.json["data"]["id"], first);
}

#[tokio::test]
async fn strangers_who_ask_and_guess_do_not_keep_the_owner_out() {
    let server = TestServer::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.auth.phone_codes.free = 1;
        config.auth.phone_wrong_per_day = 4;
    });
    let client = server.client();
    let from = |ip: &'static str, path: &'static str, body: serde_json::Value| {
        client.post(path).header("x-forwarded-for", ip).json(&body).send()
    };
    let (stranger, owner) = ("203.0.113.9", "198.51.100.7");
    let (otp, verify) = ("/api/v1/auth/otp", "/api/v1/auth/otp/verify");
    let phone = json!({ "phone": PHONE });
    from(owner, otp, phone.clone()).await;
    let first = code(server.sms_about(PHONE, 1).await.last().unwrap());
    assert_eq!(from(owner, verify, json!({ "phone": PHONE, "OTP": first })).await.status, 201);

    for _ in 0..2 {
        assert_eq!(from(stranger, otp, phone.clone()).await.status, 200);
    }
    assert_eq!(from(stranger, otp, phone.clone()).await.status, 429);
    let sent = code(server.sms_about(PHONE, 3).await.last().unwrap());
    for _ in 0..4 {
        let guess = json!({ "phone": PHONE, "OTP": other(&sent) });
        assert_eq!(from(stranger, verify, guess).await.status, 401);
    }
    let guess = json!({ "phone": PHONE, "OTP": sent });
    assert_eq!(from(stranger, verify, guess).await.status, 429, "even the right one");

    assert_eq!(from(owner, otp, phone).await.status, 200);
    let last = code(server.sms_about(PHONE, 4).await.last().unwrap());
    assert_eq!(from(owner, verify, json!({ "phone": PHONE, "OTP": last })).await.status, 200);
}
