//! The few calls of S3 that uploads need, spoken by a server of the test's own. With `S3_ENDPOINT` in the environment
//! the tests that can do so ask that server instead (bucket `uploads`, any keys).

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// What the server holds and how it fails.
#[derive(Debug, Default)]
pub struct Contents {
    /// By `bucket/key`.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Parts by upload id.
    pub unfinished: HashMap<String, BTreeMap<u32, Vec<u8>>>,
    /// Refuse the last step of an upload in parts.
    pub refuse_completion: bool,
    /// Let small objects wait to be written.
    pub hold: bool,
}

/// A running server; it ends with the test's process.
pub struct S3 {
    pub contents: Arc<Mutex<Contents>>,
    pub address: SocketAddr,
}

impl S3 {
    pub fn start() -> Self {
        let contents: Arc<Mutex<Contents>> = Arc::default();
        let data = web::Data::new(contents.clone());
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(data.clone())
                        .app_data(web::PayloadConfig::new(64 << 20))
                        .default_service(web::to(answer))
                };
                let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
                sender.send(server.addrs()[0]).unwrap();
                server.run().await.unwrap();
            });
        });
        Self { contents, address: receiver.recv().unwrap() }
    }

    /// Where to ask: here, or the server that the environment names.
    pub fn endpoint(&self) -> String {
        std::env::var("S3_ENDPOINT").unwrap_or_else(|_| format!("http://{}", self.address))
    }
}

async fn answer(
    request: HttpRequest,
    contents: web::Data<Arc<Mutex<Contents>>>,
    query: web::Query<HashMap<String, String>>,
    body: web::Bytes,
) -> HttpResponse {
    while request.method() == Method::PUT && contents.lock().unwrap().hold {
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    let mut contents = contents.lock().unwrap();
    let header = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if !header(header::AUTHORIZATION).is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=")) {
        return HttpResponse::Forbidden().finish();
    }
    let key = request.path().trim_start_matches('/').to_owned();
    let upload = query.get("uploadId").cloned();
    let tagged = |mut builder: actix_web::HttpResponseBuilder| {
        builder
            .insert_header((header::ETAG, "\"tag\""))
            .insert_header((header::LAST_MODIFIED, "Sat, 01 Jan 2022 00:00:00 GMT"));
        builder
    };
    match (request.method(), upload) {
        (&Method::POST, None) if query.contains_key("uploads") => {
            let id = nanoid::nanoid!();
            contents.unfinished.insert(id.clone(), BTreeMap::new());
            let xml = format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            );
            HttpResponse::Ok().content_type("application/xml").body(xml)
        }
        (&Method::PUT, Some(id)) => match contents.unfinished.get_mut(&id) {
            Some(parts) => {
                parts.insert(query["partNumber"].parse().unwrap(), body.to_vec());
                tagged(HttpResponse::Ok()).finish()
            }
            None => HttpResponse::NotFound().finish(),
        },
        (&Method::POST, Some(_)) if contents.refuse_completion => HttpResponse::BadRequest().finish(),
        (&Method::POST, Some(id)) => match contents.unfinished.remove(&id) {
            Some(parts) => {
                let small = parts.values().rev().skip(1).any(|part| part.len() < 5 << 20);
                assert!(!small, "S3 refuses parts below 5 MiB, but for the last");
                contents.objects.insert(key, parts.into_values().flatten().collect());
                let xml =
                    "<CompleteMultipartUploadResult><ETag>\"tag\"</ETag></CompleteMultipartUploadResult>";
                HttpResponse::Ok().content_type("application/xml").body(xml)
            }
            None => HttpResponse::NotFound().finish(),
        },
        (&Method::DELETE, Some(id)) => match contents.unfinished.remove(&id) {
            Some(_) => HttpResponse::NoContent().finish(),
            None => HttpResponse::NotFound().finish(),
        },
        (&Method::PUT, None) => {
            contents.objects.insert(key, body.to_vec());
            tagged(HttpResponse::Ok()).finish()
        }
        (&Method::DELETE, None) => {
            contents.objects.remove(&key);
            HttpResponse::NoContent().finish()
        }
        (&Method::GET | &Method::HEAD, None) => {
            let Some(object) = contents.objects.get(&key) else { return HttpResponse::NotFound().finish() };
            let range = header(header::RANGE).and_then(|range| {
                let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
                Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
            });
            match range {
                Some((first, last)) => tagged(HttpResponse::PartialContent())
                    .insert_header((header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", object.len())))
                    .body(object[first..=last].to_vec()),
                None => tagged(HttpResponse::Ok()).body(object.clone()),
            }
        }
        _ => HttpResponse::MethodNotAllowed().finish(),
    }
}
