//! What a change makes of a webhook, an account or an API key.

mod authentication;

use std::collections::BTreeMap;

use angarium_model::{
    Account, ApiKey, Authentication, DeadLetter, ExternalId, FilterText, Grant, Header, KnownTypes,
    MaxGroupBytes, MaxGroupEvents, MaxInFlight, MaxRequestsPerSecond, MaxWebhooks, Ordering, OwnType,
    PayloadFormat, Reaction, TargetUrl, TimetableSpec, TypePattern, Webhook,
};
use angarium_model::{Previous, SecretHash};
use angarium_proto::FieldError;
use angarium_proto::convert::in_flight_of_an_ordered_webhook;
use angarium_runtime::access::Token;

use crate::refusal::Refusal;

pub(crate) use authentication::{NewAuthentication, NewSecret};

/// The fields of an account that change; `None` leaves one as it is.
#[derive(Debug, Default)]
pub(crate) struct AccountPatch {
    pub(crate) name: Option<String>,
    pub(crate) max_webhooks: Option<Option<MaxWebhooks>>,
    pub(crate) unknown_types: Option<Reaction>,
    pub(crate) schema_violations: Option<Reaction>,
    pub(crate) external_id: Option<ExternalId>,
}

impl AccountPatch {
    /// The account as it will be.
    pub(crate) fn apply(self, mut account: Account) -> Result<Account, Refusal> {
        if let Some(given) = self.external_id {
            match account.external_id.replace(given) {
                // Others may name the account by it.
                Some(before) if account.external_id.as_ref() != Some(&before) => {
                    return Err(Refusal::ExternalIdStays {
                        account: account.id,
                        external_id: before,
                    });
                }
                _ => {}
            }
        }
        account.name = self.name.unwrap_or(account.name);
        account.max_webhooks = self.max_webhooks.unwrap_or(account.max_webhooks);
        let strictness = &mut account.strictness;
        strictness.unknown_types = self.unknown_types.unwrap_or(strictness.unknown_types);
        strictness.schema_violations = self.schema_violations.unwrap_or(strictness.schema_violations);
        Ok(account)
    }
}

/// The fields of an API key that change; `None` leaves one as it is.
#[derive(Debug, Default)]
pub(crate) struct ApiKeyPatch {
    pub(crate) name: Option<String>,
    pub(crate) grant: Option<Grant>,
    pub(crate) expires_at_ms: Option<Option<i64>>,
}

impl ApiKeyPatch {
    /// The key as it will be.
    pub(crate) fn apply(self, mut key: ApiKey) -> ApiKey {
        key.name = self.name.unwrap_or(key.name);
        key.grant = self.grant.unwrap_or(key.grant);
        key.expires_at_ms = self.expires_at_ms.unwrap_or(key.expires_at_ms);
        key
    }
}

/// The fields of an event type that change; `None` leaves one as it is, and `Some(None)` takes it away.
#[derive(Debug, Default)]
pub(crate) struct EventTypePatch {
    pub(crate) description: Option<String>,
    pub(crate) schema: Option<Option<String>>,
    pub(crate) example: Option<Option<String>>,
}

impl EventTypePatch {
    /// The type as it will be.
    pub(crate) fn apply(self, mut own: OwnType) -> OwnType {
        own.description = self.description.unwrap_or(own.description);
        own.example = self.example.unwrap_or(own.example);
        if let Some(schema) = self.schema.filter(|schema| *schema != own.schema) {
            own.schema = schema;
            own.version = own.version.saturating_add(1);
        }
        own
    }
}

/// An API key gets a new secret.
#[derive(Debug)]
pub(crate) struct Rotation {
    pub(crate) token: Token,
    /// What the new secret is known by.
    pub(crate) hash: SecretHash,
    /// Until then the one before is good as well, Unix milliseconds; `None`: it ends at once.
    pub(crate) previous_until_ms: Option<i64>,
}

impl Rotation {
    /// The key as it will be, and what its bearer presents then.
    pub(crate) fn apply(self, mut key: ApiKey) -> (ApiKey, Token) {
        key.previous = self.previous_until_ms.map(|until_ms| Previous {
            hash: key.hash,
            until_ms,
        });
        key.hash = self.hash;
        (key, self.token)
    }
}

/// The fields of a webhook that change; `None` leaves one as it is, and `Some(None)` gives it its default.
#[derive(Debug, Default)]
pub(crate) struct WebhookPatch {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) target_url: Option<TargetUrl>,
    pub(crate) authentication: Option<NewAuthentication>,
    pub(crate) headers: Option<Vec<Header>>,
    pub(crate) contacts: Option<Vec<String>>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) event_types: Option<Vec<TypePattern>>,
    pub(crate) filter: Option<Option<FilterText>>,
    pub(crate) active: Option<bool>,
    pub(crate) timetable: Option<Option<TimetableSpec>>,
    /// Its own number of calls at once does not count: that is [`WebhookPatch::max_in_flight`].
    pub(crate) ordering: Option<Ordering>,
    pub(crate) payload_format: Option<PayloadFormat>,
    pub(crate) max_group_events: Option<Option<MaxGroupEvents>>,
    pub(crate) max_group_bytes: Option<Option<MaxGroupBytes>>,
    pub(crate) max_requests_per_second: Option<Option<MaxRequestsPerSecond>>,
    pub(crate) max_in_flight: Option<Option<MaxInFlight>>,
    pub(crate) dead_letter: Option<Option<DeadLetter>>,
}

impl WebhookPatch {
    /// The webhook as it will be, of an account that knows these types, and whether it has a new secret.
    ///
    /// # Errors
    /// When what changes does not go with what stays.
    pub(crate) fn apply(self, mut webhook: Webhook, types: &KnownTypes) -> Result<(Webhook, bool), Refusal> {
        let new_url = self.target_url.as_ref();
        let leads_elsewhere = new_url.is_some_and(|url| *url != webhook.target_url);
        webhook.name = self.name.unwrap_or(webhook.name);
        webhook.description = self.description.unwrap_or(webhook.description);
        webhook.target_url = self.target_url.unwrap_or(webhook.target_url);
        webhook.headers = self.headers.unwrap_or(webhook.headers);
        webhook.contacts = self.contacts.unwrap_or(webhook.contacts);
        webhook.tags = self.tags.unwrap_or(webhook.tags);
        let is_filtered_anew = self.event_types.is_some() || self.filter.is_some();
        webhook.event_types = self.event_types.unwrap_or(webhook.event_types);
        webhook.filter = self.filter.unwrap_or(webhook.filter);
        if is_filtered_anew {
            try_filter(&webhook, types)?;
        }
        webhook.switch(self.active.unwrap_or(webhook.active));
        webhook.timetable = self.timetable.unwrap_or(webhook.timetable);
        webhook.ordering = ordering(webhook.ordering, self.ordering, self.max_in_flight)?;
        webhook.payload_format = self.payload_format.unwrap_or(webhook.payload_format);
        let limits = &mut webhook.limits;
        limits.max_group_events = self.max_group_events.unwrap_or(limits.max_group_events);
        limits.max_group_bytes = self.max_group_bytes.unwrap_or(limits.max_group_bytes);
        limits.max_requests_per_second = self
            .max_requests_per_second
            .unwrap_or(limits.max_requests_per_second);
        webhook.dead_letter = self.dead_letter.unwrap_or(webhook.dead_letter);
        let (authentication, new_secret) =
            authentication::applied(self.authentication, webhook.authentication, leads_elsewhere)?;
        webhook.authentication = authentication;
        check_headers(&webhook)?;
        Ok((webhook, new_secret))
    }
}

/// Whether what proves who calls would be sent twice: headers and authentication may change apart.
fn check_headers(webhook: &Webhook) -> Result<(), Refusal> {
    let Authentication::Header { name, .. } = &webhook.authentication else {
        return Ok(());
    };
    let headers = webhook.headers.iter().map(|header| header.name.as_str());
    angarium_webhooks::sent_twice(name, headers).map_or(Ok(()), |mistake| Err(of_webhook(mistake)))
}

fn of_webhook(FieldError { field, message }: FieldError) -> Refusal {
    Refusal::field(&format!("webhook.{field}"), message)
}

/// Whether a webhook's filter and its types go together.
pub(crate) fn try_filter(webhook: &Webhook, types: &KnownTypes) -> Result<(), Refusal> {
    angarium_webhooks::try_filter(webhook, types).map_err(of_webhook)
}

/// The ordering as it will be. How many calls there may be at once is kept as long as the webhook is unordered, and
/// refused if someone sets it for one that is ordered.
fn ordering(
    current: Ordering,
    new: Option<Ordering>,
    new_in_flight: Option<Option<MaxInFlight>>,
) -> Result<Ordering, Refusal> {
    let kept = match current {
        Ordering::Ordered => None,
        Ordering::Unordered { max_in_flight } => max_in_flight,
    };
    match new.unwrap_or(current) {
        Ordering::Ordered if new_in_flight.flatten().is_some() => {
            Err(of_webhook(in_flight_of_an_ordered_webhook()))
        }
        Ordering::Ordered => Ok(Ordering::Ordered),
        Ordering::Unordered { .. } => Ok(Ordering::Unordered {
            max_in_flight: new_in_flight.unwrap_or(kept),
        }),
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{Disabled, DisabledReason};

    use super::*;
    use crate::record::tests::old_webhook;

    #[test]
    fn a_change_keeps_why_a_webhook_is_off_and_switching_it_on_forgets_it() {
        let mut disabled = old_webhook();
        disabled.disable(Disabled::new(DisabledReason::Gone, String::new(), 1).unwrap());
        let (same, new_secret) = WebhookPatch::default()
            .apply(disabled.clone(), &KnownTypes::default())
            .unwrap();
        assert_eq!((&same, new_secret), (&disabled, false));
        let on = WebhookPatch {
            active: Some(true),
            ..WebhookPatch::default()
        };
        let (on, _) = on.apply(disabled, &KnownTypes::default()).unwrap();
        assert_eq!((on.active, on.disabled), (true, None));
    }
}
