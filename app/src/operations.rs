//! What whoever runs this needs: is it alive, is it ready, which release is it, how is it doing.

use crate::app::App;
use crate::metrics::Gauges;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/version", get(version))
        // The site sees only what is under /api.
        .route("/api/version", get(version))
        .route("/metrics", get(metrics))
}

/// Says nothing of the database: restarting this process would not bring that back.
async fn alive() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

async fn ready(State(app): State<App>) -> Response {
    let outcome = if app.is_draining() {
        Err("draining".to_owned())
    } else {
        app.database.ready().await
    };
    match outcome {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "not ready", "reason": reason })),
        )
            .into_response(),
    }
}

async fn version(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "release": app.release.id,
        "commit": app.release.commit,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let pool = &app.database.pool;
    let gauges = Gauges {
        pool_max: app.database.pool_max,
        pool_open: pool.size(),
        pool_idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
        live_connections: app.places.taken(),
        draining: app.is_draining(),
    };
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        app.metrics.render(gauges),
    )
}
