//! `/api/messages/send-file` and `/uploads/files/*`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use image::ImageFormat;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::form::Form;
use crate::support::person::id;
use crate::support::socket::Socket;
use crate::support::{Answer, Client, Person, TestServer, pictures};

pub const PATH: &str = "/api/messages/send-file";

pub async fn post(from: &Person, form: Form) -> Answer {
    from.client.post(PATH).multipart(form).send().await
}

/// A form with a file for somebody.
pub fn form(to: &Person, name: &str, content: &[u8]) -> Form {
    Form::new().text("receiverId", &to.id).file("file", name, content)
}

/// Sends a file; returns the message.
pub async fn sent(from: &Person, to: &Person, name: &str, content: &[u8]) -> Value {
    let answer = post(from, form(to, name, content)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json["message"].clone()
}

pub fn url(message: &Value) -> &str {
    message["fileUrl"].as_str().unwrap()
}

pub async fn couple(server: &TestServer) -> (Person, Person) {
    (server.person("ada").await, server.person("bob").await)
}

/// How many messages somebody finds in a conversation.
pub async fn count(of: &Person, with: &Person) -> usize {
    of.page(&with.id, "").await["messages"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_a_file_is_is_told_by_its_content() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let picture = |format| pictures::picture(format, 60, 40);
    let size = Some((60, 40));
    for (name, content, kind, mime, dimensions) in [
        ("a.png", picture(ImageFormat::Png), "image", "image/png", size),
        ("a.exe", picture(ImageFormat::Jpeg), "image", "image/jpeg", size),
        ("a", picture(ImageFormat::Gif), "image", "image/gif", size),
        ("a.html", picture(ImageFormat::WebP), "image", "image/webp", size),
        ("a.jpg", pictures::jpeg_with_exif(60, 40, 6), "image", "image/jpeg", Some((40, 60))),
        ("a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom....".to_vec(), "video", "video/mp4", None),
        ("a.mp3", b"ID3\x03\0\0\0\0\0\0....".to_vec(), "audio", "audio/mpeg", None),
        ("a.wav", b"RIFF\x24\0\0\0WAVEfmt ....".to_vec(), "audio", "audio/wav", None),
        ("a.pdf", b"%PDF-1.7\n....".to_vec(), "file", "application/pdf", None),
        ("a.txt", b"Some text".to_vec(), "file", "application/octet-stream", None),
        (
            "a.png",
            b"<!DOCTYPE html><script>alert(1)</script>".to_vec(),
            "file",
            "application/octet-stream",
            None,
        ),
        (
            "a.svg",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            "file",
            "application/octet-stream",
            None,
        ),
        ("empty.bin", Vec::new(), "file", "application/octet-stream", None),
        ("broken.png", picture(ImageFormat::Png)[..12].to_vec(), "file", "application/octet-stream", None),
    ] {
        let message = sent(&ada, &bob, name, &content).await;
        assert_eq!(
            (&message["messageType"], &message["fileName"]),
            (&json!(kind), &json!(name)),
            "{message}"
        );
        assert_eq!(message["fileSize"], content.len());
        let (width, height) = dimensions.unzip();
        assert_eq!((message["width"].as_u64(), message["height"].as_u64()), (width, height), "{message}");
        assert!(message.get("content").is_none(), "{message}");
        assert!(url(&message).starts_with("/uploads/files/"), "{message}");
        let file = bob.client.get(url(&message)).send().await;
        assert_eq!((file.status, file.header("content-type")), (200, mime), "{name}");
        assert!(file.bytes == content, "{name}");
        let place = if kind == "file" { "attachment" } else { "inline" };
        assert_eq!(file.header("content-disposition"), format!("{place}; filename=\"{name}\""));
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert_eq!(
            file.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'; sandbox"
        );
    }
}

#[tokio::test]
async fn a_file_is_a_message_like_any_other() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let (mut hers, _) = Socket::auth(server.address, ada.client.token(), None).await;
    let (mut his, _) = Socket::auth(server.address, bob.client.token(), None).await;
    let message = sent(&ada, &bob, "notes.txt", b"text").await;
    for (field, value) in [
        ("sender", ada.author()),
        ("receiver", bob.author()),
        ("status", json!("sent")),
        ("isDeleted", json!(false)),
        ("__v", json!(0)),
    ] {
        assert_eq!(message[field], value, "{field}");
    }
    for socket in [&mut hers, &mut his] {
        assert_eq!(socket.push("message.new").await["data"], message);
    }
    let listed = bob.conversations().await[0].clone();
    assert_eq!(listed["lastMessage"]["fileUrl"], message["fileUrl"]);
    assert_eq!(listed["unreadCount"][&bob.id], 1);
    assert_eq!(bob.page(&ada.id, "").await["messages"][0]["fileUrl"], message["fileUrl"]);
    let edit = ada.edit(id(&message), "words").await;
    assert_eq!((edit.status, edit.fields_at_fault()), (400, vec!["content"]));
}

#[tokio::test]
async fn texts_may_stand_on_either_side_of_the_file() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let file = |form: Form| form.file("file", "a.bin", &[7; 300_000]);
    let receiver = |form: Form| form.text("receiverId", &bob.id);
    let client_id = |form: Form, id: &str| form.text("clientId", id);
    for form in [
        client_id(receiver(file(Form::new())), "1"),
        receiver(file(client_id(Form::new(), "2"))),
        client_id(file(receiver(Form::new())), "3"),
        file(receiver(Form::new().text("unasked", "x"))).text("content", "skipped"),
    ] {
        let answer = post(&ada, form).await;
        assert_eq!((answer.status, &answer.json["message"]["receiver"]["_id"]), (201, &json!(bob.id)));
    }
    assert_eq!(count(&ada, &bob).await, 4);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_name_and_leaves_nothing() {
    let server = TestServer::start_with(|config| config.uploads.max_file_bytes = 400_000);
    let (ada, bob) = couple(&server).await;
    let carol = server.person("carol").await;
    assert_eq!(carol.block(&ada.id).await.status, 200);
    let content = vec![7; 300_000];
    let to = |id: &str| Form::new().text("receiverId", id).file("file", "a", &content);
    let late = |id: &str| Form::new().file("file", "a", &content).text("receiverId", id);
    let good = || to(&bob.id);
    let nobody = "6b02e40bfe720a9a565412cf";
    let control = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%0D%0ASet-Cookie:%20b";
    for (what, form, status, field) in [
        ("nothing", Form::new(), 400, Some("file")),
        ("no file", Form::new().text("receiverId", &bob.id), 400, Some("file")),
        ("a text as the file", Form::new().text("receiverId", &bob.id).text("file", "x"), 400, Some("file")),
        ("two files", good().file("file", "b", &content), 400, Some("file")),
        ("a name of lines", Form::new().text("receiverId", &bob.id).part(control, b"x"), 400, Some("file")),
        ("a long name", form(&bob, &"x".repeat(256), b"x"), 400, Some("file")),
        ("too large", form(&bob, "a", &[7; 400_001]), 413, Some("file")),
        ("much too large", form(&bob, "a", &[7; 3_000_000]), 413, Some("file")),
        ("no receiver", Form::new().file("file", "a", &content), 400, Some("receiverId")),
        ("two receivers", good().text("receiverId", &bob.id), 400, Some("receiverId")),
        ("no id", to("bob"), 400, Some("receiverId")),
        ("no id, behind", late("bob"), 400, Some("receiverId")),
        ("an empty id", late(""), 400, Some("receiverId")),
        ("nobody", to(nobody), 404, None),
        ("nobody, behind", late(nobody), 404, None),
        ("blocked", to(&carol.id), 403, None),
        ("blocked, behind", late(&carol.id), 403, None),
        ("a client id of lines", good().text("clientId", "a\nb"), 400, Some("clientId")),
        (
            "an empty client id",
            Form::new().text("clientId", "").file("file", "a", &content),
            400,
            Some("clientId"),
        ),
        ("a long client id", good().text("clientId", &"x".repeat(129)), 400, Some("clientId")),
    ] {
        let answer = post(&ada, form).await;
        let fields: Vec<&str> = field.into_iter().collect();
        assert_eq!((answer.status, answer.fields_at_fault()), (status, fields), "{what}: {answer:?}");
        assert_eq!(answer.json["success"], false, "{what}");
    }
    let json = ada.client.post(PATH).json(&json!({ "receiverId": bob.id })).send().await;
    assert_eq!(json.status, 415);
    let stranger = server.client().post(PATH).multipart(good()).send().await;
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(server.uploads(), [""; 0]);
    assert_eq!(count(&ada, &bob).await, 0);
    assert_eq!(post(&ada, form(&bob, "a", &[7; 400_000])).await.status, 201, "as large as allowed");
}

/// The head of an upload of `length` bytes.
pub fn begin(client: &Client, address: std::net::SocketAddr, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
        client.token(),
        Form::content_type()
    )
    .unwrap();
    stream
}

#[tokio::test]
async fn who_must_not_send_learns_it_before_the_file() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    assert_eq!(bob.block(&ada.id).await.status, 200);
    for (receiver, status) in [(bob.id.as_str(), "403"), ("6b02e40bfe720a9a565412cf", "404"), ("x", "400")] {
        let start = Form::new().text("receiverId", receiver).file("file", "a", &[7; 1000]).body();
        let mut stream = begin(&ada.client, server.address, 20_000_000);
        stream.write_all(&start[..start.len() - 100]).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"));
    }
}

#[tokio::test]
async fn messages_and_uploads_are_counted_per_user() {
    let quota = |requests| ayrene::config::Quota { requests, per_secs: 3600 };
    for (messages, uploads) in [(2, 60), (60, 2)] {
        let server = TestServer::start_with(|config| {
            config.rate_limits.enabled = true;
            (config.rate_limits.message, config.rate_limits.upload) = (quota(messages), quota(uploads));
        });
        let (ada, bob) = couple(&server).await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(post(&ada, form(&bob, "a", b"x")).await.status);
        }
        assert_eq!(statuses, [201, 201, 429]);
        assert_eq!(post(&bob, form(&ada, "a", b"x")).await.status, 201);
    }
}

#[tokio::test]
async fn a_file_is_for_the_two_of_its_conversation() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let eve = server.person("eve").await;
    let message = sent(&ada, &bob, "a.txt", b"between us").await;
    let other = sent(&ada, &bob, "b.txt", b"another").await;
    let hers = sent(&eve, &bob, "c.txt", b"from eve").await;
    let text = ada.send(&bob, "text").await;
    for person in [&ada, &bob] {
        let file = person.client.get(url(&message)).send().await;
        assert_eq!((file.status, file.text.as_str()), (200, "between us"));
    }
    let stranger = server.client().get(url(&message)).send().await;
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, "Bearer"));
    let refused = eve.client.get(url(&message)).send().await;
    let object = |message: &Value| url(message).split_once('-').unwrap().1.to_owned();
    let of = |id: &str, object: &str| format!("/uploads/files/{id}-{object}");
    for path in [
        url(&message).to_owned(),
        of(id(&message), &object(&other)),
        of(id(&hers), &object(&message)),
        of(id(&text), &object(&message)),
        of(id(&text), ""),
        of(id(&message), "x"),
        of(id(&message), "..%2Favatars"),
        of(id(&message), &format!("..%2Ffiles%2F{}", object(&message))),
        of(id(&message), &object(&message)[1..]),
        of(&id(&message).to_uppercase(), &object(&message)),
        of("ffffffffffffffffffffffff", &object(&message)),
        of(&id(&message)[1..], &object(&message)),
        of("", &object(&message)),
        "/uploads/files/%00".to_owned(),
        format!("/uploads/files/{}", id(&message)),
        format!("/uploads/files/{}", object(&message)),
    ] {
        for person in [&ada, &bob, &eve] {
            if path == url(&message) && person.id != eve.id || path.contains(id(&hers)) && person.id == ada.id
            {
                continue;
            }
            for range in ["", "bytes=0-1"] {
                let answer = person.client.get(&path).header("range", range).send().await;
                assert_eq!((answer.status, &answer.text), (404, &refused.text), "{path}");
            }
        }
    }
    let unguessable = object(&message);
    assert!(unguessable.len() >= 22, "128 bits and more: {unguessable}");
}

#[tokio::test]
async fn a_file_to_oneself_is_ones_own() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let message = sent(&ada, &ada, "a.txt", b"mine").await;
    assert_eq!(ada.client.get(url(&message)).send().await.text, "mine");
    assert_eq!(bob.client.get(url(&message)).send().await.status, 404);
}

#[tokio::test]
async fn files_are_read_in_ranges_and_asked_for_again() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    let content: Vec<u8> = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
        .iter()
        .copied()
        .chain((0..900_000u32).map(|n| (n / 7) as u8))
        .collect();
    let message = sent(&ada, &bob, "clip.mp4", &content).await;
    let get = || bob.client.get(url(&message));
    let whole = get().send().await;
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, "bytes"));
    assert_eq!(whole.header("cache-control"), "private, no-cache", "a deleted file must not be shown");
    let head = bob.client.request(Method::HEAD, url(&message)).send().await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for name in ["content-type", "content-length", "etag", "cache-control", "content-disposition"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    let size = content.len();
    for (range, expected) in [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=250000-599999".to_owned(), 250_000..600_000),
        ("bytes=-5".to_owned(), size - 5..size),
        (format!("bytes={}-", size - 1), size - 1..size),
    ] {
        let part = get().header("range", &range).send().await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(
            part.header("content-range"),
            format!("bytes {}-{}/{size}", expected.start, expected.end - 1)
        );
        assert!(part.bytes == content[expected], "{range}");
    }
    let beyond = get().header("range", &format!("bytes={size}-")).send().await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, format!("bytes */{size}").as_str()));
    let tag = whole.header("etag").to_owned();
    let known = get().header("if-none-match", &tag).send().await;
    assert_eq!(
        (known.status, known.bytes.len(), known.header("cache-control")),
        (304, 0, "private, no-cache")
    );
    let changed = get().header("range", "bytes=0-0").header("if-range", "\"other\"").send().await;
    assert_eq!((changed.status, changed.bytes.len()), (200, size));
}

#[tokio::test]
async fn a_file_keeps_its_name_whatever_is_in_it() {
    let server = TestServer::start();
    let (ada, bob) = couple(&server).await;
    for (parameters, name, header) in [
        ("filename=\"a report.txt\"", "a report.txt", "filename=\"a report.txt\""),
        (
            "filename=\"B\u{fc}cher \u{1f4da}.epub\"",
            "B\u{fc}cher \u{1f4da}.epub",
            "filename=\"B_cher _.epub\"; filename*=UTF-8''B%C3%BCcher%20%F0%9F%93%9A.epub",
        ),
        (
            "filename=\"x\"; filename*=UTF-8''%E5%86%99%E7%9C%9F.jpg",
            "\u{5199}\u{771f}.jpg",
            "filename=\"__.jpg\"; filename*=UTF-8''%E5%86%99%E7%9C%9F.jpg",
        ),
        (
            "filename=\"say \\\"hi\\\"; a=b.txt\"",
            "say \"hi\"; a=b.txt",
            "filename=\"say _hi_; a=b.txt\"; filename*=UTF-8''say%20%22hi%22%3B%20a%3Db.txt",
        ),
        ("filename=\"100%25.txt\"", "100%25.txt", "filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt"),
        ("filename=\"../../etc/passwd\"", "passwd", "filename=\"passwd\""),
    ] {
        let disposition = format!("Content-Disposition: form-data; name=\"file\"; {parameters}");
        let answer = post(&ada, Form::new().text("receiverId", &bob.id).part(&disposition, b"x")).await;
        assert_eq!((answer.status, &answer.json["message"]["fileName"]), (201, &json!(name)), "{answer:?}");
        let file = bob.client.get(url(&answer.json["message"])).send().await;
        assert_eq!(file.header("content-disposition"), format!("attachment; {header}"));
    }
}
