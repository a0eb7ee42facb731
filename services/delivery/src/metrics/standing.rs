//! How the webhooks of this worker stand, summed over its partitions when metrics are read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use angarium_model::Lane;
use angarium_runtime::Clock;
use opentelemetry::KeyValue;

use super::{LANE, OLDEST, OVERDUE, PARTITIONS, STATE, WEBHOOKS};
use crate::hook::State;

/// How the webhooks of a partition stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many are in each state, as in [`State::ALL`].
    pub(crate) in_state: [u32; State::ALL.len()],
    /// When the oldest event was accepted that is known to be undone, or since when its webhook fails: Unix milliseconds.
    pub(crate) oldest_ms: Option<i64>,
    /// When the retry was due that is due for longest: Unix milliseconds.
    pub(crate) due_ms: Option<i64>,
}

/// Where partitions say how they stand. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<HashMap<(Lane, i32), Standing>>>);

/// A partition's part of the board, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    board: Board,
    of: (Lane, i32),
}

impl Board {
    /// What is on it is measured from now on.
    pub(crate) fn observe(&self, clock: &Clock) {
        let board = self.clone();
        WEBHOOKS.observe(move |tell| {
            for (lane, sum) in board.sums() {
                for (state, count) in State::ALL.into_iter().zip(sum.standing.in_state) {
                    let labels = [
                        KeyValue::new(LANE, lane.as_str()),
                        KeyValue::new(STATE, state.as_str()),
                    ];
                    tell(f64::from(count), &labels);
                }
            }
        });
        let board = self.clone();
        PARTITIONS.observe(move |tell| {
            for (lane, sum) in board.sums() {
                tell(f64::from(sum.partitions), &[KeyValue::new(LANE, lane.as_str())]);
            }
        });
        for (definition, since) in [
            (
                OLDEST,
                (|standing| standing.oldest_ms) as fn(&Standing) -> Option<i64>,
            ),
            (OVERDUE, |standing| standing.due_ms),
        ] {
            let (board, clock) = (self.clone(), clock.clone());
            definition.observe(move |tell| {
                let now_ms = clock.now_ms();
                for (lane, sum) in board.sums() {
                    let since_ms = since(&sum.standing).unwrap_or(now_ms);
                    let age =
                        Duration::from_millis(u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0));
                    tell(age.as_secs_f64(), &[KeyValue::new(LANE, lane.as_str())]);
                }
            });
        }
    }

    /// For a partition that begins.
    pub(crate) fn seat(&self, lane: Lane, partition: i32) -> Seat {
        let of = (lane, partition);
        self.lock().insert(of, Standing::default());
        Seat {
            board: self.clone(),
            of,
        }
    }

    fn sums(&self) -> [(Lane, Sum); Lane::ALL.len()] {
        let board = self.lock();
        Lane::ALL.map(|lane| {
            let mut sum = Sum::default();
            for (_, standing) in board.iter().filter(|((of, _), _)| *of == lane) {
                sum.add(standing);
            }
            (lane, sum)
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Lane, i32), Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Sum {
    partitions: u32,
    standing: Standing,
}

impl Sum {
    fn add(&mut self, other: &Standing) {
        self.partitions += 1;
        let sum = &mut self.standing;
        for (count, more) in sum.in_state.iter_mut().zip(other.in_state) {
            *count = count.saturating_add(more);
        }
        sum.oldest_ms = earlier(sum.oldest_ms, other.oldest_ms);
        sum.due_ms = earlier(sum.due_ms, other.due_ms);
    }
}

impl Seat {
    /// How the partition stands now.
    pub(crate) fn tell(&self, standing: Standing) {
        self.board.lock().insert(self.of, standing);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.board.lock().remove(&self.of);
    }
}

/// The earlier of two times, if there are any.
pub(crate) fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_summed_by_lane_and_gone_ones_are_not_counted() {
        let board = Board::default();
        let standing = |failing, oldest_ms| Standing {
            in_state: [1, failing, 0, 0, 0],
            oldest_ms,
            due_ms: None,
        };
        let one = board.seat(Lane::Realtime, 1);
        one.tell(standing(2, Some(50)));
        let two = board.seat(Lane::Realtime, 2);
        two.tell(standing(3, Some(40)));
        board.seat(Lane::Batch, 1).tell(standing(9, Some(1)));
        let realtime = |board: &Board| {
            let sums = board.sums();
            let (_, sum) = sums
                .into_iter()
                .find(|(lane, _)| *lane == Lane::Realtime)
                .unwrap();
            (sum.partitions, sum.standing)
        };
        let both = Standing {
            in_state: [2, 5, 0, 0, 0],
            oldest_ms: Some(40),
            due_ms: None,
        };
        assert_eq!(realtime(&board), (2, both));
        drop(two);
        assert_eq!(realtime(&board), (1, standing(2, Some(50))));
        let batch = board.sums().into_iter().find(|(lane, _)| *lane == Lane::Batch);
        assert_eq!(batch.unwrap().1.partitions, 0, "its seat was given up");
    }
}
