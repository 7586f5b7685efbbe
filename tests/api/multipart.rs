//! Reading forms and storing their file, below any route: a handler that says what it got.

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, HttpRequest, HttpResponse, web};
use ayrene::http::multipart::{self, FormLimits, Pace, Shape};
use ayrene::http::{ApiError, edge, upload};
use ayrene::storage::{ObjectName, Storage, StorageThread};
use serde_json::{Value, json};

use crate::support::form::Form;
use crate::support::{files, pictures};

const SHAPE: Shape = Shape { file: &["file", "avatar"], texts: &["receiverId", "note"] };
const MAX_FILE: usize = 700_000;
const MAX_TEXT: usize = 2_000;

async fn echo(
    request: HttpRequest,
    payload: web::Payload,
    storage: web::Data<Storage>,
) -> Result<HttpResponse, ApiError> {
    let pace = Pace { silence: std::time::Duration::from_secs(5), min_bytes_per_sec: 1000 };
    let limits = FormLimits { max_file_bytes: MAX_FILE as u64, max_text_bytes: MAX_TEXT, pace };
    let mut form = multipart::Form::open(&request, payload, SHAPE, limits)?;
    let mut file = form.file().await?;
    let part = file.part();
    let received =
        upload::receive(&mut form, &mut file, &storage, ObjectName::unguessable("files", "")).await?;
    let mut texts = form.finish(file).await?;
    let kind = received.kind;
    let name = received.upload.name().clone();
    let size = received.upload.commit().await?;
    Ok(HttpResponse::Ok().json(json!({
        "part": part, "name": received.file_name, "size": size, "object": name.as_str(), "mime": kind.mime,
        "dimensions": kind.dimensions, "receiverId": texts.take("receiverId"), "note": texts.take("note"),
    })))
}

/// The handler, with a store of its own.
struct Bench {
    storage: Storage,
    thread: Option<StorageThread>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = ayrene::config::load(None).unwrap().config.storage;
        let (storage, thread) = Storage::open(&config, dir.path()).unwrap();
        Self { storage, thread: Some(thread), dir }
    }

    async fn app(
        &self,
    ) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = actix_web::Error> + use<> {
        let storage = web::Data::new(self.storage.clone());
        let app = App::new().app_data(storage).route("/api/echo", web::post().to(echo));
        init_service(app.wrap(from_fn(edge::edge))).await
    }

    async fn send_as(&self, content_type: &str, body: Vec<u8>) -> (u16, Value) {
        let request = TestRequest::post()
            .uri("/api/echo")
            .insert_header(("content-type", content_type))
            .set_payload(body)
            .to_request();
        let answer = call_service(&self.app().await, request).await;
        (answer.status().as_u16(), read_body_json(answer).await)
    }

    async fn send(&self, form: Form) -> (u16, Value) {
        self.send_as(&Form::content_type(), form.body()).await
    }

    /// Every file in the store, once everything under way has ended.
    fn files(mut self) -> Vec<String> {
        self.thread.take().unwrap().stop();
        files::below(&self.dir.path().join("uploads"))
    }
}

fn fault(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["errors"][0]["field"].as_str().unwrap_or("<none>"))
}

#[actix_web::test]
async fn texts_are_read_before_and_behind_the_file() {
    let bench = Bench::new();
    let content: Vec<u8> = (0..500_000u32).map(|n| (n / 3) as u8).collect();
    let file = |form: Form| form.file("file", "a.bin", &content);
    let (id, note) =
        (|form: Form| form.text("receiverId", "abc"), |form: Form| form.text("note", "\u{e4}\r\n"));
    for form in [
        file(id(note(Form::new()))),
        id(note(file(Form::new()))),
        note(file(id(Form::new()))),
        note(id(file(Form::new().text("unasked", "skipped")))).text("more", "skipped"),
    ] {
        let (status, answer) = bench.send(form).await;
        assert_eq!(status, 200, "{answer}");
        let expected = json!(["file", "a.bin", 500_000, "abc", "\u{e4}\r\n"]);
        let got: Vec<&Value> =
            ["part", "name", "size", "receiverId", "note"].iter().map(|field| &answer[field]).collect();
        assert_eq!(json!(got), expected);
        let stored = bench.dir.path().join("uploads").join(answer["object"].as_str().unwrap());
        assert!(std::fs::read(stored).unwrap() == content);
    }
    let (_, bare) = bench.send(Form::new().file("avatar", "a.bin", b"")).await;
    assert_eq!((&bare["part"], &bare["size"], &bare["note"]), (&json!("avatar"), &json!(0), &Value::Null));
}

#[actix_web::test]
async fn the_content_says_what_it_is() {
    let bench = Bench::new();
    let png = pictures::picture(image::ImageFormat::Png, 320, 200);
    let (_, answer) = bench.send(Form::new().file("file", "notes.txt", &png)).await;
    assert_eq!((&answer["mime"], &answer["dimensions"]), (&json!("image/png"), &json!([320, 200])));
    let (_, answer) = bench.send(Form::new().file("file", "picture.png", b"<svg onload=alert(1)>")).await;
    assert_eq!(answer["mime"], "application/octet-stream");
}

#[actix_web::test]
async fn files_are_called_by_the_last_segment_of_their_name() {
    let bench = Bench::new();
    let named = |name: &str| Form::new().file("file", name, b"x");
    let long = "x".repeat(255);
    for (sent, expected) in [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\\\photos\\\\me.png", "me.png"),
        ("B\u{fc}cher \u{1f4da}.epub", "B\u{fc}cher \u{1f4da}.epub"),
        ("a \\\"b\\\".txt", "a \"b\".txt"),
        ("..", "file"),
        ("dir/", "file"),
        ("", "file"),
        (&long, &long),
    ] {
        let (status, answer) = bench.send(named(sent)).await;
        assert_eq!((status, &answer["name"]), (200, &json!(expected)), "{sent}");
    }
    let extended =
        "Content-Disposition: form-data; name=\"file\"; filename=\"x\"; filename*=UTF-8''na%C3%AFve%20plan";
    let (_, answer) = bench.send(Form::new().part(extended, b"x")).await;
    assert_eq!(answer["name"], "na\u{ef}ve plan");
    let unnamed = "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: image/png";
    assert_eq!(bench.send(Form::new().part(unnamed, b"x")).await.1["name"], "file");
    let control = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%0Ab";
    for wrong in
        [named(&"x".repeat(256)), Form::new().part(control, b"x"), Form::new().text("file", "a text")]
    {
        assert_eq!(fault(&bench.send(wrong).await), (400, "file"));
    }
}

#[actix_web::test]
async fn forms_that_are_none_are_refused() {
    let bench = Bench::new();
    let whole = Form::new().text("note", "a").file("file", "a", b"content").body();
    for kind in ["", "application/json", "multipart/mixed; boundary=x", "multipart/form-datax; boundary=x"] {
        assert_eq!(bench.send_as(kind, whole.clone()).await.0, 415, "{kind}");
    }
    for kind in
        ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other"]
    {
        assert_eq!(bench.send_as(kind, whole.clone()).await.0, 400, "{kind}");
    }
    for length in 0..whole.len() - 4 {
        let (status, answer) = bench.send_as(&Form::content_type(), whole[..length].to_vec()).await;
        assert_eq!(status, 400, "cut at {length}: {answer}");
    }
    let line = [b"x".repeat(200_000), whole.clone()].concat();
    assert_eq!(bench.send_as(&Form::content_type(), line).await.0, 400);
    for part in
        ["", "Content-Disposition: form-data", "Content-Disposition: attachment; name=\"file\"", "nonsense"]
    {
        assert_eq!(bench.send(Form::new().part(part, b"x")).await.0, 400, "{part}");
    }
    assert_eq!(bench.files(), [""; 0]);
}

#[actix_web::test]
async fn what_is_wrong_with_a_part_is_said_by_its_name_and_nothing_is_kept() {
    let bench = Bench::new();
    let good = || Form::new().file("file", "a", &[7; 600_000]);
    let parts = (0..40).fold(good(), |form, number| form.text(&format!("part-{number}"), "x"));
    for (form, expected) in [
        (Form::new().text("note", "no file"), (400, "file")),
        (Form::new(), (400, "file")),
        (good().file("avatar", "b", b"another"), (400, "avatar")),
        (good().text("note", "a").text("note", "b"), (400, "note")),
        (good().part("Content-Disposition: form-data; name=\"note\"", b"\xff\xfe"), (400, "note")),
        (good().text("note", &"x".repeat(MAX_TEXT + 1)), (413, "note")),
        (good().text("unasked", &"x".repeat(MAX_TEXT + 1)), (413, "")),
        (parts, (400, "")),
        (Form::new().file("file", "a", &[7; MAX_FILE + 1]), (413, "file")),
        (Form::new().file("file", "a", &[7; 2 * MAX_FILE]), (413, "file")),
    ] {
        let answer = bench.send(form).await;
        assert_eq!(fault(&answer), expected, "{}", answer.1);
    }
    let fits = bench.send(Form::new().file("file", "a", &[7; MAX_FILE])).await;
    assert_eq!(fits.0, 200);
    assert_eq!(bench.files().len(), 1);
}

#[actix_web::test]
async fn a_body_without_a_length_is_bounded_too() {
    let bench = Bench::new();
    let endless = futures_util::stream::repeat_with(|| {
        Ok::<_, actix_web::error::PayloadError>(vec![b'\n'; 8192].into())
    });
    let endless: std::pin::Pin<Box<dyn futures_util::Stream<Item = _>>> = Box::pin(endless);
    let (request, _) = TestRequest::post()
        .uri("/api/echo")
        .insert_header(("content-type", Form::content_type()))
        .to_request()
        .replace_payload(actix_web::dev::Payload::from(endless));
    let answer = call_service(&bench.app().await, request).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
