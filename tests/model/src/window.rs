//! Groups on their way, in order: what is done counts only up to the first that is not.

use crate::bits::Bits;
use crate::bounds::MAX_CALLS;
use crate::parked::Parked;

/// A POST under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Post {
    /// The receiver has the group; the answer is still under way.
    pub(crate) arrived: bool,
}

impl Post {
    pub(crate) const BEGUN: Self = Self { arrived: false };
}

/// A group of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Open {
    pub(crate) what: Parked,
    /// While it is under way. Then it was taken, or is parked, and only waits for those in front of it.
    pub(crate) post: Option<Post>,
}

/// The groups on their way, and those behind the first of them that are done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Window([Option<Open>; MAX_CALLS]);

impl Window {
    pub(crate) fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Open> {
        self.0.into_iter().flatten()
    }

    /// How many are under way.
    pub(crate) fn calls(&self) -> usize {
        self.iter().filter(|open| open.post.is_some()).count()
    }

    /// All their offsets.
    pub(crate) fn offsets(&self) -> Bits {
        self.iter()
            .fold(Bits::EMPTY, |all, open| all.union(open.what.group))
    }

    pub(crate) fn begin(&mut self, what: Parked) {
        if let Some(free) = self.0.iter_mut().find(|open| open.is_none()) {
            let post = Some(Post::BEGUN);
            *free = Some(Open { what, post });
        }
    }

    pub(crate) fn get_mut(&mut self, index: u8) -> Option<&mut Open> {
        self.0.get_mut(usize::from(index))?.as_mut()
    }

    /// Takes one out, wherever it stands.
    pub(crate) fn remove(&mut self, index: u8) -> Option<Open> {
        let removed = self.0.get_mut(usize::from(index))?.take();
        self.0[usize::from(index)..].rotate_left(1);
        removed
    }

    /// Takes the first out, if it is done with.
    pub(crate) fn pop_done(&mut self) -> Option<Bits> {
        let first = self.0[0].filter(|first| first.post.is_none())?;
        self.remove(0);
        Some(first.what.group)
    }
}
