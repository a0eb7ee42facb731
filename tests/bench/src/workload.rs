//! Which events one run publishes, in which order, and when.

/// The events of one run. They are numbered through all runs of a side, so that a receiver can tell an event
/// that came twice or late from the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    /// Number of the first event.
    pub(crate) first: u64,
    /// How many.
    pub(crate) events: u64,
    /// Accounts; event `n` goes to account `n % accounts`.
    pub(crate) accounts: u64,
    /// When the run starts, by the epoch.
    pub(crate) start_ns: u64,
    /// The time between two events; `None`: as fast as they are taken.
    pub(crate) period_ns: Option<u64>,
}

/// One event to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Which account, from 0.
    pub(crate) account: u64,
    /// Counts the account's events, from 0.
    pub(crate) sequence: u64,
    /// When it is due, by the epoch.
    pub(crate) due_ns: Option<u64>,
}

impl Batch {
    /// What one of `lanes` publishers that work side by side publishes: an account belongs to one of them, which
    /// keeps its order.
    pub(crate) fn lane(self, lane: u64, lanes: u64) -> impl Iterator<Item = Planned> + Send + 'static {
        (self.first..self.first + self.events)
            .filter(move |number| number % self.accounts % lanes == lane)
            .map(move |number| Planned {
                account: number % self.accounts,
                sequence: number / self.accounts,
                due_ns: self
                    .period_ns
                    .map(|period| self.start_ns + period * (number - self.first)),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: Batch = Batch {
        first: 10,
        events: 11,
        accounts: 4,
        start_ns: 1_000,
        period_ns: Some(5),
    };

    #[test]
    fn lanes_share_the_events_and_keep_each_account_in_order() {
        let mut all = Vec::new();
        for lane in 0..3 {
            let mine: Vec<Planned> = BATCH.lane(lane, 3).collect();
            assert!(mine.iter().all(|planned| planned.account % 3 == lane));
            for account in 0..4 {
                let sequences = mine.iter().filter(|p| p.account == account).map(|p| p.sequence);
                assert!(sequences.is_sorted());
            }
            all.extend(mine);
        }
        all.sort_by_key(|planned| planned.due_ns);
        assert_eq!(all, BATCH.lane(0, 1).collect::<Vec<_>>());
        assert_eq!(all.len(), 11);
    }

    #[test]
    fn sequences_go_on_where_the_run_before_ended() {
        let next = Batch { first: 21, ..BATCH };
        let last_of = |batch: Batch| batch.lane(0, 1).filter(|p| p.account == 0).last();
        let first = next.lane(0, 1).find(|p| p.account == 0);
        assert_eq!(first.map(|p| p.sequence), last_of(BATCH).map(|p| p.sequence + 1));
    }

    #[test]
    fn the_schedule_is_fixed_from_the_start() {
        let due: Vec<_> = BATCH.lane(0, 1).map(|planned| planned.due_ns).collect();
        assert_eq!((due[0], due[10]), (Some(1_000), Some(1_050)));
    }
}
