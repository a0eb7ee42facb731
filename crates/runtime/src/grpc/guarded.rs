//! Calls reach a service only with a key that allows them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use angarium_model::{Access, Scope};
use futures::future::{BoxFuture, FutureExt as _};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Extensions, Request, Response, header};
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::asked_again::AskedAgain;
use crate::access::{Denied, Gate};
use crate::served::Calls;

/// Whose error reasons these are, as `google.rpc.ErrorInfo` wants it.
const DOMAIN: &str = "angarium";
/// Where tools ask what is served: whoever has a key may know.
const REFLECTION: &str = "/grpc.reflection.";
/// When to try again while keys are not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A service behind a gate.
#[derive(Clone, Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    gate: Gate,
    scopes: &'static [(&'static str, Scope)],
    calls: Calls,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S, gate: Gate, scopes: &'static [(&'static str, Scope)]) -> Self {
        let calls = Calls::new();
        Self {
            inner,
            gate,
            scopes,
            calls,
        }
    }
}

/// What the caller of a method was let in with.
///
/// # Errors
/// When the service stands behind no gate.
pub fn access(extensions: &Extensions) -> Result<Access, Status> {
    let access = extensions.get::<Access>().copied();
    access.ok_or_else(|| Status::internal("the call did not pass the gate: this is a mistake of Angarium's"))
}

/// What a caller is told that is not let in.
#[must_use]
pub fn denied(why: Denied) -> Status {
    let told = why.to_string();
    let info = |reason| ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    let (code, details) = match why {
        Denied::Missing => (Code::Unauthenticated, info("KEY_MISSING")),
        Denied::Wrong => (Code::Unauthenticated, info("KEY_INVALID")),
        Denied::Expired => (Code::Unauthenticated, info("KEY_EXPIRED")),
        Denied::NotNow => (
            Code::Unavailable,
            ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
        ),
    };
    Status::with_error_details(code, told, details)
}

/// What a method needs; nothing of whoever has a key, where tools ask what is served.
fn needed(path: &str, scopes: &[(&str, Scope)]) -> Result<Option<Scope>, Status> {
    if path.starts_with(REFLECTION) {
        return Ok(None);
    }
    match entry(path, scopes) {
        Some((_, scope)) => Ok(Some(*scope)),
        None => Err(Status::unimplemented("there is no such method")),
    }
}

fn entry<'a, 'b>(path: &str, scopes: &'a [(&'b str, Scope)]) -> Option<&'a (&'b str, Scope)> {
    let at = scopes.binary_search_by_key(&path, |(path, _)| path);
    at.ok().and_then(|at| scopes.get(at))
}

/// Whether a caller may do what needs this.
pub(super) fn allow(access: Access, needed: Option<Scope>) -> Result<(), Status> {
    let Some(scope) = needed.filter(|scope| !access.scopes.contains(*scope)) else {
        return Ok(());
    };
    let message = format!(
        "{} does not allow {scope}, which this call needs, but {}: use a key that does",
        access.actor, access.scopes
    );
    let metadata = HashMap::from([("scope".to_owned(), scope.name().to_owned())]);
    let details = ErrorDetails::with_error_info("SCOPE_MISSING", DOMAIN, metadata);
    Err(Status::with_error_details(
        Code::PermissionDenied,
        message,
        details,
    ))
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The one that is ready goes along, and its copy waits for the next call.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let (gate, scopes, calls) = (self.gate.clone(), self.scopes, self.calls.clone());
        async move {
            let known = entry(request.uri().path(), scopes).map(|(path, _)| *path);
            let call = calls.begin(known, request.headers_mut());
            let authorization = request.headers().get(header::AUTHORIZATION);
            // What is no text is no key, but it was sent.
            let authorization = authorization.map(|value| value.to_str().unwrap_or_default());
            let admitted = gate.admit(authorization).await.map_err(denied);
            let allowed = admitted.and_then(|caller| {
                let scope = needed(request.uri().path(), scopes)?;
                allow(caller.access(), scope)?;
                Ok((caller, scope))
            });
            let response = match allowed {
                Ok((caller, scope)) => {
                    request.extensions_mut().insert(caller.access());
                    let request = if caller.may_change() {
                        request.map(|body| Body::new(AskedAgain::new(body, caller, scope)))
                    } else {
                        request
                    };
                    let Ok(response) = inner.call(request).await;
                    response.map(Body::new)
                }
                Err(status) => status.into_http(),
            };
            calls.end(call, response.headers());
            Ok(response)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{Actor, KeyId, Role};

    use super::*;

    const SCOPES: [(&str, Scope); 2] = [("/a.B/Get", Scope::Read), ("/a.B/Put", Scope::WriteWebhooks)];

    #[test]
    fn a_method_needs_its_scope_and_one_that_is_not_listed_is_served_to_nobody() {
        let viewer = Access {
            actor: Actor::Key(KeyId::from_bytes([7; 16])),
            account: None,
            scopes: Role::Viewer.scopes(),
        };
        let allow = |path| allow(viewer, needed(path, &SCOPES)?);
        assert!(allow("/a.B/Get").is_ok());
        assert!(allow("/grpc.reflection.v1.ServerReflection/X").is_ok());
        let refused = allow("/a.B/Put").unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(
            refused.message().contains("does not allow webhooks:write"),
            "{refused}"
        );
        let info = refused.get_details_error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.metadata["scope"].as_str()),
            ("SCOPE_MISSING", "webhooks:write")
        );
        let unknown = needed("/a.B/Forgotten", &SCOPES).unwrap_err();
        assert_eq!(unknown.code(), Code::Unimplemented);
    }
}
