//! Likes and comments: `/api/posts/{post_id}/like`, `…/likes`, `…/comment`, `…/comments`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::posts::{Person, assert_is_time, assert_refused, fetch, id};
use crate::support::{Answer, Client, TestServer};

async fn people<const N: usize>(server: &TestServer, names: [&str; N]) -> [Person; N] {
    let people = join_all(names.map(|name| Person::new(server, name))).await;
    people.try_into().unwrap_or_else(|_| unreachable!())
}

async fn comment(client: &Client, post: &str, text: &str) -> Answer {
    client.post(&format!("/api/posts/{post}/comment")).json(&json!({ "text": text })).send().await
}

fn texts(comments: &Value) -> Vec<&str> {
    comments.as_array().unwrap().iter().map(|comment| comment["text"].as_str().unwrap()).collect()
}

fn usernames(likes: &Value) -> Vec<&str> {
    likes.as_array().unwrap().iter().map(|like| like["user"]["username"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_like_is_toggled_and_every_number_follows() {
    let server = TestServer::start();
    let [ada, bob] = people(&server, ["Ada", "Bob"]).await;
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}/like", id(&post));
    let answer = bob.client.post(&path).send().await;
    assert_eq!((answer.status, &answer.json["success"]), (200, &json!(true)), "{answer:?}");
    let liked = &answer.json["post"];
    assert_eq!(answer.json["likes"], liked["likes"]);
    let like = &liked["likes"][0];
    assert_eq!(like["user"], bob.liker());
    assert_eq!(id(like).len(), 24);
    assert_is_time(&like["createdAt"]);
    assert_eq!(like.as_object().unwrap().len(), 3);
    for (field, value) in
        [("likesCount", json!(1)), ("likedByMe", json!(true)), ("__v", json!(1)), ("commentsCount", json!(0))]
    {
        assert_eq!(liked[field], value, "{field}");
    }
    assert_eq!((&liked["author"], &liked["updatedAt"]), (&ada.author(), &post["updatedAt"]));
    let seen = fetch(&ada.client, id(&post)).await;
    assert_eq!((&seen["likedByMe"], &seen["likes"]), (&json!(false), &liked["likes"]));
    let own = ada.client.post(&path).body("application/json", "{\"user\":\"ignored").send().await;
    assert_eq!(
        usernames(&own.json["likes"]),
        ["Bob", "Ada"],
        "the body is ignored; one may like one's own post"
    );
    let undone = bob.client.post(&path).send().await;
    assert_eq!(usernames(&undone.json["likes"]), ["Ada"]);
    assert_eq!((&undone.json["post"]["__v"], &undone.json["post"]["likesCount"]), (&json!(3), &json!(1)));
    assert_eq!(undone.json["post"]["likedByMe"], false);
}

#[tokio::test]
async fn an_explicit_like_and_unlike_may_be_repeated() {
    let server = TestServer::start();
    let [ada, bob] = people(&server, ["Ada", "Bob"]).await;
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}/like", id(&post));
    let mut first: Option<Value> = None;
    for _ in 0..3 {
        let answer = bob.client.put(&path).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(&answer.json, first.get_or_insert(answer.json.clone()), "the same answer each time");
    }
    let liked = first.unwrap();
    assert_eq!((&liked["post"]["__v"], &liked["post"]["likesCount"]), (&json!(1), &json!(1)));
    assert_eq!((&liked["success"], &liked["likes"]), (&json!(true), &liked["post"]["likes"]));
    for _ in 0..3 {
        let answer = bob.client.delete(&path).send().await;
        assert_eq!((answer.status, &answer.json["likes"]), (200, &json!([])));
        assert_eq!(
            (&answer.json["post"]["__v"], &answer.json["post"]["likedByMe"]),
            (&json!(2), &json!(false))
        );
    }
}

#[tokio::test]
async fn a_thousand_likes_at_once_agree_in_size_list_and_revision() {
    let server = TestServer::start_with(|config| {
        config.auth.hash_queue = 1000;
        config.server.workers = 2;
        // Of a build without optimisations, on a machine that runs other tests too.
        config.redis.response_timeout_ms = 10_000;
    });
    let ada = Person::new(&server, "Ada").await;
    let post = ada.post("popular").await;
    let path = format!("/api/posts/{}/like", id(&post));
    let names: Vec<String> = (0..100).map(|number| format!("fan {number}")).collect();
    let fans = join_all(names.iter().map(|name| Person::new(&server, name))).await;
    // Half of them toggle eleven times, which leaves a like; the others insist on theirs nine times.
    let requests = fans.iter().enumerate().flat_map(|(number, fan)| {
        let path = &path;
        let (times, toggles) = if number % 2 == 0 { (11, true) } else { (9, false) };
        (0..times).map(move |_| async move {
            if toggles { fan.client.post(path).send().await } else { fan.client.put(path).send().await }
        })
    });
    let answers = join_all(requests).await;
    assert_eq!(answers.len(), 1000);
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        let post = &answer.json["post"];
        let (likes, revision) = (post["likesCount"].as_u64().unwrap(), post["__v"].as_u64().unwrap());
        assert_eq!(post["likes"].as_array().unwrap().len() as u64, likes);
        assert_eq!(
            (revision >= likes, (revision - likes) % 2),
            (true, 0),
            "each change is one like more or less"
        );
    }
    let after = fetch(&ada.client, id(&post)).await;
    assert_eq!((&after["likesCount"], &after["__v"]), (&json!(100), &json!(50 * 11 + 50)));
    let mut likers = usernames(&after["likes"]);
    likers.sort_unstable();
    likers.dedup();
    assert_eq!(likers.len(), 100);
}

#[tokio::test]
async fn embedded_lists_hold_the_newest_and_the_rest_is_paged() {
    let server = TestServer::start_with(|config| config.posts.embedded = 3);
    let [ada, bob, eve, dan, joe] = people(&server, ["Ada", "Bob", "Eve", "Dan", "Joe"]).await;
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}", id(&post));
    for (number, person) in [&ada, &bob, &eve, &dan, &joe].into_iter().enumerate() {
        assert_eq!(person.client.put(&format!("{path}/like")).send().await.status, 200);
        assert_eq!(comment(&person.client, id(&post), &format!("c{number}")).await.status, 200);
    }
    let now = fetch(&ada.client, id(&post)).await;
    assert_eq!(usernames(&now["likes"]), ["Eve", "Dan", "Joe"]);
    assert_eq!(texts(&now["comments"]), ["c2", "c3", "c4"]);
    assert_eq!((&now["likesCount"], &now["commentsCount"], &now["__v"]), (&json!(5), &json!(5), &json!(10)));
    assert_eq!(now["likedByMe"], true, "although it is not among the newest");
    let feed = ada.client.get("/api/posts").send().await;
    assert_eq!(feed.json["posts"][0], now);

    let likes = ada.client.get(&format!("{path}/likes?limit=2")).send().await;
    assert_eq!((likes.status, usernames(&likes.json["likes"])), (200, vec!["Joe", "Dan"]));
    assert_eq!((&likes.json["success"], &likes.json["likesCount"]), (&json!(true), &json!(5)));
    assert_eq!(likes.json["likes"][0], now["likes"][2], "an entry looks the same everywhere");
    let cursor = likes.json["nextBefore"].as_str().unwrap();
    // The like at the cursor goes; the cursor still knows its place.
    assert_eq!(dan.client.delete(&format!("{path}/like")).send().await.status, 200);
    let rest = ada.client.get(&format!("{path}/likes?limit=3&before={cursor}")).send().await;
    assert_eq!(
        (usernames(&rest.json["likes"]), &rest.json["nextBefore"]),
        (vec!["Eve", "Bob", "Ada"], &Value::Null)
    );
    assert_eq!(rest.json["likesCount"], 4);

    let comments = ada.client.get(&format!("{path}/comments?limit=2")).send().await;
    assert_eq!(texts(&comments.json["comments"]), ["c4", "c3"]);
    assert_eq!((&comments.json["success"], &comments.json["commentsCount"]), (&json!(true), &json!(5)));
    assert_eq!(comments.json["comments"][0], now["comments"][2]);
    let cursor = comments.json["nextBefore"].as_str().unwrap();
    assert_eq!(dan.client.delete(&format!("{path}/comment/{cursor}")).send().await.status, 200);
    let rest = ada.client.get(&format!("{path}/comments?before={cursor}")).send().await;
    assert_eq!(
        (texts(&rest.json["comments"]), &rest.json["nextBefore"]),
        (vec!["c2", "c1", "c0"], &Value::Null)
    );
}

#[tokio::test]
async fn a_page_has_room_for_so_many_bytes_of_comments() {
    let server = TestServer::start_with(|config| config.posts.embedded_bytes = 8000);
    let ada = Person::new(&server, "Ada").await;
    let posts = [ada.post("one").await, ada.post("two").await];
    for post in &posts {
        for number in 0..4 {
            comment(&ada.client, id(post), &format!("{number}{}", "x".repeat(1999))).await;
        }
    }
    assert_eq!(fetch(&ada.client, id(&posts[0])).await["comments"].as_array().unwrap().len(), 4);
    let feed = ada.client.get("/api/posts").send().await;
    for post in feed.json["posts"].as_array().unwrap() {
        let newest: Vec<&str> = texts(&post["comments"]).iter().map(|text| &text[..1]).collect();
        assert_eq!((newest, &post["commentsCount"]), (vec!["2", "3"], &json!(4)));
    }
}

#[tokio::test]
async fn a_comment_answers_with_the_comments_and_their_authors() {
    let server = TestServer::start();
    let [ada, bob] = people(&server, ["Ada", "Bob"]).await;
    let post = ada.post("mine").await;
    let text = " one\n\ttwo \u{1f980} ";
    comment(&ada.client, id(&post), "first").await;
    let answer = comment(&bob.client, id(&post), text).await;
    assert_eq!((answer.status, &answer.json["success"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(texts(&answer.json["comments"]), ["first", text]);
    let made = &answer.json["comments"][1];
    assert_eq!(
        (&made["user"], &answer.json["comment"], &answer.json["commentsCount"]),
        (&bob.author(), made, &json!(2))
    );
    assert_eq!((id(made).len(), made.as_object().unwrap().len()), (24, 4));
    assert_is_time(&made["createdAt"]);
    let now = fetch(&bob.client, id(&post)).await;
    assert_eq!(
        (&now["comments"], &now["commentsCount"], &now["__v"]),
        (&answer.json["comments"], &json!(2), &json!(2))
    );
    assert_eq!(now["updatedAt"], post["updatedAt"], "what the post says did not change");
}

#[tokio::test]
async fn a_wrong_comment_names_its_field_and_changes_nothing() {
    let server = TestServer::start();
    let ada = Person::new(&server, "Ada").await;
    let post = ada.post("mine").await;
    let path = format!("/api/posts/{}/comment", id(&post));
    let wrong = [
        json!(""),
        json!("  "),
        json!("a\u{0}"),
        json!(7),
        json!(null),
        json!(["a"]),
        json!("x".repeat(4097)),
    ];
    for text in wrong {
        let answer = ada.client.post(&path).json(&json!({ "text": text })).send().await;
        assert_refused(&answer, 400);
        assert_eq!(answer.fields_at_fault(), ["text"], "{text:.20}");
    }
    assert_eq!(
        ada.client.post(&path).json(&json!({ "content": "a" })).send().await.fields_at_fault(),
        ["text"]
    );
    for body in ["", "[]", "{", "\"text\""] {
        assert_refused(&ada.client.post(&path).body("application/json", body).send().await, 400);
    }
    assert_eq!(fetch(&ada.client, id(&post)).await, post);
    assert_eq!(comment(&ada.client, id(&post), &"x".repeat(4096)).await.status, 200);
}

#[tokio::test]
async fn a_comment_is_deleted_by_who_wrote_it_or_the_post() {
    let server = TestServer::start();
    let [ada, bob, eve] = people(&server, ["Ada", "Bob", "Eve"]).await;
    let (post, other) = (ada.post("mine").await, ada.post("other").await);
    let mut made = Vec::new();
    for text in ["one", "two"] {
        made.push(comment(&bob.client, id(&post), text).await.json["comment"].clone());
    }
    let at = |post: &Value, comment: &str| format!("/api/posts/{}/comment/{comment}", id(post));
    assert_refused(&eve.client.delete(&at(&post, id(&made[0]))).send().await, 403);
    for path in [
        at(&other, id(&made[0])),
        at(&post, id(&post)),
        at(&post, "x"),
        at(&post, &"0".repeat(24)),
        format!("/api/posts/x/comment/{}", id(&made[0])),
    ] {
        assert_refused(&bob.client.delete(&path).send().await, 404);
    }
    assert_eq!(texts(&fetch(&eve.client, id(&post)).await["comments"]), ["one", "two"]);
    for (person, comment) in [(&bob, &made[0]), (&ada, &made[1])] {
        let answer = person.client.delete(&at(&post, id(comment))).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json, json!({ "success": true, "message": "Comment deleted successfully" }));
        assert_refused(&person.client.delete(&at(&post, id(comment))).send().await, 404);
    }
    let now = fetch(&eve.client, id(&post)).await;
    assert_eq!((&now["comments"], &now["commentsCount"], &now["__v"]), (&json!([]), &json!(0), &json!(4)));
}

#[tokio::test]
async fn a_post_has_so_many_comments() {
    let server = TestServer::start_with(|config| config.posts.max_comments_per_post = 2);
    let ada = Person::new(&server, "Ada").await;
    let post = ada.post("mine").await;
    let first = comment(&ada.client, id(&post), "1").await.json["comment"].clone();
    comment(&ada.client, id(&post), "2").await;
    assert_refused(&comment(&ada.client, id(&post), "3").await, 403);
    ada.client.delete(&format!("/api/posts/{}/comment/{}", id(&post), id(&first))).send().await;
    assert_eq!(texts(&comment(&ada.client, id(&post), "3").await.json["comments"]), ["2", "3"]);
}

#[tokio::test]
async fn who_is_gone_leaves_likes_and_comments_behind() {
    let server = TestServer::start();
    let [ada, bob] = people(&server, ["Ada", "Bob"]).await;
    let post = ada.post("mine").await;
    bob.client.put(&format!("/api/posts/{}/like", id(&post))).send().await;
    comment(&bob.client, id(&post), "bye").await;
    let mut redis = crate::support::redis_server::connection();
    let profile = server.key(&format!("{{user:{}}}:profile", bob.id));
    assert_eq!(redis::cmd("DEL").arg(profile).query::<i64>(&mut redis).unwrap(), 1);
    let now = fetch(&ada.client, id(&post)).await;
    assert_eq!(now["likes"][0]["user"], json!({ "_id": bob.id, "username": "deleted user" }));
    assert_eq!(now["comments"][0]["user"]["username"], "deleted user");
}

#[tokio::test]
async fn posting_liking_commenting_and_large_pages_have_limits_of_their_own() {
    use ayrene::config::Quota;
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        let quota = |requests| Quota { requests, per_secs: 3600 };
        config.rate_limits.post = quota(1);
        config.rate_limits.like = quota(2);
        config.rate_limits.comment = quota(1);
        config.rate_limits.large_page = quota(2);
    });
    let ada = Person::new(&server, "Ada").await;
    let post = ada.post("mine").await;
    let refused = ada.client.post("/api/posts").body("application/json", "{").send().await;
    assert_refused(&refused, 429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    let path = format!("/api/posts/{}/like", id(&post));
    let mut statuses = Vec::new();
    for request in [ada.client.put(&path), ada.client.delete(&path), ada.client.post(&path)] {
        statuses.push(request.send().await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(comment(&ada.client, id(&post), "1").await.status, 200);
    assert_refused(&comment(&ada.client, id(&post), "2").await, 429);
    let mut statuses = Vec::new();
    for list in ["/api/posts?limit=21", "/api/posts/my-posts", "/api/posts?limit=100", "/api/posts?limit=20"]
    {
        statuses.push(ada.client.get(list).send().await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
}
