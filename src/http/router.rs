//! Routes that know their path and methods.
//!
//! Every route is registered through [`at`], so that the list of what is served exists as data: the API
//! description is checked against it, and reserved words come from it. Invariant: a known path answers an
//! unknown method with 405 and `Allow` (actix-web's own default for a resource).

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, web};

/// A path with its handlers.
pub struct Endpoint {
    path: &'static str,
    methods: Vec<Method>,
    resource: Resource,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Endpoint").field("path", &self.path).field("methods", &self.methods).finish()
    }
}

/// An endpoint without methods; add them with [`Endpoint::get`] and its kin.
pub fn at(path: &'static str) -> Endpoint {
    Endpoint { path, methods: Vec::new(), resource: web::resource(path) }
}

macro_rules! method {
    ($name:ident, $method:ident) => {
        #[doc = concat!("Adds a handler for ", stringify!($method), ".")]
        pub fn $name<F, Args>(self, handler: F) -> Self
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            self.on(Method::$method, handler)
        }
    };
}

impl Endpoint {
    method!(get, GET);
    method!(head, HEAD);
    method!(post, POST);
    method!(put, PUT);
    method!(patch, PATCH);
    method!(delete, DELETE);

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.resource = self.resource.route(web::method(method.clone()).to(handler));
        self.methods.push(method);
        self
    }

    /// The path pattern.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The methods served there.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        self.resource.register(config);
    }
}
