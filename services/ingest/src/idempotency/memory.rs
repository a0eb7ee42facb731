//! Ids in this process: for `angarium dev`, or a single replica without Redis.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_model::Position;
use angarium_runtime::{Clock, millis};

use super::{Claim, Mark};

#[derive(Debug)]
pub(super) struct MemoryStore {
    entries: NonZeroUsize,
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    marks: HashMap<String, Entry>,
    /// Every writing of a mark, oldest first. The bound counts these, two for each id (claimed, accepted), so that
    /// it holds whatever is written.
    writings: VecDeque<(u64, String)>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    mark: Mark,
    until_ms: i64,
    /// The writing that made it.
    writing: u64,
}

impl MemoryStore {
    pub(super) fn new(entries: NonZeroUsize, clock: Clock) -> Self {
        Self {
            entries,
            clock,
            inner: Mutex::default(),
        }
    }

    pub(super) fn claim(&self, claims: &[Claim], lifetime: Duration) -> Vec<Option<Mark>> {
        let now = self.clock.now_ms();
        let mut inner = self.lock();
        let claim = |claim: &Claim| {
            let known = inner
                .marks
                .get(claim.key())
                .filter(|entry| entry.until_ms > now)
                .map(|entry| entry.mark);
            if known.is_none() {
                inner.write(
                    claim.key(),
                    Mark::pending(claim),
                    until(now, lifetime),
                    self.entries,
                );
            }
            known
        };
        claims.iter().map(claim).collect()
    }

    pub(super) fn accepted(&self, events: &[(&Claim, Position)], lifetime: Duration) {
        let until = until(self.clock.now_ms(), lifetime);
        let mut inner = self.lock();
        for (claim, position) in events {
            let mark = Mark {
                fingerprint: claim.fingerprint,
                position: Some(*position),
            };
            inner.write(claim.key(), mark, until, self.entries);
        }
    }

    pub(super) fn release(&self, claims: &[&Claim]) {
        let mut inner = self.lock();
        for claim in claims {
            if inner
                .marks
                .get(claim.key())
                .is_some_and(|entry| entry.mark == Mark::pending(claim))
            {
                inner.marks.remove(claim.key());
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().marks.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, so poisoned marks are still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn write(&mut self, key: &str, mark: Mark, until_ms: i64, entries: NonZeroUsize) {
        let writing = self.next;
        self.next += 1;
        self.marks.insert(
            key.to_owned(),
            Entry {
                mark,
                until_ms,
                writing,
            },
        );
        self.writings.push_back((writing, key.to_owned()));
        while self.writings.len() > entries.get().saturating_mul(2) {
            let Some((oldest, key)) = self.writings.pop_front() else {
                return;
            };
            if self.marks.get(&key).is_some_and(|entry| entry.writing == oldest) {
                self.marks.remove(&key);
            }
        }
    }
}

fn until(now_ms: i64, lifetime: Duration) -> i64 {
    now_ms.saturating_add(millis(lifetime))
}
