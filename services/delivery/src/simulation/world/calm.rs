//! Some worlds are calm: owners live long, and Redis remembers, so that what takes long to come about does. What is chosen
//! here has dice of its own: other worlds are the same.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Whether a world is.
#[derive(Debug)]
pub(super) struct Calm(Option<SmallRng>);

impl Calm {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed.rotate_left(31));
        Self(rng.random_bool(0.25).then_some(rng))
    }

    /// Whether an owner or Redis is spared.
    pub(super) fn holds(&mut self) -> bool {
        self.0.as_mut().is_some_and(|rng| rng.random_bool(0.85))
    }
}
