//! `PUT` and `DELETE /api/messages/:id`: one's own messages, edited and taken back.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::person::{contents, id};
use crate::support::{Person, TestServer};

async fn trio() -> (TestServer, [Person; 3]) {
    let server = TestServer::start();
    let people = join_all(["ada", "bob", "eve"].map(|name| Person::new(&server, name))).await;
    (server, people.try_into().unwrap_or_else(|_| panic!("three people")))
}

/// Everything that both see.
async fn seen(ada: &Person, bob: &Person) -> [Value; 4] {
    [
        ada.page(&bob.id, "").await,
        bob.page(&ada.id, "").await,
        ada.conversations().await,
        bob.conversations().await,
    ]
}

#[tokio::test]
async fn an_edit_replaces_the_text_for_both() {
    let (_server, [ada, bob, _]) = trio().await;
    let sent = ada.send(&bob, "helo").await;
    ada.send(&bob, "second").await;
    bob.mark_read(id(&sent)).await;
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let answer = ada.edit(id(&sent), "hello").await;
    assert_eq!(answer.status, 200);
    let edited = &answer.json["message"];
    for (field, value) in [
        ("_id", sent["_id"].clone()),
        ("content", json!("hello")),
        ("createdAt", sent["createdAt"].clone()),
        ("status", json!("read")),
        ("isDeleted", json!(false)),
        ("sender", ada.author()),
        ("receiver", bob.author()),
        ("__v", json!(0)),
    ] {
        assert_eq!(edited[field], value, "{field}");
    }
    assert!(edited["updatedAt"].as_str() > sent["updatedAt"].as_str(), "{edited}");
    for (reader, other) in [(&ada, &bob), (&bob, &ada)] {
        let messages = reader.all_messages(&other.id, 9).await;
        assert_eq!(contents(&messages), ["hello", "second"], "in its place");
        assert_eq!(&messages[0], edited);
    }
    assert_eq!(bob.unread().await, 1, "an edit is nothing new to read");
}

#[tokio::test]
async fn a_deleted_message_keeps_its_place_and_loses_its_content() {
    let (_server, [ada, bob, _]) = trio().await;
    let mut sent = Vec::new();
    for number in 0..3 {
        sent.push(ada.send(&bob, &format!("text {number}")).await);
    }
    let answer = ada.delete(id(&sent[1])).await;
    assert_eq!(answer.status, 200);
    let deleted = &answer.json["message"];
    assert_eq!(deleted.get("content"), None);
    for (field, value) in [
        ("_id", sent[1]["_id"].clone()),
        ("createdAt", sent[1]["createdAt"].clone()),
        ("updatedAt", deleted["deletedAt"].clone()),
        ("isDeleted", json!(true)),
        ("messageType", json!("text")),
        ("fileUrl", Value::Null),
        ("status", json!("sent")),
        ("sender", ada.author()),
    ] {
        assert_eq!(deleted[field], value, "{field}");
    }
    assert!(deleted["deletedAt"].as_str() >= deleted["createdAt"].as_str(), "{deleted}");
    for (reader, other) in [(&ada, &bob), (&bob, &ada)] {
        let page = reader.page(&other.id, "").await;
        assert_eq!(page["messages"].as_array().unwrap().len(), 3);
        assert_eq!(id(&page["messages"][1]), id(&sent[1]));
        assert!(!page.to_string().contains("text 1"), "{page}");
    }
    let again = ada.delete(id(&sent[1])).await;
    assert_eq!((again.status, &again.json["message"]["deletedAt"]), (200, &deleted["deletedAt"]), "a retry");
    assert_eq!(bob.unread().await, 2);
    let page = bob.page(&ada.id, &format!("?before={}", id(&sent[1]))).await;
    assert_eq!(id(&page["messages"][0]), id(&sent[0]), "it still serves as a cursor");
    assert_eq!(bob.mark_read(id(&sent[1])).await.json["unreadCount"], 1, "and to be read up to");
}

#[tokio::test]
async fn a_deleted_message_is_not_edited() {
    let (_server, [ada, bob, _]) = trio().await;
    let sent = ada.send(&bob, "gone").await;
    ada.delete(id(&sent)).await;
    seen(&ada, &bob).await;
    let before = seen(&ada, &bob).await;
    let refused = ada.edit(id(&sent), "back").await;
    assert_eq!((refused.status, &refused.json["success"]), (409, &json!(false)));
    assert_eq!(seen(&ada, &bob).await, before);
}

#[tokio::test]
async fn the_last_message_of_a_list_shows_what_became_of_it() {
    let (_server, [ada, bob, _]) = trio().await;
    ada.send(&bob, "first").await;
    let sent = ada.send(&bob, "last").await;
    ada.edit(id(&sent), "edited").await;
    for person in [&ada, &bob] {
        let last = &person.conversations().await[0]["lastMessage"];
        assert_eq!((id(last), last["content"].as_str()), (id(&sent), Some("edited")));
    }
    ada.delete(id(&sent)).await;
    for person in [&ada, &bob] {
        let conversation = &person.conversations().await[0];
        let last = &conversation["lastMessage"];
        assert_eq!((id(last), &last["isDeleted"], last.get("content")), (id(&sent), &json!(true), None));
        assert_eq!(conversation["lastMessageAt"], sent["createdAt"], "nothing new was said");
        assert_eq!(conversation["unreadCount"][&bob.id], 1);
    }
}

#[tokio::test]
async fn only_the_sender_changes_a_message() {
    let (_server, [ada, bob, eve]) = trio().await;
    let sent = ada.send(&bob, "mine").await;
    let gone = ada.send(&bob, "mine too").await;
    ada.delete(id(&gone)).await;
    seen(&ada, &bob).await;
    let before = seen(&ada, &bob).await;
    for what in [id(&sent), id(&gone)] {
        for answer in [bob.edit(what, "x").await, bob.delete(what).await] {
            assert_eq!(
                (answer.status, &answer.json["success"]),
                (403, &json!(false)),
                "the other participant"
            );
        }
    }
    let missing = eve.delete(&"0".repeat(24)).await;
    assert_eq!(missing.status, 404);
    for what in [id(&sent), id(&gone), sent["conversationId"].as_str().unwrap()] {
        for answer in [eve.edit(what, "x").await, eve.delete(what).await] {
            assert_eq!((answer.status, &answer.json), (404, &missing.json), "as if there were none");
        }
    }
    let conversation = sent["conversationId"].as_str().unwrap();
    for what in [
        conversation.to_owned(),
        ada.id.clone(),
        format!("ffffffff{}", &id(&sent)[8..]),
        format!("{}00ffff", &id(&sent)[..18]),
        format!("{}000000", &id(&sent)[..18]),
        id(&sent).to_uppercase(),
        "abc".to_owned(),
        "%00".to_owned(),
        "%ff".to_owned(),
        format!("{}%7D", id(&sent)),
    ] {
        for answer in [ada.edit(&what, "x").await, ada.delete(&what).await] {
            assert_eq!(answer.status, 404, "{what}");
        }
    }
    assert_eq!(seen(&ada, &bob).await, before, "nothing has changed");
}

#[tokio::test]
async fn a_malformed_edit_names_what_is_wrong_and_changes_nothing() {
    let (_server, [ada, bob, _]) = trio().await;
    let sent = ada.send(&bob, "text").await;
    let path = format!("/api/messages/{}", id(&sent));
    for wrong in [json!({}), json!({ "content": null }), json!({ "content": 7 }), json!({ "content": ["x"] })]
    {
        let answer = ada.client.put(&path).json(&wrong).send().await;
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["content"]), "{wrong}");
    }
    for wrong in ["", "[]", "{"] {
        let answer = ada.client.put(&path).body("application/json", wrong).send().await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    assert_eq!(ada.client.put(&path).body("text/plain", "x").send().await.status, 415);
    let huge = json!({ "content": "x".repeat(600_000) });
    assert_eq!(ada.client.put(&path).json(&huge).send().await.status, 413);
    assert_eq!(contents(&bob.all_messages(&ada.id, 9).await), ["text"]);
    for (method, path) in [("DELETE", "/api/messages/send"), ("PUT", "/api/messages/conversations")] {
        assert_eq!(ada.client.request(method.parse().unwrap(), path).send().await.status, 405, "no ids");
    }
}

#[tokio::test]
async fn edits_and_a_deletion_at_once_end_in_one_state_for_both() {
    let server = TestServer::start_with(|config| config.server.workers = 3);
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    let sent = ada.send(&bob, "0").await;
    let edits = (1..=30).map(|number| {
        let (ada, sent) = (&ada, &sent);
        async move {
            if number == 15 {
                return ada.delete(id(sent)).await.status;
            }
            ada.edit(id(sent), &number.to_string()).await.status
        }
    });
    let statuses = join_all(edits).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");
    let (one, other) = (ada.page(&bob.id, "").await, bob.page(&ada.id, "").await);
    assert_eq!(one["messages"][0]["isDeleted"], true);
    assert_eq!(one["messages"][0].get("content"), None);
    assert_eq!(other["messages"][0]["updatedAt"], one["messages"][0]["deletedAt"]);
    assert_eq!(bob.unread().await, 0);
}
