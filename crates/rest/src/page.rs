//! The description as a page for people, in which they can try what it describes.

use axum::Router;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::API;

/// The page, all of which this process has: nothing of it comes from elsewhere.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let config = Config::from(API)
        .doc_expansion("none")
        .filter(true)
        .display_request_duration(true)
        .validator_url("none");
    SwaggerUi::new("/docs").config(config).into()
}
