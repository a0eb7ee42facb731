//! The task that listens to the registry.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use angarium_model::{AccountId, EventName, KeyId, WebhookId};
use angarium_proto::convert::{
    account_from_wire, api_key_from_wire, event_type_from_wire, webhook_from_wire,
};
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{Change, PartitionRevision, WatchRequest, WatchResponse, change};
use angarium_proto::{FieldError, InvalidWire};
use angarium_runtime::{Clock, Shutdown, chain, grpc, uptime};
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::Stream;
use tracing::Level;

use crate::Shared;
use crate::known::Keep;
use crate::view::{Edit, Revisions, View};
use crate::watching::{Lost, Next, Watching};

/// How long a registry may take to take a connection.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// So many attempts in a row that reach nobody say that there is nobody: one of several registries would have answered.
const ALONE_AFTER: u32 = 3;
/// How long it may take to answer then, for the first time.
const ANSWER_WITHIN: Duration = Duration::from_millis(700);
/// The pause after the first failure; it doubles with each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause. A registry that has been away answers no write for 2.5 s, so that followers come back before.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// A registry that starts is away for a few seconds, and that is no trouble; longer is.
const TROUBLE_AFTER: Duration = Duration::from_secs(5);

/// Keeps one view up to date.
#[derive(Debug)]
pub(crate) struct Follower {
    shared: Arc<Shared>,
    keep: Keep,
    clock: Clock,
    /// A snapshot whose last part has not come yet.
    snapshot: Option<View>,
    /// Whether the registry has said anything in this call of `Watch`.
    heard: bool,
    /// Since the registry was last understood, if it could not be followed.
    outage: Option<Outage>,
}

/// The registry cannot be followed.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    failures: u32,
    /// Whether it has been called a trouble.
    warned: bool,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("the registry cannot be connected to")]
    NotConnected(#[from] grpc::NotConnected),
    #[error("the registry sent what cannot be read; are its version and this one apart?")]
    Invalid(#[from] InvalidWire),
    #[error("the registry sent a change before a snapshot, or one that leads nowhere")]
    OutOfPlace,
}

impl Follower {
    pub(crate) const fn new(shared: Arc<Shared>, keep: Keep, clock: Clock) -> Self {
        Self {
            shared,
            keep,
            clock,
            snapshot: None,
            heard: false,
            outage: None,
        }
    }

    /// Follows until the shutdown begins. Nothing is lost when it is cut off: the view moves in whole steps.
    pub(crate) async fn run(mut self, registry: grpc::Address, shutdown: Shutdown) {
        let follow = async {
            let mut unheard = 0_u32;
            loop {
                let began = uptime();
                self.heard = false;
                // A connection of its own: the one before may lead to one that is frozen.
                let Err(broken) = self.session(&registry).await;
                unheard = if self.heard { 0 } else { unheard + 1 };
                if unheard >= ALONE_AFTER {
                    self.shared.standing.found_nobody(began);
                }
                self.pause_after(&broken).await;
            }
        };
        tokio::select! {
            () = shutdown.begun() => {}
            () = follow => {}
        }
    }

    /// One call of `Watch`, from where the view stands.
    async fn session(&mut self, registry: &grpc::Address) -> Result<Infallible, Broken> {
        let connected = timeout(CONNECT_WITHIN, registry.connect()).await;
        let connection = connected.map_err(|_elapsed| Lost::Silent)??;
        let mut registry =
            RegistryServiceClient::new(connection).max_decoding_message_size(grpc::MAX_MESSAGE_BYTES);
        let watching = Watching::begin(&mut registry, self.request(), ANSWER_WITHIN).await?;
        self.listen(watching).await
    }

    fn request(&self) -> WatchRequest {
        WatchRequest {
            resume_from: self.revisions(),
            include_secrets: self.keep == Keep::Everything,
            ..WatchRequest::default()
        }
    }

    /// How far the view has come.
    fn revisions(&self) -> Vec<PartitionRevision> {
        let place = |(partition, revision)| PartitionRevision { partition, revision };
        self.shared.view().revisions().places().map(place).collect()
    }

    async fn listen<S>(&mut self, mut watching: Watching<S>) -> Result<Infallible, Broken>
    where
        S: Stream<Item = Result<WatchResponse, tonic::Status>> + Unpin,
    {
        self.snapshot = None;
        loop {
            match watching.next(&self.shared.standing).await? {
                Next::Due => {}
                Next::Leased => {
                    self.note_heard();
                    continue;
                }
                Next::Changes(response) => {
                    self.heard = true;
                    self.take(response)?;
                    self.note_heard();
                }
            }
            // There is nothing to confirm before there is a view.
            if self.shared.is_ready() {
                watching.confirm(self.revisions());
            }
        }
    }

    /// The registry was heard, and understood.
    fn note_heard(&mut self) {
        self.heard = true;
        self.shared.heard(self.clock.now_ms());
        if let Some(Outage { failures, .. }) = self.outage.take() {
            tracing::info!(failures, "the registry is followed again");
        }
    }

    /// Everything is read before anything is applied: a response is taken whole or not at all.
    fn take(&mut self, response: WatchResponse) -> Result<(), Broken> {
        let edits: Vec<_> = response.changes.into_iter().map(edit).collect::<Result<_, _>>()?;
        if response.reset {
            self.snapshot = Some(View::keeping(self.keep));
        }
        let place = |known: PartitionRevision| (known.partition, known.revision);
        let revisions = match response.revisions {
            none if none.is_empty() => None,
            known => {
                let places = known.into_iter().map(place).collect();
                Some(Revisions::new(places).ok_or(Broken::OutOfPlace)?)
            }
        };
        match (self.snapshot.take(), revisions) {
            (Some(mut snapshot), None) => {
                snapshot.apply_part(edits);
                self.snapshot = Some(snapshot);
            }
            (Some(mut snapshot), Some(revisions)) => {
                snapshot.apply(edits, revisions);
                self.shared.replace(snapshot);
            }
            (None, Some(revisions)) if self.shared.is_ready() => self.shared.advance(edits, revisions),
            (None, _) => return Err(Broken::OutOfPlace),
        }
        Ok(())
    }

    async fn pause_after(&mut self, broken: &Broken) {
        let error = chain(broken);
        let (level, failures) = self.fail();
        match level {
            Level::WARN => tracing::warn!(
                error,
                failures,
                "the registry cannot be followed for more than {TROUBLE_AFTER:?}: is it running, and is \
                 registry.endpoint its address? Trying again; meanwhile the last view is in use, unless one answers and gives no lease"
            ),
            Level::INFO => tracing::info!(error, "the registry cannot be followed yet, trying again"),
            _ => tracing::debug!(error, failures, "the registry still cannot be followed"),
        }
        let pause = FIRST_PAUSE
            .saturating_mul(2_u32.saturating_pow(failures))
            .min(LONGEST_PAUSE);
        sleep(pause).await;
    }

    /// Counts a failure: how loud it is told, and how many came before it. An outage is told of twice, when it begins
    /// and when it has become a trouble: all other failures say the same every few seconds.
    fn fail(&mut self) -> (Level, u32) {
        let outage = self.outage.get_or_insert_with(|| Outage {
            since: Instant::now(),
            failures: 0,
            warned: false,
        });
        let before = outage.failures;
        outage.failures = before.saturating_add(1);
        let is_trouble = outage.since.elapsed() > TROUBLE_AFTER;
        let level = match before {
            0 => Level::INFO,
            _ if is_trouble && !outage.warned => Level::WARN,
            _ => Level::DEBUG,
        };
        outage.warned |= level == Level::WARN;
        (level, before)
    }
}

/// A webhook that cannot be read is an error and not left out: leaving it out would lose its events.
fn edit(change: Change) -> Result<Edit, InvalidWire> {
    let missing = || InvalidWire(vec![FieldError::new("change", "is empty")]);
    let wrong =
        |field: &str, error: &dyn ToString| InvalidWire(vec![FieldError::new(field, error.to_string())]);
    Ok(match change.change.ok_or_else(missing)? {
        change::Change::Account(account) => Edit::Account(account_from_wire(account).map_err(InvalidWire)?),
        change::Change::Webhook(webhook) => Edit::webhook(webhook_from_wire(webhook).map_err(InvalidWire)?),
        change::Change::ApiKey(key) => Edit::Key(api_key_from_wire(key).map_err(InvalidWire)?),
        change::Change::EventType(known) => Edit::Type(event_type_from_wire(known).map_err(InvalidWire)?),
        change::Change::DeletedEventType(known) => {
            let account = known.account_id.map(AccountId::new).transpose();
            let account = account.map_err(|error| wrong("deleted_event_type.account_id", &error))?;
            let name = EventName::new(known.name);
            Edit::DropType(
                account,
                name.map_err(|error| wrong("deleted_event_type.name", &error))?,
            )
        }
        change::Change::DeletedApiKeyId(id) => Edit::DropKey(
            id.parse::<KeyId>()
                .map_err(|error| wrong("deleted_api_key_id", &error))?,
        ),
        change::Change::DeletedAccountId(id) => {
            Edit::DropAccount(AccountId::new(id).map_err(|error| wrong("deleted_account_id", &error))?)
        }
        change::Change::DeletedWebhook(webhook) => {
            let id = webhook.id.parse::<WebhookId>();
            Edit::DropWebhook(id.map_err(|error| wrong("deleted_webhook.id", &error))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use angarium_proto::registry::v1::Account;
    use tokio::sync::mpsc;
    use tokio_stream::{StreamExt, iter};

    use super::*;
    use crate::{NEVER, SILENCE, Standing};

    /// Listens, and tells the registry nothing.
    async fn listen(
        follower: &mut Follower,
        stream: impl Stream<Item = Result<WatchResponse, tonic::Status>> + Unpin,
    ) -> Broken {
        let (requests, _heard) = mpsc::channel(1);
        let Err(broken) = follower.listen(Watching::over(stream, requests)).await;
        broken
    }

    fn follower() -> Follower {
        let (shared, _used) = Shared::new(View::default(), NEVER, 0, Standing::new());
        Follower::new(Arc::new(shared), Keep::Interests, Clock::manual(1_000).0)
    }

    fn response(reset: bool, accounts: &[u64], revision: Option<i64>) -> WatchResponse {
        let account = |id: &u64| Change {
            change: Some(change::Change::Account(Account {
                id: *id,
                ..Account::default()
            })),
        };
        let place = |revision| PartitionRevision {
            partition: 0,
            revision,
        };
        WatchResponse {
            reset,
            changes: accounts.iter().map(account).collect(),
            revisions: revision.map(place).into_iter().collect(),
            lease: None,
        }
    }

    fn knows(follower: &Follower, id: u64) -> bool {
        follower
            .shared
            .view()
            .account(AccountId::new(id).unwrap())
            .is_some()
    }

    #[tokio::test]
    async fn a_snapshot_is_seen_only_when_its_last_part_has_come() {
        let mut follower = follower();
        follower.take(response(true, &[1], None)).unwrap();
        assert!(!follower.shared.is_ready() && !knows(&follower, 1));
        follower.take(response(false, &[2], Some(7))).unwrap();
        assert!(follower.shared.is_ready() && knows(&follower, 1) && knows(&follower, 2));
        assert_eq!(
            follower.request().resume_from,
            [PartitionRevision {
                partition: 0,
                revision: 7
            }]
        );
    }

    #[tokio::test]
    async fn a_stream_that_breaks_inside_a_snapshot_leaves_the_old_view() {
        let mut follower = follower();
        follower.take(response(true, &[1], Some(7))).unwrap();
        let parts = iter([
            Ok(response(true, &[2], None)),
            Err(tonic::Status::unavailable("gone")),
        ]);
        assert!(matches!(
            listen(&mut follower, parts).await,
            Broken::Lost(Lost::Status(_))
        ));
        assert!(knows(&follower, 1) && !knows(&follower, 2));
        let deltas = iter([Ok(response(false, &[3], Some(8)))]);
        assert!(matches!(
            listen(&mut follower, deltas).await,
            Broken::Lost(Lost::Ended)
        ));
        assert!(knows(&follower, 1) && !knows(&follower, 2) && knows(&follower, 3));
    }

    #[tokio::test]
    async fn a_change_without_a_snapshot_before_it_is_refused() {
        let mut follower = follower();
        assert!(matches!(
            follower.take(response(false, &[1], Some(7))),
            Err(Broken::OutOfPlace)
        ));
        assert!(!follower.shared.is_ready());
    }

    #[tokio::test]
    async fn a_response_that_cannot_be_read_changes_nothing() {
        let mut follower = follower();
        follower.take(response(true, &[1], Some(7))).unwrap();
        let error = follower
            .take(response(false, &[2, u64::MAX], Some(8)))
            .unwrap_err();
        assert!(
            chain(&error).contains("id: an account id is an integer"),
            "{}",
            chain(&error)
        );
        assert!(!knows(&follower, 2));
        assert_eq!(follower.request().resume_from[0].revision, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_and_a_half_of_silence_is_a_broken_stream() {
        let mut follower = follower();
        let begun = tokio::time::Instant::now();
        let silent = Box::pin(iter([Ok(response(true, &[1], Some(7)))]).chain(tokio_stream::pending()));
        assert!(matches!(
            listen(&mut follower, silent).await,
            Broken::Lost(Lost::Silent)
        ));
        assert_eq!(begun.elapsed(), SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_when_it_begins_and_warned_of_once_when_it_lasts_longer_than_5_s() {
        let mut follower = follower();
        for _ in 0..2 {
            let begun = Instant::now();
            let mut told = Vec::new();
            for _ in 0..100 {
                let after = begun.elapsed().as_millis();
                told.push((after, follower.fail().0));
                sleep(Duration::from_millis(100)).await;
            }
            told.retain(|(_, level)| *level != Level::DEBUG);
            assert_eq!(told, [(0, Level::INFO), (5_100, Level::WARN)]);
            follower.pause_after(&Broken::Lost(Lost::Ended)).await;
            let understood = iter([Ok(response(true, &[], Some(0)))]);
            assert!(matches!(
                listen(&mut follower, understood).await,
                Broken::Lost(Lost::Ended)
            ));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_from_100_ms_to_500_ms_and_start_over_once_the_registry_is_understood() {
        let mut follower = follower();
        let mut pauses = Vec::new();
        for _ in 0..4 {
            let begun = tokio::time::Instant::now();
            follower.pause_after(&Broken::Lost(Lost::Ended)).await;
            pauses.push(u64::try_from(begun.elapsed().as_millis()).unwrap());
        }
        assert_eq!(pauses, [100, 200, 400, 500]);
        let understood = iter([Ok(response(true, &[], Some(0)))]);
        assert!(matches!(
            listen(&mut follower, understood).await,
            Broken::Lost(Lost::Ended)
        ));
        let begun = tokio::time::Instant::now();
        follower.pause_after(&Broken::Lost(Lost::Ended)).await;
        assert_eq!(begun.elapsed(), FIRST_PAUSE);
    }
}
