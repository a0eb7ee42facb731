//! What webhooks were like when an event was matched: the audit log tells of every change what was before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use angarium_directory::Interest;
use angarium_kafka::{Backward, LogReader, ReadError};
use angarium_model::{AccountId, Webhook, WebhookId};
use angarium_proto::audit::v1::AuditRecord;
use angarium_proto::convert::webhook_from_wire;
use angarium_proto::registry::v1::registry_record::Entry;
use angarium_runtime::millis;
use prost::Message as _;
use tokio::time::Instant;

use super::LOOKS_BACK;

/// A change that fanout did not know of may have been told so long before the event was matched: the registry may have been away.
const BEFORE: Duration = Duration::from_hours(1);
/// The method that brings a webhook back: before it, there was none, and before that, there was.
const BROUGHT_BACK: &str = "UndeleteWebhook";

/// What a webhook was like.
#[derive(Clone, Debug)]
pub(super) enum Was {
    Like(Arc<Interest>),
    NotThere,
}

/// Looks for what webhooks were like at a revision, from the latest change back to the first behind it.
#[derive(Debug)]
pub(super) struct Looking {
    /// An offset in the registry topic.
    revision: i64,
    /// When the registry was known up to it: Unix milliseconds.
    at_ms: i64,
    wanted: HashSet<WebhookId>,
    found: HashMap<WebhookId, Was>,
}

impl Looking {
    /// All that are wanted were changed behind the revision, which was all that was known at a time, Unix milliseconds.
    pub(super) fn for_these(wanted: HashSet<WebhookId>, (revision, at_ms): (i64, i64)) -> Self {
        Self {
            revision,
            at_ms,
            wanted,
            found: HashMap::new(),
        }
    }

    /// Reads the account's partition of the audit log back until all is found, or for 3 s: what is not found by then is not told.
    ///
    /// # Errors
    /// When Kafka does not answer.
    pub(super) async fn look(
        mut self,
        audit: &LogReader,
        partition: i32,
        account: AccountId,
    ) -> Result<HashMap<WebhookId, Was>, ReadError> {
        let until = Instant::now() + LOOKS_BACK;
        let key = account.to_string().into_bytes();
        let from_ms = self.at_ms.saturating_sub(millis(BEFORE));
        let from = audit.offset_at(partition, from_ms.max(0)).await?;
        let mut log = Backward::open(audit.clone(), (partition, key), None, Some(from)).await?;
        while !self.wanted.is_empty() && log.rest().is_some() {
            match log.take() {
                Some(record) => {
                    let change = record.value.and_then(|value| AuditRecord::decode(value).ok());
                    self.meets(change.unwrap_or_default());
                }
                None if Instant::now() < until => log.read_on().await?,
                None => break,
            }
        }
        Ok(self.found)
    }

    /// The next change, the latest first.
    fn meets(&mut self, change: AuditRecord) {
        let subject = change.subject.strip_prefix("webhook/");
        let Some(id) = subject
            .and_then(|id| id.parse().ok())
            .filter(|id| self.wanted.contains(id))
        else {
            return;
        };
        match change.before.and_then(|before| before.entry) {
            Some(Entry::Webhook(before)) if before.revision > self.revision => {}
            Some(Entry::Webhook(before)) => {
                self.wanted.remove(&id);
                // What cannot be read is not told.
                if let Ok(before) = webhook_from_wire(before) {
                    self.is_like(id, &before);
                }
            }
            _ if change.after.is_some() => {
                self.found.insert(id, Was::NotThere);
                if change.method != BROUGHT_BACK {
                    self.wanted.remove(&id);
                }
            }
            // Something was done with it that changed nothing of it.
            _ => {}
        }
    }

    fn is_like(&mut self, id: WebhookId, webhook: &Webhook) {
        let like = Was::Like(Arc::new(Interest::of(webhook)));
        self.found.insert(id, like);
    }
}

#[cfg(test)]
mod tests {
    use angarium_model::{Revision, TargetUrl};
    use angarium_proto::convert::{Secrets, webhook_to_wire};
    use angarium_proto::registry::v1::RegistryRecord;

    use super::*;

    const ID: WebhookId = WebhookId::from_bytes([7; 16]);

    /// A change of the webhook, which was at a revision before, under that as its name.
    fn change(method: &str, before: Option<i64>) -> AuditRecord {
        let before = before.map(|revision| {
            let account = AccountId::new(1).unwrap();
            let url = TargetUrl::parse("https://example.com/").unwrap();
            let webhook = Webhook {
                revision: Revision::from_offset(revision),
                ..Webhook::new(ID, account, format!("at {revision}"), url)
            };
            let entry = Some(Entry::Webhook(webhook_to_wire(&webhook, Secrets::Omit)));
            RegistryRecord { entry }
        });
        let after = (method != "DeleteWebhook").then(RegistryRecord::default);
        AuditRecord {
            after: after.filter(|_| method != "ReplayWebhook"),
            method: method.to_owned(),
            subject: format!("webhook/{ID}"),
            before,
            ..AuditRecord::default()
        }
    }

    /// What it was like at a revision, by these changes, the first of them first: its name then.
    fn was(changes: &[(&str, Option<i64>)], revision: i64) -> Option<String> {
        let mut looking = Looking::for_these(HashSet::from([ID]), (revision, 0));
        for (method, before) in changes.iter().rev() {
            looking.meets(change(method, *before));
        }
        looking.found.remove(&ID).map(|was| match was {
            Was::Like(webhook) => webhook.name.to_string(),
            Was::NotThere => "not there".to_owned(),
        })
    }

    #[test]
    fn a_webhook_was_what_it_was_before_the_first_change_behind_the_event() {
        let changes = [
            ("CreateWebhook", None),
            ("UpdateWebhook", Some(10)),
            ("UpdateWebhook", Some(20)),
            ("ReplayWebhook", None),
            ("DeleteWebhook", Some(30)),
        ];
        for (revision, expected) in [
            (9, "not there"),
            (10, "at 10"),
            (19, "at 10"),
            (20, "at 20"),
            (35, "at 30"),
        ] {
            assert_eq!(was(&changes, revision).as_deref(), Some(expected), "{revision}");
        }
    }

    #[test]
    fn one_that_was_brought_back_is_looked_for_before_it_was_deleted() {
        let changes = [
            ("CreateWebhook", None),
            ("DeleteWebhook", Some(10)),
            ("UndeleteWebhook", None),
            ("UpdateWebhook", Some(30)),
        ];
        for (revision, expected) in [(9, "not there"), (10, "at 10"), (30, "at 30")] {
            assert_eq!(was(&changes, revision).as_deref(), Some(expected), "{revision}");
        }
    }

    #[test]
    fn what_the_log_does_not_reach_is_not_told() {
        assert_eq!(was(&[("UpdateWebhook", Some(20))], 10), None);
    }
}
