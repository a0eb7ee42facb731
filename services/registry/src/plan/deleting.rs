//! What is deleted: accounts for good, webhooks so that they may be brought back.

use std::sync::Arc;
use std::time::Duration;

use angarium_model::{AccountId, ApiKey, Revision, Webhook, WebhookId};
use angarium_runtime::millis;

use super::{Expected, Plan, Rules, Shown, current_webhook, room_for_one_more};
use crate::home::Home;
use crate::record::{Deleted, Entity, Key};
use crate::refusal::Refusal;
use crate::state::State;

/// The most deleted webhooks of an account that may be brought back: who creates and deletes in a loop fills no memory.
pub(crate) const MAX_DELETED: usize = 100;

/// Takes a webhook away, and keeps it for a while. As far as followers know, it has gone.
pub(super) fn delete(
    state: &State,
    (account, id): (AccountId, WebhookId),
    expected: Expected,
    (kept, now_ms): (Duration, i64),
) -> Result<Plan, Refusal> {
    let webhook = Webhook::clone(current_webhook(state, account, id, expected)?);
    if kept.is_zero() {
        return Ok(Plan::removal(Key::Webhook(id), Vec::new()));
    }
    let mut along = vec![Key::Webhook(id)];
    let others: Vec<&Arc<Deleted>> = state.deleted_after(account, None).collect();
    if others.len() >= MAX_DELETED {
        // The one that would go first.
        let first = others.into_iter().min_by_key(|deleted| deleted.until_ms);
        along.extend(first.map(|deleted| Key::Deleted(deleted.webhook.id)));
    }
    let deleted = Deleted {
        webhook,
        until_ms: now_ms.saturating_add(millis(kept)),
    };
    Ok(Plan::Record {
        key: Key::Deleted(id),
        entity: Some(Entity::Deleted(Box::new(deleted))),
        shown: Shown::Nothing,
        along,
    })
}

/// Brings a webhook back as it was, if its account may have one more (W3).
pub(super) fn undelete(
    state: &State,
    (account, id): (AccountId, WebhookId),
    now_ms: i64,
    rules: Rules,
) -> Result<Plan, Refusal> {
    let deleted = state.deleted(account, id);
    let deleted = deleted.filter(|deleted| now_ms < deleted.until_ms);
    let deleted = deleted.ok_or(Refusal::NotDeleted { account, id })?;
    room_for_one_more(state, account, rules)?;
    let webhook = Webhook {
        revision: Revision::default(),
        ..deleted.webhook.clone()
    };
    Ok(Plan::Record {
        key: Key::Webhook(id),
        entity: Some(Entity::Webhook(Box::new(webhook))),
        shown: Shown::Nothing,
        along: vec![Key::Deleted(id)],
    })
}

/// Takes an account away that has no webhooks, and what cannot be without it.
pub(super) fn delete_account(state: &State, id: AccountId, expected: Expected) -> Result<Plan, Refusal> {
    let current = state.account(id).ok_or(Refusal::NoAccount(id))?;
    expected.check(Key::Account(id), current.revision)?;
    match state.webhook_count(id) {
        0 => Ok(Plan::removal(Key::Account(id), what_goes_along(state, id))),
        count => Err(Refusal::HasWebhooks { account: id, count }),
    }
}

/// The record of when an API key was used, if it was.
pub(super) fn key_use(key: &ApiKey) -> Option<Key> {
    key.last_used_at_ms.map(|_at_ms| Key::Used(key.id))
}

/// The records of an API key, that of the key last.
fn key_records(key: &ApiKey) -> impl Iterator<Item = Key> + use<> {
    key_use(key).into_iter().chain([Key::Api(key.id)])
}

/// What cannot be without its account.
fn what_goes_along(state: &State, account: AccountId) -> Vec<Key> {
    let home = Home::Account(account);
    let keys = state.keys_after(home, None).flat_map(|key| key_records(key));
    let types = state
        .types_of(home)
        .map(|own| Key::EventType(home, own.name.clone()));
    let deleted = state.deleted_after(account, None);
    let deleted = deleted.map(|deleted| Key::Deleted(deleted.webhook.id));
    keys.chain(types).chain(deleted).collect()
}

#[cfg(test)]
mod tests {
    use angarium_model::KeyId;

    use super::*;
    use crate::record::tests::api_key;

    #[test]
    fn with_a_key_goes_when_it_was_used() {
        let id = KeyId::from_bytes([7; 16]);
        let unused = api_key(id);
        assert_eq!(key_records(&unused).collect::<Vec<_>>(), [Key::Api(id)]);
        let used = ApiKey {
            last_used_at_ms: Some(5),
            ..unused
        };
        let records: Vec<_> = key_records(&used).collect();
        assert_eq!(records, [Key::Used(id), Key::Api(id)]);
    }
}
