//! Links that are not safe for work, and links to blocked hosts.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Client, TestServer, redis_server};

const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A server with a list of each kind, which are looked at every second.
struct Listed {
    server: TestServer,
    nsfw: PathBuf,
    blocked: PathBuf,
    _folder: tempfile::TempDir,
}

impl Listed {
    fn start(nsfw: &str, blocked: &str, reload_secs: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [nsfw_file, blocked_file] = ["nsfw.txt", "blocked.txt"].map(|name| folder.path().join(name));
        std::fs::write(&nsfw_file, nsfw).unwrap();
        std::fs::write(&blocked_file, blocked).unwrap();
        let server = TestServer::start_with(|config| {
            config.safety.nsfw_lists = vec![nsfw_file.clone()];
            config.safety.blocked_lists = vec![blocked_file.clone()];
            config.safety.reload_secs = reload_secs;
        });
        Self { server, nsfw: nsfw_file, blocked: blocked_file, _folder: folder }
    }
}

async fn link(owner: &Client, code: &str) -> Value {
    let answer = owner.get(&format!("/api/v1/url/get/{code}")).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json["data"]["url"].clone()
}

async fn clicks(owner: &Client, code: &str) -> (u64, u64) {
    let link = link(owner, code).await;
    (link["totalClicks"].as_u64().unwrap(), link["totalSuccessClicks"].as_u64().unwrap())
}

async fn successes(owner: &Client, code: &str) -> Vec<bool> {
    let answer = owner.get(&format!("/api/v1/url/stats/{code}?range=30")).send().await;
    let stats = answer.json["data"]["stats"].as_array().unwrap();
    stats.iter().map(|event| event["success"].as_bool().unwrap()).collect()
}

async fn is_safe(client: &Client, body: Value) -> bool {
    let answer = client.post("/api/v1/url").json(&body).send().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json["data"]["isUrlSFW"].as_bool().unwrap()
}

async fn browse(client: &Client, code: &str) -> Answer {
    client.get(&format!("/{code}")).header("accept", HTML).send().await
}

async fn change(owner: &Client, code: &str, body: Value) -> Answer {
    owner.patch(&format!("/api/v1/url/{code}")).json(&body).send().await
}

/// Waits until the link is answered with `status`.
async fn becomes(client: &Client, code: &str, status: u16) {
    for _ in 0..100 {
        if client.get(&format!("/{code}")).send().await.status == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{code} does not become {status}");
}

#[tokio::test]
async fn lists_and_words_decide_before_the_answer_unless_the_maker_says_it() {
    let listed = Listed::start("0.0.0.0 adult.example\n||b\u{fc}cher.example^\n", "", 60);
    let client = listed.server.client();
    for (url, safe) in [
        ("https://example.com/", true),
        ("https://adult.example/x", false),
        ("https://www.ADULT.example./", false),
        ("https://xn--bcher-kva.example/", false),
        ("https://notadult.example/", true),
        ("https://de.pornhub.com/view", false),
        ("https://example.com/free-porn", false),
        ("https://www.essex.ac.uk/analysis/cockpit", true),
        ("https://scunthorpe.example/sextant", true),
    ] {
        assert_eq!(is_safe(&client, json!({ "longUrl": url })).await, safe, "{url}");
        assert_eq!(is_safe(&client, json!({ "longUrl": url, "isUrlSFW": null })).await, safe, "{url}");
        for said in [true, false] {
            assert_eq!(is_safe(&client, json!({ "longUrl": url, "isUrlSFW": said })).await, said, "{url}");
        }
    }
}

#[tokio::test]
async fn a_changed_target_is_judged_anew_unless_its_owner_has_said_it() {
    let server = TestServer::start();
    let owner = server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://pornhub.com/" })).await;
    assert_eq!(link(&owner, &code).await["isUrlSFW"], false);
    let answer = change(&owner, &code, json!({ "newLongUrl": "https://example.com/" })).await;
    assert_eq!(answer.json["data"]["url"]["isUrlSFW"], true, "{answer:?}");
    let answer = change(&owner, &code, json!({ "newLongUrl": "https://xhamster.com/" })).await;
    assert_eq!(answer.json["data"]["url"]["isUrlSFW"], false);
    let answer = change(&owner, &code, json!({ "newIsUrlSFW": true })).await;
    assert_eq!(answer.json["data"]["url"]["isUrlSFW"], true);
    let answer = change(&owner, &code, json!({ "newLongUrl": "https://pornhub.com/" })).await;
    assert_eq!(answer.json["data"]["url"]["isUrlSFW"], true, "the owner's word");
}

#[tokio::test]
async fn a_browser_is_told_and_goes_on_and_a_program_is_led_at_once() {
    let server = TestServer::start();
    let owner = server.user().await;
    let target = "https://example.com/late";
    let body = json!({ "longUrl": target, "isUrlSFW": false, "isAnalyticsEnabled": true });
    let code = owner.shorten(&body).await;
    let (client, path) = (server.client(), format!("/{code}"));

    let notice = browse(&client, &code).await;
    assert_eq!((notice.status, notice.header("location")), (200, ""));
    assert!(notice.header("content-type").starts_with("text/html"));
    assert_eq!(notice.header("cache-control"), "no-store");
    assert!(notice.text.contains(&format!("<form method=\"post\" action=\"/{code}\">")), "{}", notice.text);
    assert!(notice.text.contains("name=\"continue\"") && !notice.text.contains("example.com"));
    assert_eq!(clicks(&owner, &code).await, (1, 0));

    let on = client.post(&path).header("accept", HTML).form(&[("continue", "yes")]).send().await;
    assert_eq!((on.status, on.header("location")), (303, target));
    assert_eq!(on.header("cache-control"), "no-store");
    assert_eq!(clicks(&owner, &code).await, (2, 1));

    for accept in ["*/*", "application/json"] {
        let answer = client.get(&path).header("accept", accept).send().await;
        assert_eq!((answer.status, answer.header("location")), (302, target), "{accept}");
    }
    let data = client.get(&format!("/api/v1/url/{code}")).header("accept", HTML).send().await;
    assert_eq!((data.status, data.header("location")), (302, target));
    assert_eq!(successes(&owner, &code).await, [true, true, true, true, false]);

    change(&owner, &code, json!({ "newIsUrlSFW": true })).await;
    assert_eq!(browse(&client, &code).await.status, 302);
}

#[tokio::test]
async fn a_protected_link_that_is_not_safe_has_its_unlock_page_alone() {
    let server = TestServer::start();
    let owner = server.user().await;
    let body =
        json!({ "longUrl": "https://pornhub.com/", "protectionMethod": "PASSWORD", "urlPassword": "sesame" });
    let code = owner.shorten(&body).await;
    let (client, path) = (server.client(), format!("/{code}"));
    let page = browse(&client, &code).await;
    assert!(page.status == 401 && page.text.contains("name=\"password\"") && !page.text.contains("continue"));
    let around = client.post(&path).header("accept", HTML).form(&[("continue", "yes")]).send().await;
    assert_eq!((around.status, around.header("location")), (401, ""), "no way around the password");
    let data = client.post(&path).form(&[("continue", "yes")]).send().await;
    assert_eq!((data.status, data.json["error"].as_str()), (401, Some("This URL is protected")));
    let open = client.post(&path).header("accept", HTML).form(&[("password", "sesame")]).send().await;
    assert_eq!((open.status, open.header("location")), (303, "https://pornhub.com/"));
    assert_eq!(client.post("/missing1").form(&[("continue", "yes")]).send().await.status, 404);
}

#[tokio::test]
async fn no_link_is_made_or_changed_to_lead_to_a_blocked_host() {
    let listed = Listed::start("", "harm.example\n||b\u{fc}cher.example^\n198.51.100.7\n", 60);
    let owner = listed.server.user().await;
    let code = owner.shorten(&json!({ "longUrl": "https://example.com/" })).await;
    for url in [
        "https://harm.example/x",
        "http://a.b.HARM.example.:8080/",
        "https://xn--bcher-kva.example/",
        "http://0xc6336407/",
        "http://198.51.100.7/",
    ] {
        for (field, answer) in [
            ("longUrl", owner.post("/api/v1/url").json(&json!({ "longUrl": url })).send().await),
            ("newLongUrl", change(&owner, &code, json!({ "newLongUrl": url })).await),
        ] {
            assert_eq!((answer.status, answer.json["error"].as_str()), (400, Some("Invalid Data")), "{url}");
            assert_eq!(answer.fields_at_fault(), [field], "{url}");
            assert!(answer.text.contains("leads to a blocked host"), "{}", answer.text);
        }
    }
    let link = link(&owner, &code).await;
    assert_eq!((&link["longUrl"], &link["isBlocked"]), (&json!("https://example.com/"), &json!(false)));
}

#[tokio::test]
async fn a_link_that_is_there_stops_when_its_host_is_listed_and_goes_on_when_it_is_not() {
    let listed = Listed::start("", "other.example\n", 1);
    let owner = listed.server.user().await;
    let code =
        owner.shorten(&json!({ "longUrl": "https://www.harm.example/x", "isAnalyticsEnabled": true })).await;
    let (client, path, api) = (listed.server.client(), format!("/{code}"), format!("/api/v1/url/{code}"));
    assert_eq!(client.get(&path).send().await.status, 302);

    std::fs::write(&listed.blocked, "other.example\nharm.example # since today\n").unwrap();
    becomes(&client, &code, 410).await;
    let before = clicks(&owner, &code).await;
    let page = browse(&client, &code).await;
    assert_eq!((page.status, page.header("location")), (410, ""));
    assert!(
        page.header("content-type").starts_with("text/html") && page.text.contains("list of harmful sites")
    );
    assert!(!page.text.contains("harm.example"), "{}", page.text);
    for request in [
        client.get(&path).header("accept", "application/json"),
        client.get(&api),
        client.post(&path).form(&[("continue", "yes")]),
    ] {
        let answer = request.send().await;
        assert_eq!((answer.status, answer.json["error"].as_str()), (410, Some("This URL is blocked")));
        assert_eq!(answer.header("location"), "");
    }
    assert_eq!(clicks(&owner, &code).await, (before.0 + 4, before.1), "attempts that reached nothing");
    assert_eq!(successes(&owner, &code).await[..4], [false; 4]);

    let shown = link(&owner, &code).await;
    assert_eq!(
        (&shown["isBlocked"], &shown["longUrl"]),
        (&json!(true), &json!("https://www.harm.example/x"))
    );
    let list = owner.get("/api/v1/url?search=harm").send().await;
    assert_eq!(list.json["data"]["urls"][0]["isBlocked"], true, "{list:?}");

    std::fs::write(&listed.blocked, "other.example\n").unwrap();
    becomes(&client, &code, 302).await;
    assert_eq!(link(&owner, &code).await["isBlocked"], false);
    std::fs::write(&listed.blocked, "# nothing\n").unwrap();
    becomes(&client, &code, 302).await;
}

#[tokio::test]
async fn a_blocked_link_is_not_unlocked_and_can_be_led_elsewhere() {
    let listed = Listed::start("", "", 1);
    let owner = listed.server.user().await;
    let body = json!({ "longUrl": "https://harm.example/", "protectionMethod": "PASSWORD", "urlPassword": "sesame" });
    let code = owner.shorten(&body).await;
    let (client, path) = (listed.server.client(), format!("/{code}"));
    assert_eq!(client.get(&path).send().await.status, 401);
    std::fs::write(&listed.blocked, "harm.example\n").unwrap();
    becomes(&client, &code, 410).await;
    let before = clicks(&owner, &code).await;
    let page = client.post(&path).header("accept", HTML).form(&[("password", "sesame")]).send().await;
    assert!(page.status == 410 && page.text.contains("list of harmful sites"), "{page:?}");
    let unlock =
        client.post(&format!("/api/v1/url/{code}")).json(&json!({ "password": "sesame" })).send().await;
    assert_eq!((unlock.status, unlock.json["error"].as_str()), (410, Some("This URL is blocked")));
    assert_eq!(clicks(&owner, &code).await, (before.0 + 2, 0));

    assert_eq!(change(&owner, &code, json!({ "newLongUrl": "https://example.com/" })).await.status, 200);
    let open = client.post(&path).header("accept", HTML).form(&[("password", "sesame")]).send().await;
    assert_eq!((open.status, open.header("location")), (303, "https://example.com/"));
}

#[tokio::test]
async fn neither_codes_nor_requests_nor_grants_lead_to_a_blocked_host() {
    let listed = Listed::start("", "", 1);
    let owner = listed.server.user().await;
    let client = listed.server.client();
    let of = |method: &str| json!({ "longUrl": "https://harm.example/", "protectionMethod": method });
    let (otp, approve) = (owner.shorten(&of("OTP")).await, owner.shorten(&of("APPROVE")).await);
    std::fs::write(&listed.blocked, "harm.example\n").unwrap();
    becomes(&client, &otp, 410).await;
    becomes(&client, &approve, 410).await;
    let address = json!({ "email": "visitor@example.com" });
    for (path, body) in [
        (format!("/api/v1/url/{otp}/otp"), &address),
        (format!("/api/v1/url/{approve}/requests"), &address),
        (format!("/api/v1/url/{otp}"), &json!({ "email": "visitor@example.com", "OTP": "123456" })),
        (format!("/api/v1/url/{approve}"), &json!({ "grant": "nothing" })),
    ] {
        let answer = client.post(&path).json(body).send().await;
        assert_eq!(
            (answer.status, answer.json["error"].as_str()),
            (410, Some("This URL is blocked")),
            "{path}"
        );
    }
    let page = client.get(&format!("/{approve}?grant=nothing")).header("accept", HTML).send().await;
    assert!(page.status == 410 && page.text.contains("list of harmful sites"), "{page:?}");
}

#[tokio::test]
async fn a_hangup_reads_the_lists_at_once_and_a_lost_file_leaves_its_list() {
    let listed = Listed::start("", "other.example\n", 3600);
    let client = listed.server.client();
    let code = client.shorten(&json!({ "longUrl": "https://harm.example/" })).await;
    assert!(is_safe(&client, json!({ "longUrl": "https://adult.example/" })).await);
    let hang_up =
        || rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
    std::fs::write(&listed.blocked, "harm.example\n").unwrap();
    std::fs::write(&listed.nsfw, "adult.example\n").unwrap();
    hang_up();
    becomes(&client, &code, 410).await;
    assert!(!is_safe(&client, json!({ "longUrl": "https://adult.example/" })).await);

    std::fs::remove_file(&listed.blocked).unwrap();
    std::fs::write(&listed.nsfw, "").unwrap();
    hang_up();
    for _ in 0..100 {
        if is_safe(&client, json!({ "longUrl": "https://adult.example/" })).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        is_safe(&client, json!({ "longUrl": "https://adult.example/" })).await,
        "the other file was read"
    );
    assert_eq!(client.get(&format!("/{code}")).send().await.status, 410);
}

/// Waits until nothing is undecided.
async fn all_decided(server: &TestServer) {
    let mut redis = redis_server::connection();
    for _ in 0..200 {
        let waiting: u64 =
            redis::cmd("ZCARD").arg(server.key("{outbox:classify}")).query(&mut redis).unwrap();
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("something stays undecided");
}

#[tokio::test]
async fn pages_out_of_reach_are_not_read_and_decide_nothing() {
    let server = TestServer::start_with(|config| config.safety.fetch = true);
    let owner = server.user().await;
    for url in [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://192.168.1.1:8080/admin",
        "http://nothing.invalid/",
    ] {
        let code = owner.shorten(&json!({ "longUrl": url })).await;
        all_decided(&server).await;
        assert_eq!(link(&owner, &code).await["isUrlSFW"], true, "{url}");
        let found: Option<String> = redis::cmd("HGET")
            .arg(server.key(&format!("{{link:{code}}}")))
            .arg("j")
            .query(&mut redis_server::connection())
            .unwrap();
        assert_eq!(found, None, "{url}");
        let answer = change(&owner, &code, json!({ "newLongUrl": "http://10.0.0.2/" })).await;
        assert_eq!(answer.status, 200);
        all_decided(&server).await;
    }
    let taken = json!({ "longUrl": "http://10.0.0.1/", "customAlias": "taken-alias" });
    owner.shorten(&taken).await;
    assert_eq!(server.client().post("/api/v1/url").json(&taken).send().await.status, 409);
    all_decided(&server).await;
}

#[tokio::test]
async fn what_a_crash_left_undecided_is_found_and_the_owners_word_stays() {
    let server = TestServer::start_with(|config| config.safety.fetch = true);
    let owner = server.user().await;
    let [left, said] = [json!({}), json!({ "isUrlSFW": true })].map(|mut body| {
        body["longUrl"] = json!("http://10.0.0.1/");
        body
    });
    let (left, said) = (owner.shorten(&left).await, owner.shorten(&said).await);
    all_decided(&server).await;
    // As if a node had died between making the link and reading its page, which a list has named since.
    let mut redis = redis_server::connection();
    for code in [&left, &said] {
        let key = server.key(&format!("{{link:{code}}}"));
        redis::cmd("HSET").arg(key).arg("u").arg("https://pornhub.com/").query::<u64>(&mut redis).unwrap();
    }
    let register = server.key("{outbox:classify}");
    let entries = [left.as_str(), &said, "missing1"];
    for code in entries {
        redis::cmd("ZADD").arg(&register).arg(1).arg(code).query::<u64>(&mut redis).unwrap();
    }
    all_decided(&server).await;
    assert_eq!(link(&owner, &left).await["isUrlSFW"], false);
    assert_eq!(link(&owner, &said).await["isUrlSFW"], true);
}
