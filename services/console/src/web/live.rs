//! Tells a page that something new is in the log, by server-sent events; the page then asks for itself anew.
//!
//! Nothing but that is sent: what a caller may see is decided by the page alone.

use std::convert::Infallible;
use std::time::Duration;

use angarium_model::WebhookId;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use http::Uri;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::App;
use super::caller::{Caller, InAccount, query};
use super::failure::Failure;

/// A page asks for itself at most so often: a person cannot read faster.
const PACE: Duration = Duration::from_secs(1);
/// So long a stream lasts; the browser comes again, and shows that it may still.
const LONGEST: Duration = Duration::from_mins(10);
/// How soon it comes again.
const AGAIN: Duration = Duration::from_secs(3);
/// So often a stream without news says that it is there, below what proxies wait.
const KEEPALIVE: Duration = Duration::from_secs(15);

pub(super) async fn stream(
    State(app): State<App>,
    caller: Caller,
    InAccount(account): InAccount,
    uri: Uri,
) -> Result<Response, Failure> {
    caller.account(&app, account).await?;
    let only: Option<WebhookId> = query(&uri, "webhook").parse().ok();
    let permit = app
        .0
        .live
        .clone()
        .try_acquire_owned()
        .map_err(|_full| Failure::busy())?;
    let (changes, shutdown) = (app.log().changes(), app.0.shutdown.clone());
    let until = Instant::now() + LONGEST;
    let hello = Event::default().retry(AGAIN).comment("here");
    let news = stream::unfold((changes, permit), move |(mut changes, permit)| {
        let shutdown = shutdown.clone();
        async move {
            loop {
                let change = tokio::select! {
                    () = shutdown.begun() => return None,
                    () = tokio::time::sleep_until(until) => return None,
                    change = changes.recv() => change,
                };
                let concerns = match change {
                    Ok(touched) => {
                        touched.account == account && only.is_none_or(|only| touched.webhook == Some(only))
                    }
                    // Some were missed: look anew, to be sure.
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return None,
                };
                if concerns {
                    tokio::select! {
                        () = shutdown.begun() => return None,
                        () = tokio::time::sleep(PACE) => {}
                    }
                    // What came meanwhile is told by this one too.
                    changes = changes.resubscribe();
                    let event = Event::default().event("news").data("1");
                    return Some((Ok::<_, Infallible>(event), (changes, permit)));
                }
            }
        }
    });
    let first = stream::once(std::future::ready(Ok(hello)));
    let told = futures::StreamExt::chain(first, news);
    Ok(Sse::new(told)
        .keep_alive(KeepAlive::new().interval(KEEPALIVE))
        .into_response())
}
