//! `POST /api/messages/send`: what is sent, what a retry does, in which order, and what is refused.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::person::{contents, id};
use crate::support::{Person, TestServer};

async fn pair() -> (TestServer, Person, Person) {
    let server = TestServer::start();
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    (server, ada, bob)
}

#[tokio::test]
async fn a_text_is_sent_and_both_find_it() {
    let (_server, ada, bob) = pair().await;
    let sent = ada.send(&bob, "Hello\nBob \u{1f980}").await;
    for (field, value) in [
        ("sender", ada.author()),
        ("receiver", bob.author()),
        ("content", json!("Hello\nBob \u{1f980}")),
        ("messageType", json!("text")),
        ("fileUrl", Value::Null),
        ("fileName", Value::Null),
        ("fileSize", Value::Null),
        ("status", json!("sent")),
        ("deliveredAt", Value::Null),
        ("readAt", Value::Null),
        ("isDeleted", json!(false)),
        ("deletedAt", Value::Null),
        ("updatedAt", sent["createdAt"].clone()),
        ("__v", json!(0)),
    ] {
        assert_eq!(sent.get(field), Some(&value), "{field}");
    }
    let created = sent["createdAt"].as_str().unwrap();
    assert!(created.len() == "2025-12-05T11:04:48.214Z".len() && created.ends_with('Z'), "{created}");
    assert!(id(&sent).len() == 24 && id(&sent).bytes().all(|byte| byte.is_ascii_hexdigit()), "{sent}");
    for (reader, other, status) in [(&ada, &bob, "sent"), (&bob, &ada, "delivered")] {
        let page = reader.page(&other.id, "").await;
        assert_eq!(page["conversation"], sent["conversationId"]);
        let [message] = page["messages"].as_array().unwrap().as_slice() else { panic!("{page}") };
        assert_eq!((id(message), &message["content"]), (id(&sent), &sent["content"]));
        assert_eq!(message["status"], status, "the receiver has it by fetching it");
    }
}

#[tokio::test]
async fn a_message_is_sent_then_delivered_then_read_and_says_when() {
    let (_server, ada, bob) = pair().await;
    ada.send(&bob, "1").await;
    bob.page(&ada.id, "").await;
    let [delivered] = &ada.all_messages(&bob.id, 9).await[..] else { panic!("one message") };
    assert_eq!((&delivered["status"], &delivered["readAt"]), (&json!("delivered"), &Value::Null));
    assert!(delivered["deliveredAt"].as_str() >= delivered["createdAt"].as_str(), "{delivered}");
    assert_eq!(bob.mark_read(&ada.id).await.status, 200);
    ada.send(&bob, "2").await;
    let [first, second] = &ada.all_messages(&bob.id, 9).await[..] else { panic!("two messages") };
    assert_eq!(first["status"], "read");
    assert_eq!(first["deliveredAt"], delivered["deliveredAt"], "as it was");
    assert!(first["readAt"].as_str() >= first["deliveredAt"].as_str(), "{first}");
    assert_eq!(second["status"], "sent", "one's own reading delivers nothing");
    assert_eq!(bob.mark_read(id(second)).await.status, 200);
    let second = &bob.all_messages(&ada.id, 9).await[1];
    assert_eq!((&second["status"], &second["deliveredAt"]), (&json!("read"), &second["readAt"]));
}

#[tokio::test]
async fn fifty_retries_of_a_send_are_one_message() {
    let server = TestServer::start_with(|config| config.server.workers = 4);
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    let retry = |number: usize| {
        let content = format!("try {number}");
        ada.try_send(json!({ "receiverId": bob.id, "content": content, "clientId": "retry \u{1f980}" }))
    };
    let answers = join_all((0..50).map(retry)).await;
    let first = &answers[0].json["message"];
    for answer in &answers {
        assert_eq!((answer.status, &answer.json["message"]), (201, first));
    }
    assert_eq!(bob.unread().await, 1);
    assert_eq!(ada.all_messages(&bob.id, 9).await.len(), 1);
    assert_eq!(bob.mark_read(&ada.id).await.status, 200);
    let late = retry(50).await;
    assert_eq!(
        (id(&late.json["message"]), late.json["message"]["status"].as_str()),
        (id(first), Some("read"))
    );

    // The same words of others are not the same send.
    let carol = Person::new(&server, "carol").await;
    for (from, to) in [(&bob, &ada), (&ada, &carol), (&carol, &ada), (&ada, &ada)] {
        let body = json!({ "receiverId": to.id, "content": "x", "clientId": "retry \u{1f980}" });
        let answer = from.try_send(body).await;
        assert_eq!((answer.status, answer.json["message"]["content"].as_str()), (201, Some("x")));
    }
    for other in [json!("another"), Value::Null] {
        let body = json!({ "receiverId": bob.id, "content": "x", "clientId": other });
        assert_ne!(id(&ada.try_send(body).await.json["message"]), id(first));
    }
}

#[tokio::test]
async fn a_retry_of_what_was_deleted_meanwhile_sends_nothing_and_shows_nothing() {
    let (_server, ada, bob) = pair().await;
    let body = json!({ "receiverId": bob.id, "content": "regretted", "clientId": "c" });
    let sent = ada.try_send(body.clone()).await.json["message"].clone();
    assert_eq!(ada.delete(id(&sent)).await.status, 200);
    let again = ada.try_send(body).await;
    assert_eq!((again.status, &again.json["message"]["isDeleted"]), (201, &json!(true)));
    assert_eq!(again.json["message"].get("content"), None);
    assert_eq!((id(&again.json["message"]), bob.unread().await), (id(&sent), 0));
}

#[tokio::test]
async fn the_order_is_the_servers_and_the_same_for_both() {
    let one = TestServer::start_with(|config| {
        config.server.workers = 3;
        config.auth.jwt_secret = "0123456789abcdef0123456789abcdef".to_owned().into();
    });
    let two = TestServer::start_with(|config| {
        config.redis.key_prefix = one.prefix.clone();
        config.auth.jwt_secret = "0123456789abcdef0123456789abcdef".to_owned().into();
    });
    let (ada, bob) = (Person::new(&one, "ada").await, Person::new(&one, "bob").await);
    let bob = bob.at(&two);
    let sends = (0..100).flat_map(|number| {
        let (ada, bob) = (&ada, &bob);
        [(ada, bob, format!("a{number}")), (bob, ada, format!("b{number}"))]
    });
    let sent = join_all(sends.map(|(from, to, content)| async move { from.send(to, &content).await })).await;
    let (of_ada, of_bob) = (ada.all_messages(&bob.id, 37).await, bob.all_messages(&ada.id, 100).await);
    assert_eq!(contents(&of_ada), contents(&of_bob));
    assert_eq!(of_ada.len(), 200);
    assert_eq!(contents(&of_ada).into_iter().collect::<HashSet<_>>().len(), 200, "each once");
    // The place in the conversation is in the id.
    let places: Vec<u64> =
        of_ada.iter().map(|message| u64::from_str_radix(&id(message)[18..], 16).unwrap()).collect();
    assert!(places.iter().copied().eq(1..=200), "{places:?}");
    let times: Vec<&str> = of_ada.iter().map(|message| message["createdAt"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
    let answered: BTreeSet<(&str, &str)> =
        sent.iter().map(|message| (id(message), message["content"].as_str().unwrap())).collect();
    let kept = of_ada.iter().map(|message| (id(message), message["content"].as_str().unwrap())).collect();
    assert_eq!(answered, kept, "what was answered is what is kept");
    let unread = json!({ ada.id.clone(): 100, bob.id.clone(): 100 });
    assert_eq!(ada.conversations().await[0]["unreadCount"], unread);
    assert_eq!(bob.conversations().await[0]["unreadCount"], unread, "at both servers");
}

#[tokio::test]
async fn one_talks_to_oneself() {
    let (_server, ada, bob) = pair().await;
    let note = ada.send(&ada, "buy milk").await;
    assert_eq!((&note["sender"], &note["receiver"]), (&ada.author(), &ada.author()));
    assert_eq!((&note["status"], &note["readAt"]), (&json!("read"), &note["createdAt"]));
    let page = ada.page(&ada.id, "").await;
    let [message] = page["messages"].as_array().unwrap().as_slice() else { panic!("{page}") };
    assert_eq!((id(message), &message["status"]), (id(&note), &json!("read")));
    let list = ada.conversations().await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["_id"], page["conversation"]);
    assert_eq!(list[0]["participants"].as_array().unwrap().len(), 1);
    assert_eq!(list[0]["unreadCount"], json!({ ada.id.clone(): 0 }));
    for what in [&ada.id, id(&list[0]), id(&note)] {
        let marked = ada.mark_read(what).await;
        assert_eq!((marked.status, &marked.json["unreadCount"]), (200, &json!(0)));
    }
    assert_eq!(ada.edit(id(&note), "buy oats").await.json["message"]["content"], "buy oats");
    assert_eq!(ada.delete(id(&note)).await.status, 200);
    assert_eq!(bob.mark_read(id(&note)).await.status, 404);
    assert_ne!(ada.page(&bob.id, "").await["conversation"], page["conversation"]);
}

#[tokio::test]
async fn a_text_is_kept_as_sent_up_to_16_kb_and_no_control_character() {
    let (_server, ada, bob) = pair().await;
    let crabs = "\u{1f980}".repeat(16_384 / 4);
    for text in [
        " leading and trailing ",
        "tab\tline\r\nend",
        "e\u{301} is not \u{e9}",
        "\u{202e}right to left\u{202c} \u{200b}\u{feff}\u{fffd}\u{10ffff}",
        "<script>alert(1)</script> & \"quotes\" \\ | {} %00 \\u0000",
        &"x".repeat(16_384),
        &crabs,
    ] {
        let sent = ada.send(&bob, text).await;
        assert_eq!(sent["content"], text);
        assert_eq!(ada.page(&bob.id, "?limit=1").await["messages"][0]["content"], text);
        assert_eq!(ada.edit(id(&sent), text).await.json["message"]["content"], text, "by an edit too");
    }
    let before = ada.all_messages(&bob.id, 100).await;
    let latest = id(before.last().unwrap()).to_owned();
    for text in [
        "",
        " \n\t",
        "\0",
        "a\0b",
        "\u{7}",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "\u{9f}",
        &"x".repeat(16_385),
        &format!("x{crabs}"),
    ] {
        let refused = ada.try_send(json!({ "receiverId": bob.id, "content": text })).await;
        assert_eq!((refused.status, refused.fields_at_fault()), (400, vec!["content"]), "{text:.9?}");
        let refused = ada.edit(&latest, text).await;
        assert_eq!((refused.status, refused.fields_at_fault()), (400, vec!["content"]), "{text:.9?}");
    }
    assert_eq!(ada.all_messages(&bob.id, 100).await, before, "nothing has changed");
}

#[tokio::test]
async fn a_malformed_send_names_what_is_wrong_and_sends_nothing() {
    let (_server, ada, bob) = pair().await;
    let good = json!({ "receiverId": bob.id, "content": "x" });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let long = "a".repeat(60_000);
    for wrong in [
        json!(null),
        json!(7),
        json!(true),
        json!([bob.id]),
        json!({ "$ne": "" }),
        json!(""),
        json!(bob.id.to_uppercase()),
        json!(&bob.id[1..]),
        json!(format!("{}0", bob.id)),
        json!(format!("{}\u{0}", &bob.id[..23])),
        json!(format!("{}}}:x", &bob.id[..21])),
        json!("\u{663}".repeat(12)),
        json!(long),
    ] {
        let answer = ada.try_send(with("receiverId", wrong.clone())).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["receiverId"]), "{wrong:.60}");
    }
    for wrong in [json!(null), json!(7), json!([]), json!({ "k": "text" })] {
        let answer = ada.try_send(with("content", wrong.clone())).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["content"]), "{wrong}");
    }
    for wrong in
        [json!(7), json!([]), json!(""), json!(" "), json!("a\nb"), json!("\u{0}"), json!("x".repeat(129))]
    {
        let answer = ada.try_send(with("clientId", wrong.clone())).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["clientId"]), "{wrong:.60}");
    }
    let surrogate = format!(r#"{{"receiverId":"{}","content":"\ud800"}}"#, bob.id);
    for body in
        ["", "[]", "null", "{", "{\"receiverId\":}", "\"x\"", "{}", "\u{0}", &"[".repeat(60_000), &surrogate]
    {
        let answer =
            ada.client.post("/api/messages/send").body("application/json", body.to_owned()).send().await;
        assert_eq!(answer.status, 400, "{body:.20}");
    }
    let twice = format!(r#"{{"receiverId":"{0}","receiverId":"{0}","content":"x"}}"#, bob.id);
    let answer = ada.client.post("/api/messages/send").body("application/json", twice).send().await;
    assert_eq!(answer.status, 400);
    let answer =
        ada.client.post("/api/messages/send").body("application/json", vec![0xff, 0xfe]).send().await;
    assert_eq!(answer.status, 400);
    assert_eq!(ada.try_send(with("content", json!("x".repeat(600_000)))).await.status, 413);
    let answer = ada.client.post("/api/messages/send").body("text/plain", good.to_string()).send().await;
    assert_eq!(answer.status, 415);
    let nobody = ada.try_send(with("receiverId", json!("0".repeat(24)))).await;
    assert_eq!((nobody.status, &nobody.json["success"]), (404, &json!(false)));
    assert_eq!((ada.conversations().await, bob.conversations().await), (json!([]), json!([])));
}

#[tokio::test]
async fn no_call_is_answered_without_a_token() {
    let (server, ada, bob) = pair().await;
    let sent = ada.send(&bob, "secret").await;
    let stranger = server.client();
    let (message, user) = (id(&sent), &bob.id);
    for (method, path) in [
        ("POST", "/api/messages/send".to_owned()),
        ("GET", "/api/messages/conversations".to_owned()),
        ("GET", format!("/api/messages/conversation/{user}")),
        ("PUT", format!("/api/messages/mark-read/{message}")),
        ("PUT", format!("/api/messages/{message}")),
        ("DELETE", format!("/api/messages/{message}")),
        ("GET", "/api/users/blocks".to_owned()),
        ("PUT", format!("/api/users/{user}/block")),
        ("DELETE", format!("/api/users/{user}/block")),
    ] {
        for client in [stranger.clone(), stranger.with_token("nonsense")] {
            for body in ["{}", "{"] {
                let request = client.request(method.parse().unwrap(), &path);
                let answer = request.body("application/json", body).send().await;
                assert_eq!((answer.status, &answer.json["success"]), (401, &json!(false)), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_full_conversation_takes_no_more_and_can_still_be_read() {
    let server = TestServer::start_with(|config| config.conversation.max_messages = 3);
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    for number in 0..3 {
        ada.send(&bob, &number.to_string()).await;
    }
    for (from, to) in [(&ada, &bob), (&bob, &ada)] {
        assert_eq!(from.try_send(json!({ "receiverId": to.id, "content": "x" })).await.status, 403);
    }
    assert_eq!(bob.unread().await, 3);
    let messages = bob.all_messages(&ada.id, 2).await;
    assert_eq!(contents(&messages), ["0", "1", "2"]);
    assert_eq!(ada.edit(id(&messages[0]), "changed").await.status, 200);
    assert_eq!(ada.delete(id(&messages[1])).await.status, 200);
    assert_eq!(bob.mark_read(&ada.id).await.status, 200);
    ada.send(&ada, "elsewhere").await;
}

#[tokio::test]
async fn a_conversation_that_was_lost_is_made_again_by_the_next_message() {
    let (server, ada, bob) = pair().await;
    let lost = ada.send(&bob, "lost").await;
    let pattern = server.key("{conv:*");
    let mut redis = crate::support::redis_server::connection();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut redis).unwrap();
    keys.extend(redis::cmd("KEYS").arg(server.key("{pair:*")).query::<Vec<String>>(&mut redis).unwrap());
    assert!(keys.len() >= 3, "{keys:?}");
    redis::cmd("DEL").arg(keys).exec(&mut redis).unwrap();
    let sent = ada.send(&bob, "found").await;
    assert_ne!(sent["conversationId"], lost["conversationId"]);
    assert_eq!(contents(&bob.all_messages(&ada.id, 9).await), ["found"]);
    assert_eq!(bob.unread().await, 1);
}

#[tokio::test]
async fn sending_is_limited_per_user() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.message = ayrene::config::Quota { requests: 3, per_secs: 600 };
    });
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    let body = json!({ "receiverId": bob.id, "content": "x" });
    let sent = ada.send(&bob, "x").await;
    assert_eq!(ada.try_send(json!({})).await.status, 400, "a malformed one counts");
    assert_eq!(ada.edit(id(&sent), "y").await.status, 200);
    let over = ada.try_send(body).await;
    assert_eq!(over.status, 429);
    assert!(over.header("retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(ada.edit(id(&sent), "z").await.status, 429);
    assert_eq!(bob.unread().await, 1, "a refused one has no effect");
    bob.send(&ada, "others are not concerned").await;
}
