//! `/api/auth/*`.

use serde_json::{Value, json};

use crate::support::server::PASSWORD;
use crate::support::{Client, TestServer};

async fn register(client: &Client, name: &str) -> Value {
    let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "username": name });
    let answer = client.post("/api/auth/register").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json
}

#[tokio::test]
async fn register_answers_with_the_full_user() {
    let server = TestServer::start();
    let answer = register(&server.client(), "Ada").await;
    assert_eq!(answer["message"], "User registered successfully");
    let user = &answer["user"];
    for (field, value) in [
        ("username", json!("Ada")),
        ("email", json!("Ada@example.com")),
        ("avatar", json!("")),
        ("gender", json!("prefer_not_to_say")),
        ("dateOfBirth", Value::Null),
        ("address", json!("")),
        ("onlineStatus", json!("offline")),
        ("__v", json!(0)),
    ] {
        assert_eq!(user[field], value, "{field}");
    }
    for field in ["lastSeen", "createdAt", "updatedAt"] {
        let time = user[field].as_str().unwrap();
        assert_eq!(time.len(), "2025-12-05T11:04:48.214Z".len(), "{field} {time}");
        assert!(time.ends_with('Z'));
    }
    assert!(answer["accessToken"].is_string() && answer["refreshToken"].is_string());
}

#[tokio::test]
async fn address_and_username_are_unique_without_regard_to_case() {
    let server = TestServer::start();
    let client = server.client();
    register(&client, "ada").await;
    for (email, username) in [("ADA@example.com", "other"), ("other@example.com", "ADA")] {
        let body = json!({ "email": email, "password": PASSWORD, "username": username });
        let answer = client.post("/api/auth/register").json(&body).send().await;
        assert_eq!((answer.status, &answer.json["success"]), (409, &json!(false)), "{answer:?}");
        assert!(answer.json["message"].is_string());
    }
    let free = json!({ "email": "other@example.com", "password": PASSWORD, "username": "other" });
    assert_eq!(
        client.post("/api/auth/register").json(&free).send().await.status,
        201,
        "a refused try holds neither name"
    );
}

#[tokio::test]
async fn malformed_bodies_name_every_field() {
    let server = TestServer::start();
    let client = server.client();
    let answer = client
        .post("/api/auth/register")
        .json(&json!({ "email": "x", "password": "y", "username": "" }))
        .send()
        .await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["email", "password", "username"]));
    let unmailable = json!({ "username": "ada", "email": "\"a,b\"@example.com", "password": PASSWORD });
    let answer = client.post("/api/auth/register").json(&unmailable).send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["email"]));
    let answer = client
        .post("/api/auth/register")
        .json(&json!({ "email": "a@example.com", "password": PASSWORD }))
        .send()
        .await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["username"]));
    for body in ["", "[]", "null", "7", "\"x\"", "{", "{\"email\":}", &"[".repeat(5000)] {
        let answer = client.post("/api/auth/login").body("application/json", body.to_owned()).send().await;
        assert_eq!((answer.status, &answer.json["success"]), (400, &json!(false)), "{body:.20} {answer:?}");
    }
}

#[tokio::test]
async fn login_takes_an_address_or_a_username_and_makes_the_user_online() {
    let server = TestServer::start();
    let client = server.client();
    register(&client, "ada").await;
    for body in [
        json!({ "email": "ada@example.com", "password": PASSWORD }),
        json!({ "email": "ADA@example.com", "password": PASSWORD, "username": "ignored" }),
        json!({ "username": "Ada", "password": PASSWORD }),
        json!({ "email": "ada", "password": PASSWORD }),
    ] {
        let answer = client.post("/api/auth/login").json(&body).send().await;
        assert_eq!(
            (answer.status, answer.json["message"].as_str()),
            (200, Some("Login successful")),
            "{body}"
        );
        assert_eq!(answer.json["user"]["onlineStatus"], "online");
    }
    for body in [
        json!({ "email": "ada@example.com", "password": "wrong password" }),
        json!({ "username": "nobody", "password": PASSWORD }),
        json!({ "username": "x".repeat(4000), "password": PASSWORD }),
    ] {
        let answer = client.post("/api/auth/login").json(&body).send().await;
        assert_eq!((answer.status, &answer.json["success"]), (401, &json!(false)));
    }
    let answer = client.post("/api/auth/login").json(&json!({ "password": PASSWORD })).send().await;
    assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["email"]));
}

#[tokio::test]
async fn refresh_rotates_and_me_shows_the_user() {
    let server = TestServer::start();
    let client = server.client();
    let first = register(&client, "ada").await;
    let answer =
        client.post("/api/auth/refresh").json(&json!({ "refreshToken": first["refreshToken"] })).send().await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.json["refreshToken"], first["refreshToken"]);
    let me = client.with_token(answer.json["accessToken"].as_str().unwrap()).get("/api/auth/me").send().await;
    assert_eq!(me.json["user"]["_id"], first["user"]["_id"]);
    for token in ["nonsense", first["accessToken"].as_str().unwrap()] {
        let answer = client.post("/api/auth/refresh").json(&json!({ "refreshToken": token })).send().await;
        assert_eq!(answer.status, 401, "{token}");
    }
    assert_eq!(
        client.post("/api/auth/refresh").json(&json!({})).send().await.fields_at_fault(),
        ["refreshToken"]
    );
    assert_eq!(client.with_token("garbage").get("/api/auth/me").send().await.status, 401);
    assert_eq!(client.get("/api/auth/me").send().await.status, 401);
}

#[tokio::test]
async fn logout_takes_a_token_of_either_kind_or_credentials() {
    let server = TestServer::start();
    let client = server.client();
    let first = register(&client, "ada").await;
    let bearer = client.with_token(first["accessToken"].as_str().unwrap());
    let login = || async {
        client
            .post("/api/auth/login")
            .json(&json!({ "username": "ada", "password": PASSWORD }))
            .send()
            .await
            .json
    };

    let (second, third) = (login().await, login().await);
    let answer =
        client.post("/api/auth/logout").json(&json!({ "refreshToken": second["refreshToken"] })).send().await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("Logout successful")));
    assert_eq!(
        client.with_token(second["accessToken"].as_str().unwrap()).get("/api/auth/me").send().await.status,
        401
    );

    let fourth = login().await;
    let dead = client.with_token(second["accessToken"].as_str().unwrap());
    assert_eq!(dead.post("/api/auth/logout").send().await.status, 401);
    let fallback =
        dead.post("/api/auth/logout").json(&json!({ "refreshToken": fourth["refreshToken"] })).send().await;
    assert_eq!(fallback.status, 200, "a dead Bearer leaves the word to the body");

    assert_eq!(bearer.post("/api/auth/logout").body("text/plain", "ignored").send().await.status, 200);
    assert_eq!(bearer.get("/api/auth/me").send().await.status, 401);
    let third = client.with_token(third["accessToken"].as_str().unwrap());
    assert_eq!(
        third.get("/api/auth/me").send().await.json["user"]["onlineStatus"],
        "online",
        "one session is left"
    );

    let wrong = json!({ "email": "ada@example.com", "password": "wrong password" });
    assert_eq!(client.post("/api/auth/logout").json(&wrong).send().await.status, 401);
    let right = json!({ "email": "ada@example.com", "password": PASSWORD, "username": "ada" });
    assert_eq!(client.post("/api/auth/logout").json(&right).send().await.status, 200);
    assert_eq!(third.get("/api/auth/me").send().await.status, 401);
    let nothing = client.post("/api/auth/logout").send().await;
    assert_eq!((nothing.status, nothing.fields_at_fault()), (400, vec!["refreshToken"]));
}

#[tokio::test]
async fn the_last_logout_makes_the_user_offline() {
    let server = TestServer::start();
    let client = server.client();
    let (first, other) = (register(&client, "ada").await, server.user().await);
    let status = || async {
        let path = format!("/api/users/{}", first["user"]["_id"].as_str().unwrap());
        other.get(&path).send().await.json["user"]["onlineStatus"].clone()
    };
    let login = json!({ "username": "ada", "password": PASSWORD });
    let second = client.post("/api/auth/login").json(&login).send().await.json;
    assert_eq!(status().await, "online");
    let second = client.with_token(second["accessToken"].as_str().unwrap());
    assert_eq!(second.post("/api/auth/logout").send().await.status, 200);
    assert_eq!(status().await, "online", "the session of the registration is left");
    client.post("/api/auth/login").json(&login).send().await;
    let everywhere = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(client.post("/api/auth/logout").json(&everywhere).send().await.status, 200);
    assert_eq!(status().await, "offline");
}

#[tokio::test]
async fn one_account_works_on_both_surfaces() {
    let server = TestServer::start();
    let client = server.client();
    let social = register(&client, "ada").await;
    let links = client
        .post("/api/v1/auth/login")
        .json(&json!({ "email": "ada@example.com", "password": PASSWORD }))
        .send()
        .await;
    assert_eq!(links.json["data"]["id"], social["user"]["_id"]);
    let from_links = client.with_token(links.json["data"]["accessToken"].as_str().unwrap());
    assert_eq!(from_links.get("/api/auth/me").send().await.json["user"]["username"], "ada");
    let from_social = client.with_token(social["accessToken"].as_str().unwrap());
    assert_eq!(from_social.get("/api/v1/auth/me").send().await.json["data"]["email"], "ada@example.com");
    let refresh =
        client.with_token(social["refreshToken"].as_str().unwrap()).post("/api/v1/auth/refresh").send().await;
    assert_eq!(refresh.status, 200);

    let other = client
        .post("/api/v1/auth/register")
        .json(&json!({ "email": "bob@example.com", "password": PASSWORD }))
        .send()
        .await;
    let bob = client
        .with_token(other.json["data"]["accessToken"].as_str().unwrap())
        .get("/api/auth/me")
        .send()
        .await;
    assert!(bob.json["user"]["username"].as_str().unwrap().starts_with("user-"), "a username is made up");
}
