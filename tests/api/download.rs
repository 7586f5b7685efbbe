//! Answering with stored objects, below any route.

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpRequest, HttpResponse, web};
use ayrene::http::download::{self, Place, Presentation};
use ayrene::http::{ApiError, edge};
use ayrene::storage::{ObjectName, Storage};

const NAME: &str = "files/an-object";
const TAG: &str = "\"an-object\"";

async fn serve(
    request: HttpRequest,
    storage: web::Data<Storage>,
    name: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let object = ObjectName::parse(&name).unwrap();
    let file_name = Some(("caf\u{e9}.bin", Place::Attachment));
    let presentation = Presentation { mime: "video/mp4", cache_control: "private", file_name };
    download::answer(&request, &storage, &object, presentation).await
}

fn content() -> Vec<u8> {
    (0..200_000u32).map(|n| (n / 7) as u8).collect()
}

/// The answer to one request for an object of 200 000 bytes, or for one that does not exist.
async fn ask(method: Method, name: &str, headers: &[(&'static str, &str)]) -> ServiceResponse {
    let dir = tempfile::tempdir().unwrap();
    let config = ayrene::config::load(None).unwrap().config.storage;
    let (storage, _thread) = Storage::open(&config, dir.path()).unwrap();
    storage.put(&ObjectName::parse(NAME).unwrap(), content().into()).await.unwrap();
    let app = App::new()
        .app_data(web::Data::new(storage))
        .route("/uploads/{name:.*}", web::route().to(serve))
        .wrap(from_fn(edge::edge));
    let app = init_service(app).await;
    let request = TestRequest::default().method(method).uri(&format!("/uploads/{name}"));
    let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
    let answer = call_service(&app, request.to_request()).await;
    let (request, answer) = answer.into_parts();
    // Read while the store lives.
    let (answer, body) = answer.into_parts();
    let size = actix_web::body::MessageBody::size(&body);
    let read = actix_web::body::to_bytes(body).await.unwrap();
    let mut answer = answer.set_body(read);
    answer.extensions_mut().insert(size);
    ServiceResponse::new(request, answer.map_into_boxed_body())
}

async fn get(headers: &[(&'static str, &str)]) -> ServiceResponse {
    ask(Method::GET, NAME, headers).await
}

fn header<'a>(answer: &'a ServiceResponse, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[actix_web::test]
async fn an_object_is_answered_whole_with_all_that_keeps_it_harmless() {
    let answer = get(&[]).await;
    assert_eq!(answer.status(), 200);
    for (name, value) in [
        ("content-type", "video/mp4"),
        ("cache-control", "private"),
        ("etag", TAG),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("content-disposition", "attachment; filename=\"caf_.bin\"; filename*=UTF-8''caf%C3%A9.bin"),
    ] {
        assert_eq!(header(&answer, name), value, "{name}");
    }
    assert!(read_body(answer).await == content());
}

#[actix_web::test]
async fn head_has_the_same_headers_and_no_body() {
    let (head, whole) = (ask(Method::HEAD, NAME, &[("range", "bytes=0-9")]).await, get(&[]).await);
    assert_eq!(head.status(), 200);
    for name in ["content-type", "etag", "accept-ranges", "content-disposition", "cache-control"] {
        assert_eq!(header(&head, name), header(&whole, name), "{name}");
    }
    let size = *head.response().extensions().get::<actix_web::body::BodySize>().unwrap();
    assert_eq!(size, actix_web::body::BodySize::Sized(200_000));
    assert!(read_body(head).await.is_empty());
}

#[actix_web::test]
async fn ranges_are_answered_in_part() {
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=100-99999", 100, 99_999),
        ("bytes=199990-", 199_990, 199_999),
        ("bytes=-5", 199_995, 199_999),
        ("bytes=-999999", 0, 199_999),
        ("bytes=0-999999", 0, 199_999),
    ] {
        let answer = get(&[("range", range)]).await;
        assert_eq!(answer.status(), 206, "{range}");
        assert_eq!(header(&answer, "content-range"), format!("bytes {first}-{last}/200000"));
        assert_eq!(header(&answer, "etag"), TAG);
        assert!(read_body(answer).await == content()[first..=last], "{range}");
    }
    for range in ["bytes=200000-", "bytes=-0", "bytes=999999-9999999"] {
        let answer = get(&[("range", range)]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-range")), (416, "bytes */200000"));
    }
    for range in ["bytes=9-1", "bytes=0-1,5-6", "lines=0-1", "bytes=x-", "nonsense"] {
        assert_eq!(get(&[("range", range)]).await.status(), 200, "{range}");
    }
}

#[actix_web::test]
async fn a_range_of_another_version_is_answered_whole() {
    let with = |condition: &'static str| async move {
        get(&[("range", "bytes=0-9"), ("if-range", condition)]).await.status().as_u16()
    };
    assert_eq!(with(TAG).await, 206);
    assert_eq!(with("\"another\"").await, 200);
    assert_eq!(with("W/\"an-object\"").await, 200);
    assert_eq!(with("Wed, 21 Oct 2015 07:28:00 GMT").await, 200);
}

#[actix_web::test]
async fn who_has_it_already_is_told_so() {
    for known in [TAG, "*", "\"a\", W/\"an-object\", \"b\""] {
        let answer = get(&[("if-none-match", known), ("range", "bytes=0-9")]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (304, TAG), "{known}");
        assert_eq!(header(&answer, "cache-control"), "private");
        assert!(read_body(answer).await.is_empty());
    }
    assert_eq!(get(&[("if-none-match", "\"another\"")]).await.status(), 200);
}

#[actix_web::test]
async fn what_is_not_there_is_a_404_in_the_shape_of_the_social_surface() {
    for headers in [&[][..], &[("if-none-match", "*")], &[("range", "bytes=0-1")]] {
        let answer = ask(Method::GET, "files/another", headers).await;
        assert_eq!(answer.status(), 404);
        let body: serde_json::Value = serde_json::from_slice(&read_body(answer).await).unwrap();
        assert_eq!(body["success"], false);
        assert!(body["message"].is_string());
    }
}
