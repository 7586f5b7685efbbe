//! The fetcher against pages served here. The [`Reach`] of the server never contains this machine; these tests give another.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// One address of this machine, any port: what is served here, and a neighbour who is not to be asked.
const HERE: Reach = Reach { address: |address| address == IpAddr::V4(Ipv4Addr::LOCALHOST), port: |_| true };
/// The public internet on any port.
const PUBLIC_ANY_PORT: Reach = Reach { address: is_public, port: |_| true };

/// A server of pages, on every address of this machine, and the requests that it got.
struct Pages {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Pages {
    async fn serve() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let pages = Self { port: listener.local_addr().unwrap().port(), requests: Arc::default() };
        let (requests, port) = (pages.requests.clone(), pages.port);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, requests.clone(), port));
            }
        });
        pages
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn answer(mut stream: TcpStream, requests: Arc<Mutex<Vec<String>>>, port: u16) {
    let mut head = vec![0; 4096];
    let length = stream.read(&mut head).await.unwrap_or_default();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.lock().unwrap().push(head);
    let page = |more: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n{more}\r\n{body}")
    };
    let to =
        |target: String| format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
    let mut response = match path.as_str() {
        "/safe" => page("", "<title>A garden</title><body>porn"),
        "/rated" => page("", "<meta name='rating' content='RTA-5042-1996-1400-1577-RTA'>"),
        "/header" => page("rating: adult\r\n", "<title>A garden</title>"),
        "/title" => page("", "<title>Best of porn</title>"),
        "/json" => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n<title>porn</title>".to_owned(),
        "/gone" => "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\n\r\n<title>porn</title>".to_owned(),
        "/far" => page("", &format!("{}<title>porn</title>", " ".repeat(MAX_BYTES))),
        "/slow" => page("", "<title>A garden</title>"),
        "/slow-rated" => page("", "<title>porn</title>"),
        "/neighbour" => to(format!("http://127.0.0.2:{port}/title")),
        "/file" => to("file:///etc/passwd".to_owned()),
        "/known" => to("https://known.example/".to_owned()),
        "/nowhere" => "HTTP/1.1 302 Found\r\n\r\n".to_owned(),
        hops => match hops.strip_prefix("/hops/").and_then(|hops| hops.parse::<u32>().ok()) {
            Some(0) => to("/title".to_owned()),
            Some(hops) => to(format!("/hops/{}", hops - 1)),
            None => String::new(),
        },
    };
    if path.starts_with("/slow") {
        let _ = stream.write_all(response.as_bytes()).await;
        response.clear();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let _ = stream.write_all(response.as_bytes()).await;
}

async fn look(reach: Reach, url: &str) -> Impression {
    Fetcher::new(reach).unwrap().look(url, |url| url.contains("known.example")).await
}

#[test]
fn addresses_of_this_machine_and_its_network_are_out_of_reach_in_every_notation() {
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://%31%32%37.0.0.1/",
        "http://\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}/",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://10.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:1::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
    ] {
        let url = Url::parse(url).unwrap();
        assert!(!Reach::PUBLIC.allows(&url), "{url}");
    }
}

#[test]
fn other_ports_and_schemes_are_out_of_reach() {
    for url in [
        "http://example.com:8080/",
        "https://example.com:22/",
        "http://8.8.8.8:6379/",
        "ftp://example.com:80/",
    ] {
        assert!(!Reach::PUBLIC.allows(&Url::parse(url).unwrap()), "{url}");
    }
    for url in
        ["http://example.com/", "https://example.com/", "http://8.8.8.8:443/", "http://[2606:4700::1111]/"]
    {
        assert!(Reach::PUBLIC.allows(&Url::parse(url).unwrap()), "{url}");
    }
}

#[tokio::test]
async fn a_name_that_leads_here_is_not_asked() {
    let pages = Pages::serve().await;
    let url = format!("http://localhost:{}/title", pages.port);
    assert_eq!(look(PUBLIC_ANY_PORT, &url).await, Impression::None);
    assert_eq!(look(PUBLIC_ANY_PORT, &pages.at("/title")).await, Impression::None);
    assert_eq!(pages.asked(), 0);
    let loopback = Reach { address: |address| address.is_loopback(), port: |_| true };
    assert_eq!(look(loopback, &url).await, Impression::NotSafe, "the same name within reach");
}

#[tokio::test]
async fn a_page_speaks_by_rating_header_and_title() {
    let pages = Pages::serve().await;
    for (path, impression) in [
        ("/safe", Impression::Safe),
        ("/rated", Impression::NotSafe),
        ("/header", Impression::NotSafe),
        ("/title", Impression::NotSafe),
        ("/json", Impression::None),
        ("/gone", Impression::None),
        ("/nothing", Impression::None),
    ] {
        assert_eq!(look(HERE, &pages.at(path)).await, impression, "{path}");
    }
    let requests = pages.requests.lock().unwrap();
    for request in requests.iter() {
        let lower = request.to_ascii_lowercase();
        assert!(lower.contains("user-agent: ayrene/") && lower.contains("accept: text/html"), "{request}");
        assert!(!lower.contains("cookie") && !lower.contains("referer"), "{request}");
    }
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_not_out_of_reach() {
    let pages = Pages::serve().await;
    assert_eq!(look(HERE, &pages.at("/hops/2")).await, Impression::NotSafe, "three");
    assert_eq!(look(HERE, &pages.at("/hops/3")).await, Impression::None, "four");
    assert_eq!(look(HERE, &pages.at("/known")).await, Impression::NotSafe, "to what is known already");
    let before = pages.asked();
    for path in ["/neighbour", "/file", "/nowhere"] {
        assert_eq!(look(HERE, &pages.at(path)).await, Impression::None, "{path}");
    }
    assert_eq!(pages.asked(), before + 3, "nobody else was asked");
}

#[tokio::test]
async fn a_page_has_a_second_and_a_quarter_of_a_megabyte() {
    let pages = Pages::serve().await;
    assert_eq!(look(HERE, &pages.at("/far")).await, Impression::Safe);
    let started = Instant::now();
    assert_eq!(look(HERE, &pages.at("/slow")).await, Impression::Safe);
    assert_eq!(look(HERE, &pages.at("/slow-rated")).await, Impression::NotSafe, "what came in time counts");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}
