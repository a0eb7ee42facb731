//! Switches webhooks off whose receivers are gone (410, D2) or have not answered for as long as events are kept (D3).
//!
//! The registry does it, at the revision that the call was made under: an administrator's change since then wins. One
//! that cannot be asked is asked again after the webhook's next attempt, so nothing is remembered here.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{Disabled, Revision};
use angarium_proto::convert::disabled_to_wire;
use angarium_proto::notice::v1::notice_record::Notice;
use angarium_proto::registry::v1::DisableWebhookRequest;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_runtime::{Shutdown, Tasks, grpc};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::notices::{About, Notices};

/// At once; what comes beyond is asked for after the webhook's next attempt.
const MOST: usize = 16;
/// The registry answers within this: less than the shortest back-off, so that one webhook has one call under way.
const TIMEOUT: Duration = Duration::from_secs(4);
/// And within this once the worker ends.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Kafka takes the notice within this, or nobody is told.
const NOTICE: Duration = Duration::from_secs(60);

/// A webhook that is to be switched off.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) about: About,
    pub(crate) disabled: Disabled,
    /// Of the webhook that the call was made under.
    pub(crate) revision: Revision,
}

/// Asks the registry. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Disabling {
    registry: RegistryServiceClient<grpc::Client>,
    notices: Notices,
    under_way: Arc<Semaphore>,
    tasks: Tasks,
}

impl Disabling {
    pub(crate) fn new(registry: grpc::Client, notices: Notices, tasks: &Tasks) -> Self {
        Self {
            registry: RegistryServiceClient::new(registry),
            notices,
            under_way: Arc::new(Semaphore::new(MOST)),
            tasks: tasks.clone(),
        }
    }

    /// Has a webhook switched off, some time soon or not at all.
    pub(crate) fn ask(&self, ask: Ask) {
        let Ok(permit) = Arc::clone(&self.under_way).try_acquire_owned() else {
            tracing::warn!(
                webhook = %ask.about.webhook, under_way = MOST,
                "a webhook is to be switched off, and too many are being: trying again after its next attempt"
            );
            return;
        };
        let (registry, notices) = (self.registry.clone(), self.notices.clone());
        let shutdown = self.tasks.shutdown().clone();
        self.tasks.spawn("disabling", async move {
            let is_off = disable(registry, &ask).await;
            // What Kafka does not take holds up nobody else.
            drop(permit);
            if is_off {
                tell(&notices, ask, &shutdown).await;
            }
        });
    }
}

/// Tells people that a webhook was switched off.
async fn tell(notices: &Notices, ask: Ask, shutdown: &Shutdown) {
    let notice = Notice::Disabled(disabled_to_wire(&ask.disabled));
    let recording = timeout(NOTICE, notices.record(ask.about, notice));
    let ended = async {
        shutdown.begun().await;
        sleep(LAST_WORDS).await;
    };
    let error = tokio::select! {
        biased;
        recorded = recording => match recorded {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("Kafka did not take the notice within {NOTICE:?}"),
        },
        () = ended => "this worker ends".to_owned(),
    };
    let About { webhook, account, .. } = ask.about;
    tracing::error!(%webhook, %account, error, "nobody is told that a webhook was switched off");
}

/// Whether the registry has done it.
async fn disable(mut registry: RegistryServiceClient<grpc::Client>, ask: &Ask) -> bool {
    let About {
        account,
        webhook,
        lane,
        ..
    } = ask.about;
    let disabled = disabled_to_wire(&ask.disabled);
    let request = DisableWebhookRequest {
        account_id: account.get(),
        id: webhook.to_string(),
        reason: disabled.reason,
        detail: disabled.detail.clone(),
        revision: ask.revision.offset(),
    };
    let elapsed = |_elapsed| Status::deadline_exceeded("the registry did not answer in time");
    let answered = timeout(TIMEOUT, registry.disable_webhook(request)).await;
    let (reason, detail) = (disabled.reason().as_str_name(), disabled.detail.clone());
    let answered = answered.map_err(elapsed).flatten();
    let is_off = answered.is_ok();
    match answered {
        Ok(_stored) => tracing::warn!(
            %webhook, %account, %lane, reason, detail,
            "a webhook was switched off: what is pending waits until someone switches it on again (W7)"
        ),
        Err(status) if matches!(status.code(), Code::Aborted | Code::NotFound) => {
            tracing::info!(
                %webhook, %account, %lane, reason,
                "a webhook was to be switched off, but was changed or deleted since: it stays as it is"
            );
        }
        Err(status) => tracing::warn!(
            %webhook, %account, %lane, reason, error = %status,
            "a webhook could not be switched off; trying again after its next attempt"
        ),
    }
    is_off
}
