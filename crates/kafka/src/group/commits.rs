//! Commits: one request under way at a time, the newest offset of each partition wins.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::time::Instant;

use super::client::Client;
use crate::connection::is_outage;

/// At most so often: a commit is a record in Kafka too.
const EVERY: Duration = Duration::from_millis(100);
/// After a failure that may pass.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Commits {
    wanted: BTreeMap<i32, i64>,
    under_way: Option<BTreeMap<i32, i64>>,
    not_before: Option<Instant>,
}

impl Commits {
    pub(super) fn want(&mut self, partition: i32, next: i64) {
        self.wanted.insert(partition, next);
    }

    /// Whether a commit of this partition waits or is under way.
    pub(super) fn concern(&self, partition: i32) -> bool {
        let under_way = self.under_way.as_ref();
        self.wanted.contains_key(&partition)
            || under_way.is_some_and(|offsets| offsets.contains_key(&partition))
    }

    /// The partition is not ours any more.
    pub(super) fn forget(&mut self, partition: i32) {
        self.wanted.remove(&partition);
        if let Some(under_way) = &mut self.under_way {
            under_way.remove(&partition);
        }
    }

    /// Sends what is wanted, if nothing is under way and it is time.
    pub(super) fn send(&mut self, client: &Client, now: Instant, urgent: bool) {
        let early = self.not_before.is_some_and(|not_before| now < not_before);
        if self.wanted.is_empty() || self.under_way.is_some() || (early && !urgent) {
            return;
        }
        let offsets = std::mem::take(&mut self.wanted);
        let sent = client.commit(offsets.iter().map(|(partition, next)| (*partition, *next)));
        self.under_way = Some(offsets);
        self.not_before = Some(now + EVERY);
        if let Err(error) = sent {
            self.ended(Err(error), now);
        }
    }

    /// The commit under way has ended.
    pub(super) fn ended(&mut self, result: KafkaResult<()>, now: Instant) {
        let offsets = self.under_way.take().unwrap_or_default();
        let Err(error) = result else { return };
        tracing::warn!(%error, ?offsets, "offsets were not committed");
        if may_pass(&error) {
            for (partition, next) in offsets {
                self.wanted.entry(partition).or_insert(next);
            }
            self.not_before = Some(now + AFTER_FAILURE);
        }
    }
}

/// Whether to try again. Not if we are no longer the member that may commit: others may have moved on.
fn may_pass(error: &KafkaError) -> bool {
    let passing = |code| is_outage(code) || code == RDKafkaErrorCode::RebalanceInProgress;
    error.rdkafka_error_code().is_some_and(passing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: RDKafkaErrorCode) -> KafkaResult<()> {
        Err(KafkaError::ConsumerCommit(code))
    }

    fn under_way(offsets: &[(i32, i64)]) -> Commits {
        Commits {
            under_way: Some(offsets.iter().copied().collect()),
            ..Commits::default()
        }
    }

    #[test]
    fn a_commit_that_failed_in_an_outage_is_tried_again_unless_a_newer_one_waits() {
        let mut commits = under_way(&[(0, 5), (1, 7)]);
        commits.want(1, 9);
        commits.ended(failed(RDKafkaErrorCode::NotCoordinator), Instant::now());
        assert_eq!(commits.wanted, BTreeMap::from([(0, 5), (1, 9)]));
    }

    #[test]
    fn a_member_that_was_replaced_does_not_try_again() {
        let mut commits = under_way(&[(0, 5)]);
        commits.ended(failed(RDKafkaErrorCode::IllegalGeneration), Instant::now());
        assert!(!commits.concern(0));
    }

    #[test]
    fn a_lost_partition_is_not_committed_again() {
        let mut commits = under_way(&[(0, 5), (1, 7)]);
        commits.forget(0);
        commits.ended(failed(RDKafkaErrorCode::NotCoordinator), Instant::now());
        assert!(!commits.concern(0) && commits.concern(1));
    }
}
