//! What is checked, by name.

use crate::bits::Bits;
use crate::bounds::{Bounds, Faults, Lane, View, Zombie};

const NOBODY: Bits = Bits::EMPTY;
const FIRST: Bits = Bits::of(&[0]);
const SECOND: Bits = Bits::of(&[1]);
const BOTH: Bits = Bits::of(&[0, 1]);

const fn always(wanted: &'static [Bits]) -> View {
    View { changed: BOTH, wanted }
}

const fn changing_first(wanted: &'static [Bits]) -> View {
    View { changed: FIRST, wanted }
}

/// Two events for one webhook.
pub const TWO_EVENTS: &[View] = &[always(&[FIRST; 2])];
/// Three events for one webhook.
pub const THREE_EVENTS: &[View] = &[always(&[FIRST; 3])];
/// Four events for one webhook.
pub const FOUR_EVENTS: &[View] = &[always(&[FIRST; 4])];
/// Two events, each for both webhooks.
pub const SHARED: &[View] = &[always(&[BOTH; 2])];
/// Three events: for the first webhook, for both, for the second.
pub const MIXED: &[View] = &[always(&[FIRST, BOTH, SECOND])];
/// The webhook wants the last of three events, and then all.
pub const WIDENED: &[View] = &[always(&[NOBODY, NOBODY, FIRST]), changing_first(&[FIRST; 3])];
/// The webhook wants the last of two events, and then both.
pub const WIDENED_SHORT: &[View] = &[always(&[NOBODY, FIRST]), changing_first(&[FIRST; 2])];
/// The webhook wants all of three events, and then only the last.
pub const NARROWED: &[View] = &[always(&[FIRST; 3]), changing_first(&[NOBODY, NOBODY, FIRST])];
/// The webhook wants both events, and then only the last.
pub const NARROWED_SHORT: &[View] = &[always(&[FIRST; 2]), changing_first(&[NOBODY, FIRST])];
/// The webhook is widened, and then changed once more.
pub const CHANGED_TWICE: &[View] = &[
    always(&[NOBODY, FIRST]),
    changing_first(&[FIRST; 2]),
    changing_first(&[FIRST; 2]),
];
/// The webhook is created when the second is there.
pub const CREATED: &[View] = &[
    View {
        changed: SECOND,
        wanted: &[SECOND; 3],
    },
    changing_first(&[BOTH; 3]),
];
/// The second webhook is changed, the first is not.
pub const OTHER_CHANGED: &[View] = &[
    always(&[FIRST; 3]),
    View {
        changed: SECOND,
        wanted: &[FIRST, BOTH, FIRST],
    },
];

/// No fault at all.
const NONE: Faults = Faults {
    takeovers: 0,
    redis_wipes: 0,
    redis_rollbacks: 0,
    redis_away: 0,
    refusals: 0,
    lost_answers: 0,
    overflows: 0,
    replays: 0,
    fanout_restarts: 0,
    failed_reports: 0,
    fanout_freezes: 0,
};
/// A failing receiver and a takeover.
const CRASH: Faults = Faults {
    takeovers: 1,
    refusals: 1,
    ..NONE
};
/// A failing receiver and two takeovers.
const CRASHES: Faults = Faults { takeovers: 2, ..CRASH };

/// A run of the checker.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// What it is about.
    pub name: &'static str,
    /// What it explores.
    pub bounds: Bounds,
}

const fn one(views: &'static [View], faults: Faults) -> Bounds {
    Bounds {
        lane: Lane::Realtime,
        webhooks: 1,
        views,
        stale_owner: false,
        zombie: Zombie::Dead,
        catch_up_cursors: false,
        faults,
    }
}

const fn named(name: &'static str, bounds: Bounds) -> Configuration {
    Configuration { name, bounds }
}

/// Small enough for every run of the tests.
pub const QUICK: &[Configuration] = &[
    named("crashes and a lost answer", one(THREE_EVENTS, Faults { lost_answers: 1, ..CRASHES })),
    named("redis wiped", one(THREE_EVENTS, Faults { redis_wipes: 1, ..CRASHES })),
    named("redis away", one(THREE_EVENTS, Faults { redis_away: 1, ..CRASHES })),
    named("redis rolled back", one(THREE_EVENTS, Faults { redis_rollbacks: 1, ..CRASH })),
    named("overflow", one(THREE_EVENTS, Faults { overflows: 2, ..CRASH })),
    named("fanout restarts", one(TWO_EVENTS, Faults { fanout_restarts: 1, ..CRASH })),
    named("fanout's report fails", one(THREE_EVENTS, Faults { failed_reports: 1, ..CRASH })),
    named("replay", one(TWO_EVENTS, Faults { replays: 1, ..CRASHES })),
    named("two webhooks", Bounds { webhooks: 2, ..one(MIXED, CRASH) }),
    named("zombie writes", Bounds { zombie: Zombie::Writes, ..one(TWO_EVENTS, CRASHES) }),
    named("zombie posts", Bounds { zombie: Zombie::Posts, ..one(TWO_EVENTS, CRASHES) }),
    named("frozen fanout, widened webhook", one(WIDENED_SHORT, Faults { fanout_freezes: 1, ..CRASH })),
    named("frozen fanout, narrowed webhook", one(NARROWED_SHORT, Faults { fanout_freezes: 1, ..CRASH })),
    named("batch", Bounds { lane: Lane::Batch, ..one(THREE_EVENTS, CRASHES) }),
];

/// Larger, for `--thorough`.
pub const THOROUGH: &[Configuration] = &[
    named("t frozen 3", one(WIDENED, Faults { fanout_freezes: 1, ..CRASH })),
    named("t frozen stale", Bounds { stale_owner: true, ..one(WIDENED, Faults { fanout_freezes: 1, takeovers: 1, ..NONE }) }),
    named("t twice stale", Bounds { stale_owner: true, ..one(CHANGED_TWICE, Faults { fanout_freezes: 1, takeovers: 1, ..NONE }) }),
    named("t twice", one(CHANGED_TWICE, Faults { fanout_freezes: 1, takeovers: 1, ..NONE })),
    named("t created stale", Bounds { stale_owner: true, webhooks: 2, ..one(CREATED, Faults { takeovers: 1, ..NONE }) }),
    named("t other changed stale", Bounds { stale_owner: true, webhooks: 2, ..one(OTHER_CHANGED, Faults { takeovers: 1, fanout_restarts: 1, ..NONE }) }),
    named("t batch two", Bounds { lane: Lane::Batch, webhooks: 2, ..one(MIXED, CRASH) }),
    named("t batch zombie", Bounds { lane: Lane::Batch, zombie: Zombie::Posts, ..one(TWO_EVENTS, CRASHES) }),
    named("t zombie wiped", Bounds { zombie: Zombie::Posts, ..one(TWO_EVENTS, Faults { redis_wipes: 1, ..CRASHES }) }),
    named("t zombie replay", Bounds { zombie: Zombie::Posts, ..one(TWO_EVENTS, Faults { replays: 1, ..CRASHES }) }),
];
