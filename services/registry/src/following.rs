//! One call of `Watch`: changes to the follower, confirmations from it, leases to it.

use std::sync::Arc;
use std::time::Duration;

use angarium_proto::registry::v1::{Confirmation, Lease, WatchRequest, WatchResponse};
use angarium_runtime::Shutdown;
use futures::{Stream, stream};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::sessions::{Kind, Member, Sessions};
use crate::store::Store;
use crate::upstream::Upstream;
use crate::watch::{Watcher, places};

/// How long a caller has to say what it wants.
const FIRST_WITHIN: Duration = Duration::from_secs(5);

/// What every call of `Watch` needs.
#[derive(Debug)]
pub(crate) struct Followers {
    pub(crate) store: Arc<Store>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) upstream: Upstream,
    pub(crate) shutdown: Shutdown,
}

/// One follower.
struct Following {
    /// Absent once the caller has said all: it is sent changes, and has no lease.
    requests: Option<Streaming<WatchRequest>>,
    /// Absent for one that wants leases only.
    watcher: Option<Watcher>,
    member: Member,
    store: Arc<Store>,
    upstream: Upstream,
    shutdown: Shutdown,
}

/// What happens next.
enum Next {
    Change(WatchResponse),
    Confirmed(Confirmation),
    End,
}

impl Followers {
    /// Answers a call of `Watch`.
    pub(crate) async fn follow(
        &self,
        mut requests: Streaming<WatchRequest>,
    ) -> Result<impl Stream<Item = Result<WatchResponse, Status>> + Send + use<>, Status> {
        let silent = || Status::deadline_exceeded("nothing was asked for within 5 s of the call's begin");
        let first = timeout(FIRST_WITHIN, requests.message())
            .await
            .map_err(|_elapsed| silent())??;
        let first =
            first.ok_or_else(|| Status::invalid_argument("the call ended before it asked for anything"))?;
        let (store, shutdown) = (Arc::clone(&self.store), self.shutdown.clone());
        let (kind, watcher) = if first.leases_only {
            (Kind::Registry, None)
        } else {
            self.upstream.longest_lease_of_services()?;
            let watcher = Watcher::new(Arc::clone(&store), first, shutdown.clone());
            (Kind::Service, Some(watcher))
        };
        let following = Following {
            requests: Some(requests),
            watcher,
            member: self.sessions.open(kind),
            store,
            upstream: self.upstream.clone(),
            shutdown,
        };
        Ok(stream::unfold(Some(following), |following| async {
            let mut following = following?;
            match following.respond().await {
                Some(Ok(response)) => Some((Ok(response), Some(following))),
                Some(Err(status)) => Some((Err(status), None)),
                None => None,
            }
        }))
    }
}

impl Following {
    /// The next response; `None` at the end.
    async fn respond(&mut self) -> Option<Result<WatchResponse, Status>> {
        loop {
            let next = tokio::select! {
                () = self.shutdown.begun() => Next::End,
                change = change(self.watcher.as_mut()) => change.map_or(Next::End, Next::Change),
                request = request(self.requests.as_mut()) => match request {
                    Some(WatchRequest { confirmation: Some(confirmation), .. }) => Next::Confirmed(confirmation),
                    // A later version may have more to say.
                    Some(_) => continue,
                    None if self.watcher.is_some() => {
                        self.requests = None;
                        continue;
                    }
                    None => Next::End,
                },
            };
            return match next {
                Next::Change(response) => Some(Ok(response)),
                Next::Confirmed(confirmation) => Some(self.lease(confirmation)),
                Next::End => None,
            };
        }
    }

    fn lease(&self, confirmation: Confirmation) -> Result<WatchResponse, Status> {
        let longest = match self.watcher {
            Some(_) => self.upstream.longest_lease_of_services()?,
            None => self.upstream.longest_lease_of_registries(),
        };
        let ends = self.store.read(|state| state.next().to_vec());
        let length = self
            .member
            .confirm(places(confirmation.revisions), &ends, longest);
        let lease = Some(Lease {
            number: confirmation.number,
            milliseconds: u32::try_from(length.as_millis()).unwrap_or(u32::MAX),
        });
        Ok(WatchResponse {
            lease,
            ..WatchResponse::default()
        })
    }
}

/// The next request; `None` once there will be none.
async fn request(requests: Option<&mut Streaming<WatchRequest>>) -> Option<WatchRequest> {
    match requests {
        Some(requests) => requests.message().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

async fn change(watcher: Option<&mut Watcher>) -> Option<WatchResponse> {
    match watcher {
        Some(watcher) => watcher.next().await,
        None => std::future::pending().await,
    }
}
