//! `/api/posts`: making, fetching, listing, changing and deleting posts.

use serde_json::{Value, json};

use crate::support::server::PASSWORD;
use crate::support::{Answer, Client, TestServer};

/// A client with the name and id of its user.
pub struct Person {
    pub client: Client,
    pub id: String,
    pub username: String,
}

impl Person {
    pub async fn new(server: &TestServer, username: &str) -> Self {
        let email = format!("{}@example.com", nanoid::nanoid!(10).to_lowercase());
        let body = json!({ "email": email, "password": PASSWORD, "username": username });
        let answer = server.client().post("/api/auth/register").json(&body).send().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self {
            client: server.client().with_token(answer.json["accessToken"].as_str().unwrap()),
            id: answer.json["user"]["_id"].as_str().unwrap().to_owned(),
            username: username.to_owned(),
        }
    }

    /// As an author or commenter.
    pub fn author(&self) -> Value {
        json!({ "_id": self.id, "username": self.username, "avatar": "" })
    }

    /// As a liker.
    pub fn liker(&self) -> Value {
        json!({ "_id": self.id, "username": self.username })
    }

    /// Makes a post; returns it.
    pub async fn post(&self, title: &str) -> Value {
        let answer =
            create(&self.client, json!({ "title": title, "description": "About", "content": "Words" })).await;
        assert_eq!((answer.status, &answer.json["success"]), (201, &json!(true)), "{answer:?}");
        answer.json["post"].clone()
    }
}

async fn create(client: &Client, body: Value) -> Answer {
    client.post("/api/posts").json(&body).send().await
}

pub async fn fetch(client: &Client, id: &str) -> Value {
    let answer = client.get(&format!("/api/posts/{id}")).send().await;
    assert_eq!((answer.status, &answer.json["success"]), (200, &json!(true)), "{answer:?}");
    answer.json["post"].clone()
}

pub fn id(thing: &Value) -> &str {
    thing["_id"].as_str().unwrap()
}

pub fn titles(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["posts"].as_array().unwrap().iter().map(|post| post["title"].as_str().unwrap()).collect()
}

pub fn assert_is_time(time: &Value) {
    let text = time.as_str().unwrap();
    assert_eq!(text.len(), "2025-12-05T11:04:48.214Z".len(), "{text}");
    assert!(text.ends_with('Z') && text.as_bytes()[10] == b'T', "{text}");
}

/// Refused with this status and a message in words; nothing of the thing is in the answer.
pub fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!((answer.status, &answer.json["success"]), (status, &json!(false)), "{answer:?}");
    assert!(!answer.json["message"].as_str().unwrap().is_empty());
    assert!(answer.json.get("post").is_none());
}

#[tokio::test]
async fn a_new_post_has_every_field_of_the_contract() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let body = json!({ "title": "A title", "description": "What it is", "content": "One\nTwo" });
    let answer = create(&ada.client, body).await;
    assert_eq!((answer.status, &answer.json["success"]), (201, &json!(true)), "{answer:?}");
    let post = &answer.json["post"];
    for (field, value) in [
        ("title", json!("A title")),
        ("content", json!("One\nTwo")),
        ("description", json!("What it is")),
        ("author", ada.author()),
        ("status", json!("active")),
        ("likes", json!([])),
        ("comments", json!([])),
        ("likesCount", json!(0)),
        ("commentsCount", json!(0)),
        ("likedByMe", json!(false)),
        ("__v", json!(0)),
    ] {
        assert_eq!(post[field], value, "{field}");
    }
    assert_is_time(&post["createdAt"]);
    assert_eq!(post["createdAt"], post["updatedAt"]);
    let secs = u64::from_str_radix(&id(post)[..8], 16).unwrap();
    let created = chrono::DateTime::parse_from_rfc3339(post["createdAt"].as_str().unwrap()).unwrap();
    assert_eq!(secs as i64, created.timestamp(), "the id has the layout of an ObjectId");
    assert_eq!(&fetch(&ada.client, id(post)).await, post);
    assert_eq!(post["author"], fetch(&Person::new(&server, "Bob").await.client, id(post)).await["author"]);
}

#[tokio::test]
async fn text_is_kept_as_sent() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let text = " \u{1f980} e\u{301} \u{202e}<b>\"\\ {post:1} \u{10ffff} ";
    let body = json!({ "title": text, "description": text, "content": format!("{text}\r\n\t{text}") });
    let answer = create(&ada.client, body.clone()).await;
    let post = fetch(&ada.client, id(&answer.json["post"])).await;
    for field in ["title", "description", "content"] {
        assert_eq!(post[field], body[field], "{field}");
    }
}

#[tokio::test]
async fn the_longest_post_fits_however_it_is_escaped_and_nothing_longer() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let escaped = |count: usize| "\\u0061".repeat(count);
    let (title, description, content) = (escaped(256), escaped(4096), escaped(65536));
    let body =
        format!("{{\"title\":\"{title}\",\"description\":\"{description}\",\"content\":\"{content}\"}}");
    let answer = ada.client.post("/api/posts").body("application/json", body).send().await;
    assert_eq!(answer.status, 201, "{:.300}", answer.text);
    assert_eq!(answer.json["post"]["content"], "a".repeat(65536));
    for (field, length) in [("title", 257), ("description", 4097), ("content", 65537)] {
        let mut body = json!({ "title": "a", "description": "b", "content": "c" });
        body[field] = json!("x".repeat(length));
        let answer = create(&ada.client, body).await;
        assert_refused(&answer, 400);
        assert_eq!(answer.fields_at_fault(), [field]);
    }
    let huge = json!({ "title": "a", "description": "b", "content": "x".repeat(600_000) });
    assert_refused(&create(&ada.client, huge).await, 413);
    assert_eq!(titles(&ada.client.get("/api/posts").send().await).len(), 1);
}

#[tokio::test]
async fn every_wrong_field_is_named_and_changes_nothing() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let post = ada.post("mine").await;
    let own = format!("/api/posts/{}", id(&post));
    let whole = json!({ "title": "a", "description": "b", "content": "c" });
    for field in ["title", "description", "content"] {
        let mut missing = whole.clone();
        missing.as_object_mut().unwrap().remove(field);
        assert_eq!(create(&ada.client, missing).await.fields_at_fault(), [field]);
        let wrong = [
            json!(7),
            json!(true),
            json!(["a"]),
            json!({}),
            json!(""),
            json!(" \n"),
            json!("a\u{0}b"),
            json!("\u{1b}[31m"),
        ];
        for value in wrong {
            let mut body = whole.clone();
            body[field] = value.clone();
            for answer in [
                create(&ada.client, body).await,
                ada.client.put(&own).json(&json!({ field: value })).send().await,
            ] {
                assert_refused(&answer, 400);
                assert_eq!(answer.fields_at_fault(), [field], "{value}");
            }
        }
        let mut null = whole.clone();
        null[field] = Value::Null;
        assert_eq!(create(&ada.client, null).await.fields_at_fault(), [field]);
    }
    let title = json!({ "title": "two\nlines", "description": "\u{7}", "content": "" });
    assert_eq!(
        create(&ada.client, title.clone()).await.fields_at_fault(),
        ["title", "description", "content"]
    );
    assert_eq!(
        ada.client.put(&own).json(&title).send().await.fields_at_fault(),
        ["title", "description", "content"]
    );
    for body in ["", "[]", "null", "7", "{", "{\"title\":\"a\",\"title\":\"b\"}", "{\"title\":\"\\ud800\"}"] {
        for request in [ada.client.post("/api/posts"), ada.client.put(&own)] {
            assert_refused(&request.body("application/json", body).send().await, 400);
        }
    }
    assert_refused(&ada.client.post("/api/posts").body("text/plain", whole.to_string()).send().await, 415);
    assert_eq!(fetch(&ada.client, id(&post)).await, post);
    assert_eq!(titles(&ada.client.get("/api/posts").send().await), ["mine"]);
}

#[tokio::test]
async fn every_call_needs_a_token() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let post = format!("/api/posts/{}", id(&ada.post("mine").await));
    let comment = format!("{post}/comment/{}", "0".repeat(24));
    for client in [server.client(), server.client().with_token("garbage")] {
        for request in [
            client.post("/api/posts").json(&json!({ "title": "a", "description": "b", "content": "c" })),
            client.post("/api/posts").body("application/json", "{"),
            client.get("/api/posts"),
            client.get("/api/posts/my-posts"),
            client.get(&post),
            client.put(&post).json(&json!({ "title": "b" })),
            client.delete(&post),
            client.post(&format!("{post}/like")),
            client.put(&format!("{post}/like")),
            client.delete(&format!("{post}/like")),
            client.get(&format!("{post}/likes")),
            client.post(&format!("{post}/comment")).json(&json!({ "text": "a" })),
            client.get(&format!("{post}/comments")),
            client.delete(&comment),
        ] {
            assert_refused(&request.send().await, 401);
        }
    }
}

#[tokio::test]
async fn a_post_is_its_authors_to_change_and_the_answer_has_bare_ids() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let before = ada.post("before").await;
    let path = format!("/api/posts/{}", id(&before));
    bob.client.put(&format!("{path}/like")).send().await;
    bob.client.post(&format!("{path}/comment")).json(&json!({ "text": "hello" })).send().await;
    for (changes, fields) in [
        (json!({ "title": "after" }), ["after", "About", "Words"]),
        (json!({ "description": "New", "content": null }), ["after", "New", "Words"]),
        (
            json!({ "content": "Newer", "author": bob.id, "likes": [], "__v": 9, "_id": "x" }),
            ["after", "New", "Newer"],
        ),
    ] {
        let answer = ada.client.put(&path).json(&changes).send().await;
        assert_eq!((answer.status, &answer.json["success"]), (200, &json!(true)), "{answer:?}");
        let post = &answer.json["post"];
        assert_eq!(["title", "description", "content"].map(|field| post[field].as_str().unwrap()), fields);
        assert_eq!(
            (&post["likes"][0]["user"], &post["comments"][0]["user"]),
            (&json!(bob.id), &json!(bob.id))
        );
        assert_eq!((&post["author"], &post["__v"]), (&ada.author(), &json!(2)));
        assert_eq!(post["createdAt"], before["createdAt"]);
        let full = fetch(&ada.client, id(&before)).await;
        assert_eq!((&full["likes"][0]["user"], &full["comments"][0]["user"]), (&bob.liker(), &bob.author()));
        assert_eq!((&full["updatedAt"], &full["title"]), (&post["updatedAt"], &post["title"]));
        assert!(full["updatedAt"].as_str() > before["updatedAt"].as_str());
    }
    let now = fetch(&ada.client, id(&before)).await;
    assert_refused(&bob.client.put(&path).json(&json!({ "title": "bob's" })).send().await, 403);
    for body in [json!({}), json!({ "title": null, "other": "x" })] {
        let answer = ada.client.put(&path).json(&body).send().await;
        assert_refused(&answer, 400);
        let problem = answer.json["errors"][0]["message"].as_str().unwrap();
        assert!(["title", "description", "content"].iter().all(|field| problem.contains(field)), "{problem}");
    }
    assert_eq!(fetch(&ada.client, id(&before)).await, now);
}

#[tokio::test]
async fn a_deleted_post_is_gone_everywhere_with_all_that_hung_on_it() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}", id(&post));
    bob.client.put(&format!("{path}/like")).send().await;
    bob.client.post(&format!("{path}/comment")).json(&json!({ "text": "hello" })).send().await;
    assert_refused(&bob.client.delete(&path).send().await, 403);
    assert_eq!(fetch(&bob.client, id(&post)).await["__v"], 2);
    let answer = ada.client.delete(&path).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({ "success": true, "message": "Post deleted successfully" }));
    for request in [
        ada.client.get(&path),
        ada.client.put(&path).json(&json!({ "title": "b" })),
        ada.client.delete(&path),
        bob.client.post(&format!("{path}/like")),
        bob.client.put(&format!("{path}/like")),
        bob.client.delete(&format!("{path}/like")),
        bob.client.get(&format!("{path}/likes")),
        bob.client.post(&format!("{path}/comment")).json(&json!({ "text": "a" })),
        bob.client.get(&format!("{path}/comments")),
    ] {
        assert_refused(&request.send().await, 404);
    }
    for list in ["/api/posts", "/api/posts/my-posts"] {
        assert!(titles(&ada.client.get(list).send().await).is_empty());
    }
    let mut redis = crate::support::redis_server::connection();
    let left: Vec<String> = redis::cmd("KEYS").arg(server.key("{post:*")).query(&mut redis).unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn an_id_that_leads_nowhere_is_not_found() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let link = ada.client.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    let unknown = [
        "0".repeat(24),
        "f".repeat(24),
        ada.id.clone(),
        "A".repeat(24),
        "x".to_owned(),
        link,
        "0".repeat(500),
        "%00".to_owned(),
        "{posts:feed}".to_owned(),
    ];
    for id in unknown {
        for path in ["", "/likes", "/comments"] {
            assert_refused(&ada.client.get(&format!("/api/posts/{id}{path}")).send().await, 404);
        }
        assert_refused(&ada.client.post(&format!("/api/posts/{id}/like")).send().await, 404);
        assert_refused(&ada.client.delete(&format!("/api/posts/{id}")).send().await, 404);
        let changed = ada.client.put(&format!("/api/posts/{id}")).json(&json!({ "title": "b" })).send().await;
        assert_refused(&changed, 404);
        let commented =
            ada.client.post(&format!("/api/posts/{id}/comment")).json(&json!({ "text": "b" })).send().await;
        assert_refused(&commented, 404);
    }
}

#[tokio::test]
async fn the_feed_is_paged_by_number_as_published() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let empty = ada.client.get("/api/posts").send().await;
    assert!(titles(&empty).is_empty());
    assert_eq!(
        empty.json["pagination"],
        json!({ "current": 1, "total": 0, "hasNext": false, "hasPrev": false })
    );
    for number in 1..=12 {
        let author = if number % 2 == 0 { &ada } else { &bob };
        author.post(&number.to_string()).await;
    }
    let first = ada.client.get("/api/posts").send().await;
    assert_eq!(first.json["success"], true);
    assert_eq!(titles(&first), ["12", "11", "10", "9", "8", "7", "6", "5", "4", "3"]);
    assert_eq!(
        first.json["pagination"],
        json!({ "current": 1, "total": 2, "hasNext": true, "hasPrev": false })
    );
    assert_eq!(first.json["posts"][0]["author"], ada.author());
    assert_eq!(first.json["posts"][1]["author"], bob.author());
    for (query, expected, pagination) in [
        ("page=2", vec!["2", "1"], json!({ "current": 2, "total": 2, "hasNext": false, "hasPrev": true })),
        (
            "page=2&limit=5",
            vec!["7", "6", "5", "4", "3"],
            json!({ "current": 2, "total": 3, "hasNext": true, "hasPrev": true }),
        ),
        (
            "page=4&limit=3",
            vec!["3", "2", "1"],
            json!({ "current": 4, "total": 4, "hasNext": false, "hasPrev": true }),
        ),
        ("page=9", vec![], json!({ "current": 9, "total": 2, "hasNext": false, "hasPrev": true })),
    ] {
        let page = bob.client.get(&format!("/api/posts?{query}")).send().await;
        assert_eq!((titles(&page), &page.json["pagination"]), (expected, &pagination), "{query}");
    }
}

#[tokio::test]
async fn who_scrolls_by_cursor_sees_each_post_once_whatever_happens_meanwhile() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    for number in 1..=7 {
        ada.post(&number.to_string()).await;
    }
    for list in ["/api/posts", "/api/posts/my-posts"] {
        let first = ada.client.get(&format!("{list}?limit=3")).send().await;
        assert_eq!(titles(&first), ["7", "6", "5"]);
        let cursor = first.json["nextBefore"].as_str().unwrap();
        assert_eq!(cursor, id(&first.json["posts"][2]));
        let newer = ada.post("newer").await;
        let second = ada.client.get(&format!("{list}?limit=3&before={cursor}")).send().await;
        assert_eq!(titles(&second), ["4", "3", "2"]);
        let cursor = second.json["nextBefore"].as_str().unwrap().to_owned();
        let last = ada.client.get(&format!("{list}?limit=3&before={cursor}")).send().await;
        assert_eq!((titles(&last), &last.json["nextBefore"]), (vec!["1"], &Value::Null));
        let after_last = format!("{list}?before={}", id(&last.json["posts"][0]));
        let none = ada.client.get(&after_last).send().await;
        assert_eq!((titles(&none), &none.json["nextBefore"]), (vec![], &Value::Null));
        ada.client.delete(&format!("/api/posts/{}", id(&newer))).send().await;
    }
    let page = ada.client.get("/api/posts?limit=3").send().await;
    let cursor = page.json["nextBefore"].as_str().unwrap();
    ada.client.delete(&format!("/api/posts/{cursor}")).send().await;
    let next = ada.client.get(&format!("/api/posts?limit=3&page=1&before={cursor}")).send().await;
    assert_eq!(titles(&next), ["4", "3", "2"], "the cursor's post is gone");
    assert_eq!(
        next.json["pagination"],
        json!({ "current": 1, "total": 2, "hasNext": true, "hasPrev": true })
    );
    let exact = ada.client.get("/api/posts?limit=6").send().await;
    assert_eq!((titles(&exact).len(), &exact.json["nextBefore"]), (6, &Value::Null));
}

#[tokio::test]
async fn my_posts_are_mine_alone() {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    for (author, title) in [(&ada, "a1"), (&bob, "b1"), (&ada, "a2")] {
        author.post(title).await;
    }
    let mine = ada.client.get("/api/posts/my-posts").send().await;
    assert_eq!((titles(&mine), &mine.json["success"]), (vec!["a2", "a1"], &json!(true)));
    assert_eq!(mine.json["posts"][0]["author"], ada.author());
    assert_eq!(titles(&bob.client.get("/api/posts/my-posts").send().await), ["b1"]);
    assert!(
        titles(&Person::new(&server, "Eve").await.client.get("/api/posts/my-posts").send().await).is_empty()
    );
}

#[tokio::test]
async fn wrong_queries_name_their_field() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let post = ada.post("mine").await;
    let other = ada.post("other").await;
    let of_post = |part: &str| format!("/api/posts/{}/{part}", id(&post));
    let lists =
        ["/api/posts".to_owned(), "/api/posts/my-posts".to_owned(), of_post("likes"), of_post("comments")];
    for list in &lists {
        for limit in ["0", "101", "-1", "x", "", "1e1", "99999999999999999999"] {
            let answer = ada.client.get(&format!("{list}?limit={limit}")).send().await;
            assert_refused(&answer, 400);
            assert_eq!(answer.fields_at_fault(), ["limit"], "{list} {limit}");
        }
        for before in ["", "x", &"0".repeat(23), &"G".repeat(24), &"0".repeat(1000), "%ff", "(1"] {
            let answer = ada.client.get(&format!("{list}?before={before}")).send().await;
            assert_refused(&answer, 400);
        }
    }
    for page in ["0", "1000001", "x", "1.5"] {
        let answer = ada.client.get(&format!("/api/posts?page={page}")).send().await;
        assert_refused(&answer, 400);
        assert_eq!(answer.fields_at_fault(), ["page"], "{page}");
    }
    let smallest = format!("00000000{}000000", &id(&post)[8..18]);
    for part in ["likes", "comments"] {
        for before in [id(&other), &smallest] {
            let answer = ada.client.get(&format!("{}?before={before}", of_post(part))).send().await;
            assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["before"]), "{before}");
        }
    }
    for before in ["0".repeat(24), "f".repeat(24)] {
        assert_eq!(ada.client.get(&format!("/api/posts?before={before}")).send().await.status, 200);
    }
}

#[tokio::test]
async fn an_account_has_so_many_posts_and_the_feed_so_many_in_all() {
    let server = TestServer::start_with(|config| {
        config.posts.max_posts_per_user = 2;
        config.posts.feed_length = 3;
    });
    let (ada, bob) = (Person::new(&server, "Ada").await, Person::new(&server, "Bob").await);
    let first = ada.post("a1").await;
    ada.post("a2").await;
    let body = json!({ "title": "a3", "description": "b", "content": "c" });
    assert_refused(&create(&ada.client, body.clone()).await, 403);
    assert_eq!(titles(&ada.client.get("/api/posts").send().await), ["a2", "a1"]);
    assert_eq!(ada.client.delete(&format!("/api/posts/{}", id(&first))).send().await.status, 200);
    assert_eq!(create(&ada.client, body).await.status, 201);
    bob.post("b1").await;
    bob.post("b2").await;
    assert_eq!(titles(&ada.client.get("/api/posts").send().await), ["b2", "b1", "a3"]);
    assert_eq!(titles(&ada.client.get("/api/posts/my-posts").send().await), ["a3", "a2"]);
}

#[tokio::test]
async fn an_entry_that_leads_nowhere_is_skipped_and_dropped_once_settled() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    ada.post("mine").await;
    let now = chrono::Utc::now().timestamp();
    let [fresh, old] =
        [now - 1, now - 120].map(|secs| (format!("{secs:08x}0123456789000000"), secs * 1_000_000));
    let mut redis = crate::support::redis_server::connection();
    let lists = [
        ("{posts:feed}".to_owned(), "/api/posts"),
        (format!("{{user:{}}}:posts", ada.id), "/api/posts/my-posts"),
    ];
    for (key, path) in lists {
        let key = server.key(&key);
        for (entry, micros) in [&fresh, &old] {
            let _: () = redis::cmd("ZADD").arg(&key).arg(micros).arg(entry).query(&mut redis).unwrap();
        }
        assert_eq!(titles(&ada.client.get(path).send().await), ["mine"]);
        let entries: Vec<String> = redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(&mut redis).unwrap();
        assert_eq!((entries.len(), &entries[0]), (2, &fresh.0), "its post may still be in the making");
    }
}
