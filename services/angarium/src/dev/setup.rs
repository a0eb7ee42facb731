//! The accounts and webhooks of `angarium dev`, made as anyone makes them: over the registry's gRPC.

use std::net::SocketAddr;

use angarium_model::{Catalogue, Lane};
use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
use angarium_proto::registry::v1::{
    Account, Authentication, CreateAccountRequest, CreateWebhookRequest, DeleteWebhookRequest,
    ListWebhooksRequest, Signature, Timetable, UpdateWebhookRequest, Webhook,
};
use angarium_runtime::access::OperatorKey;
use angarium_runtime::grpc::{Client, MAX_MESSAGE_BYTES};
use angarium_signing::Secret;
use anyhow::{Context, bail};
use tonic::{Code, Status};

/// Calls the registry.
pub(super) type RegistryClient = RegistryServiceClient<Client>;

/// A webhook of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// Takes the real-time types of account 1234.
    Realtime,
    /// Takes the batch types of account 1234.
    Batch,
    /// Takes the one event that shows that everything is ready; then it is removed.
    WarmUp,
}

impl Hook {
    pub(super) const ALL: [Self; 3] = [Self::Realtime, Self::Batch, Self::WarmUp];

    /// What people call it, and how a later run finds it again.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Realtime => "dev real-time",
            Self::Batch => "dev batch",
            Self::WarmUp => "dev warm-up",
        }
    }

    /// Where the receiver takes it.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Realtime => "/real-time",
            Self::Batch => "/batch",
            Self::WarmUp => "/warm-up",
        }
    }

    /// All samples carry account 1234, the introduction's example 1010 (E7).
    pub(super) const fn account(self) -> u64 {
        match self {
            Self::Realtime | Self::Batch => 1234,
            Self::WarmUp => 1010,
        }
    }

    /// When events of the batch class are sent, and how often that is.
    pub(super) const fn timetable(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Realtime => None,
            Self::Batch => Some(("*/3 * * * * *", "every 3 s")),
            Self::WarmUp => Some(("* * * * * *", "every 1 s")),
        }
    }

    /// The class of the types it takes.
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Realtime => Lane::Realtime,
            Self::Batch | Self::WarmUp => Lane::Batch,
        }
    }
}

/// The secret that each webhook's calls are signed with.
#[derive(Clone, Debug)]
pub(super) struct Secrets(Vec<(Hook, Secret)>);

impl Secrets {
    /// # Errors
    /// If the operating system gives no random bytes.
    pub(super) fn generate() -> anyhow::Result<Self> {
        Hook::ALL
            .into_iter()
            .map(|hook| Ok((hook, Secret::generate()?)))
            .collect::<anyhow::Result<_>>()
            .map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Hook, Secret)> {
        self.0.iter()
    }
}

/// What the registry calls our webhooks: `wh_…`.
#[derive(Clone, Debug)]
pub(super) struct Webhooks(Vec<(Hook, String)>);

impl Webhooks {
    pub(super) fn id(&self, wanted: Hook) -> &str {
        self.0
            .iter()
            .find(|(hook, _)| *hook == wanted)
            .map_or("", |(_, id)| id)
    }

    /// The ids of those with a timetable, and how often that is.
    pub(super) fn batch(&self) -> Vec<(String, &'static str)> {
        let timed = |(hook, id): &(Hook, String)| Some((id.clone(), hook.timetable()?.1));
        self.0.iter().filter_map(timed).collect()
    }
}

/// # Errors
/// Never for an address that something listens on.
pub(super) fn client(registry: SocketAddr, key: &OperatorKey) -> anyhow::Result<RegistryClient> {
    let client = angarium_runtime::grpc::client(&format!("http://{registry}"), key)?;
    Ok(RegistryClient::new(client).max_decoding_message_size(MAX_MESSAGE_BYTES))
}

/// Makes what is missing, and leads what is there to `receiver`.
///
/// # Errors
/// If the registry refuses.
pub(super) async fn accounts_and_webhooks(
    mut registry: RegistryClient,
    receiver: SocketAddr,
    secrets: &Secrets,
) -> anyhow::Result<Webhooks> {
    for (id, name) in [(1234, "dev samples"), (1010, "dev introduction")] {
        let account = Account {
            id,
            name: name.to_owned(),
            ..Account::default()
        };
        match registry
            .create_account(CreateAccountRequest {
                account: Some(account),
            })
            .await
        {
            Err(status) if status.code() != Code::AlreadyExists => {
                return Err(refused("an account", &status));
            }
            Ok(_) | Err(_) => {}
        }
    }
    let mut webhooks = Vec::new();
    for (hook, secret) in secrets.iter() {
        let id = put_webhook(&mut registry, *hook, wanted(*hook, receiver, secret)).await?;
        webhooks.push((*hook, id));
    }
    Ok(Webhooks(webhooks))
}

fn wanted(hook: Hook, receiver: SocketAddr, secret: &Secret) -> Webhook {
    let types = Catalogue.types().filter(|known| known.lane == hook.lane());
    Webhook {
        account_id: hook.account(),
        name: hook.name().to_owned(),
        description: "made by angarium dev".to_owned(),
        target_url: format!("http://{receiver}{}", hook.path()),
        authentication: Some(Authentication {
            method: Some(Method::Signature(Signature {
                secret: secret.expose().to_string(),
                ..Signature::default()
            })),
        }),
        event_types: types.map(|known| known.name.to_owned()).collect(),
        active: Some(true),
        timetable: hook.timetable().map(|(cron, _)| Timetable {
            cron: cron.to_owned(),
            time_zone: String::new(),
        }),
        ..Webhook::default()
    }
}

/// Changes the webhook that an earlier run left, or creates it.
async fn put_webhook(registry: &mut RegistryClient, hook: Hook, wanted: Webhook) -> anyhow::Result<String> {
    let account_id = hook.account();
    let listing = registry.list_webhooks(ListWebhooksRequest {
        account_id,
        page_size: 1_000,
        ..Default::default()
    });
    let listed = listing
        .await
        .map_err(|status| refused("the list of webhooks", &status))?
        .into_inner();
    let stored = match listed
        .webhooks
        .into_iter()
        .find(|webhook| webhook.name == hook.name())
    {
        Some(Webhook { id, .. }) => {
            let request = UpdateWebhookRequest {
                webhook: Some(Webhook { id, ..wanted }),
                update_mask: None,
            };
            let answer = registry.update_webhook(request).await;
            answer
                .map_err(|status| refused(hook.name(), &status))?
                .into_inner()
                .webhook
        }
        None => {
            let answer = registry
                .create_webhook(CreateWebhookRequest {
                    webhook: Some(wanted),
                    ..CreateWebhookRequest::default()
                })
                .await;
            answer
                .map_err(|status| refused(hook.name(), &status))?
                .into_inner()
                .webhook
        }
    };
    Ok(stored.context("the registry answered without the webhook")?.id)
}

/// Deletes one of ours.
///
/// # Errors
/// If the registry refuses.
pub(super) async fn remove(
    registry: SocketAddr,
    key: &OperatorKey,
    webhooks: &Webhooks,
    hook: Hook,
) -> anyhow::Result<()> {
    let request = DeleteWebhookRequest {
        account_id: hook.account(),
        id: webhooks.id(hook).to_owned(),
        revision: 0,
    };
    if let Err(status) = client(registry, key)?.delete_webhook(request).await {
        bail!(refused(hook.name(), &status));
    }
    Ok(())
}

fn refused(what: &str, status: &Status) -> anyhow::Error {
    anyhow::anyhow!(
        "the registry refuses {what}: {} ({:?})",
        status.message(),
        status.code()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_e3_one_webhook_takes_the_real_time_types_and_one_the_batch_types() {
        let secret = Secret::generate().unwrap();
        let receiver = SocketAddr::from(([127, 0, 0, 1], 1));
        let types = |hook| wanted(hook, receiver, &secret).event_types;
        assert_eq!((types(Hook::Realtime).len(), types(Hook::Batch).len()), (15, 12));
        assert!(types(Hook::Batch).contains(&"LEARNER_PROGRESS".to_owned()));
    }
}
