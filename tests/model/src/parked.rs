//! Groups of an unordered webhook that failed: each waits for its own retry, and holds up no other (ADR 7).

use crate::bits::Bits;
use crate::bounds::MAX_PARKED;
use crate::window::Post;

/// A group as it is sent; one that failed is listed in a cursor as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Parked {
    /// What it was sent in: its id is made of it.
    pub(crate) generation: u8,
    pub(crate) group: Bits,
    /// It was sent by a replay.
    pub(crate) is_replay: bool,
}

/// What a cursor lists: all below its place is done but for these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Listed([Option<Parked>; MAX_PARKED]);

/// A group that waits for its retry, or is being retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Retry {
    pub(crate) what: Parked,
    pub(crate) post: Option<Post>,
}

/// All of a webhook, in the order of their generations and places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Retries([Option<Retry>; MAX_PARKED]);

impl Listed {
    /// Nothing is parked.
    pub(crate) const EMPTY: Self = Self([None; MAX_PARKED]);

    pub(crate) fn iter(&self) -> impl Iterator<Item = Parked> {
        self.0.into_iter().flatten()
    }
}

impl Retries {
    pub(crate) fn of(listed: Listed) -> Self {
        Self(
            listed
                .0
                .map(|parked| parked.map(|what| Retry { what, post: None })),
        )
    }

    pub(crate) fn listed(&self) -> Listed {
        Listed(self.0.map(|retry| retry.map(|retry| retry.what)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Retry> {
        self.0.into_iter().flatten()
    }

    pub(crate) fn calls(&self) -> usize {
        self.iter().filter(|retry| retry.post.is_some()).count()
    }

    pub(crate) fn any_of_replay(&self) -> bool {
        self.iter().any(|retry| retry.what.is_replay)
    }

    /// The offsets of those that `counts` says count.
    pub(crate) fn offsets(&self, counts: impl Fn(Parked) -> bool) -> Bits {
        self.iter()
            .map(|retry| retry.what)
            .filter(|what| counts(*what))
            .fold(Bits::EMPTY, |all, what| all.union(what.group))
    }

    pub(crate) fn get_mut(&mut self, index: u8) -> Option<&mut Retry> {
        self.0.get_mut(usize::from(index))?.as_mut()
    }

    pub(crate) fn park(&mut self, what: Parked) {
        let retry = Retry { what, post: None };
        let mut all: Vec<_> = self.iter().chain([retry]).collect();
        all.sort_by_key(|retry| retry.what);
        self.fill(all);
    }

    pub(crate) fn drop_of_replay(&mut self) {
        self.retain(|what| !what.is_replay);
    }

    pub(crate) fn forget(&mut self, what: Parked) {
        self.retain(|other| other != what);
    }

    fn retain(&mut self, keeps: impl Fn(Parked) -> bool) {
        let kept = self.iter().filter(|retry| keeps(retry.what)).collect();
        self.fill(kept);
    }

    fn fill(&mut self, retries: Vec<Retry>) {
        *self = Self::default();
        for (place, retry) in self.0.iter_mut().zip(retries) {
            *place = Some(retry);
        }
    }
}
