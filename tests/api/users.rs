//! `/api/users`: profiles and the directory.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use ayrene::config::EmailsShown;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::server::PASSWORD;
use crate::support::{Answer, Client, Person, TestServer, redis_server};

async fn update(who: &Person, body: Value) -> Answer {
    who.client.put("/api/users/profile").json(&body).send().await
}

async fn rename(who: &Person, name: &str) -> u16 {
    update(who, json!({ "username": name })).await.status
}

async fn me(who: &Person) -> Value {
    who.client.get("/api/auth/me").send().await.json["user"].clone()
}

async fn log_in(client: &Client, name: &str) -> u16 {
    let body = json!({ "username": name, "password": PASSWORD });
    client.post("/api/auth/login").json(&body).send().await.status
}

/// The names on a page of the directory, and its pagination.
async fn page(who: &Person, query: &str) -> (Vec<String>, Value) {
    let answer = who.client.get(&format!("/api/users{query}")).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let users = answer.json["users"].as_array().unwrap();
    let names = users.iter().map(|user| user["username"].as_str().unwrap().to_owned());
    (names.collect(), answer.json["pagination"].clone())
}

/// `Person 0` and so on; no more at once than may wait for a hash.
async fn crowd(server: &TestServer, count: usize) -> Vec<Person> {
    let mut people = Vec::new();
    while people.len() < count {
        let next = people.len()..count.min(people.len() + 40);
        people.extend(
            join_all(next.map(async |number| server.person(&format!("Person {number}")).await)).await,
        );
    }
    people
}

/// What stands in the datastore, to be put into the state in which a crash leaves it.
struct Store<'a> {
    server: &'a TestServer,
    redis: redis::Connection,
}

impl<'a> Store<'a> {
    fn of(server: &'a TestServer) -> Self {
        Self { server, redis: redis_server::connection() }
    }

    fn command<T: redis::FromRedisValue>(&mut self, name: &str, key: &str, arguments: &[&str]) -> T {
        redis::cmd(name).arg(self.server.key(key)).arg(arguments).query(&mut self.redis).unwrap()
    }

    fn profile(&mut self, who: &Person, name: &str, arguments: &[&str]) {
        let _: redis::Value = self.command(name, &format!("{{user:{}}}:profile", who.id), arguments);
    }

    /// Somebody's claim on a name, by its key.
    fn claim(name: &str) -> String {
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        format!("{{username:{}}}", data_encoding::BASE64URL_NOPAD.encode(&digest.as_ref()[..16]))
    }

    fn set_claim(&mut self, name: &str, arguments: &[&str]) {
        let _: redis::Value = self.command("SET", &Self::claim(name), arguments);
    }
}

#[tokio::test]
async fn a_profile_is_changed_field_by_field_and_shown_to_all() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let before = me(&ada).await;
    let body =
        json!({ "gender": "female", "dateOfBirth": "2001-05-10", "address": "1 Main St\nSpringfield" });
    let answer = update(&ada, body).await;
    assert_eq!((answer.status, answer.json["message"].as_str()), (200, Some("Profile updated successfully")));
    for (field, value) in [
        ("username", json!("ada")),
        ("email", json!("ada@example.com")),
        ("avatar", json!("")),
        ("gender", json!("female")),
        ("dateOfBirth", json!("2001-05-10T00:00:00.000Z")),
        ("address", json!("1 Main St\nSpringfield")),
        ("createdAt", before["createdAt"].clone()),
        ("__v", json!(0)),
    ] {
        assert_eq!(answer.json["user"][field], value, "{field}");
    }
    assert!(answer.json["user"]["updatedAt"].as_str() > before["updatedAt"].as_str());
    assert_eq!(me(&ada).await, answer.json["user"]);
    let seen = bob.client.get(&format!("/api/users/{}", ada.id)).send().await;
    assert_eq!((seen.status, seen.json["message"].as_str()), (200, Some("User fetched successfully")));
    assert_eq!(seen.json["user"], answer.json["user"]);

    let one =
        update(&ada, json!({ "address": "elsewhere", "email": "eve@example.com", "_id": bob.id })).await;
    assert_eq!(one.json["user"]["gender"], "female", "what is not given stays");
    assert_eq!((&one.json["user"]["email"], &one.json["user"]["_id"]), (&json!(ada.email), &json!(ada.id)));
    assert_eq!(me(&bob).await["address"], "");
}

#[tokio::test]
async fn nulls_and_empty_texts_clear_a_field() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    for (gender, date, address) in
        [(Value::Null, Value::Null, Value::Null), (json!(""), json!(""), json!(""))]
    {
        let set = json!({ "gender": "other", "dateOfBirth": "1999-12-31T23:59:59.999Z", "address": "here" });
        let answer = update(&ada, set).await;
        assert_eq!(answer.json["user"]["dateOfBirth"], "1999-12-31T00:00:00.000Z");
        let clear = json!({ "gender": gender, "dateOfBirth": date, "address": address });
        let answer = update(&ada, clear).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json["user"]["gender"], "prefer_not_to_say");
        assert_eq!(answer.json["user"]["dateOfBirth"], Value::Null);
        assert_eq!(answer.json["user"]["address"], "");
    }
    assert_eq!(update(&ada, json!({ "address": "  \n " })).await.json["user"]["address"], "  \n ");
}

#[tokio::test]
async fn wrong_fields_are_named_and_change_nothing() {
    let server = TestServer::start_with(|config| config.server.max_body_bytes = 10_000);
    let ada = server.person("ada").await;
    let before = me(&ada).await;
    let long = "x".repeat(513);
    for (body, field) in [
        (json!({}), ""),
        (json!({ "email": "new@example.com" }), ""),
        (json!({ "username": null }), ""),
        (json!({ "username": "" }), "username"),
        (json!({ "username": "x" }), "username"),
        (json!({ "username": "a@b" }), "username"),
        (json!({ "username": "user-123" }), "username"),
        (json!({ "username": "nul\0name" }), "username"),
        (json!({ "username": "x".repeat(33) }), "username"),
        (json!({ "username": 7 }), "username"),
        (json!({ "username": { "$ne": null } }), "username"),
        (json!({ "gender": "FEMALE" }), "gender"),
        (json!({ "gender": ["male"] }), "gender"),
        (json!({ "gender": 1 }), "gender"),
        (json!({ "dateOfBirth": "yesterday" }), "dateOfBirth"),
        (json!({ "dateOfBirth": "2001-02-30" }), "dateOfBirth"),
        (json!({ "dateOfBirth": "1899-12-31" }), "dateOfBirth"),
        (json!({ "dateOfBirth": "9999-01-01" }), "dateOfBirth"),
        (json!({ "dateOfBirth": 989452800000i64 }), "dateOfBirth"),
        (json!({ "address": long }), "address"),
        (json!({ "address": "bell\u{7}" }), "address"),
        (json!({ "address": false }), "address"),
        // A field in order beside a wrong one.
        (json!({ "username": "eve", "gender": "none" }), "gender"),
        (json!({ "address": "here", "dateOfBirth": "never" }), "dateOfBirth"),
    ] {
        let answer = update(&ada, body.clone()).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{body}");
    }
    let several =
        update(&ada, json!({ "username": "", "gender": "x", "dateOfBirth": "x", "address": long })).await;
    assert_eq!(several.fields_at_fault(), ["username", "gender", "dateOfBirth", "address"]);
    for body in ["", "[]", "null", "\"x\"", "{\"username\":"] {
        let answer =
            ada.client.put("/api/users/profile").body("application/json", body.to_owned()).send().await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let huge = json!({ "address": "x".repeat(10_000) }).to_string();
    let put = || ada.client.put("/api/users/profile");
    assert_eq!(put().body("application/json", huge).send().await.status, 413);
    assert_eq!(put().body("text/plain", "x").send().await.status, 415);
    for body in [json!({ "gender": "male" }), json!({ "gender": 1 })] {
        let answer = server.client().put("/api/users/profile").json(&body).send().await;
        assert_eq!(answer.status, 401, "before the body is looked at");
    }
    assert_eq!(me(&ada).await, before);
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_not_found() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    for id in ["0123456789abcdef01234567", "nonsense", "%00", "0123456789ABCDEF01234567", "..%2f"] {
        let answer = ada.client.get(&format!("/api/users/{id}")).send().await;
        assert_eq!((answer.status, &answer.json["success"]), (404, &json!(false)), "{id} {answer:?}");
    }
    assert_eq!(server.client().get(&format!("/api/users/{}", ada.id)).send().await.status, 401);
    assert_eq!(server.client().get("/api/users").send().await.status, 401);
}

#[tokio::test]
async fn a_name_changes_hands_at_once() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let answer = update(&ada, json!({ "username": "Eve", "address": "here" })).await;
    assert_eq!((answer.status, answer.json["user"]["username"].as_str()), (200, Some("Eve")));
    assert_eq!((log_in(&server.client(), "eve").await, log_in(&server.client(), "ada").await), (200, 401));
    assert_eq!(rename(&bob, "ADA").await, 200, "the old name is free");
    assert_eq!((log_in(&server.client(), "ada").await, log_in(&server.client(), "bob").await), (200, 401));
    assert_eq!(page(&ada, "").await.0, ["ADA", "Eve"]);
    assert_eq!(page(&ada, "?search=bob").await.1["totalUsers"], 0);
    let again = json!({ "email": "new@example.com", "password": PASSWORD, "username": "bob" });
    assert_eq!(server.client().post("/api/auth/register").json(&again).send().await.status, 201);
}

#[tokio::test]
async fn a_name_that_is_taken_changes_nothing() {
    let server = TestServer::start();
    let (ada, _bob) = (server.person("ada").await, server.person("bob").await);
    let before = me(&ada).await;
    for name in ["bob", "BOB", " bob "] {
        let answer = update(&ada, json!({ "username": name, "address": "here" })).await;
        assert_eq!((answer.status, &answer.json["success"]), (409, &json!(false)), "{answer:?}");
    }
    assert_eq!(me(&ada).await, before);
    let taken = json!({ "email": "new@example.com", "password": PASSWORD, "username": "Ada" });
    assert_eq!(server.client().post("/api/auth/register").json(&taken).send().await.status, 409);
}

#[tokio::test]
async fn a_name_that_looks_like_anothers_is_taken() {
    let server = TestServer::start();
    let (ada, eve) = (Person::new(&server, "ada").await, Person::new(&server, "eve").await);
    assert_eq!(rename(&ada, "\u{c9}va Lin").await, 200);
    for same in ["e\u{301}va lin", "\u{c9}va  Lin", "\u{e9}va\u{a0}lin", "\u{ff25}\u{301}va \u{ff2c}in"] {
        assert_eq!(rename(&eve, same).await, 409, "{same}");
        let found = page(&eve, &format!("?search={same}")).await.0;
        assert_eq!(found, ["\u{c9}va Lin"], "{same}");
    }
    assert_eq!(rename(&eve, "Eva Lin").await, 200, "without its accent it is another");
    assert_eq!(rename(&eve, "eve\u{ff20}x").await, 400, "a wide @ is one");
}

#[tokio::test]
async fn ones_own_name_can_be_spelt_anew() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    for name in ["ADA", "Ada", "Ada"] {
        assert_eq!(update(&ada, json!({ "username": name })).await.json["user"]["username"], name);
    }
    assert_eq!(rename(&bob, "aDa").await, 409);
    assert_eq!(log_in(&server.client(), "ada").await, 200);
    assert_eq!(page(&ada, "").await.0, ["Ada", "bob"]);
}

#[tokio::test]
async fn of_a_hundred_who_want_one_name_one_gets_it() {
    let server = TestServer::start();
    let people = crowd(&server, 100).await;
    let statuses = join_all(people.iter().map(|person| rename(person, "the one"))).await;
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|&status| matches!(status, 200 | 409)), "{statuses:?}");
    assert_eq!(page(&people[0], "?search=the%20one").await.1["totalUsers"], 1);
    assert_eq!(page(&people[0], "?search=person").await.1["totalUsers"], 99, "the others keep their names");
}

#[tokio::test]
async fn no_race_gives_one_name_to_two() {
    let server = TestServer::start();
    let people = crowd(&server, 6).await;
    let names = ["red", "green", "blue", "cyan"];
    // Two devices of each user at once, so that a user's own changes race too.
    let runs =
        people.iter().flat_map(|person| [person, person]).enumerate().map(|(run, person)| async move {
            for step in 0..25 {
                let status = rename(person, names[(run * 7 + step * 3 + step / 4) % names.len()]).await;
                assert!(matches!(status, 200 | 409 | 503), "{status}");
            }
        });
    join_all(runs).await;
    let mut found = BTreeSet::new();
    for person in &people {
        let name = me(person).await["username"].as_str().unwrap().to_owned();
        assert!(found.insert(name.clone()), "{name} is somebody else's too");
        assert_eq!(log_in(&server.client(), &name).await, 200, "{name}");
    }
    // Whatever the races left behind, every name that nobody goes by can be had.
    let newcomer = server.person("newcomer").await;
    for name in names.iter().filter(|name| !found.contains(**name)) {
        assert_eq!(rename(&newcomer, name).await, 200, "{name}");
    }
    assert_eq!(page(&newcomer, "").await.0.len(), 7);
}

#[tokio::test]
async fn a_rename_that_crashed_after_its_claim_lapses_or_goes_on() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let mut store = Store::of(&server);
    store.set_claim("eve", &[&ada.id, "PX", "300"]);
    store.profile(&ada, "HSET", &["renaming", "eve"]);
    assert_eq!(rename(&bob, "eve").await, 200, "the claim lapsed while it was waited for");
    assert_eq!(rename(&ada, "eve").await, 409);
    store.set_claim("mallory", &[&ada.id, "PX", "15000"]);
    assert_eq!(rename(&ada, "mallory").await, 200, "one's own goes on");
    assert_eq!(store.command::<i64>("PTTL", &Store::claim("mallory"), &[]), -1);
}

#[tokio::test]
async fn a_rename_that_crashed_after_it_was_confirmed_keeps_both_names_and_goes_on() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let mut store = Store::of(&server);
    store.profile(&ada, "HSET", &["renaming", "eve"]);
    store.set_claim("eve", &[&format!("{}:1", ada.id)]);
    assert_eq!((rename(&bob, "eve").await, rename(&bob, "ada").await), (409, 409));
    assert_eq!(
        (me(&ada).await["username"].as_str(), log_in(&server.client(), "ada").await),
        (Some("ada"), 200)
    );
    assert_eq!(rename(&ada, "eve").await, 200);
    assert_eq!(rename(&bob, "ada").await, 200);
}

#[tokio::test]
async fn a_rename_that_crashed_before_the_old_name_was_released_holds_nobody_up() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let mut store = Store::of(&server);
    store.profile(&ada, "HSET", &["username", "eve"]);
    store.set_claim("eve", &[&format!("{}:1", ada.id)]);
    // The old entry of the directory is left, the new one is not there yet.
    assert_eq!(page(&bob, "").await.0, ["bob"]);
    assert_eq!(page(&bob, "").await.1["totalUsers"], 1, "the leftover was dropped");
    ada.log_in().await;
    assert_eq!(page(&bob, "").await.0, ["bob", "eve"], "a login repairs the directory");
    assert_eq!(rename(&bob, "ada").await, 200, "nobody goes by that name");
    assert_eq!(rename(&ada, "ada").await, 409);
    assert_eq!(log_in(&server.client(), "eve").await, 200);
}

#[tokio::test]
async fn another_rename_takes_the_place_of_one_that_crashed() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let mut store = Store::of(&server);
    store.profile(&ada, "HSET", &["renaming", "eve"]);
    store.set_claim("eve", &[&format!("{}:1", ada.id)]);
    assert_eq!(rename(&ada, "mallory").await, 200);
    assert_eq!(rename(&bob, "eve").await, 200, "the first is not wanted any more");
    assert_eq!(rename(&ada, "ada").await, 200, "and back");
}

#[tokio::test]
async fn a_registration_that_crashed_before_its_profile_keeps_its_name_and_is_repaired_by_a_login() {
    let server = TestServer::start();
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let mut store = Store::of(&server);
    store.command::<i64>("DEL", &format!("{{user:{}}}:profile", ada.id), &[]);
    store.command::<i64>("DEL", "{directory:names}", &[]);
    assert_eq!(rename(&bob, "ada").await, 409);
    assert_eq!(ada.client.get("/api/auth/me").send().await.status, 401, "a new login, please");
    assert_eq!(update(&ada, json!({ "gender": "other" })).await.status, 401);
    ada.log_in().await;
    assert_eq!(me(&ada).await["username"], "ada");
    assert_eq!(page(&ada, "?search=ada").await.0, ["ada"]);
}

#[tokio::test]
async fn the_directory_is_paged_by_name() {
    let server = TestServer::start();
    let people = crowd(&server, 200).await;
    let ada = &people[0];
    let mut seen = Vec::new();
    for number in 1..=7 {
        let (names, pagination) = page(ada, &format!("?page={number}&limit=30")).await;
        let expected = json!({ "current": number, "total": 7, "hasNext": number < 7, "hasPrev": number > 1,
            "limit": 30, "totalUsers": 200 });
        assert_eq!(pagination, expected);
        seen.extend(names);
    }
    let mut expected: Vec<String> = (0..200).map(|number| format!("Person {number}")).collect();
    expected.sort();
    assert_eq!(seen, expected);
    let (default, pagination) = page(ada, "").await;
    assert_eq!((default.len(), &pagination["limit"]), (20, &json!(20)));
    let (past, pagination) = page(ada, "?page=9&limit=30").await;
    assert_eq!(
        (past.len(), &pagination["hasNext"], &pagination["hasPrev"]),
        (0, &json!(false), &json!(true))
    );
    assert_eq!(page(ada, "?page=1000000&limit=100").await.0.len(), 0);

    let (found, pagination) = page(ada, "?search=PERSON%2019&limit=5").await;
    assert_eq!(found, ["Person 19", "Person 190", "Person 191", "Person 192", "Person 193"]);
    assert_eq!((&pagination["totalUsers"], &pagination["total"]), (&json!(11), &json!(3)));
    for (query, field) in [
        ("?page=0", "page"),
        ("?page=-1", "page"),
        ("?page=1000001", "page"),
        ("?page=x", "page"),
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=", "limit"),
        ("?search=a%00b", "search"),
        ("?search=%0a", "search"),
    ] {
        let answer = ada.client.get(&format!("/api/users{query}")).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{query}");
    }
    let long = format!("/api/users?search={}", "x".repeat(257));
    assert_eq!(ada.client.get(&long).send().await.fields_at_fault(), ["search"]);
    for query in ["?page=1&page=2", "?search=%ff", "?a=b&c=d"] {
        let status = ada.client.get(&format!("/api/users{query}")).send().await.status;
        assert!(matches!(status, 200 | 400), "{query} {status}");
    }
}

#[tokio::test]
async fn the_directory_knows_every_script_and_case() {
    let server = TestServer::start();
    let names = ["Émile", "émilie", "ΣΑΣΑ", "Straße", "李小龍", "🦀 crab", "a*b", "a?b", "[a", "(a", "zz"];
    let mut people = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let body =
            json!({ "email": format!("{number}@example.com"), "password": PASSWORD, "username": name });
        let answer = server.client().post("/api/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        people.push(answer.json);
    }
    let client = server.client().with_token(people[0]["accessToken"].as_str().unwrap());
    let search = async |text: &str| -> Vec<String> {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let answer = client.get(&format!("/api/users?search={encoded}")).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let users = answer.json["users"].as_array().unwrap();
        users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    for (text, expected) in [
        ("ÉMIL", vec!["Émile", "émilie"]),
        ("émili", vec!["émilie"]),
        ("ΣΑΣ", vec!["ΣΑΣΑ"]),
        ("σασ", vec!["ΣΑΣΑ"]),
        ("STRASS", vec![]),
        ("straß", vec!["Straße"]),
        ("李", vec!["李小龍"]),
        ("🦀", vec!["🦀 crab"]),
        ("a*", vec!["a*b"]),
        ("*", vec![]),
        ("?", vec![]),
        ("[", vec!["[a"]),
        ("(", vec!["(a"]),
        ("-", vec![]),
        ("+", vec![]),
        ("  zz", vec!["zz"]),
        ("zz ", vec![]),
        ("\u{10ffff}", vec![]),
    ] {
        assert_eq!(search(text).await, expected, "{text}");
    }
    assert_eq!(search(" ").await.len(), names.len(), "nothing to search for");
}

#[tokio::test]
async fn addresses_are_shown_or_masked_as_configured() {
    for (shown, email) in [(EmailsShown::Full, "bob@example.com"), (EmailsShown::Masked, "b***@example.com")]
    {
        let server = TestServer::start_with(|config| config.directory.emails = shown);
        let (ada, bob) = (server.person("ada").await, server.person("bob").await);
        let answer = ada.client.get("/api/users").send().await;
        let keys: BTreeSet<&str> =
            answer.json["users"][0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["_id", "avatar", "email", "lastSeen", "onlineStatus", "username"].into());
        assert_eq!(answer.json["users"][0]["email"], "ada@example.com", "one's own");
        assert_eq!(answer.json["users"][1]["email"], email);
        let one = ada.client.get(&format!("/api/users/{}", bob.id)).send().await;
        assert_eq!(one.json["user"]["email"], email);
        assert_eq!(me(&bob).await["email"], "bob@example.com");
    }
}

#[tokio::test]
async fn searches_are_limited_and_listing_is_not() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.search = ayrene::config::Quota { requests: 2, per_secs: 60 };
    });
    let ada = server.person("ada").await;
    for expected in [200, 200, 429] {
        assert_eq!(ada.client.get("/api/users?search=a").send().await.status, expected);
    }
    assert_eq!(ada.client.get("/api/users").send().await.status, 200);
}

#[tokio::test]
async fn who_registers_for_links_is_listed_too() {
    let server = TestServer::start();
    let ada = server.person("ada").await;
    let account = server.client().register("bob@example.com").await;
    let (names, _) = page(&ada, "?search=user-").await;
    assert_eq!(names, [format!("user-{}", account["id"].as_str().unwrap())]);
}
