//! One call of `Watch`, as whoever follows makes it: confirmations to the registry, and leases from it.

use std::time::Duration;

use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{Confirmation, PartitionRevision, WatchRequest, WatchResponse};
use angarium_runtime::grpc;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use crate::standing::{Confirmations, Standing};

/// The registry answers each confirmation at once; after fifteen times as long the connection is taken for dead.
pub const SILENCE: Duration = Duration::from_millis(1_500);
/// How often the registry is told how far the follower has come, beside each change.
const CONFIRM_EVERY: Duration = Duration::from_millis(100);
/// Confirmations that may wait for the connection; who has more is not heard anyway.
const WAITING: usize = 16;

/// A call of `Watch`. It ends with its drop.
#[derive(Debug)]
pub struct Watching<S = Streaming<WatchResponse>> {
    responses: S,
    requests: mpsc::Sender<WatchRequest>,
    confirmations: Confirmations,
    due: Interval,
    silent_at: Instant,
}

/// What a follower has to do next.
#[derive(Debug)]
pub enum Next {
    /// It is time to confirm.
    Due,
    /// The registry has sent changes, or says where it stands.
    Changes(WatchResponse),
    /// Nothing: the registry has answered a confirmation.
    Leased,
}

/// Why a call ended.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The registry said so.
    #[error("the registry answered with an error")]
    Status(#[from] Status),
    /// Without a reason.
    #[error("the registry ended the stream")]
    Ended,
    /// It says nothing.
    #[error("the registry was silent for {SILENCE:?}")]
    Silent,
}

impl Watching {
    /// Calls, and has an answer within `within`.
    ///
    /// # Errors
    /// When there is none, or a refusal.
    pub async fn begin(
        registry: &mut RegistryServiceClient<grpc::Client>,
        first: WatchRequest,
        within: Duration,
    ) -> Result<Self, Lost> {
        let (requests, waiting) = mpsc::channel(WAITING);
        // There is room for the first.
        requests.try_send(first).ok();
        let call = timeout(within, registry.watch(ReceiverStream::new(waiting))).await;
        let responses = call.map_err(|_elapsed| Lost::Silent)??.into_inner();
        Ok(Self::over(responses, requests))
    }
}

impl<S> Watching<S>
where
    S: Stream<Item = Result<WatchResponse, Status>> + Unpin,
{
    pub(crate) fn over(responses: S, requests: mpsc::Sender<WatchRequest>) -> Self {
        let mut due = interval(CONFIRM_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            responses,
            requests,
            confirmations: Confirmations::default(),
            due,
            silent_at: Instant::now() + SILENCE,
        }
    }

    /// What is to be done next. What is heard, and for how long it allows to act, is told to `standing`. Safe in `select!`.
    ///
    /// # Errors
    /// At the end of the call.
    pub async fn next(&mut self, standing: &Standing) -> Result<Next, Lost> {
        let said = tokio::select! {
            _ = self.due.tick() => return Ok(Next::Due),
            said = timeout_at(self.silent_at, self.responses.next()) => said.map_err(|_elapsed| Lost::Silent)?,
        };
        let response = said.ok_or(Lost::Ended)??;
        self.silent_at = Instant::now() + SILENCE;
        standing.is_followed_again();
        let Some(lease) = response.lease else {
            return Ok(Next::Changes(response));
        };
        if let Some(until) = self.confirmations.answered(lease) {
            standing.lasts_until(until);
        }
        Ok(Next::Leased)
    }

    /// Says how far the follower has come: what it acts by from now on. If the connection takes nothing it is not heard:
    /// then the lease ends.
    pub fn confirm(&mut self, revisions: Vec<PartitionRevision>) {
        let confirmation = Some(Confirmation {
            number: self.confirmations.sent_now(),
            revisions,
        });
        let request = WatchRequest {
            confirmation,
            ..WatchRequest::default()
        };
        self.requests.try_send(request).ok();
    }
}
