//! What is known of webhooks when their log is no more: which events they have, wherever those stand now. Most of it is on
//! record nowhere: of a webhook that keeps up nothing needs to be.

use angarium_model::{AccountId, Revision, WebhookId};

use super::Partition;
use super::entry::Entry;
use crate::hook::{Mark, Remembered};

/// What an owner has of its own partition, that was cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Vec<One>);

#[derive(Clone, Copy, Debug)]
struct One {
    id: WebhookId,
    account: AccountId,
    newest_view: Revision,
    done: Mark,
}

impl Partition {
    /// What the next owner is to be told when the log was cut.
    pub(crate) fn kept(&self) -> Kept {
        let one = |(id, entry): (WebhookId, &Entry)| {
            Some(One {
                id,
                account: entry.hook.account(),
                newest_view: entry.hook.newest_view(),
                done: entry.hook.done_in_any_log()?,
            })
        };
        Kept(self.entries.iter().filter_map(one).collect())
    }

    /// The same, of the owner before: what its webhooks have does not come again.
    pub(super) fn keep(&mut self, kept: Kept, now_ms: i64) {
        let place = self.live_next;
        for one in kept.0 {
            let known = |entry: &mut Entry| entry.hook.has(one.done);
            if self.entries.change(one.id, known).is_none() {
                let remembered = Remembered {
                    epoch: self.epoch,
                    generation: 0,
                    resume: place,
                    done: Some(one.done),
                    retry: None,
                    parked: 0,
                };
                let (lane, directory) = (self.lane, &self.directory);
                let of = (one.account, one.newest_view);
                let entry = Entry::new((one.id, lane, directory), Some(remembered), of, place);
                self.entries.ensure(one.id, || entry);
                self.schedule(one.id, now_ms);
            }
        }
    }
}
