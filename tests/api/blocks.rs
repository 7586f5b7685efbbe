//! `PUT`/`DELETE /api/users/:id/block` and `GET /api/users/blocks`.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::person::{contents, id};
use crate::support::{Person, TestServer};

async fn trio() -> (TestServer, [Person; 3]) {
    let server = TestServer::start();
    let people = join_all(["ada", "bob", "eve"].map(|name| Person::new(&server, name))).await;
    (server, people.try_into().unwrap_or_else(|_| panic!("three people")))
}

async fn blocks(person: &Person) -> Value {
    let answer = person.client.get("/api/users/blocks").send().await;
    assert_eq!(answer.status, 200);
    answer.json["users"].clone()
}

async fn send(from: &Person, to: &Person) -> u16 {
    from.try_send(json!({ "receiverId": to.id, "content": "hello" })).await.status
}

#[tokio::test]
async fn who_is_blocked_can_neither_send_nor_edit() {
    let (_server, [ada, bob, eve]) = trio().await;
    let sent = ada.send(&bob, "before").await;
    let answer = bob.block(&ada.id).await;
    assert_eq!((answer.status, answer.json), (200, json!({ "message": "User blocked successfully" })));
    let refused = ada.try_send(json!({ "receiverId": bob.id, "content": "x", "clientId": "c" })).await;
    assert_eq!((refused.status, &refused.json["success"]), (403, &json!(false)));
    assert_eq!(ada.edit(id(&sent), "after").await.status, 403);
    assert_eq!(bob.unread().await, 1);
    assert_eq!(contents(&bob.all_messages(&ada.id, 9).await), ["before"]);

    assert_eq!(send(&eve, &bob).await, 201, "others are not concerned");
    assert_eq!(send(&ada, &eve).await, 201, "nor what is said to others");
    assert_eq!(send(&bob, &ada).await, 201, "who blocks may write");
    assert_eq!(contents(&ada.all_messages(&bob.id, 9).await), ["before", "hello"], "both may read");
    assert_eq!(ada.mark_read(&bob.id).await.status, 200);
    assert_eq!(ada.delete(id(&sent)).await.status, 200, "what one said can be taken back");

    let answer = bob.unblock(&ada.id).await;
    assert_eq!((answer.status, answer.json), (200, json!({ "message": "User unblocked successfully" })));
    let body = json!({ "receiverId": bob.id, "content": "x", "clientId": "c" });
    assert_eq!(ada.try_send(body).await.status, 201, "the refused one was not remembered");
}

#[tokio::test]
async fn a_block_holds_before_anything_was_said() {
    let (_server, [ada, bob, _]) = trio().await;
    assert_eq!(bob.block(&ada.id).await.status, 200);
    assert_eq!(send(&ada, &bob).await, 403);
    for person in [&ada, &bob] {
        assert_eq!(person.conversations().await, json!([]), "a block is no conversation to look at");
    }
    assert_eq!(ada.page(&bob.id, "").await["messages"], json!([]));
    assert_eq!(send(&ada, &bob).await, 403, "opening it changes nothing");
    bob.unblock(&ada.id).await;
    assert_eq!(send(&ada, &bob).await, 201);
}

#[tokio::test]
async fn both_can_block_each_other() {
    let (_server, [ada, bob, _]) = trio().await;
    ada.block(&bob.id).await;
    bob.block(&ada.id).await;
    assert_eq!((send(&ada, &bob).await, send(&bob, &ada).await), (403, 403));
    ada.unblock(&bob.id).await;
    assert_eq!((send(&ada, &bob).await, send(&bob, &ada).await), (403, 201));
}

#[tokio::test]
async fn the_list_shows_whom_one_has_blocked_the_latest_first() {
    let (_server, [ada, bob, eve]) = trio().await;
    assert_eq!(blocks(&ada).await, json!([]));
    ada.block(&bob.id).await;
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    ada.block(&eve.id).await;
    assert_eq!(blocks(&ada).await, json!([eve.author(), bob.author()]));
    assert_eq!(ada.block(&bob.id).await.status, 200, "again");
    assert_eq!(blocks(&ada).await, json!([eve.author(), bob.author()]), "once, where it was");
    assert_eq!((blocks(&bob).await, blocks(&eve).await), (json!([]), json!([])), "nobody else's business");
    for _ in 0..2 {
        assert_eq!(ada.unblock(&eve.id).await.status, 200);
    }
    assert_eq!(blocks(&ada).await, json!([bob.author()]));
}

#[tokio::test]
async fn the_list_is_bounded_and_who_does_not_fit_is_not_blocked() {
    let server = TestServer::start_with(|config| config.conversation.max_blocks = 2);
    let people = join_all(["ada", "bob", "eve", "joe"].map(|name| Person::new(&server, name))).await;
    let [ada, bob, eve, joe] = &people[..] else { unreachable!() };
    for other in [bob, eve] {
        assert_eq!(ada.block(&other.id).await.status, 200);
    }
    assert_eq!(ada.block(&joe.id).await.status, 403);
    assert_eq!(send(joe, ada).await, 201);
    assert_eq!(ada.block(&bob.id).await.status, 200, "who is on it already is not one too many");
    assert_eq!((send(bob, ada).await, blocks(ada).await.as_array().unwrap().len()), (403, 2));
    ada.unblock(&bob.id).await;
    assert_eq!(ada.block(&joe.id).await.status, 200);
    assert_eq!((send(joe, ada).await, send(bob, ada).await), (403, 201));
}

#[tokio::test]
async fn nobody_blocks_oneself_or_who_does_not_exist() {
    let (_server, [ada, _, _]) = trio().await;
    for answer in [ada.block(&ada.id).await, ada.unblock(&ada.id).await] {
        assert_eq!((answer.status, answer.fields_at_fault()), (400, vec!["id"]));
    }
    assert_eq!(send(&ada, &ada).await, 201);
    for whom in ["0".repeat(24), "abc".to_owned(), "%00".to_owned(), "%ff".to_owned(), ada.id.to_uppercase()]
    {
        for answer in [ada.block(&whom).await, ada.unblock(&whom).await] {
            assert_eq!((answer.status, &answer.json["success"]), (404, &json!(false)), "{whom}");
        }
    }
    assert_eq!(blocks(&ada).await, json!([]));
}

#[tokio::test]
async fn sends_at_the_moment_of_a_block_are_before_or_after_it() {
    let server = TestServer::start_with(|config| config.server.workers = 3);
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    let calls = (0..60).map(|number| {
        let (ada, bob) = (&ada, &bob);
        async move {
            match number {
                30 => bob.block(&ada.id).await.status,
                _ => send(ada, bob).await,
            }
        }
    });
    let statuses = join_all(calls).await;
    let sent = statuses.iter().filter(|status| **status == 201).count();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201 | 403)), "{statuses:?}");
    assert_eq!(ada.all_messages(&bob.id, 100).await.len(), sent);
    assert_eq!(send(&ada, &bob).await, 403);
}

#[tokio::test]
async fn blocking_and_unblocking_at_once_leaves_a_list_that_says_what_holds() {
    let server = TestServer::start_with(|config| config.server.workers = 3);
    let (ada, bob) = (Person::new(&server, "ada").await, Person::new(&server, "bob").await);
    for _ in 0..10 {
        let calls = (0..10).map(|number| {
            let (ada, bob) = (&ada, &bob);
            async move {
                let answer =
                    if number % 2 == 0 { ada.block(&bob.id).await } else { ada.unblock(&bob.id).await };
                assert_eq!(answer.status, 200);
            }
        });
        join_all(calls).await;
        let listed = !blocks(&ada).await.as_array().unwrap().is_empty();
        assert_eq!(send(&bob, &ada).await == 403, listed);
    }
}
