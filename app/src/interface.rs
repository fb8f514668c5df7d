//! The documented interface: an OpenAPI document made from the code, and its pages.
//!
//! What is documented of a route stands above its handler. [`Routes`] takes a handler only together with that, so that a
//! route cannot be served without being in the document. What many routes have in common is added by `complete`.

mod archive;
mod complete;
mod document;
pub mod schema;
mod swagger;

use crate::app::App;
use axum::Router;
pub use document::{json, routes};
pub use swagger::pages;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// The routes of one feature, or of all.
pub struct Routes {
    feature: &'static str,
    router: OpenApiRouter<App>,
}

impl Routes {
    pub fn of(feature: &'static str) -> Routes {
        Routes {
            feature,
            router: OpenApiRouter::default(),
        }
    }

    /// The handlers of one path.
    pub fn with(self, (schemas, mut paths, handlers): UtoipaMethodRouter<App>) -> Routes {
        for operation in paths.paths.values_mut().flat_map(operations) {
            operation.tags = Some(vec![self.feature.to_owned()]);
            // Handlers of two features may have one name; operations may not.
            let handler = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(format!("{}_{handler}", self.feature.to_lowercase()));
        }
        Routes {
            router: self.router.routes((schemas, paths, handlers)),
            ..self
        }
    }

    pub fn merge(self, other: Routes) -> Routes {
        Routes {
            router: self.router.merge(other.router),
            ..self
        }
    }

    pub fn into_router(self) -> Router<App> {
        self.router.into()
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        patch,
        ..
    } = path;
    [get, put, post, delete, patch].into_iter().flatten()
}
