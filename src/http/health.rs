//! Liveness, readiness and metrics, for load balancers and Prometheus.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use utoipa::ToSchema;

use super::client;
use super::envelope::LinksFailure;
use super::error::ApiError;
use super::router::{Endpoint, at};
use crate::redis::Redis;
use crate::telemetry;

const PING_LIMIT: Duration = Duration::from_millis(800);

/// Who may read the metrics.
#[derive(Debug, Clone)]
pub struct MetricsAccess(pub Vec<IpNet>);

impl MetricsAccess {
    fn allows(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Answer of the health calls.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
}

/// The routes of this module.
pub fn routes() -> Vec<Endpoint> {
    vec![at("/healthz").get(healthz), at("/readyz").get(readyz), at("/metrics").get(metrics)]
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// The datastore answers.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, body = Health),
    (status = 503, description = "The datastore is away", body = LinksFailure),
))]
pub async fn readyz(redis: web::Data<Redis>) -> Result<HttpResponse, ApiError> {
    match actix::clock::timeout(PING_LIMIT, redis.ping()).await {
        Ok(Ok(())) => Ok(HttpResponse::Ok().json(Health { status: "ok" })),
        Ok(Err(_)) | Err(_) => Err(ApiError::unavailable()),
    }
}

/// Prometheus' text format, for the networks in `server.metrics_allowed`.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 403, description = "Not from this network", body = LinksFailure),
))]
pub async fn metrics(
    request: HttpRequest,
    access: web::Data<MetricsAccess>,
    handle: web::Data<PrometheusHandle>,
) -> Result<HttpResponse, ApiError> {
    if !access.allows(client::ip(&request)) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "Metrics are not for this network (server.metrics_allowed)",
        ));
    }
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(telemetry::render(&handle)))
}
