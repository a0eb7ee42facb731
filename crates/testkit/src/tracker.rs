//! Counts what is lost, duplicated or out of order.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::receiver::Received;

/// Events with this number and above are probes: they are not counted.
pub const FIRST_PROBE: u64 = 1 << 40;

/// What each hook should receive and has received. Events are numbered by the test: `data` is `{"n": <number>}`.
#[derive(Debug, Default)]
pub struct Tracker {
    hooks: BTreeMap<String, Hook>,
    /// Requests that were looked at.
    seen: usize,
}

#[derive(Debug, Default)]
struct Hook {
    expected: Vec<u64>,
    /// The place of each number among the expected.
    places: HashMap<u64, usize>,
    first_receipts: Vec<u64>,
    times: HashMap<u64, u32>,
    unexpected: u64,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Events that should have come and did not.
    pub lost: usize,
    /// Receipts beyond the first of an event.
    pub duplicates: usize,
    /// First receipts that came after that of an event published later.
    pub out_of_order: usize,
    /// Receipts of events that the hook does not want.
    pub unexpected: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lost,
            duplicates,
            out_of_order,
            unexpected,
        } = self;
        write!(
            f,
            "lost {lost}, duplicates {duplicates}, out of order {out_of_order}, unexpected {unexpected}"
        )
    }
}

#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    data: Numbered,
}

#[derive(Deserialize)]
struct Numbered {
    n: u64,
}

impl Tracker {
    /// The hook should receive this event, after those that were expected before.
    pub fn expect(&mut self, hook: &str, number: u64) {
        let hook = self.hooks.entry(hook.to_owned()).or_default();
        hook.places.insert(number, hook.expected.len());
        hook.expected.push(number);
    }

    /// Looks at the requests that it has not seen yet; whether every expected event has come.
    ///
    /// # Errors
    /// When a body is no envelope with numbered events.
    pub fn look(&mut self, received: &[Received]) -> Result<bool> {
        for request in received
            .iter()
            .skip(self.seen)
            .filter(|request| request.is_delivered())
        {
            let envelope: Envelope = serde_json::from_slice(&request.body)
                .with_context(|| format!("not an envelope: {}", String::from_utf8_lossy(&request.body)))?;
            let hook = self.hooks.entry((*request.hook).to_owned()).or_default();
            for event in envelope.events.iter().filter(|event| event.data.n < FIRST_PROBE) {
                hook.receive(event.data.n);
            }
        }
        self.seen = received.len();
        Ok(self
            .hooks
            .values()
            .all(|hook| hook.first_receipts.len() == hook.expected.len()))
    }

    /// First receipts so far, of all hooks.
    #[must_use]
    pub fn receipts(&self) -> usize {
        self.hooks.values().map(|hook| hook.first_receipts.len()).sum()
    }

    /// What has been counted so far.
    #[must_use]
    pub fn count(&self) -> Count {
        self.hooks
            .values()
            .map(Hook::count)
            .fold(Count::default(), |sum, one| Count {
                lost: sum.lost + one.lost,
                duplicates: sum.duplicates + one.duplicates,
                out_of_order: sum.out_of_order + one.out_of_order,
                unexpected: sum.unexpected + one.unexpected,
            })
    }
}

impl Hook {
    fn receive(&mut self, number: u64) {
        if !self.places.contains_key(&number) {
            self.unexpected += 1;
            return;
        }
        let times = self.times.entry(number).or_default();
        *times += 1;
        if *times == 1 {
            self.first_receipts.push(number);
        }
    }

    fn count(&self) -> Count {
        let places = self
            .first_receipts
            .iter()
            .filter_map(|number| self.places.get(number));
        let mut highest = None;
        let mut out_of_order = 0;
        for place in places {
            if highest.is_some_and(|highest| place < highest) {
                out_of_order += 1;
            } else {
                highest = Some(place);
            }
        }
        let receipts: u64 = self.times.values().copied().map(u64::from).sum();
        let receipts = usize::try_from(receipts).unwrap_or(usize::MAX);
        Count {
            lost: self.expected.len() - self.first_receipts.len(),
            duplicates: receipts - self.first_receipts.len(),
            out_of_order,
            unexpected: usize::try_from(self.unexpected).unwrap_or(usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(receipts: &[u64]) -> Count {
        let mut tracker = Tracker::default();
        (1..=4).for_each(|number| tracker.expect("hook", number));
        let hook = tracker.hooks.get_mut("hook").unwrap();
        receipts.iter().for_each(|number| hook.receive(*number));
        tracker.count()
    }

    #[test]
    fn losses_duplicates_and_disorder_are_told_apart() {
        let none = Count::default();
        assert_eq!(counted(&[1, 2, 3, 4]), none);
        assert_eq!(counted(&[1, 2, 4]), Count { lost: 1, ..none });
        assert_eq!(
            counted(&[1, 2, 1, 2, 3, 4]),
            Count {
                duplicates: 2,
                ..none
            }
        );
        assert_eq!(
            counted(&[2, 1, 3, 4]),
            Count {
                out_of_order: 1,
                ..none
            }
        );
        assert_eq!(
            counted(&[1, 2, 3, 4, 9]),
            Count {
                unexpected: 1,
                ..none
            }
        );
    }
}
