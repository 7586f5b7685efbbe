//! The lane on real sockets, in front of a real actix-http.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::{HttpService, KeepAlive};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, web};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Head, Lane, LaneStream, LaneWorker, Waits, answer};
use crate::config::{Quota, RateLimitConfig};
use crate::http::connection::{Patience, PatientStream};
use crate::http::edge::{self, NO_STORE, SHORT_LINK, ShortLink};
use crate::http::rate_limit::{self, LimitedAction, RateLimits, Verdict};
use crate::http::server::Seat;

const LANE: &str = "GET /l1 HTTP/1.1\r\nhost: a\r\n\r\n";
const HEAD: &str = "HEAD /l2 HTTP/1.1\r\nHOST: a\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n";
const OTHER: &str = "GET /o HTTP/1.1\r\nhost: a\r\n\r\n";
const OTHER_HEAD: &str = "HEAD /o HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
/// Its body looks like a request.
const DECEIT: &str =
    "PUT /d HTTP/1.1\r\ncontent-length: 29\r\nhost: a\r\n\r\nGET /l1 HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_WITH_BODY: &str =
    "GET /l1 HTTP/1.1\r\nhost: a\r\ncontent-length: 29\r\n\r\nGET /l1 HTTP/1.1\r\nhost: a\r\n\r\n";
const CHUNKED: &str =
    "POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n";

/// What comes to each, on a connection that the lane is on for.
const MIX: [(&str, &str); 7] = [
    (LANE, "302 /l1"),
    (HEAD, "302 /l2"),
    (OTHER, "200 GET /o "),
    (OTHER_HEAD, "200 "),
    (POST, "200 POST /p hello"),
    (DECEIT, "200 PUT /d GET /l1 HTTP/1.1\r\nhost: a\r\n\r\n"),
    (GET_WITH_BODY, "200 GET /l1 GET /l1 HTTP/1.1\r\nhost: a\r\n\r\n"),
];

/// Answers `/l…` with a redirect to the path.
struct Fixed(web::Data<RateLimits>);

impl Lane for Fixed {
    fn answer(&self, request: &Head<'_>, out: &mut Vec<u8>) -> bool {
        if !request.path.starts_with("/l") {
            return false;
        }
        let limits: &RateLimits = &self.0;
        let standing = match limits.check(LimitedAction::Redirect, request.peer) {
            Verdict::Within(standing) => Some((limits, standing)),
            _ => None,
        };
        answer::found(out, request, request.path.as_bytes(), standing)
    }
}

/// A body as far as it can be had.
type Body = Result<web::Bytes, actix_web::Error>;

async fn echo(request: HttpRequest, body: Body) -> HttpResponse {
    let body = body.unwrap_or_else(|_| web::Bytes::from_static(b"(broken)"));
    let text = format!("{} {} {}", request.method(), request.path(), String::from_utf8_lossy(&body));
    HttpResponse::Ok().insert_header(("x-head", (request.method() == "HEAD").to_string())).body(text)
}

async fn late(request: HttpRequest, body: Body) -> HttpResponse {
    sleep(Duration::from_millis(20)).await;
    echo(request, body).await
}

/// Never looks at its body.
async fn heedless() -> HttpResponse {
    HttpResponse::Ok().body("heedless")
}

/// What `shortener::routes::redirect` does.
async fn follow(request: HttpRequest) -> HttpResponse {
    request.extensions_mut().insert(ShortLink);
    rate_limit::by_address(&request, LimitedAction::Redirect).unwrap();
    HttpResponse::Found()
        .insert_header((header::LOCATION, request.path()))
        .insert_header((header::CACHE_CONTROL, NO_STORE))
        .finish()
}

const PATIENCE: Patience =
    Patience { answer: Duration::from_secs(5), write: Duration::from_secs(1), idle: Duration::from_secs(9) };
const WAITS: Waits = Waits { head: Duration::from_secs(1), idle: Duration::from_secs(2) };

fn limits() -> web::Data<RateLimits> {
    web::Data::new(RateLimits::new(&RateLimitConfig {
        redirect: Quota { requests: 1_000_000, per_secs: 60 },
        ..crate::config::load(None).unwrap().config.rate_limits
    }))
}

/// By two workers that give every connection to each other after every answer; how often they did.
async fn serve_restlessly() -> (SocketAddr, Rc<Cell<usize>>) {
    let limits = limits();
    let (given, times) = (mpsc::unbounded_channel(), Rc::new(Cell::new(0)));
    let workers = Seat::restless().map(|(seat, mut inbox)| {
        let worker = LaneWorker::new(Rc::new(Fixed(limits.clone())), WAITS, seat);
        let (worker_too, to, times) = (worker.clone(), given.0.clone(), times.clone());
        actix::spawn(async move {
            while let Some(handed) = inbox.recv().await {
                let stream = TcpStream::from_std(handed.socket).unwrap();
                let peer = stream.peer_addr().unwrap();
                let stream = PatientStream::new(stream, PATIENCE);
                to.send((LaneStream::resumed(stream, peer.ip(), worker_too.clone()), peer)).unwrap();
                times.set(times.get() + 1);
            }
        });
        worker
    });
    let first = workers[0].clone();
    let wrap = move |stream, peer: SocketAddr| LaneStream::new(stream, peer.ip(), first.clone());
    (serve_with(limits, wrap, given.1).await, times)
}

async fn serve() -> SocketAddr {
    let limits = limits();
    let worker = LaneWorker::new(Rc::new(Fixed(limits.clone())), WAITS, Seat::alone());
    serve_on(limits, move |stream, peer| LaneStream::new(stream, peer.ip(), worker.clone())).await
}

async fn serve_on<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    limits: web::Data<RateLimits>,
    wrap: impl Fn(PatientStream, SocketAddr) -> T + 'static,
) -> SocketAddr {
    serve_with(limits, wrap, mpsc::unbounded_channel().1).await
}

async fn serve_with<T: AsyncRead + AsyncWrite + Unpin + 'static>(
    limits: web::Data<RateLimits>,
    wrap: impl Fn(PatientStream, SocketAddr) -> T + 'static,
    mut given: mpsc::UnboundedReceiver<(T, SocketAddr)>,
) -> SocketAddr {
    let app = {
        App::new()
            .app_data(limits)
            .service(
                web::scope("/edge").wrap(from_fn(edge::edge)).service(web::resource(SHORT_LINK).to(follow)),
            )
            .service(web::resource("/slow").to(late))
            .service(web::resource("/heedless").to(heedless))
            .default_service(web::to(echo))
    };
    let app = map_config(app.into_factory(), |()| AppConfig::default());
    let http = HttpService::build()
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(Duration::from_secs(1))
        .h1(app);
    let http = http.new_service(()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    actix::spawn(async move {
        loop {
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => {
                    let (stream, peer) = accepted.unwrap();
                    (wrap(PatientStream::new(stream, PATIENCE), peer), peer)
                }
                Some(given) = given.recv() => given,
            };
            actix::spawn(http.call((stream, Some(peer))));
        }
    });
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Numbers that look random and are the same each time (Knuth's MMIX).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Everything until the other side ends.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await.expect("an end").unwrap();
    bytes
}

/// What comes back for `pieces`, sent one after another, when nothing follows.
async fn said(address: SocketAddr, pieces: &[&[u8]]) -> Vec<String> {
    let (mut from, mut to) = connect(address).await.into_split();
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let sender = actix::spawn(async move {
        for piece in &pieces {
            if to.write_all(piece).await.is_err() {
                break;
            }
            if pieces.len() > 1 {
                sleep(Duration::from_micros(300)).await;
            }
        }
        // The other side may have ended already.
        let _ = to.shutdown().await;
        to
    });
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(20), from.read_to_end(&mut bytes)).await.expect("an end").unwrap();
    drop(sender.await);
    answers(&bytes)
}

/// Status and location or body of each answer, and of the last one whether it closes.
fn answers(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let mut room = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut room);
        let Ok(httparse::Status::Complete(head)) = answer.parse(bytes) else {
            panic!("no answer: {} after {found:?}", String::from_utf8_lossy(bytes));
        };
        let header = |name: &str| {
            let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| String::from_utf8(header.value.to_vec()).unwrap())
        };
        let length = match header("x-head").as_deref() {
            Some("true") => 0,
            _ => header("content-length").map_or(0, |length| length.parse().unwrap()),
        };
        let body = String::from_utf8_lossy(&bytes[head..head + length]).into_owned();
        let close = if header("connection").is_some() { ", closing" } else { "" };
        found.push(format!("{} {}{close}", answer.code.unwrap(), header("location").unwrap_or(body)));
        bytes = &bytes[head + length..];
    }
    found
}

#[actix::test]
async fn a_connection_that_changes_hands_after_every_answer_loses_nothing() {
    let (address, times) = serve_restlessly().await;
    let mut chance = Chance(7);
    let asked: Vec<_> = (0..300).map(|_| MIX[chance.below(MIX.len())]).collect();
    let pieces: Vec<&[u8]> = asked.iter().map(|(request, _)| request.as_bytes()).collect();
    let expected: Vec<&str> = asked.iter().map(|(_, answer)| *answer).collect();
    assert_eq!(said(address, &pieces).await, expected);
    assert!(times.get() > 50, "it changed hands {} times", times.get());
    // One that idles after it was given away has an idle connection's time, not that of a head.
    let mut stream = connect(address).await;
    stream.write_all(LANE.as_bytes()).await.unwrap();
    let begun = Instant::now();
    assert_eq!(answers(&rest(&mut stream).await), ["302 /l1"]);
    assert!(begun.elapsed() >= WAITS.idle, "{:?}", begun.elapsed());
}

#[actix::test]
async fn a_mix_of_requests_is_answered_in_its_order() {
    let address = serve().await;
    let mut chance = Chance(7);
    for _ in 0..100 {
        let (mut sent, mut expected) = (String::new(), Vec::new());
        for _ in 0..20 {
            let (request, answer) = MIX[chance.below(MIX.len())];
            sent.push_str(request);
            expected.push(answer);
        }
        assert_eq!(said(address, &[sent.as_bytes()]).await, expected);
    }
}

#[actix::test]
async fn it_does_not_matter_where_the_network_cuts() {
    let address = serve().await;
    let sent: String = [LANE, POST, HEAD, DECEIT, OTHER_HEAD, LANE, GET_WITH_BODY, OTHER, LANE].concat();
    let expected = [
        "302 /l1",
        "200 POST /p hello",
        "302 /l2",
        MIX[5].1,
        "200 ",
        "302 /l1",
        MIX[6].1,
        "200 GET /o ",
        "302 /l1",
    ];
    let sent = sent.as_bytes();
    for at in 1..sent.len() {
        assert_eq!(said(address, &[&sent[..at], &sent[at..]]).await, expected, "cut at {at}");
    }
    let single: Vec<&[u8]> = sent.chunks(1).collect();
    assert_eq!(said(address, &single).await, expected, "cut everywhere");
}

/// `stream` with a few bytes changed, lost or doubled.
fn garbled(mut stream: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    for _ in 0..chance.below(4) {
        let at = chance.below(stream.len());
        match chance.below(4) {
            0 => stream[at] = b"\0\r\n :0123456789abcGHxX/"[chance.below(23)],
            1 => drop(stream.remove(at)),
            2 => stream.insert(at, stream[at]),
            _ => {
                let from = chance.below(stream.len());
                let piece = stream[from..(from + chance.below(30)).min(stream.len())].to_vec();
                drop(stream.splice(at..at, piece));
            }
        }
    }
    stream
}

#[actix::test]
async fn whatever_comes_is_understood_as_actix_understands_it() {
    let limits = web::Data::new(RateLimits::new(&crate::config::load(None).unwrap().config.rate_limits));
    let (with, without) = (serve().await, serve_on(limits, |stream, _| stream).await);
    let (mut chance, rounds) = (Chance(11), 300);
    let mut longer = 0;
    for round in 0..rounds {
        // No HEAD: of two requests at once, actix-http alone answers the first by the method of the second.
        let all = [LANE, OTHER, POST, DECEIT, GET_WITH_BODY, CHUNKED];
        let requests: Vec<&str> = (0..1 + chance.below(8)).map(|_| all[chance.below(all.len())]).collect();
        let stream = garbled(requests.concat().into_bytes(), &mut chance);
        let cut = chance.below(stream.len());
        let pieces = if round % 2 == 0 { vec![&stream[..]] } else { vec![&stream[..cut], &stream[cut..]] };
        let as_plain = |answers: Vec<String>| -> Vec<String> {
            let plain = |answer: String| match answer.strip_prefix("302 ") {
                Some(path) => format!("200 GET {path} "),
                None => answer.trim_end_matches(", closing").to_owned(),
            };
            answers.into_iter().map(plain).collect()
        };
        let with = as_plain(said(with, &pieces).await);
        let without = as_plain(said(without, &pieces).await);
        // A body that waits for its turn makes actix-http alone close after the answer before.
        assert!(
            with.starts_with(&without),
            "{round}: {:?}\n{with:#?}\n{without:#?}",
            String::from_utf8_lossy(&stream)
        );
        longer += usize::from(with.len() > without.len());
    }
    assert!(longer * 10 < rounds, "{longer} of {rounds}");
}

#[actix::test]
async fn a_slow_answer_is_waited_for() {
    let address = serve().await;
    let slow = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
    let sent = [LANE, slow, LANE, slow, slow, LANE].concat();
    let expected = ["302 /l1", "200 GET /slow ", "302 /l1", "200 GET /slow ", "200 GET /slow ", "302 /l1"];
    assert_eq!(said(address, &[sent.as_bytes()]).await, expected);
    // The client's next request comes while the answer is being made, or after.
    let pieces = [LANE, slow, LANE, LANE];
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    assert_eq!(said(address, &pieces).await, ["302 /l1", "200 GET /slow ", "302 /l1", "302 /l1"]);
    let mut stream = connect(address).await;
    for (request, answer) in MIX.iter().cycle().take(30) {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = vec![0; 4096];
        let read = timeout(Duration::from_secs(5), stream.read(&mut bytes)).await.unwrap().unwrap();
        assert_eq!(answers(&bytes[..read]), [*answer]);
    }
}

#[actix::test]
async fn ten_thousand_at_once() {
    let address = serve().await;
    let answers = said(address, &[LANE.repeat(10_000).as_bytes()]).await;
    assert_eq!(answers.len(), 10_000);
    assert!(answers.iter().all(|answer| answer == "302 /l1"));
    let answers = said(address, &[[LANE, OTHER].concat().repeat(2_000).as_bytes()]).await;
    assert_eq!(answers.len(), 4_000);
    assert!(answers.chunks(2).all(|pair| pair == ["302 /l1", "200 GET /o "]));
}

#[actix::test]
async fn a_long_body_is_followed_by_the_lane() {
    let address = serve().await;
    let body = "GET /l1 HTTP/1.1\r\n".repeat(10_000);
    let post = format!("POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let sent = [LANE, &post, LANE, &post, LANE].concat();
    let long = format!("200 POST /p {body}");
    assert_eq!(said(address, &[sent.as_bytes()]).await, ["302 /l1", &long, "302 /l1", &long, "302 /l1"]);
}

#[actix::test]
async fn after_what_is_not_plain_actix_has_the_connection_alone() {
    let address = serve().await;
    let unusual = "OPTIONS /o HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, te\r\n\r\n";
    let absolute = "GET http://a/l1 HTTP/1.1\r\nhost: a\r\n\r\n";
    let large = format!("GET /o HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(40_000));
    for (sent, expected) in [
        ([CHUNKED, LANE, OTHER], ["200 POST /c GET", "200 GET /l1 ", "200 GET /o "]),
        ([unusual, LANE, OTHER], ["200 OPTIONS /o ", "200 GET /l1 ", "200 GET /o "]),
        ([&large, LANE, OTHER], ["200 GET /o ", "200 GET /l1 ", "200 GET /o "]),
        // This one's end is plain, so that the lane goes on after it.
        ([absolute, LANE, OTHER], ["200 GET /l1 ", "302 /l1", "200 GET /o "]),
    ] {
        let sent = [LANE, sent[0], sent[1], sent[2]].concat();
        let answers = said(address, &[sent.as_bytes()]).await;
        assert_eq!(
            (&*answers[0], &answers[1..]),
            ("302 /l1", &expected.map(str::to_owned)[..]),
            "{sent:.200}"
        );
    }
}

#[actix::test]
async fn what_closes_closes() {
    let address = serve().await;
    let close = "GET /l1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let old = "GET /l1 HTTP/1.0\r\n\r\n";
    for (last, answer) in [(close, "200 GET /l1 , closing"), (old, "200 GET /l1 ")] {
        let mut stream = connect(address).await;
        stream.write_all([LANE, last].concat().as_bytes()).await.unwrap();
        assert_eq!(answers(&rest(&mut stream).await), ["302 /l1", answer], "without our end of it");
    }
    // Whoever leaves a body unread closes, and what follows the body is no request.
    let heedless = "POST /heedless HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
    let sent = [heedless, &"x".repeat(100_000), LANE, LANE].concat();
    assert_eq!(said(address, &[sent.as_bytes()]).await, ["200 heedless, closing"]);
    assert_eq!(said(address, &[[heedless, LANE].concat().as_bytes()]).await, ["200 heedless, closing"]);
}

#[actix::test]
async fn what_could_be_two_things_is_refused() {
    let address = serve().await;
    for bad in [
        "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
        "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET /l1 HTTP/1.1\r\nhost: a\r\ncontent-length: +0\r\n\r\n",
        "GET /l1 HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /l1 HTTP/1.1\r\n\r\n",
        "GET /l1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity, chunked\r\n\r\n",
        "GET /l1 HTTP/1.1\r\nhost : a\r\n\r\n",
        "\0\x01\x02\r\n\r\n",
        "GET\r\n\r\n",
    ] {
        let answers = said(address, &[[LANE, bad, LANE, LANE].concat().as_bytes()]).await;
        assert_eq!(answers.len(), 2, "{bad}: {answers:?}");
        assert!(answers[0] == "302 /l1" && answers[1].starts_with("400"), "{bad}: {answers:?}");
    }
}

#[actix::test]
async fn who_waits_too_long_is_let_go() {
    let address = serve().await;
    let ends = async |sent: &str, drip: &[u8]| {
        let (mut from, mut to) = connect(address).await.into_split();
        to.write_all(sent.as_bytes()).await.unwrap();
        let drip = drip.to_vec();
        let dripping = actix::spawn(async move {
            while !drip.is_empty() && to.write_all(&drip).await.is_ok() {
                sleep(Duration::from_millis(200)).await;
            }
            sleep(Duration::from_secs(10)).await;
            drop(to);
        });
        let (started, mut bytes) = (Instant::now(), Vec::new());
        timeout(Duration::from_secs(8), from.read_to_end(&mut bytes)).await.expect("an end").unwrap_or(0);
        dripping.abort();
        (answers(&bytes), started.elapsed())
    };
    for first in ["", LANE, POST] {
        let before = usize::from(!first.is_empty());
        let (answers, took) = ends(&format!("{first}GET /l1 HT"), b"").await;
        assert_eq!((answers.len(), &*answers[before]), (before + 1, "408 , closing"));
        assert!(took < Duration::from_secs(4), "{first}: {took:?}");
        let (answers, took) = ends(&format!("{first}GET /l1 HTTP/1.1\r\nx: "), b"y").await;
        assert_eq!((answers.len(), &*answers[before]), (before + 1, "408 , closing"));
        assert!(took < Duration::from_secs(4), "{first}: {took:?}");
        let (answers, took) = ends(first, b"").await;
        assert_eq!(answers.len(), before, "who says nothing is told nothing: {answers:?}");
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(5), "{first}: {took:?}");
    }
}

#[actix::test]
async fn a_busy_lane_is_not_idle() {
    let address = serve().await;
    let mut stream = connect(address).await;
    for _ in 0..10 {
        sleep(Duration::from_millis(500)).await;
        stream.write_all(LANE.as_bytes()).await.unwrap();
        let read = stream.read(&mut [0; 4096]).await.unwrap();
        assert!(read > 100);
    }
}

#[actix::test]
async fn a_client_that_reads_nothing_is_let_go_and_bounded_meanwhile() {
    let address = serve().await;
    let mut stream = connect(address).await;
    let requests = LANE.repeat(1_000);
    let started = Instant::now();
    let mut sent = 0;
    let error = loop {
        match timeout(Duration::from_secs(8), stream.write_all(requests.as_bytes())).await.expect("an end") {
            Ok(()) => sent += requests.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{error}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(sent < 30 << 20, "{sent}: what the kernel holds, and little more");
}

#[actix::test]
async fn a_redirect_looks_as_if_it_had_not_come_by_the_lane() {
    let address = serve().await;
    let mut looks = Vec::new();
    for request in
        ["GET /lane HTTP/1.1", "GET /edge/lane HTTP/1.1", "HEAD /lane HTTP/1.1", "HEAD /edge/lane HTTP/1.1"]
    {
        let mut stream = connect(address).await;
        stream.write_all(format!("{request}\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let bytes = rest(&mut stream).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "");
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().to_owned();
        let mut headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(headers["date"].len(), "Sun, 06 Nov 1994 08:49:37 GMT".len());
        let id = headers["x-request-id"].clone();
        assert!(headers["ratelimit"].starts_with("\"redirect\";r=99999"), "{}", headers["ratelimit"]);
        for varying in ["date", "x-request-id", "ratelimit"] {
            headers.insert(varying.to_owned(), String::new());
        }
        let location = headers["location"].trim_start_matches("/edge").to_owned();
        headers.insert("location".to_owned(), location);
        looks.push((status, headers, id));
    }
    assert_eq!(looks[0].1.len(), 11, "{looks:#?}");
    for (status, headers, id) in &looks[1..] {
        assert_eq!((status, headers), (&looks[0].0, &looks[0].1));
        assert_eq!(id.split('-').next(), looks[0].2.split('-').next(), "one process");
        assert_ne!(id, &looks[0].2);
    }
}

#[test]
fn a_location_that_would_end_its_line_is_not_written() {
    let peer = "127.0.0.1".parse().unwrap();
    let request =
        Head { is_head: false, path: "/l", query: "", headers: &[], peer, received: Instant::now() };
    let mut out = Vec::new();
    assert!(!answer::found(&mut out, &request, b"https://a/\r\nset-cookie: b", None));
    assert!(out.is_empty());
}
