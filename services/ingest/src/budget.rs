//! How many requests are under way at once: one budget for HTTP and gRPC, because both hold bodies in the same memory.
//! How many streams are open has a budget of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is left for further requests.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// One request's share; it goes back with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Share(#[expect(dead_code, reason = "it is held, not read")] Arc<OwnedSemaphorePermit>);

impl Budget {
    pub(crate) fn new(requests: usize) -> Self {
        Self(Arc::new(Semaphore::new(requests.min(Semaphore::MAX_PERMITS))))
    }

    /// A share; `None` if all are taken. Nobody waits: a queue here would hold what the budget is to keep out.
    pub(crate) fn take(&self) -> Option<Share> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Share(Arc::new(permit)))
    }

    /// A share, waited for; `None` if none is left so long. Only for who holds no more than it held before, as a
    /// stream does, of which there is a bounded number and which is not read meanwhile.
    pub(crate) async fn wait(&self, longest: Duration) -> Option<Share> {
        let permit = tokio::time::timeout(longest, Arc::clone(&self.0).acquire_owned()).await;
        Some(Share(Arc::new(permit.ok()?.ok()?)))
    }
}
