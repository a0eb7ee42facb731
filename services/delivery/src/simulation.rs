//! A simulation of the delivery protocol (DESIGN §7): what fanout and the partition decide, their code unchanged, in a
//! world whose every step is chosen by a seed.
//!
//! All I/O of the partition actor is an effect that the world carries out when it likes, or never: an append to the
//! cursors topic lands and is acknowledged in two steps, a checkpoint reaches Redis late or not at all, a POST arrives,
//! and its answer may be lost, or it is not sent at all. Between any two steps the owner may crash, or be frozen and
//! followed by another; what a frozen one has under way still lands, and one that does not know goes on reading and
//! writing. Some webhooks are unordered; receivers refuse one event for long, or hang on it, or take few at once. Events are
//! small, or larger than any queue, or come by hundreds. Redis is wiped, rolled back, away. Webhooks are created, edited,
//! switched off and on, deleted and brought back, and an owner learns it late. The log is cut, or created anew, under a worker too. [`What`] lists what must happen
//! somewhere; `tests/sim` counts it.
//!
//! Fanout reads events of all types of a lane and writes them to two partitions, of which this is one (`fanout`). A record
//! is handed over, lands and is acknowledged in three steps; between any two of them fanout may die, in the middle of an event too,
//! hear that a report is bad, learn of a change and have to wait for a commit, or be frozen, and write late what it
//! matched under an old view. Its producer and its consumer group are the world's: that a producer writes nothing
//! behind what has failed, and that the group takes a commit from the owner alone, is not looked into here.
//!
//! In the end the faults stop. [`run`] fails when a promise was broken; the same seed does the same again.

mod crowd;
mod cursors;
mod fanout;
pub(crate) mod fixtures;
mod happened;
mod heads;
mod owner;
mod receivers;
mod world;

use angarium_model::Lane;

pub use self::crowd::{Recovery, recover};
pub use self::happened::{Happened, What};

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Events times webhooks that wanted them.
    pub owed: usize,
    /// Receipts, first or not.
    pub received: usize,
    /// What was given up: put aside, or too old to be sent.
    pub given_up: usize,
    /// Takeovers.
    pub takeovers: usize,
    /// POSTs.
    pub calls: usize,
    /// What worlds are there for.
    pub happened: Happened,
}

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {lane} lane, step {step}: {what}")]
pub struct Breach {
    /// The seed that does it again.
    pub seed: u64,
    /// The lane.
    pub lane: Lane,
    /// After how many steps.
    pub step: usize,
    /// What happened.
    pub what: String,
}

/// Runs one world to its end.
///
/// # Errors
/// The first promise that is broken.
pub fn run(seed: u64) -> Result<Summary, Breach> {
    world::World::new(seed).run()
}

/// Runs one world, and tells what happened in it, a line a step: for a person who looks into a breach.
///
/// # Errors
/// As [`run`].
pub fn tell(seed: u64) -> (Result<Summary, Breach>, Vec<String>) {
    world::World::told(seed)
}

#[cfg(test)]
mod tests {
    #[test]
    fn d6_d7_whatever_fails_nothing_is_lost_and_first_receipts_are_in_order() {
        let mut takeovers = 0;
        for seed in 0..400 {
            match super::run(seed) {
                Ok(summary) => takeovers += summary.takeovers,
                Err(breach) => {
                    let story = super::tell(breach.seed).1.join("\n");
                    panic!("{story}\n{breach}");
                }
            }
        }
        assert!(takeovers > 400, "workers fail in it: {takeovers}");
    }

    #[test]
    fn a_seed_does_the_same_again() {
        assert_eq!(super::run(7), super::run(7));
    }
}
