//! What pages ask.

use angarium_model::{AccountId, WebhookId};
use angarium_proto::journal::v1::{DeliveryState, JournalRecord, Lane};
use prost::Message as _;
use redb::ReadTransaction;

use super::keys::{self, At, Kind};
use super::rates::{Hour, Minute};
use super::store::{MINUTE, MINUTE_MS, OF_EVENT, OF_WEBHOOK, RECORDS, STATE, Store, Trouble};

/// Minutes of the hour that is shown.
const HOUR: i64 = 60;

/// A record of the journal.
pub(crate) type Entry = JournalRecord;

/// Since when a webhook's deliveries of a lane are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) lane: Lane,
    pub(crate) state: DeliveryState,
    pub(crate) since_ms: i64,
}

impl Store {
    /// The last calls of a webhook, the latest first, at most so many.
    ///
    /// # Errors
    /// When the disk cannot be read, as of all of these.
    pub(crate) fn attempts(
        &self,
        account: AccountId,
        webhook: WebhookId,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        self.of_webhook(account, webhook, Kind::Attempt, most)
    }

    /// The last changes of a webhook's state, and what was put aside or expired, the latest first.
    pub(crate) fn turns(
        &self,
        account: AccountId,
        webhook: WebhookId,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        self.of_webhook(account, webhook, Kind::Turn, most)
    }

    fn of_webhook(
        &self,
        account: AccountId,
        webhook: WebhookId,
        kind: Kind,
        most: usize,
    ) -> Result<Vec<Entry>, Trouble> {
        let read = self.read()?;
        let (webhook, kind) = (number(webhook), kind.code());
        let table = read.open_table(OF_WEBHOOK)?;
        let mut places = Vec::new();
        let all = (webhook, kind, i64::MIN, 0, 0, 0)..=(webhook, kind, i64::MAX, u8::MAX, i32::MAX, i64::MAX);
        for entry in table.range(all)?.rev().take(most) {
            let (_, _, at_ms, topic, partition, offset) = entry?.0.value();
            places.push((at_ms, topic, partition, offset));
        }
        let mut found = records(&read, &places)?;
        found.retain(|record| record.account_id == account.get());
        Ok(found)
    }

    /// Everything about the events of an account that have this id, the oldest first, at most so many.
    pub(crate) fn event(&self, account: AccountId, id: &str, most: usize) -> Result<Vec<Entry>, Trouble> {
        let read = self.read()?;
        let (account, hash) = (account.get(), keys::event(id));
        let table = read.open_table(OF_EVENT)?;
        let mut places = Vec::new();
        let all = (account, hash, i64::MIN, 0, 0, 0)..=(account, hash, i64::MAX, u8::MAX, i32::MAX, i64::MAX);
        for entry in table.range(all)?.take(most) {
            let (_, _, at_ms, topic, partition, offset) = entry?.0.value();
            places.push((at_ms, topic, partition, offset));
        }
        let mut found = records(&read, &places)?;
        found.retain(|record| keys::events(record).iter().any(|event| event.event_id == id));
        Ok(found)
    }

    /// The minutes of the hour that ends now.
    pub(crate) fn hour(&self, webhook: WebhookId, now_ms: i64) -> Result<Hour, Trouble> {
        let read = self.read()?;
        let (webhook, last) = (number(webhook), now_ms / MINUTE_MS);
        let table = read.open_table(MINUTE)?;
        let minute = |minute| -> Result<Minute, Trouble> {
            let found = table.get((minute, webhook))?;
            Ok(found.map_or_else(Minute::default, |bytes| Minute::decode(bytes.value())))
        };
        (last - HOUR + 1..=last).map(minute).collect()
    }

    /// The states of a webhook's lanes, as far as a change of them is kept.
    pub(crate) fn standing(&self, webhook: WebhookId) -> Result<Vec<Standing>, Trouble> {
        let webhook = number(webhook);
        let table = self.read()?.open_table(STATE)?;
        let mut found = Vec::new();
        for entry in table.range((webhook, i32::MIN)..=(webhook, i32::MAX))? {
            let (key, state) = entry?;
            let (since_ms, state) = state.value();
            let (lane, state) = (Lane::try_from(key.value().1), DeliveryState::try_from(state));
            if let (Ok(lane), Ok(state)) = (lane, state) {
                found.push(Standing {
                    lane,
                    state,
                    since_ms,
                });
            }
        }
        Ok(found)
    }
}

fn number(webhook: WebhookId) -> u128 {
    u128::from_be_bytes(*webhook.as_bytes())
}

fn records(read: &ReadTransaction, places: &[At]) -> Result<Vec<Entry>, Trouble> {
    let table = read.open_table(RECORDS)?;
    let mut found = Vec::with_capacity(places.len());
    for at in places {
        if let Some(bytes) = table.get(*at)?
            && let Ok(record) = JournalRecord::decode(bytes.value())
        {
            found.push(record);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
