//! `GET /api/messages/conversation/:userId` and `PUT /api/messages/mark-read/:id`: pages, counts, receipts.

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::support::person::{contents, id};
use crate::support::{Person, TestServer, redis_server};

async fn trio() -> (TestServer, [Person; 3]) {
    let server = TestServer::start();
    let people = join_all(["ada", "bob", "eve"].map(|name| Person::new(&server, name))).await;
    (server, people.try_into().unwrap_or_else(|_| panic!("three people")))
}

#[tokio::test]
async fn pages_are_complete_and_without_doubles_while_new_messages_arrive() {
    let (_server, [ada, bob, _]) = trio().await;
    for batch in 0..10 {
        let sends = (0..50).map(|number| {
            let content = format!("{}", batch * 50 + number);
            let (ada, bob) = (&ada, &bob);
            async move { ada.send(bob, &content).await }
        });
        join_all(sends).await;
    }
    let expected: Vec<String> =
        contents(&ada.all_messages(&bob.id, 100).await).into_iter().map(str::to_owned).collect();
    let mut sorted: Vec<u32> = expected.iter().map(|content| content.parse().unwrap()).collect();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..500), "complete");

    let first = bob.page(&ada.id, "?limit=1").await;
    let newest = id(&first["messages"][0]).to_owned();
    let arriving = async {
        for number in 0..60 {
            ada.send(&bob, &format!("new {number}")).await;
        }
    };
    let paging = async {
        let mut seen = vec![first["messages"][0]["content"].as_str().unwrap().to_owned()];
        let mut before = newest;
        let mut limits = [1, 7, 50, 100, 13].into_iter().cycle();
        loop {
            let limit = limits.next().unwrap();
            let page = bob.page(&ada.id, &format!("?limit={limit}&before={before}")).await;
            let messages = page["messages"].as_array().unwrap();
            let texts = contents(messages).into_iter().map(str::to_owned);
            seen.splice(0..0, texts);
            assert_eq!(page["limit"], limit);
            match page["nextBefore"].as_str() {
                Some(next) => before = next.to_owned(),
                None => return seen,
            }
        }
    };
    let ((), seen) = join(arriving, paging).await;
    assert_eq!(seen, expected);
    assert_eq!(ada.all_messages(&bob.id, 99).await.len(), 560);
}

#[tokio::test]
async fn a_page_says_where_it_stands() {
    let (_server, [ada, bob, _]) = trio().await;
    let empty = ada.page(&bob.id, "").await;
    assert_eq!(
        empty,
        json!({ "messages": [], "conversation": empty["conversation"], "hasMore": false, "nextBefore": null, "limit": 50 })
    );
    for number in 0..4 {
        ada.send(&bob, &number.to_string()).await;
    }
    let all = ada.page(&bob.id, "?limit=4").await;
    assert_eq!((&all["hasMore"], all["nextBefore"].is_null()), (&json!(false), true), "exactly all");
    let oldest = id(&all["messages"][0]).to_owned();
    let none = ada.page(&bob.id, &format!("?before={oldest}")).await;
    assert_eq!((&none["messages"], &none["hasMore"]), (&json!([]), &json!(false)), "before the first");
    let some = ada.page(&bob.id, "?limit=3").await;
    assert_eq!((&some["hasMore"], &some["nextBefore"]), (&json!(true), &some["messages"][0]["_id"]));
    assert_eq!(contents(some["messages"].as_array().unwrap()), ["1", "2", "3"], "the newest, oldest first");
    assert_eq!(ada.page(&bob.id, "").await["conversation"], empty["conversation"]);
}

#[tokio::test]
async fn hostile_pages_are_refused_and_make_nothing() {
    let (server, [ada, bob, eve]) = trio().await;
    let elsewhere = ada.send(&eve, "ours").await;
    let foreign = eve.send(&eve, "mine").await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=abc", "limit"),
        ("limit=", "limit"),
        ("limit=1e1", "limit"),
        ("limit=%31%00", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("before=", "before"),
        ("before=abc", "before"),
        ("before=null", "before"),
        ("before=%00", "before"),
        ("before=zzzzzzzzzzzzzzzzzzzzzzzz", "before"),
    ] {
        let answer = ada.client.get(&format!("/api/messages/conversation/{}?{query}", bob.id)).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec![field]), "{query}");
    }
    for query in ["limit=1&limit=2", "before=a&before=b"] {
        let answer = ada.client.get(&format!("/api/messages/conversation/{}?{query}", bob.id)).send().await;
        assert_eq!(answer.status, 400, "{query}");
    }
    let tag = &elsewhere["conversationId"].as_str().unwrap()[8..18];
    for before in [
        // A message of one's own elsewhere, of others, of nobody; no messages at all; places that there are not.
        id(&elsewhere).to_owned(),
        id(&foreign).to_owned(),
        "0".repeat(24),
        "f".repeat(24),
        bob.id.clone(),
        elsewhere["conversationId"].as_str().unwrap().to_owned(),
        format!("{}{tag}000000", &id(&elsewhere)[..8]),
        format!("{}{tag}ffffff", &id(&elsewhere)[..8]),
        format!("ffffffff{tag}000001"),
    ] {
        for with in [&bob.id, &eve.id] {
            if *with == eve.id && before == id(&elsewhere) {
                continue;
            }
            let path = format!("/api/messages/conversation/{with}?before={before}");
            let answer = ada.client.get(&path).send().await;
            assert_eq!((answer.status, answer.json.get("messages")), (404, None), "{before}");
        }
    }
    for with in ["0".repeat(24), "abc".to_owned(), "%00".to_owned(), "%ff".to_owned(), "..%2f..".to_owned()] {
        let answer = ada.client.get(&format!("/api/messages/conversation/{with}")).send().await;
        assert_eq!(answer.status, 404, "{with}");
    }
    let pairs = server.key("{pair:*");
    let mut redis = redis_server::connection();
    let made: Vec<String> = redis::cmd("KEYS").arg(pairs).query(&mut redis).unwrap();
    assert_eq!(made.len(), 2, "only what was talked in: {made:?}");
}

#[tokio::test]
async fn unread_counts_are_exact_under_concurrency() {
    let (_server, [ada, bob, _]) = trio().await;
    join_all((0..100).map(|number| {
        let (ada, bob) = (&ada, &bob);
        async move { ada.send(bob, &number.to_string()).await }
    }))
    .await;
    assert_eq!(bob.unread().await, 100);
    let page = bob.page(&ada.id, "?limit=40").await;
    let at = |place: usize| id(&page["messages"][place]).to_owned();
    let marked = bob.mark_read(&at(0)).await;
    assert_eq!(
        marked.json,
        json!({ "message": "Messages marked as read", "conversation": page["conversation"], "unreadCount": 39 })
    );
    assert_eq!(ada.delete(&at(5)).await.status, 200);
    assert_eq!(bob.unread().await, 38);
    assert_eq!(ada.delete(&at(5)).await.status, 200);
    assert_eq!(bob.unread().await, 38, "once");
    assert_eq!(bob.mark_read(&at(10)).await.json["unreadCount"], 29);
    assert_eq!(bob.mark_read(&at(3)).await.json["unreadCount"], 29, "never back");
    assert_eq!(ada.delete(&at(2)).await.status, 200);
    assert_eq!(bob.unread().await, 29, "it had been read");
    assert_eq!(bob.mark_read(page["conversation"].as_str().unwrap()).await.json["unreadCount"], 0);
    assert_eq!((bob.unread().await, ada.unread().await), (0, 0));
}

#[tokio::test]
async fn counts_add_up_while_both_send_read_and_delete_at_once() {
    let server = TestServer::start_with(|config| config.server.workers = 3);
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    let talk = |me: Person, other: Person| async move {
        for round in 0..12 {
            let sends = (0..5).map(|number| me.send(&other, if number % 2 == 0 { "stays" } else { "goes" }));
            let sent = join_all(sends).await;
            let goes: Vec<_> = sent.iter().filter(|message| message["content"] == "goes").collect();
            join_all(goes.iter().map(|message| me.delete(id(message)))).await;
            if round % 3 == 0 {
                assert_eq!(me.mark_read(&other.id).await.status, 200);
            }
        }
    };
    join_all([(&ada, &bob), (&bob, &ada)].map(|(me, other)| talk(me.clone(), other.clone()))).await;
    let count = ada.conversations().await[0]["unreadCount"].clone();
    let messages = ada.all_messages(&bob.id, 100).await;
    for (reader, sender) in [(&ada, &bob), (&bob, &ada)] {
        let unread = messages.iter().filter(|message| {
            message["sender"]["_id"] == sender.id
                && message["status"] != "read"
                && message["isDeleted"] == false
        });
        assert_eq!(count[&reader.id], unread.count(), "what the messages say");
    }
    for reader in [&ada, &bob] {
        let other = if reader.id == ada.id { &bob } else { &ada };
        assert_eq!(reader.mark_read(&other.id).await.json["unreadCount"], 0);
        assert_eq!(reader.unread().await, 0);
    }
}

#[tokio::test]
async fn marking_the_first_message_leaves_the_others_unread() {
    let (_server, [ada, bob, _]) = trio().await;
    let mut sent = Vec::new();
    for number in 0..3 {
        sent.push(ada.send(&bob, &number.to_string()).await);
    }
    assert_ne!(id(&sent[0]), sent[0]["conversationId"], "an id is one thing's");
    assert_eq!(bob.mark_read(id(&sent[0])).await.json["unreadCount"], 2);
    let status: Vec<_> =
        bob.all_messages(&ada.id, 9).await.iter().map(|message| message["status"].clone()).collect();
    assert_eq!(status, ["read", "delivered", "delivered"]);
}

#[tokio::test]
async fn mark_read_takes_a_message_a_conversation_or_a_user_and_ignores_the_body() {
    let (_server, [ada, bob, _]) = trio().await;
    for kind in 0..4 {
        ada.send(&bob, "1").await;
        let own = bob.send(&ada, "own").await;
        assert_eq!(bob.unread().await, 1);
        let what = [id(&own), own["conversationId"].as_str().unwrap(), &ada.id, id(&own)][kind];
        let request = bob.client.put(&format!("/api/messages/mark-read/{what}"));
        let request = match kind {
            0 => request,
            1 => request.json(&json!({ "status": 7 })),
            2 => request.body("application/json", "{"),
            _ => request.body("text/plain", "x"),
        };
        let marked = request.send().await;
        assert_eq!((marked.status, marked.json["message"].as_str()), (200, Some("Messages marked as read")));
        assert_eq!((&marked.json["unreadCount"], bob.unread().await), (&json!(0), 0), "by a {kind}");
    }
    assert_eq!(ada.unread().await, 4, "the other's count is the other's");
}

#[tokio::test]
async fn marking_corrects_a_count_and_none_is_ever_shown_below_zero() {
    let (server, [ada, bob, _]) = trio().await;
    let sent = ada.send(&bob, "1").await;
    ada.send(&bob, "2").await;
    let tag = &sent["conversationId"].as_str().unwrap()[8..18];
    let key = server.key(&format!("{{conv:{tag}}}"));
    let field = if ada.id < bob.id { "n1" } else { "n0" };
    let mut redis = redis_server::connection();
    let mut tamper =
        |count: i64| redis::cmd("HSET").arg(&key).arg(field).arg(count).exec(&mut redis).unwrap();
    tamper(-5);
    assert_eq!(bob.unread().await, 0);
    assert_eq!(bob.mark_read(id(&sent)).await.json["unreadCount"], 1);
    tamper(77);
    assert_eq!(bob.mark_read(id(&sent)).await.json["unreadCount"], 1, "read before, and yet");
    assert_eq!(bob.unread().await, 1);
    bob.mark_read(&ada.id).await;
    tamper(0);
    ada.send(&bob, "3").await;
    assert_eq!(bob.unread().await, 1);
}

#[tokio::test]
async fn strangers_and_made_up_ids_get_404_and_change_nothing() {
    let (_server, [ada, bob, eve]) = trio().await;
    let sent = ada.send(&bob, "secret").await;
    let conversation = sent["conversationId"].as_str().unwrap();
    let missing = eve.mark_read(&"0".repeat(24)).await;
    assert_eq!((missing.status, &missing.json["success"]), (404, &json!(false)));
    for what in [id(&sent), conversation, &ada.id, &eve.id] {
        let answer = eve.mark_read(what).await;
        assert_eq!((answer.status, &answer.json), (404, &missing.json), "as if there were none");
    }
    for what in [
        format!("{}{}000002", &id(&sent)[..8], &conversation[8..18]),
        format!("{}{}000000", "0".repeat(8), &conversation[8..18]),
        format!("ffffffff{}000001", &conversation[8..18]),
        conversation.to_uppercase(),
        conversation[1..].to_owned(),
        format!("{conversation}%00"),
        format!("%20{conversation}"),
        "%ff%fe".to_owned(),
        "%7Bconv:x%7D".to_owned(),
        "a".repeat(4_000),
    ] {
        assert_eq!(bob.mark_read(&what).await.status, 404, "{what:.60}");
    }
    assert_eq!(bob.unread().await, 1);
    assert_eq!(ada.page(&bob.id, "").await["messages"][0]["status"], "sent");
}
