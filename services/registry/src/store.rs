//! State and feed under one lock, and the bell that rings when they move.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use angarium_kafka::Record;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::feed::{Entry, Feed};
use crate::record::UnreadableRecord;
use crate::refusal::Refusal;
use crate::seal::SealKeys;
use crate::state::{Holdings, State};

/// What was read so far. Only the reader changes it; the lock is held briefly and never across an await.
#[derive(Debug)]
pub(crate) struct Store {
    inner: RwLock<Inner>,
    /// How many records were applied.
    applied: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Absent while the topic is loaded.
    feed: Option<Feed>,
    recent_changes: NonZeroUsize,
}

/// Where a new follower starts.
#[derive(Debug)]
pub(crate) struct Start {
    /// What it must be sent first, if it cannot go on from where it stands.
    pub(crate) snapshot: Option<Vec<Arc<Holdings>>>,
    /// Where it stands after that: the next offset of each partition.
    pub(crate) places: Vec<i64>,
    /// The feed's entry that it reads next.
    pub(crate) cursor: u64,
}

impl Store {
    pub(crate) fn new(partitions: NonZeroU32, recent_changes: NonZeroUsize, keys: SealKeys) -> Self {
        let inner = Inner {
            state: State::new(partitions, keys),
            feed: None,
            recent_changes,
        };
        Self {
            inner: RwLock::new(inner),
            applied: watch::Sender::new(0),
        }
    }

    /// Takes in a record that was read.
    pub(crate) fn apply(&self, record: &Record) -> Result<(), UnreadableRecord> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let delta = inner.state.apply(record)?;
        if let Some(feed) = &mut inner.feed {
            feed.push(Entry {
                partition: record.partition,
                offset: record.offset,
                delta,
            });
        }
        drop(inner);
        self.applied.send_modify(|count| *count += 1);
        Ok(())
    }

    /// The topic is loaded: from here on followers may stand in the feed.
    ///
    /// # Errors
    /// When there is a secret that does not open.
    pub(crate) fn loaded(&self) -> Result<(), UnreadableRecord> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.state.loaded()?;
        inner.feed = Some(Feed::new(inner.recent_changes, inner.state.next()));
        Ok(())
    }

    fn inner(&self) -> RwLockReadGuard<'_, Inner> {
        // Nothing panics while the lock is held for writing, so a poisoned store is still whole.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.inner().state)
    }

    /// Moves with every record that is applied.
    pub(crate) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Resolves once the record at this place was applied. Safe in `select!`.
    pub(crate) async fn reached(&self, partition: i32, offset: i64) {
        let next = || {
            self.read(|state| {
                usize::try_from(partition)
                    .ok()
                    .and_then(|at| state.next().get(at).copied())
            })
        };
        let mut applied = self.applied();
        // The sender lives as long as `self`, so this cannot end early.
        if applied
            .wait_for(|_| next().is_some_and(|next| next > offset))
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    /// Resolves once the records at all these places were applied.
    ///
    /// # Errors
    /// When they were not within this time.
    pub(crate) async fn reached_all(&self, places: Vec<(i32, i64)>, within: Duration) -> Result<(), Refusal> {
        let all = async {
            for (partition, offset) in places {
                self.reached(partition, offset).await;
            }
        };
        timeout(within, all).await.map_err(|_elapsed| Refusal::Behind)
    }

    /// Where a follower starts that knows everything below `resume_from` (empty: nothing).
    pub(crate) fn start(&self, resume_from: Vec<i64>) -> Start {
        let inner = self.inner();
        let next = inner.state.next();
        let known = |feed: &Feed| {
            // One that stands beyond us followed another topic.
            feed.reaches_back_to(&resume_from)
                && resume_from.iter().zip(next).all(|(theirs, ours)| theirs <= ours)
        };
        if let Some(feed) = inner.feed.as_ref().filter(|feed| known(feed)) {
            return Start {
                cursor: feed.first(),
                places: resume_from,
                snapshot: None,
            };
        }
        Start {
            snapshot: Some(inner.state.snapshot()),
            places: next.to_vec(),
            cursor: inner.feed.as_ref().map_or(0, Feed::end),
        }
    }

    /// Up to `max` entries of the feed from `cursor` on; `None` when they have left the window.
    pub(crate) fn entries(&self, cursor: u64, max: usize) -> Option<Vec<Entry>> {
        let inner = self.inner();
        let entries = inner.feed.as_ref()?.since(cursor)?;
        Some(entries.take(max).cloned().collect())
    }
}
