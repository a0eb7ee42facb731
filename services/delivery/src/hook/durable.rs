//! Which cursor of a webhook stands in `angarium.cursors` under the own epoch, and when another must.

use std::collections::VecDeque;

use angarium_model::{Lane, Revision};

use super::{Hook, Known, Phase, Stage, Tail};
use crate::cursor::{Cursor, Standing};

/// What was written of a webhook.
#[derive(Debug, Default)]
pub(super) struct Durable {
    /// Events have come for a webhook that was at rest: since when must be on record.
    pub(super) rest_is_over: bool,
    /// The last cursor that was appended, whether or not it is acknowledged.
    last: Option<Written>,
    /// Appended and not acknowledged, oldest first.
    unacknowledged: VecDeque<Kind>,
    /// The last acknowledged one.
    acknowledged: Option<Kind>,
    outdated: Option<Outdated>,
    /// What came while the cursor was under way that mends it: of that the next one tells.
    outdated_again: Option<Outdated>,
    /// The newest view that a record of the live stream was made under.
    passed: Revision,
}

/// What is on record was written under a view older than a change of the webhook that records of the live stream know of. A
/// new owner with a view between the two, in which the webhook was deleted and not brought back yet, would forget it.
#[derive(Clone, Copy, Debug)]
struct Outdated {
    /// The first of those records: the place waits for it.
    at: i64,
    /// The newest view that must be on record.
    until: Revision,
}

#[derive(Debug)]
struct Written {
    generation: i64,
    resume: i64,
    newest_view: Revision,
    standing: Standing,
}

/// What matters of a cursor for the partition's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    generation: i64,
    newest_view: Revision,
    is_live: bool,
}

/// Where the acknowledged cursor leads a new owner, of a webhook that is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    /// To what is undone.
    ToIt,
    /// To where it was before the last replay order, which must be met again.
    BeforeItsOrder,
    /// It says nothing.
    Nowhere,
}

impl Written {
    fn kind(&self) -> Kind {
        Kind {
            generation: self.generation,
            newest_view: self.newest_view,
            is_live: self.standing.is_live(),
        }
    }
}

impl Durable {
    /// What a new owner would find: the last acknowledged cursor, unless a live one may have been written since.
    fn leads(&self, generation: i64) -> Leads {
        match self.acknowledged {
            Some(kind) if kind.is_live || self.unacknowledged.iter().any(|kind| kind.is_live) => {
                Leads::Nowhere
            }
            Some(kind) if kind.generation == generation => Leads::ToIt,
            Some(_) => Leads::BeforeItsOrder,
            None => Leads::Nowhere,
        }
    }

    /// The last cursor that was appended, if it says that the webhook is behind.
    fn left(&self) -> Option<&Written> {
        self.last.as_ref().filter(|last| !last.standing.is_live())
    }

    /// A record of the live stream at `at` was made under this view, and the webhook changed by this revision.
    fn passes(&mut self, view: Revision, changed_at: Revision, at: i64) {
        self.passed = view.max(self.passed);
        let mut kinds = self.acknowledged.iter().chain(&self.unacknowledged);
        let is_known = kinds
            .next()
            .is_none_or(|oldest| oldest.newest_view >= view.min(changed_at));
        if self.has_left() && !is_known {
            let is_being_mended = self.outdated.is_some() && !self.tells_too_little();
            let outdated = if is_being_mended {
                &mut self.outdated_again
            } else {
                &mut self.outdated
            };
            let outdated = outdated.get_or_insert(Outdated { at, until: view });
            outdated.until = view.max(outdated.until);
        }
    }

    /// A cursor that was written under this view is acknowledged.
    fn tells_of(&mut self, view: Revision) {
        if self.outdated.is_none_or(|outdated| view >= outdated.until) {
            let again = self.outdated_again.take();
            self.outdated = again.filter(|again| view < again.until);
        }
    }

    /// Whether the last cursor that was appended is too old to tell of a change.
    fn tells_too_little(&self) -> bool {
        let last = self.last.as_ref().zip(self.outdated);
        last.is_some_and(|(last, outdated)| last.newest_view < outdated.until)
    }

    /// Whether the last cursor that was appended says that it is behind.
    pub(super) fn has_left(&self) -> bool {
        self.left().is_some()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Whether anything was written: what is removed then needs a tombstone.
    pub(super) fn is_on_record(&self) -> bool {
        self.last.is_some()
    }
}

impl Hook {
    /// A record of the live stream, at `at`, was made under this view; the webhook's last change is `changed_at`, whether the
    /// record knows it or not.
    pub(crate) fn passes(&mut self, view: Revision, changed_at: Revision, at: i64) {
        self.durable.passes(view, changed_at, at);
    }

    /// Whether no record of the live stream was made under a view as new as this.
    pub(crate) fn passes_newer_view(&self, view: Revision) -> bool {
        view > self.durable.passed
    }

    /// From where on a new owner must read, of a webhook that is behind, as far as its cursor does not say so.
    pub(super) fn not_on_record(&self, live_next: i64) -> Option<i64> {
        let outdated = self.durable.outdated.map(|outdated| outdated.at);
        let undone = self.leads_not_to(live_next);
        undone.into_iter().chain(outdated).min()
    }

    fn leads_not_to(&self, live_next: i64) -> Option<i64> {
        let before_order = match self.durable.leads(self.generation) {
            Leads::ToIt => return None,
            Leads::BeforeItsOrder => return Some(self.generation),
            Leads::Nowhere => {
                let replay = self.replay;
                let undone = replay.map_or_else(|| self.resume(live_next), |replay| replay.then);
                let parked = self.parked.first_of_stream();
                parked.map_or(undone, |parked| parked.min(undone))
            }
        };
        let of_this = |kind: Kind| kind.generation == self.generation;
        let is_on_record = self.generation == 0 || self.durable.acknowledged.is_some_and(of_this);
        Some(if is_on_record {
            before_order
        } else {
            before_order.min(self.generation)
        })
    }

    /// The cursor that must be written now, if one must; it counts as appended.
    ///
    /// Leaving the live stream must be on record, and what the cursor says of it: the failed group, the slot's end;
    /// only when the outcome of the call under way is known (DESIGN §7). So must be joining it.
    pub(crate) fn due_cursor(&mut self, live_next: i64, now_ms: i64) -> Option<Cursor> {
        let due = match (self.standing(), self.durable.left()) {
            (Standing::Live, left) => left.is_some(),
            (Standing::Behind { .. }, None) => self.window.calls() == 0 || !self.is_ordered(),
            (behind @ Standing::Behind { .. }, Some(left)) => {
                self.durable.rest_is_over
                    || left.generation != self.generation
                    || left.standing.differs(&behind)
                    // One at a time: many fail together.
                    || (self.durable.is_settled() && left.standing.parks_otherwise(&behind))
            }
        };
        // It says the same again, under a newer view.
        let renews = self.durable.has_left() && self.durable.is_settled() && self.durable.tells_too_little();
        if !due {
            return renews.then(|| self.append(self.standing(), live_next));
        }
        let begins_to_wait = std::mem::take(&mut self.durable.rest_is_over) || !self.durable.has_left();
        match &mut self.slot {
            Some(slot) => {
                if begins_to_wait {
                    slot.begun_ms = now_ms;
                }
                if slot.stage == Stage::Ending {
                    // A slot that passed meanwhile is made up.
                    self.rested_at_ms = slot.begun_ms;
                }
            }
            None if self.lane == Lane::Batch && begins_to_wait => self.rested_at_ms = now_ms,
            None => {}
        }
        Some(self.append(self.standing(), live_next))
    }

    /// The cursor with the progress since the last one, if it stands still otherwise.
    pub(crate) fn due_progress(&mut self, live_next: i64) -> Option<Cursor> {
        let left = self.durable.left()?;
        // A webhook at rest between two slots has nothing to tell.
        let moves = self.lane == Lane::Realtime || self.slot.is_some() || self.is_replaying();
        let moved = moves && self.is_detached() && self.durable.is_settled();
        (moved && self.resume(live_next) > left.resume && !self.is_announced())
            .then(|| self.append(self.standing(), live_next))
    }

    /// Writes what a new owner still needs under its own epoch: everything but a live webhook that reads from the
    /// place on (DESIGN §7).
    pub(crate) fn reassert(&mut self, place: i64) -> Option<Cursor> {
        let standing = self.standing();
        let needed = !standing.is_live() || self.generation > 0 || self.floor > place;
        needed.then(|| self.append(standing, self.floor.max(place)))
    }

    /// The oldest cursor under way is acknowledged.
    pub(crate) fn acknowledged(&mut self, known: Known) {
        let Some(written) = self.durable.unacknowledged.pop_front() else {
            return;
        };
        self.durable.acknowledged = Some(written);
        self.durable.tells_of(written.newest_view);
        if !self.durable.is_settled() {
            return;
        }
        if let Some(slot) = &mut self.slot {
            match slot.stage {
                Stage::Starting => slot.stage = Stage::Running,
                Stage::Ending => self.slot = None,
                Stage::Running => {}
            }
        }
        if written.is_live && self.is_announced() {
            self.go_live(known);
        }
    }

    /// Whether all that was written is acknowledged, and says what is parked: only then Redis may be told, which knows
    /// of no exceptions (DESIGN §7, order of writing).
    pub(crate) fn is_settled(&self) -> bool {
        let parked = self.durable.left().map_or(&[][..], |left| left.standing.parked());
        let is_known = self.parked.iter().map(|retry| &retry.what).eq(parked);
        self.durable.is_settled() && (is_known || !self.is_detached())
    }

    /// Whether a cursor of it was written.
    pub(crate) fn is_on_record(&self) -> bool {
        self.durable.is_on_record()
    }

    /// What the cursor should say.
    fn standing(&self) -> Standing {
        if !self.is_detached() || self.is_announced() {
            return Standing::Live;
        }
        let slot = self.slot.filter(|slot| slot.stage != Stage::Ending);
        Standing::Behind {
            since_ms: self
                .failing()
                .filter(|failing| !failing.is_of_size)
                .map_or(0, |failing| failing.since_ms),
            head: self.head.clone(),
            slot_end: slot.map(|slot| slot.until),
            rested_at_ms: self.rested_at_ms,
            replay: self.replay,
            parked: self.parked.iter().map(|retry| retry.what.clone()).collect(),
        }
    }

    fn append(&mut self, standing: Standing, live_next: i64) -> Cursor {
        let resume = match (&self.tail, self.slot) {
            // All below the join is done, and nothing at or above it is told to be.
            (Tail::Detached { join: Some(join), .. }, _) if standing.is_live() => join.at(),
            (_, Some(slot)) if slot.stage == Stage::Ending => slot.until,
            _ => self.resume(live_next),
        };
        let written = Written {
            generation: self.generation,
            resume,
            newest_view: self.newest_view,
            standing: standing.clone(),
        };
        self.durable.unacknowledged.push_back(written.kind());
        self.durable.last = Some(written);
        Cursor {
            account: self.account,
            generation: self.generation,
            resume,
            done: self.done,
            newest_view: self.newest_view,
            standing,
        }
    }

    /// Whether it takes what comes and has nothing on record that says otherwise.
    pub(crate) fn is_live(&self) -> bool {
        !self.is_detached() && self.phase == Phase::Ready && self.lane == Lane::Realtime
    }
}

impl Standing {
    /// Whether it has other groups parked, or says otherwise of a webhook with such groups whether it fails.
    fn parks_otherwise(&self, now: &Self) -> bool {
        match (self, now) {
            (
                Self::Behind { since_ms, parked, .. },
                Self::Behind {
                    since_ms: since_ms_now,
                    parked: parked_now,
                    ..
                },
            ) => parked != parked_now || (!parked_now.is_empty() && since_ms != since_ms_now),
            _ => false,
        }
    }

    /// Whether it leads a new owner to another group, or to another end of its slot or replay, or to another time since
    /// which the webhook fails. A head that was answered meanwhile does not: what lies behind it is done.
    fn differs(&self, now: &Self) -> bool {
        match (self, now) {
            (
                Self::Behind {
                    since_ms,
                    head,
                    slot_end,
                    replay,
                    ..
                },
                Self::Behind {
                    since_ms: since_ms_now,
                    head: head_now,
                    slot_end: slot_end_now,
                    replay: replay_now,
                    ..
                },
            ) => {
                let fails_otherwise = head != head_now || since_ms != since_ms_now;
                let leads_elsewhere = slot_end != slot_end_now || replay != replay_now;
                (!head_now.is_empty() && fails_otherwise) || leads_elsewhere
            }
            _ => true,
        }
    }
}
