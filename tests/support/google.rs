//! Google as far as a sign-in needs it: a server of keys, and tokens signed with them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

/// The client id that tokens are for.
pub const CLIENT_ID: &str = "ours.apps.googleusercontent.com";

/// What the server answers.
#[derive(Debug)]
pub struct Served {
    pub status: u16,
    pub cache_control: String,
    pub body: String,
    /// Answers wait this long. ms
    pub delay_ms: u64,
}

/// A running server; it ends with the test's process.
pub struct Google {
    pub served: Arc<Mutex<Served>>,
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
    pub key: Key,
}

/// A key pair with a name.
#[derive(Clone)]
pub struct Key {
    pub kid: String,
    pair: Arc<KeyPair>,
}

impl Key {
    pub fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Arc::new(KeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    /// The public half, as it is served.
    pub fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        json!({
            "kty": "RSA", "kid": self.kid, "use": "sig", "alg": "RS256",
            "n": text(public.modulus().big_endian_without_leading_zero()),
            "e": text(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The public half as DER, which some have taken for a shared secret.
    pub fn public_der(&self) -> Vec<u8> {
        self.pair.public_key().as_der().unwrap().as_ref().to_vec()
    }

    /// A token with this header, whatever it says about how it is signed.
    pub fn sign_as(&self, header: &Value, claims: &Value, how: &'static dyn RsaEncoding) -> String {
        let text = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", text(header), text(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.pair.sign(how, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    /// A token as Google signs it.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": "RS256", "kid": self.kid, "typ": "JWT" }), claims, &RSA_PKCS1_SHA256)
    }

    /// The same with another hash.
    pub fn sign_rs512(&self, claims: &Value) -> String {
        self.sign_as(&json!({ "alg": "RS512", "kid": self.kid, "typ": "JWT" }), claims, &RSA_PKCS1_SHA512)
    }
}

/// What a good token says about somebody.
pub fn claims(sub: &str, email: &str) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({
        "iss": "https://accounts.google.com", "aud": CLIENT_ID, "azp": CLIENT_ID, "sub": sub,
        "email": email, "email_verified": true, "name": "Ada", "iat": now, "exp": now + 3600,
    })
}

impl Google {
    pub fn start() -> Self {
        let key = Key::new("first");
        let body = json!({ "keys": [key.jwk()] }).to_string();
        let served =
            Served { status: 200, cache_control: "public, max-age=3600".to_owned(), body, delay_ms: 0 };
        let (served, asked) = (Arc::new(Mutex::new(served)), Arc::new(AtomicUsize::new(0)));
        let data = web::Data::new((served.clone(), asked.clone()));
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(data.clone()).default_service(web::to(answer));
                let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
                sender.send(server.addrs()[0]).unwrap();
                server.run().await.unwrap();
            });
        });
        Self { served, address: receiver.recv().unwrap(), asked, key }
    }

    /// Makes a server's settings lead here.
    pub fn configure(&self, config: &mut ayrene::config::Config) {
        config.google.client_ids = vec!["other".to_owned(), CLIENT_ID.to_owned()];
        config.google.jwks_url = format!("http://{}/certs", self.address).parse().unwrap();
        config.google.timeout_secs = 1;
    }

    /// How often the keys were fetched.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Serves these keys from now on.
    pub fn serve(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.served.lock().unwrap().body = json!({ "keys": keys }).to_string();
    }

    /// A token for somebody.
    pub fn token(&self, sub: &str, email: &str) -> String {
        self.key.sign(&claims(sub, email))
    }
}

type Shared = (Arc<Mutex<Served>>, Arc<AtomicUsize>);

async fn answer(shared: web::Data<Shared>) -> HttpResponse {
    shared.1.fetch_add(1, Ordering::SeqCst);
    let delay_ms = shared.0.lock().unwrap().delay_ms;
    actix_web::rt::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
    let served = shared.0.lock().unwrap();
    HttpResponse::build(served.status.try_into().unwrap())
        .insert_header(("cache-control", served.cache_control.as_str()))
        .content_type("application/json")
        .body(served.body.clone())
}
