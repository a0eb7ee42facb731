//! Tries webhooks out (W5): sends one sample event as a delivery would be sent, and tells what came of it.
//!
//! 1. `request` checks what the caller sends, by the registry's own rules where the webhook is not stored yet.
//! 2. Few tests are under way at once: each may take 15 s (D1).
//! 3. `sample` makes a group of one event out of the catalogue's example. Body, signature and egress policy are those
//!    of deliveries; the [`Caller`] is one of its own, with no connection to use again, so that a test shows every
//!    phase and leaves nothing behind.
//! 4. `outcome` says what the answer means, in the words of `angarium-policy`.
//!
//! A test is no delivery: it passes no partition actor, so that no cursor, back-off, budget or journal knows of it. Who
//! hangs up ends it, though the receiver may have got the sample by then (D6).

mod outcome;
mod refusal;
mod request;
mod sample;

use std::sync::Arc;

use angarium_directory::Directory;
use angarium_kafka::Lease;
use angarium_model::{AccountId, Authentication, Signing, Webhook};
use angarium_policy::egress::Policy;
use angarium_proto::delivery::v1;
use angarium_proto::delivery::v1::delivery_service_server::DeliveryService;
use angarium_runtime::{Clock, Tasks, UnderWay};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use self::refusal::Refusal;
use self::request::Subject;
use crate::actor::headers;
use crate::body::Body;
use crate::call::{self, Caller, Capture, Patience, Pool, TlsSetup};
use crate::target::Target;
use angarium_directory::lookup::{self, NotFound};

/// Tests under way at once in this worker: each may hang for 15 s, and the connections belong to deliveries.
const PER_WORKER: usize = 16;
/// Of one account, so that none keeps the others from testing.
const PER_ACCOUNT: usize = 2;

/// How tests call: as deliveries do.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) policy: Arc<Policy>,
    pub(crate) tls: TlsSetup,
    pub(crate) patience: Patience,
}

/// Tries webhooks out.
#[derive(Clone, Debug)]
pub(crate) struct Tester {
    directory: Directory,
    means: Means,
    clock: Clock,
    tasks: Tasks,
    under_way: UnderWay<AccountId>,
}

impl Tester {
    pub(crate) fn new(directory: Directory, means: Means, clock: Clock, tasks: &Tasks) -> Self {
        Self {
            directory,
            means,
            clock,
            tasks: tasks.clone(),
            under_way: UnderWay::new(PER_WORKER, PER_ACCOUNT),
        }
    }

    async fn test(&self, wire: v1::TestWebhookRequest) -> Result<v1::TestWebhookResponse, Refusal> {
        let asked = request::check(wire, |account| self.directory.known_types(account))?;
        let (webhook, generated_secret) = self.look_up(asked.account, &asked.subject)?;
        let target = Target::new(&webhook).map_err(Refusal::Unusable)?;
        let _permit = self.under_way.begin(asked.account)?;

        let event = match asked.sample {
            Some(named) => named,
            None => sample::default(&webhook, &self.directory.known_types(asked.account)),
        };
        let group = sample::group(event);
        let body = Body::of(&group, target.format);
        let Means {
            policy,
            tls,
            patience,
        } = self.means.clone();
        let caller = Caller::new(Pool::default(), policy, tls, patience, self.tasks.clone());
        let request = call::Request {
            account: asked.account,
            url: &target.url,
            headers: headers(&target, &group, &body, self.clock.now_ms()),
            body: body.bytes,
            capture: Capture::Answer,
            // It is nobody's delivery: whoever owns the webhook's partition, a test is a test.
            lease: &Lease::endless(),
        };
        let sent = outcome::sent(&caller, &request);
        let start = Instant::now();
        let result = caller.post(request).await;
        let answer = outcome::tell(sent, result, start.elapsed(), self.clock.now_ms());
        tracing::debug!(
            account = %asked.account, group = group.id, delivered = answer.delivered, "a webhook was tested"
        );
        Ok(v1::TestWebhookResponse {
            generated_secret,
            ..answer
        })
    }

    /// The webhook to test, and the secret if one was made for it.
    fn look_up(&self, account: AccountId, subject: &Subject) -> Result<(Arc<Webhook>, String), Refusal> {
        match subject {
            Subject::Stored(id) => Ok((lookup::webhook(&self.directory, account, *id)?, String::new())),
            Subject::Draft(_) if !self.directory.is_ready() => Err(NotFound::NotReady.into()),
            Subject::Draft(webhook) => {
                self.directory
                    .account(account)
                    .ok_or(NotFound::NoAccount(account))?;
                let mut webhook = Webhook::clone(webhook);
                let mut generated = String::new();
                if let Authentication::Signature(signing @ Signing { secret: None, .. }) =
                    &mut webhook.authentication
                {
                    let secret = angarium_webhooks::new_secret().map_err(Refusal::NoSecret)?;
                    secret.expose().clone_into(&mut generated);
                    signing.secret = Some(secret);
                }
                Ok((Arc::new(webhook), generated))
            }
        }
    }
}

#[tonic::async_trait]
impl DeliveryService for Tester {
    async fn test_webhook(
        &self,
        request: Request<v1::TestWebhookRequest>,
    ) -> Result<Response<v1::TestWebhookResponse>, Status> {
        let asked = lookup::seen(request, |asked| asked.account_id)?;
        Ok(Response::new(self.test(asked).await?))
    }
}

#[cfg(test)]
mod tests;
