//! A partition in the hands of its owner.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::lease::Lease;
use crate::record::Record;

/// The ends of a partition's log: the offset of the first record it holds, and the offset the next one will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that can be read.
    pub low: i64,
    /// One past the last.
    pub high: i64,
}

/// A partition that the group has assigned to this process. Dropping it is the same as [`release`](Self::release).
#[derive(Debug)]
pub struct Owned {
    place: Arc<Place>,
    queue: mpsc::Receiver<Queued>,
    /// Counts the calls of `start`: what was queued under an earlier one is not given out any more.
    epoch: u64,
    committed: Option<i64>,
    watermarks: Watermarks,
    lease: Lease,
}

impl Owned {
    /// Its number.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.place.partition
    }

    /// The next offset to read as the group had committed it when the partition was assigned.
    #[must_use]
    pub fn committed(&self) -> Option<i64> {
        self.committed
    }

    /// The ends of its log when it was assigned.
    #[must_use]
    pub fn watermarks(&self) -> Watermarks {
        self.watermarks
    }

    /// How long this process may act for the partition without asking again.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Begins to read at `offset`. A second call starts over from there, and forgets what is queued.
    ///
    /// If retention has removed the offset, or it is beyond the end, reading goes on at the oldest record there is,
    /// and the log says so; compare [`watermarks`](Self::watermarks) first to know beforehand.
    pub fn start(&mut self, offset: i64) {
        self.epoch += 1;
        self.place.wishes().start = Some(Start {
            epoch: self.epoch,
            offset,
        });
    }

    /// The next record. `None` when the partition is gone: lost to another process, or handed back when its time was
    /// up. Being cancelled loses no record.
    pub async fn recv(&mut self) -> Option<Record> {
        loop {
            let queued = tokio::select! {
                biased;
                () = self.place.lost.cancelled() => return None,
                queued = self.queue.recv() => queued?,
            };
            if let Some(record) = self.take(queued) {
                return Some(record);
            }
        }
    }

    /// Waits for a record, then adds what is there to `records`, at most `max`. Returns how many; 0 as
    /// [`recv`](Self::recv) returns `None`. Being cancelled loses no record.
    pub async fn recv_many(&mut self, records: &mut Vec<Record>, max: usize) -> usize {
        let before = records.len();
        let Some(first) = self.recv().await else { return 0 };
        records.push(first);
        while records.len() - before < max
            && let Ok(queued) = self.queue.try_recv()
        {
            records.extend(self.take(queued));
        }
        records.len() - before
    }

    /// Resolves when the partition is to be handed back, or is gone already, or the process shuts down. No more records
    /// are queued from then on. The owner finishes what it has under way, commits, and releases.
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + use<> {
        self.place.revoked.clone().cancelled_owned()
    }

    /// Whether [`revoked`](Self::revoked) has resolved.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.place.revoked.is_cancelled()
    }

    /// Whether others may own the partition already: nothing may be written on its behalf any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.place.lost.is_cancelled()
    }

    /// Asks that `next` be committed as the next offset to read. In the background, within a fraction of a second, and
    /// before the partition is handed back; the newest wins. Without effect before [`start`](Self::start).
    pub fn commit(&self, next: i64) {
        self.place.wishes().commit = Some(next);
    }

    /// Commits `next` at once, and resolves when the group has accepted it, or a later one. Never resolves once the
    /// partition is lost: who does not own it has nothing accepted. While the group's coordinator is away it is tried
    /// again, and all partitions of this member wait with it, at most for the session timeout. Being cancelled changes
    /// nothing: the commit is still under way.
    pub async fn commit_accepted(&self, next: i64) {
        let mut accepted = self.place.accepted.subscribe();
        if *accepted.borrow() < next {
            let mut wishes = self.place.wishes();
            wishes.commit = Some(next);
            wishes.commit_at_once = true;
        }
        // The sender lives as long as `self`, so this cannot fail.
        if accepted.wait_for(|accepted| *accepted >= next).await.is_err() {
            std::future::pending().await
        }
    }

    /// Hands it back, after the last commit. Without having been revoked it stays with this process, unread, until
    /// the group is rebalanced.
    pub fn release(self) {
        drop(self);
    }

    fn take(&self, queued: Queued) -> Option<Record> {
        self.place
            .bytes
            .fetch_sub(queued.record.size(), Ordering::Relaxed);
        (queued.epoch == self.epoch).then_some(queued.record)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.place.wishes().released = true;
    }
}

/// What the owner of a partition and the worker share.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) partition: i32,
    /// Bytes in the queue.
    bytes: AtomicUsize,
    wishes: Mutex<Wishes>,
    revoked: CancellationToken,
    lost: CancellationToken,
    /// The highest offset that the group has accepted as committed.
    accepted: watch::Sender<i64>,
}

/// What the owner wants. The worker looks at each turn.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) start: Option<Start>,
    pub(super) commit: Option<i64>,
    /// The commit is not to wait for the next regular one.
    pub(super) commit_at_once: bool,
    pub(super) released: bool,
}

/// Where to read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) epoch: u64,
    pub(super) offset: i64,
}

/// A record on its way to the owner.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) epoch: u64,
    pub(super) record: Record,
}

impl Place {
    pub(super) fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_released(&self) -> bool {
        self.wishes().released
    }

    pub(super) fn revoke(&self) {
        self.revoked.cancel();
    }

    pub(super) fn accepted(&self, next: i64) {
        self.accepted
            .send_if_modified(|accepted| next > std::mem::replace(accepted, next.max(*accepted)));
    }

    pub(super) fn lose(&self) {
        self.lost.cancel();
        self.revoked.cancel();
    }
}

/// The worker's end of a partition's queue, bounded in records and in bytes.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) place: Arc<Place>,
    sender: mpsc::Sender<Queued>,
    max_bytes: usize,
}

impl Queue {
    /// Queues it, or gives it back if there is no room. One record always fits.
    pub(super) fn push(&self, queued: Queued) -> Result<(), Queued> {
        let size = queued.record.size();
        let waiting = self.place.bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(size) > self.max_bytes {
            return Err(queued);
        }
        // Counted first: the owner may take it at once.
        self.place.bytes.fetch_add(size, Ordering::Relaxed);
        self.sender.try_send(queued).map_err(|refused| {
            self.place.bytes.fetch_sub(size, Ordering::Relaxed);
            refused.into_inner()
        })
    }

    pub(super) fn is_below_half(&self) -> bool {
        self.sender.capacity() * 2 >= self.sender.max_capacity()
            && self.place.bytes.load(Ordering::Relaxed) <= self.max_bytes / 2
    }
}

/// A partition for an owner, and the worker's end of it.
pub(super) fn owned(
    partition: i32,
    committed: Option<i64>,
    watermarks: Watermarks,
    lease: Lease,
    max_records: usize,
    max_bytes: usize,
) -> (Owned, Queue) {
    let (sender, queue) = mpsc::channel(max_records.max(1));
    let place = Arc::new(Place {
        partition,
        bytes: AtomicUsize::new(0),
        wishes: Mutex::default(),
        revoked: CancellationToken::new(),
        lost: CancellationToken::new(),
        accepted: watch::Sender::new(committed.filter(|next| *next <= watermarks.high).unwrap_or(-1)),
    });
    (
        Owned {
            place: place.clone(),
            queue,
            epoch: 0,
            committed,
            watermarks,
            lease,
        },
        Queue {
            place,
            sender,
            max_bytes,
        },
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NOWHERE: Watermarks = Watermarks { low: 0, high: 0 };

    fn record(offset: i64, size: usize) -> Record {
        let value = Some(Bytes::from(vec![0; size]));
        Record {
            partition: 0,
            offset,
            timestamp_ms: 0,
            key: Bytes::new(),
            value,
            headers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn one_record_always_fits_and_the_next_waits_for_room() {
        let (mut owner, queue) = owned(0, None, NOWHERE, Lease::default(), 10, 100);
        owner.start(0);
        queue
            .push(Queued {
                epoch: 1,
                record: record(0, 5_000),
            })
            .unwrap();
        assert!(!queue.is_below_half());
        let refused = queue
            .push(Queued {
                epoch: 1,
                record: record(1, 1),
            })
            .unwrap_err();
        assert_eq!(owner.recv().await.unwrap().offset, 0);
        assert!(queue.is_below_half());
        queue.push(refused).unwrap();
        assert_eq!(owner.recv().await.unwrap().offset, 1);
    }

    #[tokio::test]
    async fn starting_over_forgets_what_is_queued() {
        let (mut owner, queue) = owned(0, None, NOWHERE, Lease::default(), 10, 1_000_000);
        owner.start(0);
        queue
            .push(Queued {
                epoch: 1,
                record: record(7, 1),
            })
            .unwrap();
        owner.start(3);
        queue
            .push(Queued {
                epoch: 2,
                record: record(3, 1),
            })
            .unwrap();
        let mut records = Vec::new();
        assert_eq!(owner.recv_many(&mut records, 10).await, 1);
        assert_eq!(records[0].offset, 3);
    }

    #[tokio::test]
    async fn a_lost_partition_gives_nothing_any_more() {
        let (mut owner, queue) = owned(0, None, NOWHERE, Lease::default(), 10, 1_000_000);
        owner.start(0);
        queue
            .push(Queued {
                epoch: 1,
                record: record(0, 1),
            })
            .unwrap();
        queue.place.lose();
        owner.revoked().await;
        assert!(owner.recv().await.is_none());
    }
}
