//! Whether a follower may act by what it knows.

use std::collections::VecDeque;
use std::time::Duration;

use angarium_proto::registry::v1::Lease;
use angarium_runtime::uptime;
use tokio::sync::watch;

/// What a follower may do. It is told by one task, and asked by all.
#[derive(Debug)]
pub struct Standing {
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Whoever it follows answers no write that it has not confirmed until then, by [`uptime`].
    Until(Duration),
    /// Nobody that it could follow can be reached: then nobody answers writes either, and it goes on with what it knows.
    Alone,
}

impl Standing {
    /// Of one that has heard of nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::of(State::Until(Duration::ZERO))
    }

    /// Of one that follows nobody.
    #[must_use]
    pub fn alone() -> Self {
        Self::of(State::Alone)
    }

    fn of(state: State) -> Self {
        Self {
            state: watch::Sender::new(state),
        }
    }

    /// A lease has come.
    pub fn lasts_until(&self, until: Duration) {
        self.state.send_if_modified(|state| {
            let longer = match *state {
                State::Until(before) => until > before,
                State::Alone => true,
            };
            if longer {
                *state = State::Until(until);
            }
            longer
        });
    }

    /// Whoever it follows was heard of: without a lease it does nothing from now on.
    pub fn is_followed_again(&self) {
        self.state.send_if_modified(|state| {
            let was_alone = *state == State::Alone;
            if was_alone {
                *state = State::Until(Duration::ZERO);
            }
            was_alone
        });
    }

    /// An attempt that began at `began` reached nobody. If the lease was over by then, nobody counts on it any more.
    pub fn found_nobody(&self, began: Duration) {
        self.state.send_if_modified(|state| {
            let is_over = matches!(*state, State::Until(until) if until <= began);
            if is_over {
                *state = State::Alone;
            }
            is_over
        });
    }

    /// For how long it may act: `None` without end.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        match *self.state.borrow() {
            State::Until(until) => Some(until.saturating_sub(uptime())),
            State::Alone => None,
        }
    }

    /// Whether it may act now.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.left().is_none_or(|left| !left.is_zero())
    }

    /// Resolves when it may act. What was received before that may be acted on by what is known then.
    pub async fn in_force(&self) {
        let mut state = self.state.subscribe();
        // A lease that is over when it is looked at is followed by another, or by none: both move the state.
        let in_force = state.wait_for(|state| match *state {
            State::Until(until) => until > uptime(),
            State::Alone => true,
        });
        // The sender lives as long as `self`.
        if in_force.await.is_err() {
            std::future::pending().await
        }
    }
}

impl Default for Standing {
    fn default() -> Self {
        Self::new()
    }
}

/// Confirmations that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    last: u64,
    /// Their numbers, and when each was sent, by [`uptime`].
    sent: VecDeque<(u64, Duration)>,
}

/// The newest count: a lease for an older one is short anyway.
const MAX_ON_THEIR_WAY: usize = 256;

impl Confirmations {
    /// The number of the next one, which is sent now.
    pub(crate) fn sent_now(&mut self) -> u64 {
        self.last += 1;
        if self.sent.len() == MAX_ON_THEIR_WAY {
            self.sent.pop_front();
        }
        self.sent.push_back((self.last, uptime()));
        self.last
    }

    /// Until when this lease lasts; `None` if nothing was asked for that it answers, or it gives no time.
    pub(crate) fn answered(&mut self, lease: Lease) -> Option<Duration> {
        let mut answered = None;
        while let Some((number, sent)) = self.sent.pop_front_if(|(number, _)| *number <= lease.number) {
            answered = (number == lease.number).then_some(sent);
        }
        let length = Duration::from_millis(lease.milliseconds.into());
        answered.filter(|_| !length.is_zero()).map(|sent| sent + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn nobody_acts_without_a_lease_unless_there_is_nobody_to_follow() {
        let standing = Standing::new();
        assert!(!standing.is_in_force());
        standing.lasts_until(uptime() + LONG);
        standing.in_force().await;
        standing.found_nobody(uptime());
        assert!(
            standing.left().is_some_and(|left| left > LONG / 2),
            "somebody may still count on it"
        );

        let standing = Standing::new();
        standing.found_nobody(uptime());
        standing.in_force().await;
        assert_eq!(standing.left(), None);
        standing.is_followed_again();
        assert!(!standing.is_in_force());
        let mut waiting = std::pin::pin!(standing.in_force());
        assert!(futures::poll!(&mut waiting).is_pending());
        standing.lasts_until(uptime() + LONG);
        waiting.await;
    }

    #[test]
    fn a_lease_counts_from_the_sending_of_its_confirmation() {
        let mut confirmations = Confirmations::default();
        let before = uptime();
        let (first, second) = (confirmations.sent_now(), confirmations.sent_now());
        let lease = |number, milliseconds| Lease { number, milliseconds };
        let until = confirmations.answered(lease(second, 500)).unwrap();
        assert!(
            until <= uptime() + Duration::from_millis(500) && until >= before + Duration::from_millis(500)
        );
        assert_eq!(
            confirmations.answered(lease(first, 500)),
            None,
            "an earlier one says nothing any more"
        );
        let third = confirmations.sent_now();
        assert_eq!(confirmations.answered(lease(third, 0)), None);
    }
}
