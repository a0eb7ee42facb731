//! The pages.
//!
//! A request passes `guard` first: it bounds what is in work, refuses what another site sends, and gives each answer the
//! headers that keep a page to itself. Then comes [`caller`], which says who asks, and a file a page.

mod accounts;
mod answer;
mod assets;
mod audit;
mod caller;
mod changes;
mod detail;
mod draft;
mod edit;
mod event;
mod failure;
mod guard;
mod list;
mod live;
mod page;
mod secret;
mod sign_in;
mod trial;

use std::sync::Arc;

use angarium_runtime::{Clock, Shutdown};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::backend::Backend;
use crate::log::Log;
use crate::session::Sessions;

/// A form with every type ticked that an account can have, and a filter.
const MAX_BODY: usize = 256 * 1024;
/// Pages in work at once; each waits for other services, and holds little.
const IN_WORK: usize = 256;
/// Pages that are kept current at once; each is a connection.
const LIVE: usize = 512;

/// What pages stand on; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Log,
    backend: Backend,
    sessions: Sessions,
    clock: Clock,
    shutdown: Shutdown,
    in_work: Semaphore,
    live: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        log: Log,
        backend: Backend,
        sessions: Sessions,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Self {
        Self(Arc::new(Inner {
            log,
            backend,
            sessions,
            clock,
            shutdown,
            in_work: Semaphore::new(IN_WORK),
            live: Arc::new(Semaphore::new(LIVE)),
        }))
    }

    fn log(&self) -> &Log {
        &self.0.log
    }

    fn backend(&self) -> &Backend {
        &self.0.backend
    }

    fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(accounts::home))
        .route("/sign-in", get(sign_in::form).post(sign_in::submit))
        .route("/sign-out", post(sign_in::leave))
        .route("/accounts", get(accounts::all))
        .route("/accounts/{account}/webhooks", get(list::page))
        .route(
            "/accounts/{account}/webhooks/new",
            get(edit::add).post(edit::create),
        )
        .route("/accounts/{account}/webhooks/{webhook}", get(detail::page))
        .route(
            "/accounts/{account}/webhooks/{webhook}/edit",
            get(edit::edit).post(edit::update),
        )
        .route(
            "/accounts/{account}/webhooks/{webhook}/switch",
            post(changes::switch),
        )
        .route(
            "/accounts/{account}/webhooks/{webhook}/delete",
            post(changes::delete),
        )
        .route(
            "/accounts/{account}/webhooks/{webhook}/undelete",
            post(changes::undelete),
        )
        .route(
            "/accounts/{account}/webhooks/{webhook}/rotate",
            post(changes::rotate),
        )
        .route("/accounts/{account}/webhooks/{webhook}/test", post(trial::stored))
        .route(
            "/accounts/{account}/webhooks/{webhook}/resend",
            post(event::resend),
        )
        .route("/accounts/{account}/events", get(event::page))
        .route("/accounts/{account}/audit", get(audit::page))
        .route("/accounts/{account}/live", get(live::stream))
        .route("/assets/{name}", get(assets::asset))
        .route("/livez", get(|| std::future::ready("alive\n")))
        .route("/readyz", get(|| std::future::ready("ready\n")))
        .fallback(|| std::future::ready(failure::Failure::not_found("page")))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
