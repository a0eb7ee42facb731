//! What a run of the checker explores: sizes, and how often each fault may strike.

use crate::bits::Bits;

/// The most webhooks of a run.
pub const WEBHOOKS: usize = 2;
/// The longest log. [`Bits`] holds as many offsets.
pub(crate) const MAX_RECORDS: u8 = 14;
/// The largest group.
pub(crate) const MAX_GROUP: usize = 2;
/// How many POSTs of an unordered webhook are under way at most.
pub(crate) const MAX_CALLS: usize = 2;
/// How many groups an unordered webhook has parked at most.
pub(crate) const MAX_PARKED: usize = 2;
/// How many orders a run has at most.
pub(crate) const MAX_ORDERS: usize = 2;
/// How many appends to `cursors` an owner has under way at most.
pub(crate) const MAX_PENDING: usize = 3;

/// When webhooks are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// At once.
    Realtime,
    /// When the timetable says so, up to the end that the log had then.
    Batch,
}

/// What a superseded owner may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zombie {
    /// Nothing: an owner that is followed was killed.
    Dead,
    /// It writes cursors, P and Redis, and a POST that it had begun may arrive.
    Writes,
    /// It also reads and begins POSTs: as if there were no lease.
    Posts,
}

/// A view of the registry: which webhooks want which event.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The webhooks that this revision created or changed.
    pub changed: Bits,
    /// For each event, in order, the webhooks that want it.
    pub wanted: &'static [Bits],
}

/// How often each fault may strike in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// An owner ends, or is thought to have ended, and another takes over; also in the middle of a takeover.
    pub takeovers: u8,
    /// Redis loses everything.
    pub redis_wipes: u8,
    /// Redis loses its last write.
    pub redis_rollbacks: u8,
    /// A new owner finds Redis away.
    pub redis_away: u8,
    /// A receiver refuses a group.
    pub refusals: u8,
    /// A receiver takes a group, and the answer is lost.
    pub lost_answers: u8,
    /// A queue overflows.
    pub overflows: u8,
    /// Someone orders a replay of the first webhook.
    pub replays: u8,
    /// Someone cancels the replay of the first webhook, if there is one.
    pub cancels: u8,
    /// Fanout dies and restarts from its commit.
    pub fanout_restarts: u8,
    /// Fanout's report of an event fails.
    pub failed_reports: u8,
    /// Fanout freezes, another takes over, and the frozen one thaws.
    pub fanout_freezes: u8,
}

/// One configuration.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Which lane the partition belongs to.
    pub lane: Lane,
    /// How many webhooks the partition has.
    pub webhooks: usize,
    /// The registry's revisions, the first one being there from the start.
    pub views: &'static [View],
    /// Whether webhooks have several POSTs under way, and park what fails (ADR 7).
    pub unordered: bool,
    /// Whether an owner may learn of a revision later than fanout.
    pub stale_owner: bool,
    /// What a superseded owner may still do.
    pub zombie: Zombie,
    /// Whether catch-up writes its progress to `cursors` too.
    pub catch_up_cursors: bool,
    /// How often each fault may strike.
    pub faults: Faults,
}

impl Faults {
    /// No fault at all.
    pub const NONE: Self = Self {
        takeovers: 0,
        redis_wipes: 0,
        redis_rollbacks: 0,
        redis_away: 0,
        refusals: 0,
        lost_answers: 0,
        overflows: 0,
        replays: 0,
        cancels: 0,
        fanout_restarts: 0,
        failed_reports: 0,
        fanout_freezes: 0,
    };
}

impl Bounds {
    /// One real-time webhook, killed owners, and an owner that knows the registry as it is.
    #[must_use]
    pub const fn one_webhook(views: &'static [View], faults: Faults) -> Self {
        Self {
            lane: Lane::Realtime,
            webhooks: 1,
            views,
            unordered: false,
            stale_owner: false,
            zombie: Zombie::Dead,
            catch_up_cursors: false,
            faults,
        }
    }

    /// How many POSTs of a webhook are under way at most.
    pub(crate) fn calls(&self) -> usize {
        if self.unordered { MAX_CALLS } else { 1 }
    }

    pub(crate) fn events(&self) -> u8 {
        self.views
            .first()
            .and_then(|view| u8::try_from(view.wanted.len()).ok())
            .unwrap_or(0)
    }

    pub(crate) fn last_revision(&self) -> u8 {
        u8::try_from(self.views.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// Who wants the event numbered `source`, from 1, under a view.
    pub(crate) fn wanted(&self, source: u8, revision: u8) -> Bits {
        self.views[usize::from(revision)].wanted[usize::from(source - 1)]
    }

    /// The revision up to and with `view` that changed the webhook last; `None`: the view does not know it.
    pub(crate) fn changed_at(&self, webhook: u8, view: u8) -> Option<u8> {
        (0..=view)
            .rev()
            .find(|r| self.views[usize::from(*r)].changed.contains(webhook))
    }

    /// Whether a repetition can be told from its source offset alone.
    pub(crate) fn sources_rise(&self) -> bool {
        self.views.len() == 1
    }
}
