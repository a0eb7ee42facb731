//! The gRPC services over HTTP with JSON.
//!
//! There is one definition, the `.proto` files: a method that is called over HTTP says so in its option
//! `angarium.rest.v1.route`. A request is turned into the message that the method takes, handed to the same service that gRPC
//! calls, through the same gate, and its answer is turned back. So keys, scopes, checks and limits are the same
//! code.
//!
//! 1. `routes` reads the table from the definition.
//! 2. `request` makes a message of path, query and body; `json` knows how values are written.
//! 3. `call` calls the service.
//! 4. `answer` makes a response of what came; `problem` one of what went wrong (RFC 9457).
//! 5. `openapi` describes all of it, for people and generators of clients: `/openapi.json`.
//!
//! Names are those of the fields in camel case, numbers are numbers, values of enumerations are in small letters without the name
//! of their enumeration. An answer carries its revision as `etag`, and `if-match` makes a change depend on it; `idempotency-key` is the
//! `request_id` of a creation.

mod accounts;
mod answer;
mod call;
mod json;
mod openapi;
mod page;
mod problem;
mod request;
mod routes;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use angarium_model::AccountId;
use angarium_runtime::access::Gate;
use angarium_runtime::grpc::Place;
use angarium_runtime::{UnderWay, grpc};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::header;
use prost_reflect::{DescriptorError, DescriptorPool};
use tonic::service::Routes;

use crate::call::Services;
use crate::problem::Problem;
use crate::routes::{Route, Table};

pub use crate::accounts::Accounts;
pub use crate::routes::Unusable;

/// Where it is described.
const API: &str = "/openapi.json";
/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Requests under way at once, each of which may hold a body, and those with keys of one account, or of the platform.
const MOST: usize = 512;
const MOST_OF_ONE: usize = 256;
/// Of these, those that wait for another service, which may take its time.
const MOST_PASSED_ON: usize = 64;
const MOST_PASSED_ON_OF_ONE: usize = 16;

/// Why the services cannot be called over HTTP.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptors cannot be read.
    #[error("the descriptors of the services cannot be read")]
    Descriptors(#[source] DescriptorError),
    /// A route is none.
    #[error("the definition of {method} is called over HTTP in a way that cannot be")]
    Route {
        /// The method.
        method: String,
        /// Why.
        #[source]
        why: Unusable,
    },
}

/// Another service that answers methods which are called here as well.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// What people call it.
    name: &'static str,
    /// The names of its gRPC services, with their packages.
    services: &'static [&'static str],
    at: Place,
    /// Whether it could not be reached the last time.
    away: Arc<AtomicBool>,
}

impl Elsewhere {
    /// What people call it, the names of its gRPC services with their packages, and where it is.
    #[must_use]
    pub fn new(name: &'static str, services: &'static [&'static str], at: Place) -> Self {
        Self {
            name,
            services,
            at,
            away: Arc::default(),
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
struct Gateway {
    table: Arc<Table>,
    services: Routes,
    elsewhere: Arc<[Elsewhere]>,
    gate: Gate,
    accounts: Arc<dyn Accounts>,
    under_way: UnderWay<Option<AccountId>>,
    /// Those of them that wait for another service.
    passed_on: UnderWay<Option<AccountId>>,
    /// The longest that a body may take to come.
    body_within: Duration,
}

/// Serves what these services have of routes, and answers everything else with a problem. The gate is the one that they stand
/// behind: who has no key is told so before a body is read.
///
/// # Errors
/// When the definition cannot be read.
pub fn router(
    descriptors: &[u8],
    (services, gate): (Routes, Gate),
    elsewhere: Vec<Elsewhere>,
    accounts: Arc<dyn Accounts>,
    body_within: Duration,
    version: &str,
) -> Result<Router, Error> {
    let pool = DescriptorPool::decode(descriptors).map_err(Error::Descriptors)?;
    let gateway = Gateway {
        table: Arc::new(Table::of(&pool)?),
        services,
        elsewhere: elsewhere.into(),
        gate,
        accounts,
        under_way: UnderWay::new(MOST, MOST_OF_ONE),
        passed_on: UnderWay::new(MOST_PASSED_ON, MOST_PASSED_ON_OF_ONE),
        body_within,
    };
    let described: bytes::Bytes = openapi::document(&gateway.table, version).to_string().into();
    let describe = move || async move { ([(header::CONTENT_TYPE, "application/json")], described) };
    Ok(Router::new()
        .route(API, get(describe))
        .merge(page::router())
        .fallback(serve)
        .with_state(gateway))
}

/// The HTTP API that these services have, as OpenAPI 3.1.
///
/// # Errors
/// When the definition cannot be read.
pub fn openapi(descriptors: &[u8], version: &str) -> Result<serde_json::Value, Error> {
    let pool = DescriptorPool::decode(descriptors).map_err(Error::Descriptors)?;
    Ok(openapi::document(&Table::of(&pool)?, version))
}

impl Gateway {
    /// The service that answers a route, if it is another than this one.
    fn elsewhere(&self, route: &Route) -> Option<&Elsewhere> {
        let mut all = self.elsewhere.iter();
        all.find(|elsewhere| elsewhere.services.contains(&route.service()))
    }
}

async fn serve(State(gateway): State<Gateway>, request: Request) -> Response {
    match answered(&gateway, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn answered(gateway: &Gateway, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let mut found = gateway.table.find(&head.method, head.uri.path())?;
    let authorization = head.headers.get(header::AUTHORIZATION);
    // What is no text is no key, but it was sent.
    let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
    // What the key allows is asked by the gate of the service, behind the body.
    let caller = gateway.gate.admit(authorization).await;
    let caller = caller.map_err(|why| problem::of_status(&grpc::denied(why), found.route))?;
    let permit = gateway.under_way.begin(caller.access().account);
    let _permit = permit.map_err(Problem::too_many)?;
    let known = gateway.accounts.as_ref();
    accounts::by_id(&mut found, known, caller.access(), &head.headers).await?;
    let body = read(&head.headers, body, gateway.body_within).await?;
    let message = request::message(&found, &head, &body)?;
    let elsewhere = gateway.elsewhere(found.route);
    // Behind the body: whoever sends one slowly waits alone.
    let passed_on = elsewhere.map(|_| gateway.passed_on.begin(caller.access().account));
    let _passed_on = passed_on.transpose().map_err(Problem::too_many)?;
    let services = match elsewhere {
        Some(elsewhere) => Services::Elsewhere(elsewhere.clone()),
        None => Services::Here(gateway.services.clone()),
    };
    let called = call::call(services, found.route, &head.headers, &message).await;
    match called {
        Ok(answered) => answer::response(found.route, &head.method, answered),
        Err(status) => Err(problem::of_status(&status, found.route)),
    }
}

/// The whole body, within its limits.
async fn read(headers: &http::HeaderMap, body: Body, within: Duration) -> Result<bytes::Bytes, Problem> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && encoding.as_bytes() != b"identity"
    {
        return Err(Problem::media_type(
            "the body must not be encoded: send it without content-encoding",
        ));
    }
    let read = axum::body::to_bytes(body, MAX_BODY_BYTES);
    match tokio::time::timeout(within, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_too_large)) => Err(Problem::too_large(MAX_BODY_BYTES)),
        Err(_elapsed) => Err(Problem::too_slow(within)),
    }
}
