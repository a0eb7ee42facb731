//! What the actor tells people: journal, notices and log; and what it asks the registry for in their stead.

use std::num::NonZeroU32;
use std::sync::Arc;

use angarium_model::{AccountId, Disabled, DisabledReason, WebhookId};
use angarium_policy::{ErrorClass, RETENTION};
use angarium_proto::journal::v1::journal_record::Entry;
use angarium_proto::notice::v1::notice_record::Notice;
use angarium_proto::notice::v1::{DeadLetter, Failing, Recovered};
use angarium_runtime::millis;

use super::calls::CallEnd;
use super::losses::{self, Losses};
use super::{Actor, journal};
use crate::disabling::Ask;
use crate::group::Group;
use crate::hook::Removed;
use crate::notices::{About, NotRecorded};
use crate::partition::{Failed, Settled, Turn};
use crate::record::Delivery;

/// An event was put aside, or its record could not be written.
pub(super) type PutAside = (WebhookId, Arc<Group>, Result<(), NotRecorded>);

impl Actor {
    pub(super) fn tell_call(
        &mut self,
        end: &CallEnd,
        settled: &Settled,
        class: Option<ErrorClass>,
        now_ms: i64,
    ) {
        let about = self.about(end.target.account, end.webhook);
        let class_name = class.map(ErrorClass::as_str).unwrap_or_default();
        self.told.call(about, end, settled, class_name, now_ms);
        if let Some((account, entry)) = journal::attempt(about.lane, end, settled, class) {
            self.shared.journal.write(account, entry);
        }
        let failing = |failed: Failed| Failing {
            since_ms: failed.since_ms,
            attempts: failed.attempts.get(),
            error_class: class_name.to_owned(),
            error_detail: end.detail(),
            next_attempt_at_ms: settled.next_attempt_at_ms.unwrap_or_default(),
        };
        let notice = settled.turn.map(|turn| match turn {
            Turn::Fails(failed) => Notice::Failing(failing(failed)),
            Turn::StillFails(failed) => Notice::StillFailing(failing(failed)),
            Turn::Recovers(failed) => Notice::Recovered(Recovered {
                since_ms: failed.since_ms,
                attempts: failed.attempts.get(),
            }),
        });
        if let Some(notice) = notice {
            self.shared.notices.tell(about, notice);
        }
        if let Some(reason) = settled.disable {
            self.ask_to_disable(about, end, reason, now_ms);
        }
    }

    fn ask_to_disable(&self, about: About, end: &CallEnd, reason: DisabledReason, now_ms: i64) {
        match Disabled::new(reason, end.detail(), now_ms) {
            Ok(disabled) => self.shared.disabling.ask(Ask {
                about,
                disabled,
                revision: end.target.changed_at,
            }),
            // A detail has at most as many bytes.
            Err(error) => tracing::error!(webhook = %about.webhook, %error, "a webhook is not switched off"),
        }
    }

    /// Tells of what was lost since it was last told.
    pub(super) fn tell_losses(&mut self) {
        let (lane, partition) = (self.shared.lane, self.owned.partition());
        let Losses { expired, removed } = std::mem::take(&mut self.losses);
        if let Some(webhook) = expired.keys().next() {
            tracing::warn!(
                %lane, events = losses::events(&expired), webhooks = expired.len(), one_of_them = %webhook,
                "events older than 7 days were not sent (D5): their webhooks failed, or were off, for too long"
            );
        }
        if let Some((webhook, (_, what))) = removed.first_key_value() {
            tracing::warn!(
                %lane, partition, at_most = losses::events(&removed), webhooks = removed.len(), one_of_them = %webhook,
                places = ?what.removed,
                "events that waited are no longer in Kafka (D5): their webhooks failed, or were off, for too long"
            );
        }
        for (webhook, (account, expired)) in expired.into_iter().chain(removed) {
            let about = self.about(account, webhook);
            self.shared.notices.tell(about, Notice::Expired(expired.clone()));
            self.shared.journal.write(account, Entry::Expired(expired));
        }
    }

    pub(super) fn note_expired(&mut self, webhook: WebhookId, events: &[Arc<Delivery>]) {
        let lane = self.shared.lane;
        self.shared.metrics.expired(lane, events.len());
        self.losses.expired(lane, webhook, events);
    }

    pub(super) fn note_removed(&mut self, of: (AccountId, WebhookId), what: Removed) {
        let lane = self.shared.lane;
        self.shared.metrics.removed(lane, what.at_most);
        self.losses.removed(lane, of, what);
    }

    /// Puts on record that the only event of a group was refused for good.
    pub(super) fn put_aside(
        &mut self,
        webhook: WebhookId,
        group: Arc<Group>,
        attempts: NonZeroU32,
        status: u16,
    ) {
        let Some(event) = group.items.first().map(|item| &item.delivery) else {
            return;
        };
        let about = self.about(event.account, webhook);
        self.shared.metrics.put_aside(about.lane);
        let entry = journal::put_aside(about.lane, webhook, event, status);
        self.shared.journal.write(about.account, entry);
        let notice = Notice::DeadLetter(DeadLetter {
            event: Some(event.reference()),
            group_id: group.id.clone(),
            attempts: attempts.get(),
            status: status.into(),
            kept_until_ms: event.accepted_at.unix_ms().saturating_add(millis(RETENTION)),
        });
        let notices = self.shared.notices.clone();
        self.putting_aside.push(Box::pin(async move {
            (webhook, group, notices.record(about, notice).await)
        }));
    }

    pub(super) fn on_put_aside(&mut self, (webhook, group, recorded): PutAside) {
        match recorded {
            Ok(()) => self
                .partition
                .was_put_aside(webhook, &group, self.shared.clock.now_ms()),
            Err(error) => self.start_over(&error),
        }
    }

    fn about(&self, account: AccountId, webhook: WebhookId) -> About {
        About {
            account,
            webhook,
            lane: self.shared.lane,
            partition: self.owned.partition(),
        }
    }
}
