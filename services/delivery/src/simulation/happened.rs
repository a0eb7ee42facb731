//! What happened in a world: it must happen somewhere, or the worlds prove less than they seem to.

/// Something that worlds are there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Fanout died, and what it had written came again.
    FanoutRepeats,
    /// A report of fanout's failed, and it went back to its commit under the view that it had.
    ReportFails,
    /// A frozen fanout wrote behind its follower, under the same view.
    LateUnderSameView,
    /// A frozen fanout wrote behind its follower, under an older view.
    LateUnderOldView,
}

impl What {
    /// All of it.
    pub const ALL: [Self; 4] = [
        Self::FanoutRepeats,
        Self::ReportFails,
        Self::LateUnderSameView,
        Self::LateUnderOldView,
    ];
}

/// How often each happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened([u64; What::ALL.len()]);

impl Happened {
    pub(super) fn note(&mut self, what: What) {
        self.0[what as usize] += 1;
    }

    /// How often it happened.
    #[must_use]
    pub fn times(&self, what: What) -> u64 {
        self.0[what as usize]
    }

    /// Adds what happened in another world.
    pub fn add(&mut self, other: &Self) {
        for (times, more) in self.0.iter_mut().zip(other.0) {
            *times += more;
        }
    }
}
