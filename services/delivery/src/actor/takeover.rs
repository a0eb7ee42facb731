//! How an actor takes its partition over (DESIGN §7): claim, read the highest set, write what is still needed under the
//! own epoch, the place last; only then anything else.

use std::time::Duration;

use angarium_kafka::Owned;
use angarium_proto::delivery::v1::Place;
use angarium_proto::delivery::v1::cursor_record::Entry;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep};

use super::Shared;
use crate::checkpoint::Memories;
use crate::clocks::Clocks;
use crate::cursor::{Found, Key};
use crate::cursors::TakeoverError;
use crate::error::Error;
use crate::partition::{Effect, Kept, Partition, Rules, Start};

/// Before a takeover that failed is tried again: at first, and at most. In between it doubles.
const AGAIN: Duration = Duration::from_secs(1);
const MOST_AGAIN: Duration = Duration::from_secs(16);
/// Before a partition is claimed again that another worker has claimed since: longer than a member takes to learn that
/// it was counted out (heartbeats every 3 s).
pub(super) const SUPERSEDED: Duration = Duration::from_secs(5);

/// A partition that is taken over.
pub(super) struct Taken {
    pub(super) partition: Partition,
    pub(super) epoch: i64,
    pub(super) place: i64,
}

/// Takes the partition over; `None` when it is revoked before. `cut`: its log is known to have been cut.
///
/// # Errors
/// When the cursors cannot be written any more: the process is to end, and to be started again.
pub(super) async fn take_over(
    owned: &Owned,
    shared: &Shared,
    cut: Option<Kept>,
) -> Result<Option<Taken>, Error> {
    let insist = async {
        let (mut again, mut is_first) = (AGAIN, true);
        loop {
            // It was frozen, perhaps, and has been followed: the group tells within its heartbeats. At first it is the group
            // that has just said so, and the lease is that of partitions which this worker had before.
            if !std::mem::take(&mut is_first) && owned.lease().has_ended() {
                sleep(SUPERSEDED).await;
            }
            match try_once(owned, shared, cut.as_ref()).await {
                Ok(Some(taken)) => return Ok(Some(taken)),
                // Its claim may be of one that has lost the partition to us, and came late. If it is we who have lost
                // it, the group tells within its heartbeats.
                Ok(None) => sleep(SUPERSEDED).await,
                Err(error) if error.is_fatal() => return Err(Error::Cursors(Box::new(error))),
                Err(error) => {
                    tell_failed(&error, shared, owned.partition(), again);
                    sleep(again).await;
                    again = MOST_AGAIN.min(again * 2);
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = owned.revoked() => Ok(None),
        taken = insist => taken,
    }
}

fn tell_failed(error: &TakeoverError, shared: &Shared, partition: i32, again: Duration) {
    let error = error as &dyn std::error::Error;
    tracing::error!(lane = %shared.lane, partition, error, ?again, "cannot take a partition over; trying again");
}

/// `None`: another worker has claimed it since, or may have while this one was frozen.
async fn try_once(
    owned: &Owned,
    shared: &Shared,
    cut: Option<&Kept>,
) -> Result<Option<Taken>, TakeoverError> {
    let (lane, number, begun) = (shared.lane, owned.partition(), Instant::now());
    let lease = owned.lease();
    let is_without = lease.has_ended();
    // Nothing that was frozen in between writes what others would believe.
    let was_frozen = || !is_without && lease.has_ended();
    let claim = shared.cursors.claim(lane, number, shared.clock.now_ms()).await?;
    let epoch = claim.offset;
    let mut clocks = Clocks::default();
    clocks.compare(shared.clock.now_ms(), claim.appended_at_ms);
    let sets = shared.cursors.read(lane, number, epoch).await?;
    if sets.newest_claim().is_some_and(|claim| claim > epoch) {
        tracing::warn!(%lane, partition = number, epoch, "another worker has claimed the partition since");
        return Ok(None);
    }
    let found = sets.found();
    let memories = remembered(shared, number).await;
    // No claim is higher than ours: what says so is of a topic that is no more.
    let is_anew = memories.own.is_some_and(|own| own > epoch);
    if is_anew {
        shared.metrics.log_was_cut(lane);
        tracing::error!(%lane, partition = number, "the cursors topic was created anew: what Redis remembers is dropped");
    }
    // Not those of the assignment: a partition that is taken over again has grown since.
    let ends = shared.reader.ends(number).await?;
    tell_what_is_lost(shared, number, found.as_ref(), ends.low, ends.high);
    let cursors = found.as_ref().map_or(0, |found| found.cursors.len());
    let start = Start {
        epoch,
        found,
        memories: if is_anew { Memories::default() } else { memories },
        is_anew,
        cut: cut.cloned(),
        ends,
        clocks,
        now_ms: shared.clock.now_ms(),
        dice: rand::random(),
    };
    let mut partition = Partition::take_over(lane, rules(shared), shared.directory.clone(), start);
    if was_frozen() {
        return Ok(None);
    }
    assert_set(&mut partition, shared, number, epoch).await?;
    if was_frozen() {
        return Ok(None);
    }
    let place = partition.place();
    let entry = Entry::Place(Place { offset: place });
    shared
        .cursors
        .append(number, Key::Place(lane, epoch), Some(entry))?
        .await?;
    partition.place_is(place);
    for key in sets.keys_below(epoch) {
        // Not awaited: whoever follows reads the highest set alone, and removes what is left.
        if let Err(error) = shared.cursors.append(number, key, None) {
            tracing::debug!(%lane, partition = number, %error, "an old cursor is left to the next owner");
        }
    }
    let took = begun.elapsed();
    tracing::info!(%lane, partition = number, epoch, place, cursors, ?took, "took a partition over");
    Ok(Some(Taken {
        partition,
        epoch,
        place,
    }))
}

/// Writes the cursors that are still needed under the own epoch.
async fn assert_set(
    partition: &mut Partition,
    shared: &Shared,
    number: i32,
    epoch: i64,
) -> Result<(), TakeoverError> {
    let mut acks = FuturesUnordered::new();
    for effect in partition.take_effects() {
        let Effect::Append { webhook, cursor } = effect else {
            continue;
        };
        let key = Key::Webhook(shared.lane, epoch, webhook);
        let entry = cursor.as_ref().map(Entry::from);
        let ack = shared.cursors.append(number, key, entry)?;
        acks.push(async move { ack.await.map(|_| webhook) });
    }
    while let Some(webhook) = acks.next().await.transpose()? {
        partition.appended(webhook, shared.clock.now_ms());
    }
    Ok(())
}

async fn remembered(shared: &Shared, number: i32) -> Memories {
    let lane = shared.lane;
    let began = Instant::now();
    let loaded = shared.checkpoints.load(lane, number).await;
    shared.metrics.redis.asked("load", began, loaded.is_ok());
    loaded.unwrap_or_else(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(%lane, partition = number, error, "recent progress is not known: some events will be sent again");
        shared.metrics.checkpoint_failed(lane);
        Memories::default()
    })
}

fn tell_what_is_lost(shared: &Shared, partition: i32, found: Option<&Found>, low: i64, high: i64) {
    let (lane, place) = (shared.lane, found.map_or(low, |found| found.place));
    if place < low {
        let lost = low - place;
        tracing::error!(
            %lane, partition, place, low, lost,
            "records of the deliveries topic were removed before they were done: what their webhooks had not got by \
             then is lost (D5)"
        );
    } else if place > high {
        shared.metrics.log_was_cut(lane);
        tracing::error!(
            %lane, partition, place, high,
            "the deliveries topic was cut or created anew: reading from its start"
        );
    }
}

fn rules(shared: &Shared) -> Rules {
    let config = &shared.config;
    Rules {
        group: crate::group::GroupLimit {
            events: config.max_group_events,
            bytes: config.max_group_bytes,
            around: 0,
        },
        backoff: config.backoff,
        honours_retry_after: config.honours_retry_after,
        disables_gone: config.disables_gone,
        reminders: config.reminders,
        max_queued_bytes: config.max_queued_bytes,
    }
}
