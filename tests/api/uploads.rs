//! `/api/users/uploads/avatar` and `/uploads/*`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use image::ImageFormat;
use serde_json::json;

use crate::support::client::{Answer, Request};
use crate::support::form::Form;
use crate::support::{Client, TestServer, pictures};

const PATH: &str = "/api/users/uploads/avatar";

fn post(client: &Client, form: Form) -> Request {
    client.post(PATH).multipart(form)
}

async fn upload(client: &Client, form: Form) -> Answer {
    post(client, form).send().await
}

/// Uploads a picture; returns its URL path.
async fn uploaded(client: &Client, picture: &[u8]) -> String {
    let answer = upload(client, Form::new().file("avatar", "me.png", picture)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["avatar"].as_str().unwrap().to_owned()
}

fn png() -> Vec<u8> {
    pictures::picture(ImageFormat::Png, 400, 300)
}

#[tokio::test]
async fn an_avatar_is_painted_shown_and_part_of_the_user() {
    let server = TestServer::start();
    let ada = server.user().await;
    let answer = upload(&ada, Form::new().file("avatar", "me.png", &png())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let path = answer.json["avatar"].as_str().unwrap();
    assert!(path.starts_with("/uploads/avatars/"), "{path}");
    assert_eq!(answer.json["message"], "Avatar updated successfully");
    assert_eq!(answer.json["user"]["avatar"], path);
    assert_eq!(answer.json["status"], answer.json["user"]["onlineStatus"]);
    let me = ada.get("/api/auth/me").send().await;
    assert_eq!(answer.json["user"]["_id"], me.json["user"]["_id"]);
    assert_eq!(answer.json["user"]["email"], me.json["user"]["email"]);
    let shown = server.client().get(path).send().await;
    let picture = image::load_from_memory(&shown.bytes).unwrap();
    assert_eq!((shown.status, picture.width(), picture.height()), (200, 256, 256));
}

#[tokio::test]
async fn a_status_may_come_along() {
    let server = TestServer::start();
    let ada = server.user().await;
    for status in ["busy", "away", "online"] {
        let form = Form::new().file("avatar", "me.png", &png()).text("status", status);
        let answer = upload(&ada, form).await;
        assert_eq!((answer.status, &answer.json["status"]), (200, &json!(status)), "{answer:?}");
        assert_eq!(answer.json["user"]["onlineStatus"], status);
        let me = ada.get("/api/auth/me").send().await;
        assert_eq!(me.json["user"]["onlineStatus"], status);
        assert_eq!(me.json["user"]["avatar"], answer.json["avatar"]);
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_and_changes_nothing() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = TestServer::start_with(|config| {
        config.storage.url =
            ayrene::config::StoragePlace::S3 { bucket: "uploads".to_owned(), prefix: String::new() };
        config.storage.s3_endpoint = format!("http://{closed}");
        config.storage.s3_allow_http = true;
        config.storage.s3_access_key_id = "id".to_owned();
        config.storage.s3_secret_access_key = "secret".into();
        config.storage.timeout_secs = 1;
    });
    let ada = server.user().await;
    let answer = upload(&ada, Form::new().file("avatar", "me.png", &png())).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(ada.get("/api/auth/me").send().await.json["user"]["avatar"], "");
    let shown = server.client().get("/uploads/avatars/some.png").send().await;
    assert_eq!(shown.status, 503);
    assert_eq!(server.client().get("/healthz").send().await.status, 200);
}

#[tokio::test]
async fn every_format_is_taken_in_either_part_and_served_under_its_own_type() {
    let server = TestServer::start();
    let ada = server.user().await;
    for (picture, mime, ending) in [
        (pictures::picture(ImageFormat::Jpeg, 300, 500), "image/jpeg", ".jpg"),
        (pictures::picture(ImageFormat::Gif, 300, 200), "image/jpeg", ".jpg"),
        (pictures::picture(ImageFormat::WebP, 300, 200), "image/jpeg", ".jpg"),
        (pictures::half_clear(ImageFormat::Png, 300), "image/png", ".png"),
    ] {
        let answer = upload(&ada, Form::new().file("file", "whatever.exe", &picture)).await;
        let path = answer.json["avatar"].as_str().unwrap();
        assert!(path.ends_with(ending), "{path}");
        assert_eq!(server.client().get(path).send().await.header("content-type"), mime);
    }
}

#[tokio::test]
async fn what_a_photo_says_about_its_place_is_gone() {
    let server = TestServer::start();
    let ada = server.user().await;
    let sent = pictures::jpeg_with_exif(300, 300, 6);
    let shown = server.client().get(&uploaded(&ada, &sent).await).send().await;
    let contains = |what: &[u8]| shown.bytes.windows(what.len()).any(|window| window == what);
    assert!(!contains(pictures::SECRET) && !contains(b"Exif"));
    let top = image::load_from_memory(&shown.bytes).unwrap().to_rgb8().get_pixel(128, 20).0;
    assert!(top[0] > 150 && top[2] < 100, "upright, as its EXIF had it: {top:?}");
}

#[tokio::test]
async fn what_is_no_picture_is_refused_by_name_and_changes_nothing() {
    let server = TestServer::start_with(|config| config.uploads.max_avatar_bytes = 300_000);
    let ada = server.user().await;
    let path = uploaded(&ada, &png()).await;
    let file = |content: &[u8]| Form::new().file("avatar", "me.png", content);
    let good = || file(&png());
    let noise: Vec<u8> = [png(), vec![7; 300_000]].concat();
    for (what, form, status, field) in [
        ("svg", file(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), 415, "avatar"),
        ("html", file(b"<!DOCTYPE html><script>alert(1)</script>"), 415, "avatar"),
        ("text", file(b"text"), 415, "avatar"),
        ("nothing", file(b""), 415, "avatar"),
        ("a bomb", file(&pictures::png_claiming(60_000, 60_000)), 413, "avatar"),
        ("50 megapixels and some", file(&pictures::png_claiming(7_072, 7_071)), 413, "avatar"),
        ("truncated", file(&png()[..200]), 400, "avatar"),
        ("too large", file(&noise), 413, "avatar"),
        ("much too large", Form::new().file("avatar", "a", &vec![7; 3_000_000]), 413, "avatar"),
        ("no file", Form::new().text("status", "online"), 400, "avatar"),
        ("a text", Form::new().text("avatar", "me.png"), 400, "avatar"),
        ("two files", good().file("file", "b", &png()), 400, "file"),
        ("no such status", good().text("status", "asleep"), 400, "status"),
        ("a status before it", Form::new().text("status", "").file("avatar", "a", &png()), 400, "status"),
    ] {
        let answer = upload(&ada, form).await;
        assert_eq!((answer.status, answer.fields_at_fault()), (status, vec![field]), "{what}: {answer:?}");
    }
    let json = ada.post(PATH).json(&json!({ "avatar": "me.png" })).send().await;
    assert_eq!((json.status, json.json["success"].as_bool()), (415, Some(false)));
    assert_eq!(server.client().get(&path).send().await.status, 200, "the old one is still there");
    assert_eq!(server.uploads().len(), 1);
}

#[tokio::test]
async fn only_ones_own_avatar_can_be_changed() {
    let server = TestServer::start();
    let (ada, bob) = (server.user().await, server.user().await);
    let id_of = async |client: &Client| {
        client.get("/api/auth/me").send().await.json["user"]["_id"].as_str().unwrap().to_owned()
    };
    let (own, other) = (id_of(&ada).await, id_of(&bob).await);
    let file = |form: Form| form.file("avatar", "me.png", &png());
    for form in [
        file(Form::new().text("_id", &other)),
        file(Form::new()).text("_id", &other),
        file(Form::new().text("_id", "x")),
    ] {
        assert_eq!(upload(&ada, form).await.status, 403);
    }
    assert_eq!(server.uploads(), [""; 0]);
    for form in [file(Form::new().text("_id", &own)), file(Form::new()).text("_id", &own)] {
        assert_eq!(upload(&ada, form).await.status, 200);
    }
    let stranger = upload(&server.client(), file(Form::new())).await;
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, "Bearer"));
}

#[tokio::test]
async fn the_old_avatar_is_removed_and_no_name_comes_again() {
    let server = TestServer::start();
    let ada = server.user().await;
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(uploaded(&ada, &png()).await);
    }
    let (last, old) = paths.split_last().unwrap();
    for path in old {
        assert_ne!(path, last);
        assert_eq!(server.client().get(path).send().await.status, 404);
    }
    assert_eq!(server.client().get(last).send().await.status, 200);
    assert_eq!(server.uploads().len(), 1);
}

#[tokio::test]
async fn avatars_changed_at_once_leave_one() {
    let server = TestServer::start();
    let ada = server.user().await;
    let picture = png();
    let uploads = (0..6).map(|_| upload(&ada, Form::new().file("avatar", "a", &picture)));
    let answers = futures_util::future::join_all(uploads).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(server.uploads().len(), 1);
}

#[tokio::test]
async fn an_avatar_is_cached_for_good_and_harmless() {
    let server = TestServer::start();
    let path = uploaded(&server.user().await, &png()).await;
    let client = server.client();
    let whole = client.get(&path).send().await;
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("accept-ranges", "bytes"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    assert_eq!(whole.header("content-length"), whole.bytes.len().to_string());
    let head = client.request(reqwest::Method::HEAD, &path).send().await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    for name in ["content-type", "content-length", "etag", "cache-control"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    let part = client.get(&path).header("range", "bytes=10-19").send().await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, &whole.bytes[10..20]));
    let beyond = client.get(&path).header("range", "bytes=99999999-").send().await;
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", whole.bytes.len()));
    let known = client.get(&path).header("if-none-match", whole.header("etag")).send().await;
    assert_eq!((known.status, known.bytes.len()), (304, 0));
    assert_eq!(known.header("cache-control"), whole.header("cache-control"));
}

#[tokio::test]
async fn names_that_are_none_lead_nowhere() {
    let server = TestServer::start();
    for name in [
        "none.png",
        "none",
        "..%2f..%2fjwt_secret",
        "%2e%2e%2fjwt_secret.png",
        "a%00.png",
        "a%23.jpg",
        ".png",
    ] {
        let answer = server.client().get(&format!("/uploads/avatars/{name}")).send().await;
        assert_eq!((answer.status, answer.json["success"].as_bool()), (404, Some(false)), "{name}");
    }
}

#[tokio::test]
async fn a_bomb_is_taken_apart_where_nobody_waits_for_it() {
    let server = TestServer::start_with(|config| {
        (config.uploads.image_threads, config.uploads.image_queue) = (1, 0);
    });
    let (ada, client) = (server.user().await, server.client());
    let heavy = pictures::flat_png(6_000, 6_000);
    let send = || post(&ada, Form::new().file("avatar", "a.png", &heavy)).send();
    let (first, second) = (tokio::spawn(send()), tokio::spawn(send()));
    // The only worker answers while the only painter paints.
    let mut answered = 0;
    while !(first.is_finished() && second.is_finished()) {
        assert_eq!(client.get("/healthz").send().await.status, 200);
        answered += 1;
    }
    assert!(answered > 3, "{answered}");
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [200, 503], "one paints, the other is told to come again");
    let refused = if first.status == 503 { first } else { second };
    assert_eq!(refused.header("retry-after"), "1");
}

/// The head of an upload of `length` bytes, and the start of its form.
fn begin(client: &Client, address: std::net::SocketAddr, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
        client.token(),
        Form::content_type()
    )
    .unwrap();
    stream
}

fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A second for each wait; so an answer must begin within six, unless an upload is being read. The client's own connection
/// may idle meanwhile.
fn impatient() -> TestServer {
    TestServer::start_with(|config| {
        config.server.head_timeout_secs = 1;
        config.server.body_timeout_secs = 1;
        config.server.keep_alive_secs = 20;
        config.auth.hash_timeout_secs = 1;
        config.uploads.max_concurrent_per_user = 1;
    })
}

#[tokio::test]
async fn a_slow_but_honest_upload_outlives_the_patience_for_answers() {
    let server = impatient();
    let ada = server.user().await;
    let body = Form::new().file("avatar", "a.png", &[png(), vec![0; 3_000_000]].concat()).body();
    let mut stream = begin(&ada, server.address, body.len());
    let started = Instant::now();
    for piece in body.chunks(body.len() / 20) {
        std::thread::sleep(Duration::from_millis(420));
        stream.write_all(piece).unwrap();
    }
    assert!(started.elapsed() > Duration::from_secs(8), "longer than an answer may take");
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn uploads_that_drip_or_fall_silent_are_cut_and_leave_nothing() {
    let server = impatient();
    let body = Form::new().file("avatar", "a.png", &png()).body();
    for drip in [Some(Duration::from_millis(150)), None] {
        let ada = server.user().await;
        let mut stream = begin(&ada, server.address, body.len());
        stream.write_all(&body[..300]).unwrap();
        let started = Instant::now();
        if let Some(pause) = drip {
            for byte in &body[300..] {
                std::thread::sleep(pause);
                if stream.write_all(&[*byte]).is_err() || started.elapsed() > Duration::from_secs(12) {
                    break;
                }
            }
        }
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 408") || drip.is_some(), "{answer}");
        assert!(started.elapsed() < Duration::from_secs(6), "{drip:?}: {:?}", started.elapsed());
        // The place is free again.
        assert_eq!(upload(&ada, Form::new().file("avatar", "a", &png())).await.status, 200);
    }
    assert_eq!(server.uploads().len(), 2);
}

#[tokio::test]
async fn one_user_has_a_share_of_the_places_and_gets_it_back() {
    let server = impatient();
    let (ada, bob) = (server.user().await, server.user().await);
    let held = begin(&ada, server.address, 5000);
    let form = || Form::new().file("avatar", "a", &png());
    let refused = loop {
        // The first request may not have been read yet.
        let answer = upload(&ada, form()).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(upload(&bob, form()).await.status, 200, "others have theirs");
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(10);
    while upload(&ada, form()).await.status != 200 {
        assert!(Instant::now() < deadline, "the place is not free again");
    }
}

#[tokio::test]
async fn uploads_are_counted_per_user() {
    let server = TestServer::start_with(|config| {
        config.rate_limits.enabled = true;
        config.rate_limits.upload = ayrene::config::Quota { requests: 2, per_secs: 3600 };
    });
    let ada = server.user().await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(upload(&ada, Form::new().file("avatar", "a", &png())).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_refusal_reaches_who_is_still_sending() {
    let server = TestServer::start();
    let ada = server.user().await;
    let large = vec![7; 8_000_000];
    for (client, status) in [(&ada, 413), (&server.client(), 401)] {
        for _ in 0..5 {
            let answer = upload(client, Form::new().file("avatar", "a", &large)).await;
            assert_eq!(answer.status, status);
        }
    }
}
