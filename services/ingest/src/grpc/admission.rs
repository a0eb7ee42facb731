//! Lets only so many calls in, before a message of them is read.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use angarium_runtime::grpc;
use futures::future::Either;
use http::{Request, Response};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::budget::Share;
use crate::metrics::Reason;
use crate::refusal;
use crate::service::Core;

/// Where a call to `PublishStream` goes.
const PUBLISH_STREAM: &str = "/angarium.event.v1.PublisherService/PublishStream";

/// A call is one of the requests under way, those of HTTP counted with them; a stream is one of the open streams, and
/// a request only while it has events under way. The call keeps its share among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    core: Arc<Core>,
    inner: S,
}

impl<S> Admission<S> {
    pub(super) const fn new(core: Arc<Core>, inner: S) -> Self {
        Self { core, inner }
    }
}

impl<S> Admission<S> {
    fn share(&self, request: &Request<Body>) -> Result<Share, Status> {
        let caller = grpc::access(request.extensions())?;
        let share = if request.uri().path() == PUBLISH_STREAM {
            let taken = self.core.streams.take(caller);
            taken.map_err(|full| (full, refusal::too_many_streams(full)))
        } else {
            let taken = self.core.budget.take(caller);
            taken.map_err(|full| (full, refusal::too_many(full)))
        };
        share.map_err(|(full, refused)| {
            self.core.acceptor.metrics.refused(Reason::of(full));
            let details = ErrorDetails::with_retry_info(Some(refusal::RETRY_BUSY));
            Status::with_error_details(Code::ResourceExhausted, refused, details)
        })
    }
}

impl<S: NamedService> NamedService for Admission<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Admission<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.share(&request) {
            Ok(share) => {
                request.extensions_mut().insert(share);
                Either::Left(self.inner.call(request))
            }
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}
