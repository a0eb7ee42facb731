//! What arrived: how late, and whether anything is missing, came twice or out of order.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::payload::Mark;
use crate::stats::Latencies;

/// The receipts of all webhooks of one side, through all its runs. Figures are of the webhooks that are *watched*.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    /// Wakes who waits for receipts.
    arrived: Notify,
}

#[derive(Debug)]
struct State {
    hooks: Vec<Hook>,
    /// First receipts: what came again is not in it.
    receipts: u64,
    /// Those of them that are watched.
    watched: u64,
    duplicates: u64,
    out_of_order: u64,
    run: Run,
}

#[derive(Clone, Debug, Default)]
struct Hook {
    watched: bool,
    probed: bool,
    /// By sequence.
    seen: Vec<bool>,
    /// The highest sequence seen, plus one.
    next: u64,
}

/// The first receipts of what is watched, since [`Ledger::begin`].
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) latencies: Latencies,
    pub(crate) receipts: u64,
    /// When the first one came, by the epoch.
    pub(crate) first_ns: u64,
    /// When the last one came, by the epoch.
    pub(crate) last_ns: u64,
}

/// What went wrong through all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
}

impl Ledger {
    /// For webhooks numbered from 0, those watched that `is_watched` names.
    pub(crate) fn new(webhooks: u64, is_watched: impl Fn(u64) -> bool) -> anyhow::Result<Self> {
        let run = Run {
            latencies: Latencies::new()?,
            receipts: 0,
            first_ns: u64::MAX,
            last_ns: 0,
        };
        let state = Mutex::new(State {
            hooks: (0..webhooks)
                .map(|hook| Hook {
                    watched: is_watched(hook),
                    ..Hook::default()
                })
                .collect(),
            receipts: 0,
            watched: 0,
            duplicates: 0,
            out_of_order: 0,
            run,
        });
        Ok(Self {
            state,
            arrived: Notify::new(),
        })
    }

    /// A group of events came to a webhook. `false`: there is no such webhook.
    pub(crate) fn receive(&self, hook: u64, marks: &[Mark], now_ns: u64) -> bool {
        let mut state = self.state();
        let hook = usize::try_from(hook).unwrap_or(usize::MAX);
        let known = hook < state.hooks.len();
        for mark in marks {
            state.receive(hook, *mark, now_ns);
        }
        drop(state);
        self.arrived.notify_waiters();
        known
    }

    /// A new run begins: its latencies are its own.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.run.latencies.clear();
        state.run.receipts = 0;
        state.run.first_ns = u64::MAX;
        state.run.last_ns = 0;
    }

    /// The run so far.
    pub(crate) fn run(&self) -> Run {
        self.state().run.clone()
    }

    /// Ends when there are `receipts` first receipts of what is watched, counted through all runs.
    pub(crate) async fn reached(&self, receipts: u64) {
        self.until(|state| state.watched >= receipts).await;
    }

    /// The same for all webhooks.
    pub(crate) async fn reached_by_all(&self, receipts: u64) {
        self.until(|state| state.receipts >= receipts).await;
    }

    /// Ends when every webhook has got a probe.
    pub(crate) async fn probed(&self) {
        self.until(|state| state.hooks.iter().all(|hook| hook.probed))
            .await;
    }

    /// Whether a webhook has got a probe.
    pub(crate) fn is_probed(&self, hook: usize) -> bool {
        self.state().hooks.get(hook).is_some_and(|hook| hook.probed)
    }

    /// What went wrong, when `expected` receipts were due through all runs.
    pub(crate) fn faults(&self, expected: u64) -> Faults {
        let state = self.state();
        Faults {
            lost: expected.saturating_sub(state.receipts),
            duplicates: state.duplicates,
            out_of_order: state.out_of_order,
        }
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            // Registered before the state is read: an arrival in between is not missed.
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            if condition(&self.state()) {
                return;
            }
            arrived.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters are whole after each step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn receive(&mut self, hook: usize, mark: Mark, now_ns: u64) {
        let Some(hook) = self.hooks.get_mut(hook) else {
            return;
        };
        let Mark::Counted { sequence, sent_ns } = mark else {
            hook.probed = true;
            return;
        };
        let Ok(index) = usize::try_from(sequence) else {
            return;
        };
        if hook.seen.len() <= index {
            hook.seen.resize(index + 1, false);
        }
        if let Some(seen) = hook.seen.get_mut(index)
            && std::mem::replace(seen, true)
        {
            self.duplicates += 1;
            return;
        }
        if sequence < hook.next {
            self.out_of_order += 1;
        }
        hook.next = hook.next.max(sequence + 1);
        self.receipts += 1;
        if hook.watched {
            self.watched += 1;
            self.run.receipts += 1;
            self.run.first_ns = self.run.first_ns.min(now_ns);
            self.run.last_ns = self.run.last_ns.max(now_ns);
            self.run.latencies.record_ns(now_ns.saturating_sub(sent_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sequence: u64) -> Mark {
        Mark::Counted {
            sequence,
            sent_ns: 1_000_000,
        }
    }

    fn ledger(sequences: &[u64]) -> Ledger {
        let ledger = Ledger::new(2, |_| true).unwrap();
        for sequence in sequences {
            assert!(ledger.receive(0, &[counted(*sequence)], 3_000_000));
        }
        ledger
    }

    #[test]
    fn what_never_came_is_lost() {
        let faults = ledger(&[0, 1, 3]).faults(5);
        assert_eq!(
            faults,
            Faults {
                lost: 2,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn what_came_again_is_a_duplicate_and_not_out_of_order() {
        let faults = ledger(&[0, 1, 0, 1, 2]).faults(3);
        assert_eq!(
            faults,
            Faults {
                duplicates: 2,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn a_first_receipt_behind_a_later_event_is_out_of_order() {
        let faults = ledger(&[0, 2, 1, 3]).faults(4);
        assert_eq!(
            faults,
            Faults {
                out_of_order: 1,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn webhooks_are_counted_apart() {
        let ledger = ledger(&[0, 1]);
        assert!(ledger.receive(1, &[counted(0), counted(1)], 3_000_000));
        assert_eq!(ledger.faults(4), Faults::default());
        assert!(!ledger.receive(2, &[counted(0)], 3_000_000));
    }

    #[test]
    fn a_run_has_latencies_of_its_own() {
        let ledger = ledger(&[0, 1]);
        assert_eq!((ledger.run().receipts, ledger.run().last_ns), (2, 3_000_000));
        assert!((ledger.run().latencies.quantile_ms(0.5) - 2.0).abs() < 0.01);
        ledger.begin();
        assert!(ledger.receive(0, &[counted(2)], 11_000_000));
        assert_eq!(ledger.run().receipts, 1);
        assert!((ledger.run().latencies.quantile_ms(0.5) - 10.0).abs() < 0.02);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_receipt_that_was_missing() {
        let ledger = ledger(&[0]);
        let receive = async {
            tokio::task::yield_now().await;
            ledger.receive(0, &[counted(0), Mark::Probe], 3_000_000);
            tokio::task::yield_now().await;
            ledger.receive(1, &[counted(0), Mark::Probe], 3_000_000);
        };
        tokio::join!(ledger.reached(2), ledger.probed(), receive);
        assert_eq!(ledger.run().receipts, 2);
        assert!(ledger.is_probed(1));
    }

    #[tokio::test]
    async fn figures_are_of_watched_webhooks_and_faults_of_all() {
        let ledger = Ledger::new(2, |hook| hook == 1).unwrap();
        for hook in [0, 1] {
            ledger.receive(hook, &[counted(0)], 3_000_000);
        }
        ledger.reached(1).await;
        ledger.reached_by_all(2).await;
        assert_eq!(ledger.run().receipts, 1);
        assert_eq!(ledger.faults(3).lost, 1);
    }
}
