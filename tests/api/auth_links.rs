//! `/api/v1/auth/*` and `/api/v1/user/*`.

use serde_json::json;

use crate::support::TestServer;
use crate::support::server::PASSWORD;

#[tokio::test]
async fn register_answers_with_id_and_tokens() {
    let server = TestServer::start();
    let answer = server
        .client()
        .post("/api/v1/auth/register")
        .json(&json!({ "email": "ada@example.com", "password": PASSWORD }))
        .send()
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json["status"], 201);
    assert_eq!(answer.json["message"], "User created successfully");
    assert_eq!(answer.json["success"], true);
    assert_eq!(answer.json["data"]["id"].as_str().unwrap().len(), 24);
    assert!(answer.json["data"]["refreshToken"].is_string());
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_address_registers_once_whatever_its_case() {
    let server = TestServer::start();
    server.client().register("Ada@Example.com").await;
    let answer = server
        .client()
        .post("/api/v1/auth/register")
        .json(&json!({ "email": "aDA@eXAMPLE.COM", "password": PASSWORD }))
        .send()
        .await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json["error"], "Email address is already exists, Kindly login");
    assert_eq!(answer.json["success"], false);
}

#[tokio::test]
async fn of_many_racing_registrations_of_one_address_one_wins() {
    let server = TestServer::start();
    let client = server.client();
    let tries = (0..20).map(|_| {
        client
            .post("/api/v1/auth/register")
            .json(&json!({ "email": "race@example.com", "password": PASSWORD }))
            .send()
    });
    let statuses: Vec<u16> =
        futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 19, "{statuses:?}");
}

#[tokio::test]
async fn malformed_registrations_name_the_field() {
    let server = TestServer::start();
    let long = "x".repeat(129);
    for (body, field) in [
        (json!({ "email": "nonsense", "password": PASSWORD }), "email"),
        (json!({ "email": "\"a b\"@example.com", "password": PASSWORD }), "email"),
        (json!({ "email": "\"evil@x.com\"@example.com", "password": PASSWORD }), "email"),
        (json!({ "email": "a(b)@example.com", "password": PASSWORD }), "email"),
        (json!({ "email": "a@example.com", "password": "short" }), "password"),
        (json!({ "email": "a@example.com", "password": long }), "password"),
        (json!({ "email": "a@example.com", "password": "password1" }), "password"),
        (json!({ "email": "a@example.com", "password": "qwertyuiop" }), "password"),
        (json!({ "email": "a@example.com" }), "password"),
        (json!({ "password": PASSWORD }), "email"),
        (json!({ "email": 7, "password": PASSWORD }), "email"),
        (json!({ "email": null, "password": PASSWORD }), "email"),
        (json!({ "email": ["a@example.com"], "password": PASSWORD }), "email"),
        (json!({ "email": "a@example.com", "password": { "$ne": "" } }), "password"),
        (json!({ "email": "a@example.com", "password": true }), "password"),
    ] {
        let answer = server.client().post("/api/v1/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 400, "{body} {answer:?}");
        assert_eq!(answer.json["error"], "Provided data is invalid");
        assert_eq!(answer.fields_at_fault(), [field], "{body} {answer:?}");
    }
}

#[tokio::test]
async fn a_password_of_128_characters_counts_to_the_last_one() {
    let server = TestServer::start();
    let (right, wrong) =
        (format!("{}a", "\u{fc}x".repeat(63)) + "1", format!("{}a", "\u{fc}x".repeat(63)) + "2");
    assert_eq!(right.chars().count(), 128);
    let client = server.client();
    let answer = client
        .post("/api/v1/auth/register")
        .json(&json!({ "email": "a@example.com", "password": right }))
        .send()
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    for (password, status) in [(wrong, 401), (format!("{right}x"), 401), (right, 200)] {
        let answer = client
            .post("/api/v1/auth/login")
            .json(&json!({ "email": "a@example.com", "password": password }))
            .send()
            .await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn login_answers_as_the_contract_says() {
    let server = TestServer::start();
    let client = server.client();
    let id = client.register("ada@example.com").await["id"].clone();
    let answer = client
        .post("/api/v1/auth/login")
        .json(&json!({ "email": "ADA@example.com", "password": PASSWORD }))
        .send()
        .await;
    assert_eq!(
        (answer.status, answer.json["message"].as_str().unwrap()),
        (200, "User logged in successfully")
    );
    assert_eq!(answer.json["data"]["id"], id);
    for (email, password) in [("ada@example.com", "plum tractor 71 violeT"), ("nobody@example.com", PASSWORD)]
    {
        let answer = client
            .post("/api/v1/auth/login")
            .json(&json!({ "email": email, "password": password }))
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.json["error"].as_str().unwrap()),
            (401, "Email or Password is incorrect")
        );
    }
    let answer = client.post("/api/v1/auth/login").json(&json!({ "email": "ada@example.com" })).send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["password"]));
}

#[tokio::test]
async fn a_web_client_has_its_refresh_token_in_the_cookie_alone() {
    let server = TestServer::start();
    let client = server.client();
    let answer = client
        .post("/api/v1/auth/register")
        .header("x-client-type", "web")
        .json(&json!({ "email": "web@example.com", "password": PASSWORD }))
        .send()
        .await;
    assert!(answer.json["data"]["refreshToken"].is_null());
    let cookie = answer.header("set-cookie").to_owned();
    let (pair, attributes) = cookie.split_once(';').unwrap();
    assert!(pair.starts_with("refreshToken=ey"));
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/api/v1/auth"] {
        assert!(attributes.split("; ").any(|part| part.trim() == attribute), "{attribute} in {cookie}");
    }

    let foreign = client.post("/api/v1/auth/refresh").header("cookie", pair).send().await;
    assert_eq!(foreign.status, 403, "neither Sec-Fetch-Site nor Origin");
    let foreign = client
        .post("/api/v1/auth/refresh")
        .header("cookie", pair)
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://evil.example")
        .send()
        .await;
    assert_eq!(foreign.status, 403);

    let refreshed = client
        .post("/api/v1/auth/refresh")
        .header("cookie", pair)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await;
    assert_eq!((refreshed.status, refreshed.json["message"].as_str().unwrap()), (200, "Token refreshed"));
    assert!(refreshed.json["data"]["refreshToken"].is_null());
    let next = refreshed.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_ne!(next, pair);
    let origin = format!("http://{}", server.address);
    let again =
        client.post("/api/v1/auth/refresh").header("cookie", &next).header("origin", &origin).send().await;
    assert_eq!(again.status, 200, "the public URL's origin is allowed: {again:?}");

    let token = again.json["data"]["accessToken"].as_str().unwrap();
    let cookie = again.header("set-cookie").split(';').next().unwrap();
    let both = client
        .with_token(token)
        .post("/api/v1/auth/refresh")
        .header("cookie", cookie)
        .header("origin", &origin)
        .send()
        .await;
    assert_eq!(both.status, 200, "an access token that is sent along does not get in the way");
    let out = client.with_token(token).delete("/api/v1/auth/logout").send().await;
    assert_eq!(out.status, 200);
    assert!(out.header("set-cookie").starts_with("refreshToken=;"), "{}", out.header("set-cookie"));
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
}

#[tokio::test]
async fn a_refresh_without_a_token_is_400_and_with_a_dead_one_401() {
    let server = TestServer::start();
    let client = server.client();
    let data = client.register("ada@example.com").await;
    let none = client.post("/api/v1/auth/refresh").send().await;
    assert_eq!((none.status, none.json["error"].as_str().unwrap()), (400, "Provided data is invalid"));
    let garbage = client.with_token("garbage").post("/api/v1/auth/refresh").send().await;
    assert_eq!((garbage.status, garbage.json["error"].as_str().unwrap()), (400, "Provided data is invalid"));
    let access =
        client.with_token(data["accessToken"].as_str().unwrap()).post("/api/v1/auth/refresh").send().await;
    assert_eq!(access.status, 401, "an access token does not pass for a refresh token");
    let good =
        client.with_token(data["refreshToken"].as_str().unwrap()).post("/api/v1/auth/refresh").send().await;
    assert_eq!(good.status, 200);
    assert_eq!(good.json["data"]["id"], data["id"]);
}

#[tokio::test]
async fn bearer_failures_are_told_apart() {
    let server = TestServer::start();
    let client = server.client();
    let data = client.register("ada@example.com").await;
    let access = data["accessToken"].as_str().unwrap();
    let forged = {
        let mut parts: Vec<&str> = access.split('.').collect();
        let signature = "A".repeat(parts[2].len());
        parts[2] = &signature;
        parts.join(".")
    };
    let none_alg = format!("eyJhbGciOiJub25lIn0.{}.", access.split('.').nth(1).unwrap());
    for path in ["/api/v1/auth/me", "/api/v1/user/me", "/api/v1/user/sessions", "/api/v1/url"] {
        let answer = client.get(path).send().await;
        assert_eq!(
            (answer.status, answer.json["error"].as_str().unwrap()),
            (401, "Token is expired or invalid")
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        for malformed in ["Bearer garbage", "Bearer a.b.c", "Basic YTpi", "Bearer "] {
            let answer = client.get(path).header("authorization", malformed).send().await;
            assert_eq!(
                (answer.status, answer.json["error"].as_str().unwrap()),
                (400, "Token is invalid"),
                "{malformed}"
            );
        }
        for dead in [forged.as_str(), &none_alg, data["refreshToken"].as_str().unwrap()] {
            let answer = client.with_token(dead).get(path).send().await;
            assert_eq!(
                (answer.status, answer.json["error"].as_str().unwrap()),
                (401, "Token is expired or invalid"),
                "{dead}"
            );
        }
    }
}

#[tokio::test]
async fn an_access_token_expires() {
    let server = TestServer::start_with(|config| config.auth.access_ttl_secs = 1);
    let user = server.user().await;
    assert_eq!(user.get("/api/v1/auth/me").send().await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let answer = user.get("/api/v1/auth/me").send().await;
    assert_eq!((answer.status, answer.json["error"].as_str().unwrap()), (401, "Token is expired or invalid"));
}

#[tokio::test]
async fn a_good_token_whose_user_is_gone_is_400() {
    let server = TestServer::start();
    let data = server.client().register("ada@example.com").await;
    let mut redis = crate::support::redis_server::connection();
    let account = server.key(&format!("{{user:{}}}:account", data["id"].as_str().unwrap()));
    assert_eq!(redis::cmd("DEL").arg(&account).query::<u8>(&mut redis).unwrap(), 1);
    let answer =
        server.client().with_token(data["accessToken"].as_str().unwrap()).get("/api/v1/auth/me").send().await;
    assert_eq!((answer.status, answer.json["error"].as_str().unwrap()), (400, "User ID is invalid"));
}

#[tokio::test]
async fn an_account_that_a_crash_left_half_made_does_not_hold_its_address() {
    let server = TestServer::start();
    let data = server.client().register("ada@example.com").await;
    let mut redis = crate::support::redis_server::connection();
    let account = server.key(&format!("{{user:{}}}:account", data["id"].as_str().unwrap()));
    redis::cmd("DEL").arg(&account).query::<u8>(&mut redis).unwrap();
    let again = server.client().register("ada@example.com").await;
    assert_ne!(again["id"], data["id"]);
    let login = server
        .client()
        .post("/api/v1/auth/login")
        .json(&json!({ "email": "ada@example.com", "password": PASSWORD }))
        .send()
        .await;
    assert_eq!((login.status, &login.json["data"]["id"]), (200, &again["id"]));
}

#[tokio::test]
async fn me_and_profile_show_the_account() {
    let server = TestServer::start();
    let data = server.client().register("Ada@example.com").await;
    let user = server.client().with_token(data["accessToken"].as_str().unwrap());
    let me = user.get("/api/v1/auth/me").send().await;
    assert_eq!(me.json["message"], "User details fetched successfully");
    assert_eq!(
        me.json["data"],
        json!({ "id": data["id"], "email": "Ada@example.com", "emailVerified": false })
    );
    let profile = user.get("/api/v1/user/me").send().await;
    assert_eq!(profile.json["message"], "User details fetched successfully");
    let shown = &profile.json["data"]["user"];
    assert_eq!(shown["signedUpUsing"], "EMAIL");
    assert_eq!(shown["isEmailVerified"], false);
    assert!(shown["emailVerifiedAt"].is_null());
    for time in ["createdAt", "lastLogInAt"] {
        let secs: i64 = shown[time].as_str().unwrap().parse().unwrap();
        assert!((chrono::Utc::now().timestamp() - secs).abs() < 60, "{time} {secs}");
    }
}

/// The key of the claim on an address.
fn claim_key(server: &TestServer, compared: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, compared.as_bytes());
    server.key(&format!("{{email:{}}}", data_encoding::BASE64URL_NOPAD.encode(&digest.as_ref()[..16])))
}

/// Makes the claim on an address what it was when letters of all alphabets were folded.
fn fold_as_before(server: &TestServer, compared: &str) {
    let (now, before) = (claim_key(server, compared), claim_key(server, &compared.to_lowercase()));
    let mut redis = crate::support::redis_server::connection();
    redis::cmd("RENAME").arg(now).arg(before).query::<()>(&mut redis).unwrap();
}

#[tokio::test]
async fn an_address_that_was_folded_before_is_its_own_and_no_other() {
    let server = TestServer::start();
    let client = server.client();
    let log_in = |email: &'static str| {
        let body = json!({ "email": email, "password": PASSWORD });
        client.post("/api/v1/auth/login").json(&body).send()
    };
    let register = |email: &'static str| {
        let body = json!({ "email": email, "password": PASSWORD });
        client.post("/api/v1/auth/register").json(&body).send()
    };
    for (ours, compared, other) in [
        ("J\u{d6}RG@example.com", "j\u{d6}rg@example.com", "j\u{f6}rg@example.com"),
        ("\u{212a}asia@example.com", "\u{212a}asia@example.com", "kasia@example.com"),
    ] {
        let first = client.register(ours).await;
        fold_as_before(&server, compared);
        assert_eq!(register(ours).await.status, 409, "{ours} is taken");
        fold_as_before(&server, compared);
        assert_eq!(log_in(other).await.status, 401, "{other} is somebody else's");
        let login = log_in(ours).await;
        assert_eq!((login.status, &login.json["data"]["id"]), (200, &first["id"]), "{ours}");
        assert_eq!(log_in(ours).await.status, 200, "and again");
        assert_eq!(register(other).await.status, 201, "{other}");
        assert_eq!(log_in(ours).await.json["data"]["id"], first["id"]);
    }
}
