//! How long a member may act for its partitions without asking the group again.

use std::time::Duration;

use angarium_runtime::uptime;
use tokio::sync::watch;

/// The time that a member has left to act for its partitions.
///
/// The group's coordinator waits for a silent member for the session timeout before it gives its partitions to others.
/// So whoever had a commit accepted owns them for that long, counted from the *sending* of the commit, on a clock that
/// goes on while the machine sleeps. The member renews it five times in that span, whether or not there is anything to
/// commit. A process that was frozen finds its lease over before it does anything else.
#[derive(Clone, Debug)]
pub struct Lease {
    /// By [`uptime`]; zero before the first accepted commit.
    until: watch::Receiver<Duration>,
}

/// The member's end.
#[derive(Debug)]
pub(super) struct Renewal {
    until: watch::Sender<Duration>,
    session: Duration,
    sent: Option<Duration>,
}

/// How many times a session timeout the lease is renewed.
const RENEWALS: u32 = 5;
/// Before a refused renewal is tried again.
const AGAIN: Duration = Duration::from_millis(500);

impl Lease {
    /// What is left of it.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.borrow().saturating_sub(uptime())
    }

    /// Whether there was one, and it is over: the group may have given the partitions to others since. `false` before the
    /// first accepted commit.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let until = *self.until.borrow();
        !until.is_zero() && until <= uptime()
    }

    /// Waits until at least `needed` is left. Never resolves once the member is gone.
    pub async fn lasts(&mut self, needed: Duration) {
        let long_enough = |until: &Duration| until.saturating_sub(uptime()) >= needed;
        if self.until.wait_for(long_enough).await.is_err() {
            std::future::pending().await
        }
    }

    /// A lease that never ends, for tests and for what needs none.
    #[must_use]
    pub fn endless() -> Self {
        Self::until(Duration::MAX)
    }

    fn until(until: Duration) -> Self {
        let (_sender, until) = watch::channel(until);
        Self { until }
    }
}

impl Default for Lease {
    /// A lease that is over.
    fn default() -> Self {
        Self::until(Duration::ZERO)
    }
}

impl Renewal {
    pub(super) fn new(session: Duration) -> Self {
        Self {
            until: watch::Sender::new(Duration::ZERO),
            session,
            sent: None,
        }
    }

    pub(super) fn lease(&self) -> Lease {
        Lease {
            until: self.until.subscribe(),
        }
    }

    pub(super) fn is_due(&self) -> bool {
        self.sent
            .is_none_or(|sent| uptime().saturating_sub(sent) >= self.session / RENEWALS)
    }

    /// A commit that was sent at `sent` was accepted.
    pub(super) fn accepted(&mut self, sent: Duration) {
        self.sent = Some(sent);
        self.until.send_replace(sent + self.session);
    }

    /// It was not: try again soon.
    pub(super) fn refused(&mut self) {
        self.sent = Some(uptime().saturating_sub(self.session / RENEWALS) + AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_the_sending_of_what_was_accepted() {
        let mut renewal = Renewal::new(Duration::from_secs(25));
        let lease = renewal.lease();
        assert!(renewal.is_due());
        assert_eq!(lease.left(), Duration::ZERO);
        assert!(!lease.has_ended(), "there was none");
        let sent = uptime().saturating_sub(Duration::from_secs(4));
        renewal.accepted(sent);
        assert!(!renewal.is_due());
        assert!(lease.left() <= Duration::from_secs(21) && lease.left() > Duration::from_secs(20));
        renewal.accepted(uptime().saturating_sub(Duration::from_secs(6)));
        assert!(renewal.is_due(), "a fifth of the session has passed");
        renewal.refused();
        assert!(!renewal.is_due(), "not at once again");
        assert!(
            lease.left() <= Duration::from_secs(19),
            "a refusal renews nothing"
        );
    }

    #[test]
    fn a_lease_that_was_not_renewed_has_ended() {
        let mut renewal = Renewal::new(Duration::from_secs(2));
        let lease = renewal.lease();
        renewal.accepted(uptime());
        assert!(!lease.has_ended());
        renewal.accepted(uptime().saturating_sub(Duration::from_secs(3)));
        assert!(lease.has_ended());
    }

    #[tokio::test]
    async fn who_needs_a_longer_lease_waits_for_its_renewal() {
        let mut renewal = Renewal::new(Duration::from_secs(25));
        let mut lease = renewal.lease();
        renewal.accepted(uptime().saturating_sub(Duration::from_secs(20)));
        lease.lasts(Duration::from_secs(3)).await;
        let mut waiting = std::pin::pin!(lease.lasts(Duration::from_secs(15)));
        let looked = futures::poll!(&mut waiting);
        assert!(looked.is_pending());
        renewal.accepted(uptime());
        waiting.await;
    }
}
