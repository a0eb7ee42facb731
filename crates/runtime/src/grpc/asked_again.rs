//! Whether a caller may still do what is asked is asked again as the body of the call comes.
//!
//! A key is looked at when the headers of a call come. What they ask for may come much later: a caller whose key was
//! revoked in between would get a last answer, and a stream would go on for as long as it likes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use angarium_model::Scope;
use futures::future::{BoxFuture, FutureExt as _};
use http_body::Frame;
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Bytes};

use super::guarded::{allow, denied};
use crate::access::Caller;

/// How long a stream may be silent before it is asked again.
const SILENCE: Duration = Duration::from_secs(1);

/// A body of which nothing is handed on, its end neither, unless its caller may still do what the call needs. It ends a
/// silent one within a second.
pub(super) struct AskedAgain {
    body: Body,
    caller: Caller,
    needed: Option<Scope>,
    /// Under way, about what has come.
    asking: Option<(BoxFuture<'static, Result<(), Status>>, Came)>,
    silence: Option<Pin<Box<Sleep>>>,
}

/// What has come of the body.
enum Came {
    Frame(Frame<Bytes>),
    End,
    /// Nothing, for a while.
    Nothing,
}

impl AskedAgain {
    pub(super) const fn new(body: Body, caller: Caller, needed: Option<Scope>) -> Self {
        Self {
            body,
            caller,
            needed,
            asking: None,
            silence: None,
        }
    }

    /// What comes next, or that nothing does.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Came, Status>> {
        if let Poll::Ready(came) = Pin::new(&mut self.body).poll_frame(cx) {
            self.silence = None;
            return Poll::Ready(match came.transpose()? {
                Some(frame) => Ok(Came::Frame(frame)),
                None => Ok(Came::End),
            });
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(SILENCE)));
        ready!(silence.as_mut().poll(cx));
        self.silence = None;
        Poll::Ready(Ok(Came::Nothing))
    }

    fn ask(&self) -> BoxFuture<'static, Result<(), Status>> {
        let (caller, needed) = (self.caller.clone(), self.needed);
        async move { allow(caller.again().await.map_err(denied)?, needed) }.boxed()
    }
}

impl HttpBody for AskedAgain {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if let Some((asking, _)) = &mut this.asking {
                let allowed = ready!(asking.poll_unpin(cx));
                let came = this.asking.take().map(|(_, came)| came);
                match (allowed, came) {
                    (Err(status), _) => return Poll::Ready(Some(Err(status))),
                    (Ok(()), Some(Came::Frame(frame))) => return Poll::Ready(Some(Ok(frame))),
                    (Ok(()), Some(Came::End)) => return Poll::Ready(None),
                    (Ok(()), Some(Came::Nothing) | None) => {}
                }
            }
            let came = match ready!(this.poll_next(cx)) {
                Ok(came) => came,
                Err(status) => return Poll::Ready(Some(Err(status))),
            };
            this.asking = Some((this.ask(), came));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use angarium_model::{ApiKey, Grant, Scopes};
    use futures::channel::mpsc;
    use futures::{SinkExt as _, StreamExt as _};
    use http_body_util::{BodyExt as _, StreamBody};
    use tonic::Code;

    use super::*;
    use crate::access::gate::tests::{One, gate, key};

    type Sender = mpsc::Sender<Result<Frame<Bytes>, Infallible>>;

    /// A body whose caller came in by this key, and needs what a viewer may do.
    async fn call(known: &Arc<One>, header: &str) -> (Sender, AskedAgain) {
        let (sender, frames) = mpsc::channel(1);
        let caller = gate(known).admit(Some(header)).await.unwrap();
        let body = Body::new(StreamBody::new(frames));
        (sender, AskedAgain::new(body, caller, Some(Scope::Read)))
    }

    fn frame() -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(b"events")))
    }

    #[tokio::test]
    async fn what_comes_behind_the_revocation_of_its_key_is_not_handed_on() {
        let (first, header) = key();
        let known = Arc::new(One::new(first));
        let (mut sender, mut body) = call(&known, &header).await;
        sender.send(frame()).await.unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        sender.send(frame()).await.unwrap();
        known.becomes(None);
        let refused = body.frame().await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }

    #[tokio::test]
    async fn a_call_whose_key_allows_less_by_the_end_of_its_body_is_refused() {
        let (first, header) = key();
        let known = Arc::new(One::new(first.clone()));
        let (sender, mut body) = call(&known, &header).await;
        drop(sender);
        known.becomes(Some(ApiKey {
            grant: Grant::Scopes(Scopes::of(&[Scope::Publish])),
            ..first
        }));
        let refused = body.frame().await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert!(refused.message().contains("does not allow read"), "{refused}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_says_nothing_lasts_as_long_as_its_key() {
        let (first, header) = key();
        let known = Arc::new(One::new(first));
        let (mut sender, body) = call(&known, &header).await;
        let mut frames = body.into_data_stream();
        let begun = tokio::time::Instant::now();
        assert!(tokio::time::timeout(SILENCE * 10, frames.next()).await.is_err());
        known.becomes(None);
        let refused = frames.next().await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(begun.elapsed() <= SILENCE * 11);
        drop(sender.send(frame()).await);
    }
}
