//! Runs the simulation of the delivery protocol (`angarium_delivery::simulation`) over many seeds, on all cores.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use angarium_delivery::simulation::{self, Breach, Summary};

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Report {
    /// How many worlds ran.
    pub runs: u64,
    /// All of them together.
    pub total: Summary,
    /// The breach of the lowest seed among those that were found.
    pub breach: Option<Breach>,
}

/// Runs the seeds of a range. Ends soon after the first breach.
#[must_use]
pub fn run(seeds: Range<u64>) -> Report {
    let next = AtomicU64::new(seeds.start);
    let report = Mutex::new(Report::default());
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let ended = simulation::run(seed);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.add(ended);
                    if report.breach.is_some() {
                        return;
                    }
                }
            });
        }
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Report {
    fn add(&mut self, ended: Result<Summary, Breach>) {
        self.runs += 1;
        match ended {
            Ok(summary) => {
                self.total.owed += summary.owed;
                self.total.received += summary.received;
                self.total.given_up += summary.given_up;
                self.total.takeovers += summary.takeovers;
                self.total.calls += summary.calls;
                self.total.happened.add(&summary.happened);
            }
            Err(breach) if self.breach.as_ref().is_none_or(|other| breach.seed < other.seed) => {
                self.breach = Some(breach);
            }
            Err(_) => {}
        }
    }
}
