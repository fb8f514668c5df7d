//! What whoever runs this needs: is it alive, is it ready, which release is it, how is it doing.

use crate::app::App;
use crate::interface::Routes;
use crate::metrics::Gauges;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub fn routes() -> Routes {
    Routes::of("Operations")
        .with(routes!(alive))
        .with(routes!(ready))
        .with(routes!(version))
        .with(routes!(version_for_the_site))
        .with(routes!(metrics))
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Version {
    /// Null where nobody told.
    #[schema(required = true)]
    release: Option<String>,
    #[schema(required = true)]
    commit: Option<String>,
    version: &'static str,
}

/// Tell whether this process is alive
///
/// Says nothing of the database: restarting this process would not bring that back.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health)))]
async fn alive() -> Json<Health> {
    Json(Health {
        status: "alive",
        reason: None,
    })
}

/// Tell whether this process should be sent requests
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, body = Health), (status = 503, description = "Not ready", body = Health)),
)]
async fn ready(State(app): State<App>) -> Response {
    let outcome = if app.is_draining() {
        Err("draining".to_owned())
    } else {
        app.database.ready().await
    };
    match outcome {
        Ok(()) => {
            let (status, reason) = ("ready", None);
            Json(Health { status, reason }).into_response()
        }
        Err(reason) => {
            let (status, reason) = ("not ready", Some(reason));
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status, reason })).into_response()
        }
    }
}

/// Tell which release this is
#[utoipa::path(get, path = "/version", responses((status = 200, body = Version)))]
async fn version(State(app): State<App>) -> Json<Version> {
    Json(Version {
        release: app.release.id.clone(),
        commit: app.release.commit.clone(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Tell which release this is, through the site
///
/// The site sees only what is under `/api`.
#[utoipa::path(get, path = "/api/version", responses((status = 200, body = Version)))]
async fn version_for_the_site(app: State<App>) -> Json<Version> {
    version(app).await
}

/// Count what has been done so far, for Prometheus
#[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let pool = &app.database.pool;
    let gauges = Gauges {
        pool_max: app.database.pool_max,
        pool_open: pool.size(),
        pool_idle: pool.idle(),
        live_connections: app.places.taken(),
        draining: app.is_draining(),
    };
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        app.metrics.render(gauges),
    )
}
