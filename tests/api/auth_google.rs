//! `/api/v1/auth/google`.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::google::{CLIENT_ID, Google, Key, claims};
use crate::support::server::PASSWORD;
use crate::support::{Answer, Client, TestServer};

fn start() -> (Google, TestServer) {
    let google = Google::start();
    let server = TestServer::start_with(|config| google.configure(config));
    (google, server)
}

async fn sign_in(client: &Client, token: &str) -> Answer {
    client.post("/api/v1/auth/google").json(&json!({ "idToken": token })).send().await
}

async fn log_in(client: &Client, email: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD });
    client.post("/api/v1/auth/login").json(&body).send().await
}

async fn me(client: &Client, answer: &Answer) -> Value {
    let user = client.with_token(answer.json["data"]["accessToken"].as_str().unwrap());
    user.get("/api/v1/user/me").send().await.json["data"]["user"].clone()
}

fn refused(answer: &Answer, why: &str) {
    assert_eq!((answer.status, answer.json["error"].as_str()), (400, Some("Google ID is invalid")), "{why}");
}

#[tokio::test]
async fn a_first_sign_in_makes_an_account_and_the_next_one_finds_it() {
    let (google, server) = start();
    let client = server.client();
    let first = sign_in(&client, &google.token("1001", "Ada@gmail.com")).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.json["message"], "User created successfully");
    assert!(first.json["data"]["refreshToken"].is_string());
    let shown = me(&client, &first).await;
    assert_eq!(shown["signedUpUsing"], "GOOGLE");
    assert_eq!((&shown["email"], &shown["isEmailVerified"]), (&json!("Ada@gmail.com"), &json!(true)));
    assert!(shown["emailVerifiedAt"].as_str().unwrap().parse::<i64>().unwrap() > 1_000_000);

    let web = client
        .post("/api/v1/auth/google")
        .header("x-client-type", "web")
        .json(&json!({ "idToken": google.token("1001", "ada@gmail.com") }))
        .send()
        .await;
    assert_eq!((web.status, web.json["message"].as_str()), (200, Some("User logged in successfully")));
    assert_eq!(web.json["data"]["id"], first.json["data"]["id"]);
    assert!(web.json["data"]["refreshToken"].is_null());
    assert!(web.header("set-cookie").starts_with("refreshToken="), "{}", web.header("set-cookie"));
    assert_eq!(google.asked(), 1, "one fetch serves many");
}

#[tokio::test]
async fn an_account_hangs_on_googles_id_and_not_on_the_address() {
    let (google, server) = start();
    let client = server.client();
    let first = sign_in(&client, &google.token("1001", "before@gmail.com")).await;
    let moved = sign_in(&client, &google.token("1001", "after@gmail.com")).await;
    assert_eq!((moved.status, &moved.json["data"]["id"]), (200, &first.json["data"]["id"]));
    assert_eq!(me(&client, &moved).await["email"], "before@gmail.com");
    let other = sign_in(&client, &google.token("1002", "after@gmail.com")).await;
    assert_eq!(other.status, 201, "the other address is free");
    let usurper = sign_in(&client, &google.token("1003", "before@gmail.com")).await;
    refused(&usurper, "the account of that address is linked with another Google account");
    let again = sign_in(&client, &google.token("1001", "before@gmail.com")).await;
    assert_eq!((again.status, &again.json["data"]["id"]), (200, &first.json["data"]["id"]));
}

#[tokio::test]
async fn of_many_first_sign_ins_at_once_one_makes_the_account() {
    let (google, server) = start();
    let client = server.client();
    let token = google.token("1001", "ada@gmail.com");
    let answers = futures_util::future::join_all((0..12).map(|_| sign_in(&client, &token))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 11, "{statuses:?}");
    assert!(answers.iter().all(|answer| answer.json["data"]["id"] == answers[0].json["data"]["id"]));
}

#[tokio::test]
async fn whoever_registered_with_somebody_elses_address_is_put_out() {
    let (google, server) = start();
    let client = server.client();
    let squatter = client.register("ada@gmail.com").await;
    let answer = sign_in(&client, &google.token("1001", "ada@gmail.com")).await;
    assert_eq!((answer.status, &answer.json["data"]["id"]), (200, &squatter["id"]));
    let old = client.with_token(squatter["accessToken"].as_str().unwrap());
    assert_eq!(old.get("/api/v1/auth/me").send().await.status, 401, "the sessions have ended");
    let refresh = client.with_token(squatter["refreshToken"].as_str().unwrap());
    assert_eq!(refresh.post("/api/v1/auth/refresh").send().await.status, 401);
    let login = log_in(&client, "ada@gmail.com").await;
    assert_eq!(
        (login.status, login.json["error"].as_str()),
        (401, Some("Email or Password is incorrect")),
        "the password is gone"
    );
    let shown = me(&client, &answer).await;
    assert_eq!((&shown["isEmailVerified"], &shown["signedUpUsing"]), (&json!(true), &json!("EMAIL")));
    server.mail_to("ada@gmail.com", "Google").await;
}

#[tokio::test]
async fn an_account_with_a_proven_address_keeps_its_password_and_sessions() {
    let (google, server) = start();
    let client = server.client();
    let account = client.register("ada@gmail.com").await;
    let path = server.mail_to("ada@gmail.com", "Confirm your e-mail address").await.path();
    assert_eq!(client.patch(&format!("/api/v1/user{path}")).send().await.status, 200);
    let answer = sign_in(&client, &google.token("1001", "ada@gmail.com")).await;
    assert_eq!((answer.status, &answer.json["data"]["id"]), (200, &account["id"]));
    let old = client.with_token(account["accessToken"].as_str().unwrap());
    assert_eq!(old.get("/api/v1/auth/me").send().await.status, 200);
    assert_eq!(log_in(&client, "ada@gmail.com").await.status, 200);
    assert_eq!(server.mails_about("ada@gmail.com", "Google", 1).await.len(), 1);
    sign_in(&client, &google.token("1001", "ada@gmail.com")).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(server.mails_about("ada@gmail.com", "Google", 1).await.len(), 1, "told once");
}

#[tokio::test]
async fn whoever_registers_while_the_addresss_owner_comes_with_google_keeps_nothing() {
    let google = Google::start();
    let server = TestServer::start_with(|config| {
        google.configure(config);
        config.server.workers = 2;
        config.auth.ip_guesses.free = 1_000;
    });
    let client = server.client();
    sign_in(&client, &google.token("1000", "first@gmail.com")).await;
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..400_u64 {
        let email = format!("ada{round}@gmail.com");
        let token = google.token(&format!("2{round}"), &email);
        let register = async {
            let body = json!({ "email": email, "password": PASSWORD });
            client.post("/api/v1/auth/register").json(&body).send().await
        };
        let google = async {
            tokio::time::sleep(std::time::Duration::from_micros(round % 60 * 100)).await;
            sign_in(&client, &token).await
        };
        let (registered, signed_in) = futures_util::future::join(register, google).await;
        assert!(matches!(signed_in.status, 200 | 201), "{signed_in:?}");
        assert!(matches!(registered.status, 201 | 409), "{registered:?}");
        let old = registered.json["data"]["accessToken"].as_str();
        if let Some(token) = old {
            let me = client.with_token(token).get("/api/v1/auth/me").send().await;
            assert_eq!(me.status, 401, "{round}: the session lives on");
        }
        assert_eq!(log_in(&client, &email).await.status, 401);
        assert_eq!(me(&client, &signed_in).await["email"], email);
        seen.insert((registered.status, signed_in.status));
        if round >= 60 && seen.len() == 3 {
            break;
        }
    }
    // Google comes last, first, and while the account is made but has no session yet.
    assert_eq!(seen, [(201, 200), (409, 201), (409, 200)].into());
}

#[tokio::test]
async fn a_letter_that_looks_like_another_makes_another_address() {
    let (google, server) = start();
    let client = server.client();
    let ada = client.register("kasia@gmail.com").await;
    let body = json!({ "email": "\u{212a}asia@gmail.com" });
    let reset = client.post("/api/v1/auth/reset-password").json(&body).send().await;
    assert_eq!((reset.status, reset.json["error"].as_str()), (400, Some("Email does not exists")));
    let other = sign_in(&client, &google.token("1001", "\u{212a}asia@gmail.com")).await;
    assert_eq!(other.status, 201, "{other:?}");
    assert_ne!(other.json["data"]["id"], ada["id"]);
    assert_eq!(log_in(&client, "Kasia@gmail.com").await.status, 200);
}

#[tokio::test]
async fn an_account_without_a_password_gets_its_first_one_by_a_reset() {
    let (google, server) = start();
    let client = server.client();
    let first = sign_in(&client, &google.token("1001", "ada@gmail.com")).await;
    let login = log_in(&client, "ada@gmail.com").await;
    assert_eq!((login.status, login.json["error"].as_str()), (401, Some("Email or Password is incorrect")));
    let reset = "/api/v1/auth/reset-password";
    let asked = client.post(reset).json(&json!({ "email": "ada@gmail.com" })).send().await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let path = server.mail_to("ada@gmail.com", "Reset your password").await.path();
    let body = json!({ "newPassword": PASSWORD });
    assert_eq!(client.post(&format!("/api/v1/auth{path}")).json(&body).send().await.status, 200);
    let login = log_in(&client, "ada@gmail.com").await;
    assert_eq!((login.status, &login.json["data"]["id"]), (200, &first.json["data"]["id"]));
    assert_eq!(
        sign_in(&client, &google.token("1001", "ada@gmail.com")).await.status,
        200,
        "both ways lead in"
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_400() {
    let (google, server) = start();
    let client = server.client();
    let key = &google.key;
    let good = claims("1001", "ada@gmail.com");
    let with = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let without = |field: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(field);
        claims
    };
    let now = chrono::Utc::now().timestamp();
    let mut wrong: Vec<(String, Value)> = vec![
        ("another issuer".to_owned(), with("iss", json!("https://accounts.example.com"))),
        ("issuers in a list".to_owned(), with("iss", json!(["https://evil.example", "accounts.google.com"]))),
        ("for others".to_owned(), with("aud", json!("theirs.apps.googleusercontent.com"))),
        ("for us and others".to_owned(), with("aud", json!([CLIENT_ID, "theirs"]))),
        ("for nobody".to_owned(), with("aud", json!([]))),
        ("expired".to_owned(), with("exp", json!(now - 120))),
        ("expiry as text".to_owned(), with("exp", json!((now + 60).to_string()))),
        ("not yet".to_owned(), with("nbf", json!(now + 300))),
        ("not yet, in text".to_owned(), with("nbf", json!((now + 300).to_string()))),
        ("from the future".to_owned(), with("iat", json!(now + 300))),
        ("made after its end".to_owned(), with("exp", json!(now - 30))),
        ("unproven".to_owned(), with("email_verified", json!(false))),
        ("unproven in text".to_owned(), with("email_verified", json!("false"))),
        ("proven with a number".to_owned(), with("email_verified", json!(1))),
        ("no address".to_owned(), with("email", json!("nonsense"))),
        ("address as a list".to_owned(), with("email", json!(["ada@gmail.com"]))),
        ("empty sub".to_owned(), with("sub", json!(""))),
        ("sub as a number".to_owned(), with("sub", json!(1001))),
        ("endless sub".to_owned(), with("sub", json!("1".repeat(256)))),
        ("sub with a space".to_owned(), with("sub", json!("10 01"))),
    ];
    for field in ["iss", "aud", "exp", "sub", "email", "email_verified"] {
        wrong.push((format!("no {field}"), without(field)));
    }
    for (why, claims) in &wrong {
        refused(&sign_in(&client, &key.sign(claims)).await, why);
    }

    let token = key.sign(&good);
    let parts: Vec<&str> = token.split('.').collect();
    let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let none = format!("{}.{}.", encode(json!({ "alg": "none", "kid": "first" })), parts[1]);
    let message = format!("{}.{}", encode(json!({ "alg": "HS256", "kid": "first" })), parts[1]);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_der());
    let hs256 =
        format!("{message}.{}", BASE64URL_NOPAD.encode(hmac::sign(&secret, message.as_bytes()).as_ref()));
    let header = |header: Value| key.sign_as(&header, &good, &RSA_PKCS1_SHA256);
    for (why, token) in [
        ("alg none", none),
        ("the public key as a shared secret", hs256),
        ("another hash", key.sign_rs512(&good)),
        ("another name of the algorithm", header(json!({ "alg": "RS512", "kid": "first" }))),
        (
            "a header that must be understood",
            header(json!({ "alg": "RS256", "kid": "first", "crit": ["x"] })),
        ),
        ("no name of a key", header(json!({ "alg": "RS256" }))),
        ("an unknown key", Key::new("unheard").sign(&good)),
        ("somebody else's key under the right name", Key::new("first").sign(&good)),
        (
            "other claims under the signature",
            format!("{}.{}.{}", parts[0], encode(with("sub", json!("7"))), parts[2]),
        ),
        ("a cut signature", token[..token.len() - 8].to_owned()),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("not a token", "nonsense".to_owned()),
        ("dots", "..".to_owned()),
        ("nothing", String::new()),
        ("huge", key.sign(&with("name", json!("x".repeat(20_000))))),
        ("large", "x".repeat(200_000)),
    ] {
        refused(&sign_in(&client, &token).await, why);
    }
    assert_eq!(sign_in(&client, &token).await.status, 201, "and the good one is good");
}

#[tokio::test]
async fn google_may_write_a_token_in_more_than_one_way() {
    let (google, server) = start();
    let client = server.client();
    let now = chrono::Utc::now().timestamp();
    for (number, (field, value)) in [
        ("iss", json!("accounts.google.com")),
        ("aud", json!("other")),
        ("aud", json!([CLIENT_ID])),
        ("aud", json!(["other", CLIENT_ID])),
        ("email_verified", json!("true")),
        ("exp", json!(now - 5)),
        ("iat", json!(now + 30)),
        ("nbf", json!(now - 1)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = claims(&number.to_string(), &format!("{number}@gmail.com"));
        claims["iat"] = json!(now - 3600);
        claims[field] = value;
        let answer = sign_in(&client, &google.key.sign(&claims)).await;
        assert_eq!(answer.status, 201, "{claims} {answer:?}");
    }
}

#[tokio::test]
async fn a_body_without_a_token_names_the_field() {
    let (_google, server) = start();
    let client = server.client();
    for body in [json!({}), json!({ "idToken": null }), json!({ "idToken": 7 }), json!({ "idToken": ["x"] })]
    {
        let answer = client.post("/api/v1/auth/google").json(&body).send().await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (400, Some("Provided data is invalid")));
        assert_eq!(answer.fields_at_fault(), ["idToken"], "{body}");
    }
}

#[tokio::test]
async fn without_client_ids_no_token_is_good() {
    let google = Google::start();
    let server = TestServer::start_with(|config| {
        google.configure(config);
        config.google.client_ids = vec![];
    });
    refused(&sign_in(&server.client(), &google.token("1001", "ada@gmail.com")).await, "Google is off");
    assert_eq!(google.asked(), 0);
}

#[tokio::test]
async fn a_new_key_is_found_and_made_up_ones_cost_nothing() {
    let (google, server) = start();
    let client = server.client();
    assert_eq!(sign_in(&client, &google.token("1001", "ada@gmail.com")).await.status, 201);
    let next = Key::new("second");
    google.serve(&[&google.key, &next]);
    let tokens: Vec<String> = (0..5)
        .map(|number| next.sign(&claims(&number.to_string(), &format!("{number}@gmail.com"))))
        .collect();
    let answers = futures_util::future::join_all(tokens.iter().map(|token| sign_in(&client, token))).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert_eq!(google.asked(), 2, "one fetch for all of them");

    let mallory = Key::new("x");
    for number in 0..50 {
        let header = json!({ "alg": "RS256", "kid": format!("made up {number}") });
        let token = mallory.sign_as(&header, &claims("666", "eve@gmail.com"), &RSA_PKCS1_SHA256);
        refused(&sign_in(&client, &token).await, "made up");
    }
    assert_eq!(google.asked(), 2, "not again within the minute");
    assert_eq!(sign_in(&client, &google.token("1001", "ada@gmail.com")).await.status, 200);
}

#[tokio::test]
async fn without_any_keys_it_is_503_and_with_old_ones_it_goes_on() {
    let (google, server) = start();
    let client = server.client();
    google.served.lock().unwrap().status = 500;
    let token = google.token("1001", "ada@gmail.com");
    let answers = futures_util::future::join_all((0..20).map(|_| sign_in(&client, &token))).await;
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    assert!(answers.iter().all(|answer| !answer.header("retry-after").is_empty()));
    assert_eq!(google.asked(), 1, "one try for all of them");
    google.served.lock().unwrap().status = 200;
    tokio::time::sleep(std::time::Duration::from_millis(5200)).await;
    assert_eq!(sign_in(&client, &token).await.status, 201, "tried again after a while");

    google.served.lock().unwrap().status = 500;
    let unheard = Key::new("unheard").sign(&claims("1", "eve@gmail.com"));
    assert_eq!(sign_in(&client, &unheard).await.status, 503, "nobody can tell");
    assert_eq!(sign_in(&client, &token).await.status, 200);
    assert_eq!(google.asked(), 3);
}

#[tokio::test]
async fn what_is_no_key_set_is_none() {
    for spoil in [
        (|served| served.body = "<html>".to_owned()) as fn(&mut crate::support::google::Served),
        |served| served.body = r#"{"keys":[]}"#.to_owned(),
        |served| served.body = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(1 << 20)),
        |served| served.status = 302,
        |served| served.delay_ms = 1500,
    ] {
        let (google, server) = start();
        spoil(&mut google.served.lock().unwrap());
        let started = std::time::Instant::now();
        let answer = sign_in(&server.client(), &google.token("1001", "ada@gmail.com")).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(3));
    }
}
