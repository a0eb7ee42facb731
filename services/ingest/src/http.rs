//! `POST /v1/accounts/{account}/events`, and what probes ask. An account is named by its id, or by `ext:` and its external id.
//!
//! | status | when |
//! |---|---|
//! | 202 | Kafka holds every event |
//! | 400 | the body is no UTF-8 or no JSON: line, column and the line |
//! | 401 | no key, or one that is wrong, revoked or expired |
//! | 403 | the key does not allow to publish |
//! | 404 | no such account or path; the account is not that of the key |
//! | 405, 415 | another method; another content type or an encoding |
//! | 408 | the body did not come in time |
//! | 409 | an eventId was used for another event |
//! | 413 | the body, an event, or the number of events is beyond its limit |
//! | 422 | JSON, but not events: every problem with its pointer |
//! | 429 | the queue to Kafka is full; too many requests of the key's account at once |
//! | 503 | Kafka did not acknowledge in time, too many requests at once, or just started |
//!
//! Errors are `application/problem+json` (RFC 9457). Whatever is not 202 acknowledges nothing.

mod answer;
mod body;

use std::sync::Arc;

use angarium_model::{Access, AccountRef, Scope};
use angarium_runtime::access::{Caller, Denied};
use angarium_runtime::trace::TraceContext;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::{StatusCode, header};

use crate::refusal;
use crate::service::{Core, Unknown};
use answer::Refusal;

/// Everything that HTTP serves.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let guarded = Router::new()
        .route("/v1/accounts/{account}/events", post(publish))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_path)
        .layer(middleware::from_fn_with_state(Arc::clone(&core), guard));
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .with_state(core)
}

async fn publish(
    State(core): State<Arc<Core>>,
    Extension(caller): Extension<Caller>,
    account: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let text = account.map(|Path(text)| text).unwrap_or_default();
    match accept(&core, &text, &caller, request).await {
        Ok(answer) => answer,
        Err(refusal) => {
            core.acceptor.metrics.refused(refusal.reason());
            refusal.into_answer()
        }
    }
}

async fn accept(core: &Core, account: &str, caller: &Caller, request: Request) -> Result<Response, Refusal> {
    let access = caller.access();
    let asked: AccountRef = account
        .parse()
        .map_err(|error: angarium_model::InvalidId| Refusal::NotFound(error.to_string()))?;
    core.look_for([&asked], access).await;
    let account = core.find(&asked, access).map_err(|unknown| match unknown {
        Unknown::None => Refusal::NotFound(refusal::no_account(&asked)),
        Unknown::NotYet => Refusal::NotReady,
    })?;
    let format = body::format(request.headers())?;
    let trace = request
        .headers()
        .get(TraceContext::HEADER)
        .and_then(|value| value.to_str().ok());
    let trace = trace.map(ToOwned::to_owned);
    let limit = core.config.limits.request_bytes;
    let body = body::read(request, limit, core.config.traffic.read_timeout).await?;
    // The body may have taken its time: a key that was revoked meanwhile publishes no more.
    allowed(caller.again().await)?;
    let rules = core.rules(account);
    let submission = crate::parse::parse(&body, format, account, &rules).map_err(Refusal::Problems)?;
    let accepted = core
        .acceptor
        .accept_all(account, submission.events, trace.as_deref())
        .await;
    match accepted {
        Ok(accepted) => {
            core.acceptor.metrics.warned(submission.warnings.total);
            Ok(answer::accepted(
                &accepted,
                &submission.warnings,
                &submission.shape,
            ))
        }
        Err(refused) => Err(Refusal::Events {
            refused,
            shape: submission.shape,
        }),
    }
}

/// Whether a caller may publish.
fn allowed(access: Result<Access, Denied>) -> Result<(), Refusal> {
    match access {
        Ok(access) if access.scopes.contains(Scope::Publish) => Ok(()),
        Ok(access) => Err(Refusal::NotAllowed(access)),
        Err(denied) => Err(Refusal::NotLetIn(denied)),
    }
}

/// Lets only requests pass with a key that allows to publish, and only so many at once.
async fn guard(State(core): State<Arc<Core>>, mut request: Request, next: Next) -> Response {
    let refuse = |refusal: Refusal| {
        core.acceptor.metrics.refused(refusal.reason());
        refusal.into_answer()
    };
    let authorization = request.headers().get(header::AUTHORIZATION);
    // What is no text is no key, but it was sent.
    let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
    let caller = match core.gate.admit(authorization).await {
        Ok(caller) => caller,
        Err(denied) => return refuse(Refusal::NotLetIn(denied)),
    };
    if let Err(refusal) = allowed(Ok(caller.access())) {
        return refuse(refusal);
    }
    let _share = match core.budget.take(caller.access()) {
        Ok(share) => share,
        Err(full) => return refuse(Refusal::TooManyRequests(full)),
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn no_such_path(request: Request) -> Response {
    let detail = format!(
        "nothing is at {}: events go to /v1/accounts/{{account}}/events",
        request.uri().path()
    );
    Refusal::NotFound(detail).into_answer()
}

async fn method_not_allowed() -> Response {
    Refusal::Method.into_answer()
}

/// Ready means that requests can be answered well, not that Kafka is there right now: while it is away, every
/// replica would be taken out, and producers would lose the answer that says when to try again.
async fn ready(State(core): State<Arc<Core>>) -> (StatusCode, &'static str) {
    match core.not_ready() {
        None => (StatusCode::OK, "ok\n"),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
