//! Routes that know their path and methods.
//!
//! Every route is registered through [`at`], so that the list of what is served exists as data: the API
//! description is checked against it, and reserved words come from it. Invariant: a known path answers an
//! unknown method with 405 and `Allow` (actix-web's own default for a resource).

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, Route, web};

const API: &str = "/api";

/// A path with its handlers.
pub struct Endpoint {
    path: &'static str,
    methods: Vec<Method>,
    routes: Vec<Route>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Endpoint").field("path", &self.path).field("methods", &self.methods).finish()
    }
}

/// An endpoint without methods; add them with [`Endpoint::get`] and its kin.
pub fn at(path: &'static str) -> Endpoint {
    Endpoint { path, methods: Vec::new(), routes: Vec::new() }
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
    /// Adds a handler for GET, and for HEAD, which is GET without the body (RFC 9110, 9.3.2).
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler.clone()).on(Method::HEAD, handler)
    }

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
        self.routes.push(web::method(method.clone()).to(handler));
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

/// Registers `endpoints`. Those below `/api` go into a scope, so that no other request is compared with each of them.
pub fn register(services: &mut web::ServiceConfig, endpoints: Vec<Endpoint>) {
    let (api, other): (Vec<_>, Vec<_>) =
        endpoints.into_iter().partition(|endpoint| endpoint.path.starts_with(API));
    let mut scope = web::scope(API);
    for endpoint in api {
        scope = scope.service(resource(endpoint, API.len()));
    }
    services.service(scope);
    for endpoint in other {
        services.service(resource(endpoint, 0));
    }
}

/// The endpoint at its path without the first `skip` bytes, which a scope has.
fn resource(endpoint: Endpoint, skip: usize) -> Resource {
    let Endpoint { path, routes, .. } = endpoint;
    routes.into_iter().fold(web::resource(&path[skip..]), Resource::route)
}
