//! What is checked, by name.

use crate::bits::Bits;
use crate::bounds::{Bounds, Faults, Lane, View, Zombie};

const NOBODY: Bits = Bits::EMPTY;
const FIRST: Bits = Bits::of(&[0]);
const SECOND: Bits = Bits::of(&[1]);
const BOTH: Bits = Bits::of(&[0, 1]);

const fn always(wanted: &'static [Bits]) -> View {
    View {
        changed: BOTH,
        wanted,
    }
}

const fn changing_first(wanted: &'static [Bits]) -> View {
    View {
        changed: FIRST,
        wanted,
    }
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
/// The webhook wants both events, and then only the last.
pub const NARROWED_SHORT: &[View] = &[always(&[FIRST; 2]), changing_first(&[NOBODY, FIRST])];
/// The webhook is widened, and then changed once more.
pub const CHANGED_TWICE: &[View] = &[
    always(&[NOBODY, FIRST]),
    changing_first(&[FIRST; 2]),
    changing_first(&[FIRST; 2]),
];
/// The webhook is created when the log is there.
pub const CREATED: &[View] = &[
    View {
        changed: NOBODY,
        wanted: &[NOBODY; 2],
    },
    changing_first(&[FIRST; 2]),
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
const NONE: Faults = Faults::NONE;
/// A failing receiver and a takeover.
pub const CRASH: Faults = Faults {
    takeovers: 1,
    refusals: 1,
    ..NONE
};
/// A failing receiver and two takeovers.
pub const CRASHES: Faults = Faults {
    takeovers: 2,
    ..CRASH
};

/// A run of the checker.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// What it is about.
    pub name: &'static str,
    /// What it explores.
    pub bounds: Bounds,
}

const fn one(views: &'static [View], faults: Faults) -> Bounds {
    Bounds::one_webhook(views, faults)
}

const fn stale(bounds: Bounds) -> Bounds {
    Bounds {
        stale_owner: true,
        ..bounds
    }
}

const fn batch(bounds: Bounds) -> Bounds {
    Bounds {
        lane: Lane::Batch,
        ..bounds
    }
}

const fn named(name: &'static str, bounds: Bounds) -> Configuration {
    Configuration { name, bounds }
}

/// A frozen fanout and a takeover.
const FREEZE: Faults = Faults {
    fanout_freezes: 1,
    takeovers: 1,
    ..NONE
};

/// Small enough for every run of the tests.
pub const QUICK: &[Configuration] = &[
    named(
        "crashes and a lost answer",
        one(
            THREE_EVENTS,
            Faults {
                lost_answers: 1,
                ..CRASHES
            },
        ),
    ),
    named(
        "redis is wiped",
        one(
            THREE_EVENTS,
            Faults {
                redis_wipes: 1,
                ..CRASHES
            },
        ),
    ),
    named(
        "redis is away",
        one(
            THREE_EVENTS,
            Faults {
                redis_away: 1,
                ..CRASHES
            },
        ),
    ),
    named(
        "redis is rolled back",
        one(
            THREE_EVENTS,
            Faults {
                redis_rollbacks: 1,
                ..CRASH
            },
        ),
    ),
    named(
        "queues overflow",
        one(
            THREE_EVENTS,
            Faults {
                overflows: 2,
                ..CRASH
            },
        ),
    ),
    named(
        "fanout restarts",
        one(
            TWO_EVENTS,
            Faults {
                fanout_restarts: 1,
                ..CRASH
            },
        ),
    ),
    named(
        "a report of fanout fails",
        one(
            THREE_EVENTS,
            Faults {
                failed_reports: 1,
                takeovers: 1,
                ..NONE
            },
        ),
    ),
    named(
        "a replay",
        one(
            TWO_EVENTS,
            Faults {
                replays: 1,
                ..CRASHES
            },
        ),
    ),
    named(
        "two webhooks",
        Bounds {
            webhooks: 2,
            ..one(MIXED, CRASH)
        },
    ),
    named(
        "a zombie posts",
        Bounds {
            zombie: Zombie::Posts,
            ..one(TWO_EVENTS, CRASHES)
        },
    ),
    named("fanout freezes, a webhook is widened", one(WIDENED_SHORT, FREEZE)),
    named(
        "fanout freezes, a webhook is narrowed",
        one(NARROWED_SHORT, FREEZE),
    ),
    named(
        "fanout freezes, the owner's view is old",
        stale(one(WIDENED_SHORT, FREEZE)),
    ),
    named(
        "fanout freezes, a webhook changes twice",
        one(CHANGED_TWICE, FREEZE),
    ),
    named(
        "a webhook is created, the owner's view is old",
        stale(one(CREATED, CRASH)),
    ),
    named("batch", batch(one(THREE_EVENTS, CRASHES))),
];

/// Larger, for `--thorough`.
pub const THOROUGH: &[Configuration] = &[
    named(
        "four events, failures and Redis wiped",
        one(
            FOUR_EVENTS,
            Faults {
                refusals: 2,
                lost_answers: 1,
                redis_wipes: 1,
                ..CRASHES
            },
        ),
    ),
    named(
        "fanout restarts, three events",
        one(
            THREE_EVENTS,
            Faults {
                fanout_restarts: 1,
                ..CRASH
            },
        ),
    ),
    named(
        "a report of fanout fails, and a receiver",
        one(
            THREE_EVENTS,
            Faults {
                failed_reports: 1,
                ..CRASH
            },
        ),
    ),
    named(
        "two webhooks, a zombie posts",
        Bounds {
            webhooks: 2,
            zombie: Zombie::Posts,
            ..one(
                SHARED,
                Faults {
                    takeovers: 1,
                    ..CRASH
                },
            )
        },
    ),
    named(
        "a zombie writes, three events",
        Bounds {
            zombie: Zombie::Writes,
            ..one(THREE_EVENTS, CRASHES)
        },
    ),
    named(
        "a zombie posts, Redis is wiped",
        Bounds {
            zombie: Zombie::Posts,
            ..one(
                TWO_EVENTS,
                Faults {
                    redis_wipes: 1,
                    ..CRASHES
                },
            )
        },
    ),
    named(
        "a zombie posts, a replay",
        Bounds {
            zombie: Zombie::Posts,
            ..one(TWO_EVENTS, Faults { replays: 1, ..CRASH })
        },
    ),
    named(
        "catch-up writes its progress, a queue overflows",
        Bounds {
            catch_up_cursors: true,
            ..one(
                THREE_EVENTS,
                Faults {
                    overflows: 1,
                    ..CRASHES
                },
            )
        },
    ),
    named(
        "fanout freezes, a webhook is widened, receivers fail",
        one(
            WIDENED_SHORT,
            Faults {
                refusals: 1,
                ..FREEZE
            },
        ),
    ),
    named(
        "fanout freezes, a webhook is narrowed, receivers fail",
        one(
            NARROWED_SHORT,
            Faults {
                refusals: 1,
                ..FREEZE
            },
        ),
    ),
    named(
        "fanout freezes, a webhook is widened, three events",
        one(WIDENED, FREEZE),
    ),
    named(
        "fanout freezes, a webhook changes twice, the owner's view is old",
        stale(one(CHANGED_TWICE, FREEZE)),
    ),
    named(
        "fanout restarts, another webhook changes",
        stale(Bounds {
            webhooks: 2,
            ..one(
                OTHER_CHANGED,
                Faults {
                    fanout_restarts: 1,
                    takeovers: 1,
                    ..NONE
                },
            )
        }),
    ),
    named(
        "batch, two webhooks",
        batch(Bounds {
            webhooks: 2,
            ..one(MIXED, CRASH)
        }),
    ),
    named(
        "batch, a zombie posts",
        batch(Bounds {
            zombie: Zombie::Posts,
            ..one(TWO_EVENTS, CRASH)
        }),
    ),
];
