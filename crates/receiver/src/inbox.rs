//! G1–G4 and D8 together: what of a group is there to be done?

use std::collections::HashSet;

use crate::{Continuity, Event, Gaps, Group, Key, Order, Reason, Seen};

/// Sorts the groups of one webhook, one after another in the order of their arrival.
#[derive(Debug)]
pub struct Inbox<S> {
    seen: S,
    order: Order,
    gaps: Gaps,
}

/// A group that was sorted.
#[derive(Debug)]
pub struct Sorted<'g> {
    /// Whether anything is missing before it.
    pub continuity: Continuity,
    /// Its events in their order, each with what is to be done with it.
    pub events: Vec<(&'g Event, Verdict)>,
    group: &'g Group,
    keys: Vec<Key>,
}

/// What is to be done with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Work on it.
    Take,
    /// G1: it was taken before.
    Duplicate,
    /// G2–G4: it comes too late to count.
    Ignore(Reason),
}

impl Sorted<'_> {
    /// The events to work on.
    pub fn to_take(&self) -> impl Iterator<Item = &Event> {
        self.events
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Take)
            .map(|(event, _)| *event)
    }
}

impl<S: Seen> Inbox<S> {
    /// With rules of order that remember as much as [`Order::default`].
    #[must_use]
    pub fn new(seen: S) -> Self {
        Self::with(seen, Order::default(), Gaps::new())
    }

    /// With rules of order of another size, and positions from before a restart.
    #[must_use]
    pub const fn with(seen: S, order: Order, gaps: Gaps) -> Self {
        Self { seen, order, gaps }
    }

    /// The positions seen, to be kept over a restart.
    #[must_use]
    pub const fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// Says of each event of the group whether there is work to do.
    ///
    /// What someone asked for again (`angarium-again`) was done before, and is wanted all the same: of it only another
    /// attempt at the same group is a duplicate, and no event is too late.
    ///
    /// # Errors
    /// When the store cannot be asked. Nothing has changed by then: sort the same group again.
    pub async fn sort<'g>(&mut self, group: &'g Group) -> Result<Sorted<'g>, S::Error> {
        let keys: Vec<Key> = match (group.again, Key::of_group(group)) {
            (Some(_), Some(whole)) => vec![whole],
            _ => group.events.iter().map(Key::of_event).collect(),
        };
        let own = self.seen.claim(group.arrival, &keys).await?;
        let mut in_group = HashSet::with_capacity(keys.len());
        let mut events = Vec::with_capacity(group.events.len());
        for (index, event) in group.events.iter().enumerate() {
            let verdict = if group.again.is_some() {
                if own.first() == Some(&true) {
                    Verdict::Take
                } else {
                    Verdict::Duplicate
                }
            } else if own.get(index) == Some(&true) && in_group.insert(keys.get(index)) {
                self.order
                    .judge(event)
                    .map_or_else(Verdict::Ignore, |()| Verdict::Take)
            } else {
                Verdict::Duplicate
            };
            events.push((event, verdict));
        }
        Ok(Sorted {
            continuity: self.gaps.see(group),
            events,
            group,
            keys,
        })
    }

    /// The work failed: the same events are no duplicates when they come again. They come again only if the request was
    /// not acknowledged, or when someone asks for them.
    ///
    /// # Errors
    /// When the store cannot be asked: the events may pass for taken from then on.
    pub async fn failed(&self, sorted: &Sorted<'_>) -> Result<(), S::Error> {
        self.seen.release(sorted.group.arrival, &sorted.keys).await
    }
}
