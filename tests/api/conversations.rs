//! `GET /api/messages/conversations`, and how conversations come into being.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::person::id;
use crate::support::{Person, TestServer, redis_server};

async fn people<const N: usize>(server: &TestServer) -> [Person; N] {
    let names: Vec<String> = (0..N).map(|number| format!("person {number}")).collect();
    let made = join_all(names.iter().map(|name| Person::new(server, name))).await;
    made.try_into().unwrap_or_else(|_| panic!("as many as asked"))
}

/// The ids of all one's conversations, read page by page.
async fn listed(person: &Person, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/messages/conversations?limit={limit}{cursor}");
        let answer = person.client.get(&path).send().await;
        assert_eq!((answer.status, &answer.json["limit"]), (200, &json!(limit)), "{answer:?}");
        let page = answer.json["conversations"].as_array().unwrap();
        assert!(page.len() <= limit);
        all.extend(page.iter().map(|conversation| id(conversation).to_owned()));
        assert_eq!(answer.json["hasMore"], json!(answer.json["nextBefore"].is_string()));
        match answer.json["nextBefore"].as_str() {
            Some(next) => cursor = format!("&before={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_listed_conversation_has_what_the_contract_says() {
    let server = TestServer::start();
    let [ada, bob] = people(&server).await;
    let first = ada.send(&bob, "first").await;
    let last = bob.send(&ada, "last").await;
    for person in [&ada, &bob] {
        let list = person.conversations().await;
        let [conversation] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
        let participants = conversation["participants"].as_array().unwrap();
        assert_eq!(participants.len(), 2);
        for someone in [&ada, &bob] {
            let participant = participants.iter().find(|participant| id(participant) == someone.id).unwrap();
            assert_eq!(
                (&participant["username"], &participant["avatar"]),
                (&json!(someone.name), &json!(""))
            );
            assert!(participant["onlineStatus"].is_string() && participant["lastSeen"].is_string());
        }
        for (field, value) in [
            ("_id", first["conversationId"].clone()),
            ("unreadCount", json!({ ada.id.clone(): 1, bob.id.clone(): 1 })),
            ("lastMessageAt", last["createdAt"].clone()),
            ("__v", json!(0)),
        ] {
            assert_eq!(conversation[field], value, "{field}");
        }
        assert!(conversation["createdAt"].as_str() <= first["createdAt"].as_str());
        assert!(conversation["updatedAt"].as_str() >= last["createdAt"].as_str());
        let mut bare = last.clone();
        (bare["sender"], bare["receiver"]) = (json!(bob.id), json!(ada.id));
        assert_eq!(conversation["lastMessage"], bare, "its people are bare ids");
    }
}

#[tokio::test]
async fn the_newest_comes_first_and_pages_go_on_where_the_last_one_ended() {
    let server = TestServer::start();
    let [ada, others @ ..] = people::<8>(&server).await;
    let mut expected = Vec::new();
    for other in &others {
        let sent = other.send(&ada, "hello").await;
        expected.insert(0, sent["conversationId"].as_str().unwrap().to_owned());
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(listed(&ada, limit).await, expected, "{limit}");
    }
    ada.send(&others[2], "back").await;
    let moved = expected.remove(4);
    expected.insert(0, moved);
    assert_eq!(listed(&ada, 3).await, expected, "with its newest message it moves up");
    let path = format!("/api/messages/conversations?before={}", expected[2]);
    let answer = ada.client.get(&path).send().await;
    let rest: Vec<&str> = answer.json["conversations"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(rest, expected[3..], "a conversation's id is a cursor too");
    for other in &others {
        assert_eq!(listed(other, 9).await.len(), 1);
    }
}

#[tokio::test]
async fn conversations_of_the_same_millisecond_are_all_listed() {
    let server = TestServer::start();
    let [ada, others @ ..] = people::<46>(&server).await;
    let pages = join_all(others.iter().map(|other| ada.page(&other.id, ""))).await;
    let list = server.key(&format!("{{user:{}}}:conversations", ada.id));
    let mut redis = redis_server::connection();
    for (number, page) in pages.iter().enumerate() {
        let ms = if number < 40 { 1_700_000_000_000_u64 } else { 1_700_000_000_001 };
        let conversation = page["conversation"].as_str().unwrap();
        redis::cmd("ZADD").arg(&list).arg(ms).arg(conversation).exec(&mut redis).unwrap();
    }
    for limit in [1, 5, 20, 45, 100] {
        let all = listed(&ada, limit).await;
        assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (45, 45), "{limit}");
    }
}

#[tokio::test]
async fn hostile_cursors_are_refused_or_lead_nowhere() {
    let server = TestServer::start();
    let [ada, bob, eve] = people(&server).await;
    let foreign = ada.send(&bob, "secret").await["conversationId"].as_str().unwrap().to_owned();
    let own = eve.send(&eve, "own").await["conversationId"].as_str().unwrap().to_owned();
    let get = |query: String| {
        let path = format!("/api/messages/conversations?{query}");
        let client = &eve.client;
        async move { client.get(&path).send().await }
    };
    for query in ["limit=0", "limit=-1", "limit=101", "limit=abc", "limit=", "limit=1.5"] {
        let answer = get(query.to_owned()).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["limit"]), "{query}");
    }
    for before in [
        "".to_owned(),
        "abc".to_owned(),
        "_".to_owned(),
        format!("_{own}"),
        format!("-1_{own}"),
        format!("1e3_{own}"),
        format!("inf_{own}"),
        format!("nan_{own}"),
        format!("(5_{own}"),
        format!("9223372036854775808_{own}"),
        format!("1__{own}"),
        format!("1_{own}%00"),
        "1_".to_owned(),
        format!("{own}_1"),
        "%00".to_owned(),
    ] {
        let answer = get(format!("before={before}")).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["before"]), "{before}");
    }
    for before in [foreign.clone(), "0".repeat(24), eve.id.clone()] {
        let answer = get(format!("before={before}")).await;
        assert_eq!((answer.status, answer.json.get("conversations")), (404, None), "{before}");
    }
    // A place in the list is only a time and a tie-break: any of them shows one's own list and nothing else.
    for (before, count) in
        [(format!("9223372036854775807_{foreign}"), 1), (format!("0_{foreign}"), 0), (format!("0_{own}"), 0)]
    {
        let answer = get(format!("before={before}")).await;
        let list = answer.json["conversations"].as_array().unwrap();
        assert_eq!((answer.status, list.len()), (200, count), "{before}");
        assert!(list.iter().all(|conversation| id(conversation) == own));
    }
}

#[tokio::test]
async fn opening_a_conversation_lists_it_for_the_opener_alone() {
    let server = TestServer::start();
    let [ada, bob] = people(&server).await;
    let opened = ada.page(&bob.id, "").await["conversation"].clone();
    let list = ada.conversations().await;
    assert_eq!((&list[0]["_id"], &list[0]["lastMessage"]), (&opened, &Value::Null));
    assert_eq!(list[0]["lastMessageAt"], list[0]["createdAt"]);
    assert_eq!(list[0]["unreadCount"], json!({ ada.id.clone(): 0, bob.id.clone(): 0 }));
    assert_eq!(bob.conversations().await, json!([]), "nothing was said");
    assert_eq!(bob.page(&ada.id, "").await["conversation"], opened);
    for what in [opened.as_str().unwrap(), &bob.id] {
        assert_eq!(ada.mark_read(what).await.json["unreadCount"], 0, "of an empty one");
    }
}

#[tokio::test]
async fn two_who_open_a_conversation_at_once_from_everywhere_get_one() {
    let secret = "0123456789abcdef0123456789abcdef";
    let one = TestServer::start_with(|config| {
        config.server.workers = 4;
        config.auth.jwt_secret = secret.to_owned().into();
    });
    let two = TestServer::start_with(|config| {
        config.redis.key_prefix = one.prefix.clone();
        config.auth.jwt_secret = secret.to_owned().into();
    });
    for round in 0..5 {
        let (ada, bob) = (
            Person::new(&one, &format!("ada {round}")).await,
            Person::new(&one, &format!("bob {round}")).await,
        );
        let bob_elsewhere = bob.at(&two);
        let opens = (0..100).map(|number| {
            let (me, other) = [(&ada, &bob), (&bob, &ada), (&bob_elsewhere, &ada)][number % 3];
            async move {
                if number % 10 == 9 {
                    return me.send(other, "hello").await["conversationId"].clone();
                }
                me.page(&other.id, "").await["conversation"].clone()
            }
        });
        let ids: HashSet<String> =
            join_all(opens).await.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(ada.all_messages(&bob.id, 100).await.len(), 10, "and no message elsewhere");
    }
}

#[tokio::test]
async fn two_servers_on_one_datastore_agree() {
    let secret = "0123456789abcdef0123456789abcdef";
    let one = TestServer::start_with(|config| config.auth.jwt_secret = secret.to_owned().into());
    let two = TestServer::start_with(|config| {
        config.redis.key_prefix = one.prefix.clone();
        config.auth.jwt_secret = secret.to_owned().into();
    });
    let [ada, bob] = people(&one).await;
    let bob = bob.at(&two);
    let sent = ada.send(&bob, "from one").await;
    let answered = bob.send(&ada, "from two").await;
    assert_eq!(answered["conversationId"], sent["conversationId"]);
    let body = json!({ "receiverId": bob.id, "content": "x", "clientId": "c" });
    let (here, there) = (ada.try_send(body.clone()).await, ada.at(&two).try_send(body).await);
    assert_eq!(here.json, there.json, "a retry elsewhere");
    assert_eq!(ada.at(&two).edit(id(&sent), "edited").await.status, 200);
    assert_eq!(bob.mark_read(&ada.id).await.json["unreadCount"], 0);
    assert_eq!(ada.delete(id(&sent)).await.status, 200);
    for (here, there, other) in [(&ada, &ada.at(&two), &bob), (&bob, &bob.at(&one), &ada)] {
        assert_eq!(here.all_messages(&other.id, 9).await, there.all_messages(&other.id, 9).await);
        assert_eq!(here.conversations().await, there.conversations().await);
    }
    bob.block(&ada.id).await;
    assert_eq!(ada.try_send(json!({ "receiverId": bob.id, "content": "x" })).await.status, 403);
}

#[tokio::test]
async fn a_list_is_bounded_and_what_gave_way_comes_back() {
    let server = TestServer::start_with(|config| config.conversation.max_per_user = 3);
    let [ada, others @ ..] = people::<5>(&server).await;
    let mut ids = Vec::new();
    for other in &others {
        ids.push(ada.send(other, "hello").await["conversationId"].as_str().unwrap().to_owned());
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(listed(&ada, 100).await, [&*ids[3], &ids[2], &ids[1]]);
    assert_eq!(others[0].send(&ada, "again").await["conversationId"], ids[0]);
    assert_eq!(listed(&ada, 2).await, [&*ids[0], &ids[3], &ids[2]]);
    assert_eq!(ada.all_messages(&others[1].id, 9).await.len(), 1, "what is not listed is still there");
}
