//! Who follows, how far each has come, and until when each acts by what it knows.
//!
//! A follower confirms what it knows, ten times a second, and gets a lease for it. A write is answered once every
//! follower whose lease lasts has confirmed it: whoever has not is frozen, cut off or behind, does nothing until it
//! has, and holds up a write at most for [`GRACE`] and [`LEASE`] and the time between two confirmations. The grace makes
//! an unbroken lease longer: one that has none, or lost it, gets it for what was answered meanwhile only.
//!
//! A follower that reaches no registry goes on without a lease. So who starts, was frozen, begins to write a partition
//! or turns followers away answers no write until they have had time to come back ([`RETURN`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use angarium_runtime::{Shutdown, uptime};
use tokio::sync::watch;
use tokio::time::{interval, sleep};

/// How long a follower may act by what it has confirmed, from the sending of the confirmation.
pub(crate) const LEASE: Duration = Duration::from_millis(500);
/// How long a follower may be behind and still get a lease.
const GRACE: Duration = Duration::from_millis(300);
/// The same of another registry, whose followers must have confirmed, or lost their lease, before it does.
const GRACE_OF_REGISTRIES: Duration = Duration::from_millis(1_000);
/// A follower tries again within 500 ms, and gives an attempt up within 1.2 s.
pub(crate) const RETURN: Duration = Duration::from_millis(2_500);
/// Who was not looked at for so long was frozen.
const FROZEN: Duration = Duration::from_secs(1);
/// How often it is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Everyone that follows this registry.
#[derive(Debug)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
    /// Moves when one has come further, or has gone.
    moved: watch::Sender<u64>,
    /// How long followers have to come back.
    returning: Duration,
}

#[derive(Debug)]
struct Inner {
    next: u64,
    sessions: BTreeMap<u64, Session>,
    /// By [`uptime`].
    looked_at: Duration,
    /// Until then there may be some that are not known.
    complete_from: Duration,
    /// By partition: the same, where this registry has begun to write it.
    complete_of: BTreeMap<usize, Duration>,
    /// By partition: up to where it was answered, or told to a writer, that everyone who may act has come.
    promised: BTreeMap<usize, i64>,
}

#[derive(Debug)]
struct Session {
    kind: Kind,
    confirmed: Vec<i64>,
    /// By [`uptime`].
    until: Duration,
    behind: Option<Behind>,
    /// Its connection has ended: it is forgotten with its lease.
    has_gone: bool,
}

/// A follower has not confirmed all there is.
#[derive(Debug)]
struct Behind {
    since: Duration,
    /// What there was then.
    of: Vec<i64>,
}

/// Who follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    /// Another registry, for its followers.
    Registry,
}

/// One that follows. Dropping it is the end of its connection.
#[derive(Debug)]
pub(crate) struct Member {
    sessions: Arc<Sessions>,
    number: u64,
}

impl Sessions {
    /// Followers of before have `returning` to come back.
    pub(crate) fn new(returning: Duration) -> Self {
        let now = uptime();
        let inner = Inner {
            next: 0,
            sessions: BTreeMap::new(),
            looked_at: now,
            complete_from: now + returning,
            complete_of: BTreeMap::new(),
            promised: BTreeMap::new(),
        };
        Self {
            inner: Mutex::new(inner),
            moved: watch::Sender::new(0),
            returning,
        }
    }

    /// One has come.
    pub(crate) fn open(self: &Arc<Self>, kind: Kind) -> Member {
        let mut inner = self.inner(uptime());
        let number = inner.next;
        inner.next += 1;
        let session = Session {
            kind,
            confirmed: Vec::new(),
            until: Duration::ZERO,
            behind: None,
            has_gone: false,
        };
        inner.sessions.insert(number, session);
        drop(inner);
        Member {
            sessions: Arc::clone(self),
            number,
        }
    }

    /// How many of this kind follow; of those only that are behind, if that is asked.
    pub(crate) fn count(&self, kind: Kind, only_behind: bool) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = inner
            .sessions
            .values()
            .filter(|session| session.kind == kind && !session.has_gone);
        of_kind
            .filter(|session| !only_behind || session.behind.is_some())
            .count()
    }

    /// This registry writes a partition from now on: some may go on without one that have not heard of it.
    pub(crate) fn begins_to_write(&self, partition: i32) {
        let Ok(at) = usize::try_from(partition) else {
            return;
        };
        let now = uptime();
        self.inner(now).complete_of.insert(at, now + self.returning);
    }

    /// This registry turns a follower away, which may go on without one.
    pub(crate) fn turns_away(&self) {
        let now = uptime();
        self.inner(now).complete_from = now + self.returning;
    }

    /// Resolves once everyone that may act has confirmed what is at this place.
    pub(crate) async fn confirmed(&self, partition: i32, offset: i64) {
        let mut moved = self.moved.subscribe();
        loop {
            let now = uptime();
            let Some(wait) = self.inner(now).wait(now, partition, offset) else {
                return;
            };
            tokio::select! {
                _ = moved.changed() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// How far all services have come that may act, of these ends.
    pub(crate) fn confirmed_of(&self, ends: &[i64]) -> Vec<i64> {
        let now = uptime();
        let mut inner = self.inner(now);
        let mut lowest = ends.to_vec();
        // Another registry tells the writer itself: two that write would else wait for one another.
        let acts = |session: &&Session| session.until > now && session.kind == Kind::Service;
        for session in inner.sessions.values().filter(acts) {
            for (at, low) in lowest.iter_mut().enumerate() {
                *low = session
                    .confirmed
                    .get(at)
                    .map_or(0, |confirmed| *confirmed)
                    .min(*low);
            }
        }
        for (at, low) in lowest.iter().enumerate() {
            inner.promise(at, *low);
        }
        lowest
    }

    /// Moves when one has come further.
    pub(crate) fn moves(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Looks at the time, so that it is known when this process was frozen.
    pub(crate) async fn keep_time(self: Arc<Self>, shutdown: Shutdown) {
        let mut ticks = interval(TICK);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                _ = ticks.tick() => drop(self.inner(uptime())),
            }
        }
    }

    fn inner(&self, now: Duration) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held, so poisoned sessions are still whole.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(inner.looked_at) > FROZEN {
            tracing::warn!(
                "this process stood still: followers may have gone on without it, writes wait for them"
            );
            inner.complete_from = now + self.returning;
        }
        inner.looked_at = now;
        inner
            .sessions
            .retain(|_, session| !session.has_gone || session.until > now);
        inner
    }
}

impl Inner {
    /// For how long somebody may have to be waited for that has not confirmed this place; `None`: for nobody.
    fn wait(&mut self, now: Duration, partition: i32, offset: i64) -> Option<Duration> {
        let at = usize::try_from(partition).ok()?;
        let confirmed = |session: &Session| session.confirmed.get(at).is_some_and(|next| *next > offset);
        let missing = self.sessions.values().filter(|session| !confirmed(session));
        let leases = missing.map(|session| session.until.saturating_sub(now));
        let of_partition = self.complete_of.get(&at).copied().unwrap_or_default();
        let unknown = self.complete_from.max(of_partition).saturating_sub(now);
        let wait = leases.chain([unknown]).max().filter(|wait| !wait.is_zero());
        if wait.is_none() {
            self.promise(at, offset.saturating_add(1));
        }
        wait
    }

    fn promise(&mut self, at: usize, next: i64) {
        let promised = self.promised.entry(at).or_default();
        *promised = next.max(*promised);
    }
}

impl Member {
    /// It acts by `confirmed` from now on, where the ends are now `ends`. Says for how long it may, at most `longest`,
    /// counted from when it said so.
    pub(crate) fn confirm(&self, confirmed: Vec<i64>, ends: &[i64], longest: Duration) -> Duration {
        let now = uptime();
        let mut inner = self.sessions.inner(now);
        let Inner {
            sessions, promised, ..
        } = &mut *inner;
        let Some(session) = sessions.get_mut(&self.number) else {
            return Duration::ZERO;
        };
        let covers = |of: &[i64]| {
            confirmed.len() == of.len() && confirmed.iter().zip(of).all(|(known, end)| known >= end)
        };
        if covers(ends) {
            session.behind = None;
        } else if session.behind.as_ref().is_none_or(|behind| covers(&behind.of)) {
            session.behind = Some(Behind {
                since: now,
                of: ends.to_vec(),
            });
        }
        let grace = match session.kind {
            Kind::Service => GRACE,
            Kind::Registry => GRACE_OF_REGISTRIES,
        };
        let is_recent = session
            .behind
            .as_ref()
            .is_none_or(|behind| now.saturating_sub(behind.since) < grace);
        // What was answered while it had no lease was answered without it.
        let is_unbroken = session.until > now;
        let knows_all = promised.iter().all(|(at, next)| confirmed.get(*at) >= Some(next));
        let lease = if is_recent && (is_unbroken || knows_all) {
            longest.min(LEASE)
        } else {
            Duration::ZERO
        };
        session.confirmed = confirmed;
        session.until = session.until.max(now + lease);
        drop(inner);
        self.sessions.moved.send_modify(|count| *count += 1);
        lease
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(session) = self.sessions.inner(uptime()).sessions.get_mut(&self.number) {
            session.has_gone = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions of a registry to which nobody has to come back.
    fn sessions() -> Arc<Sessions> {
        Arc::new(Sessions::new(Duration::ZERO))
    }

    fn is_answered(sessions: &Sessions, offset: i64) -> bool {
        let now = uptime();
        sessions.inner(now).wait(now, 0, offset).is_none()
    }

    #[test]
    fn a_write_waits_for_those_with_a_lease_that_have_not_confirmed_it() {
        let sessions = sessions();
        assert!(is_answered(&sessions, 8), "nobody follows");
        let (one, other) = (sessions.open(Kind::Service), sessions.open(Kind::Service));
        assert!(is_answered(&sessions, 8), "nobody has a lease");
        assert_eq!(one.confirm(vec![9], &[9], LEASE), LEASE);
        assert!(!is_answered(&sessions, 9));
        other.confirm(vec![10], &[10], LEASE);
        assert!(!is_answered(&sessions, 9), "one of two has confirmed");
        assert_eq!(sessions.confirmed_of(&[10]), [9]);
        one.confirm(vec![10], &[10], LEASE);
        assert!(is_answered(&sessions, 9));
        assert_eq!(sessions.confirmed_of(&[10]), [10]);
    }

    #[tokio::test]
    async fn one_that_has_gone_or_is_silent_is_waited_for_until_its_lease_is_over() {
        let sessions = sessions();
        let (gone, silent) = (sessions.open(Kind::Service), sessions.open(Kind::Service));
        gone.confirm(vec![9], &[9], LEASE);
        silent.confirm(vec![9], &[9], LEASE);
        drop(gone);
        let begun = uptime();
        assert!(!is_answered(&sessions, 9));
        sessions.confirmed(0, 9).await;
        assert!(uptime().saturating_sub(begun) >= LEASE - Duration::from_millis(50));
        assert_eq!(
            sessions.inner(uptime()).sessions.len(),
            1,
            "the one that has gone is forgotten"
        );
    }

    #[test]
    fn one_that_stays_behind_gets_no_lease_and_one_that_keeps_up_does() {
        let sessions = sessions();
        let member = sessions.open(Kind::Service);
        assert_eq!(
            member.confirm(vec![9], &[10], LEASE),
            LEASE,
            "nobody was told that all have come further"
        );
        let long_ago = |by: Duration| {
            let mut inner = sessions.inner(uptime());
            let behind = inner
                .sessions
                .get_mut(&member.number)
                .unwrap()
                .behind
                .as_mut()
                .unwrap();
            behind.since = behind.since.saturating_sub(by);
        };
        long_ago(GRACE);
        assert_eq!(member.confirm(vec![9], &[12], LEASE), Duration::ZERO);
        assert_eq!(
            member.confirm(vec![10], &[12], LEASE),
            LEASE,
            "it has come further"
        );
        long_ago(GRACE);
        assert_eq!(member.confirm(vec![11], &[12], LEASE), Duration::ZERO);
        assert_eq!(member.confirm(vec![12], &[12], LEASE), LEASE);
        assert_eq!(
            member.confirm(vec![12], &[12], Duration::from_millis(7)),
            Duration::from_millis(7)
        );
    }

    #[test]
    fn one_whose_lease_is_over_gets_another_once_it_knows_what_was_answered_without_it() {
        let sessions = sessions();
        let member = sessions.open(Kind::Service);
        assert_eq!(member.confirm(vec![9], &[9], LEASE), LEASE);
        sessions
            .inner(uptime())
            .sessions
            .get_mut(&member.number)
            .unwrap()
            .until = Duration::ZERO;
        assert!(is_answered(&sessions, 9));
        assert_eq!(
            member.confirm(vec![9], &[10], LEASE),
            Duration::ZERO,
            "it does not know what was answered"
        );
        assert_eq!(
            member.confirm(vec![10], &[11], LEASE),
            LEASE,
            "it does, and is behind since a moment"
        );
    }

    #[test]
    fn two_registries_that_write_do_not_wait_for_one_another() {
        let sessions = sessions();
        let (service, registry) = (sessions.open(Kind::Service), sessions.open(Kind::Registry));
        service.confirm(vec![10], &[10], LEASE);
        registry.confirm(vec![9], &[10], LEASE);
        assert_eq!(
            sessions.confirmed_of(&[10]),
            [10],
            "what is told to another writer"
        );
        assert!(
            !is_answered(&sessions, 9),
            "what this one has written waits for both"
        );
    }

    #[tokio::test]
    async fn who_starts_answers_for_more_or_was_frozen_waits_for_those_that_may_come_back() {
        const SHORT: Duration = Duration::from_millis(50);
        let sessions = Arc::new(Sessions::new(SHORT));
        assert!(!is_answered(&sessions, 9));
        sessions.confirmed(0, 9).await;
        sessions.begins_to_write(0);
        assert!(!is_answered(&sessions, 9));
        sessions.confirmed(0, 9).await;
        sessions.turns_away();
        assert!(!is_answered(&sessions, 9));
        sessions.confirmed(0, 9).await;
        sessions.inner(uptime()).looked_at = uptime().saturating_sub(FROZEN * 2);
        assert!(!is_answered(&sessions, 9));
        sessions.confirmed(0, 9).await;
    }
}
