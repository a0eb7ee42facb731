//! What `--thorough` explores too.

use super::{
    CHANGED_TWICE, CRASH, CRASHES, Configuration, FOUR_EVENTS, FREEZE, MIXED, NARROWED_SHORT, NONE,
    OTHER_CHANGED, SHARED, THREE_EVENTS, TWO_EVENTS, WIDENED, WIDENED_SHORT, batch, cancelled, named, one,
    replay, stale, unordered, with_zombie,
};
use crate::bounds::{Bounds, Faults, Zombie};

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
            ..one(
                TWO_EVENTS,
                Faults {
                    takeovers: 1,
                    ..replay(NONE)
                },
            )
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
    named("a replay, two takeovers", one(TWO_EVENTS, replay(CRASHES))),
    named(
        "a replay is cancelled, a receiver fails",
        one(TWO_EVENTS, cancelled(CRASH)),
    ),
    named(
        "a second replay, a takeover",
        one(
            TWO_EVENTS,
            Faults {
                replays: 2,
                takeovers: 1,
                ..NONE
            },
        ),
    ),
    named(
        "a replay, a zombie writes",
        with_zombie(
            Zombie::Writes,
            one(
                TWO_EVENTS,
                Faults {
                    takeovers: 1,
                    ..replay(NONE)
                },
            ),
        ),
    ),
    named(
        "a replay, fanout restarts",
        one(
            TWO_EVENTS,
            Faults {
                fanout_restarts: 1,
                takeovers: 1,
                ..replay(NONE)
            },
        ),
    ),
    named(
        "a replay, fanout freezes",
        one(
            WIDENED_SHORT,
            Faults {
                fanout_freezes: 1,
                ..replay(NONE)
            },
        ),
    ),
    named(
        "unordered, two of three groups fail",
        unordered(one(THREE_EVENTS, Faults { refusals: 2, ..CRASH })),
    ),
    named("unordered, a replay", unordered(one(TWO_EVENTS, replay(CRASH)))),
    named("unordered, fanout freezes, a takeover", {
        unordered(one(
            WIDENED_SHORT,
            Faults {
                refusals: 1,
                ..FREEZE
            },
        ))
    }),
    named(
        "unordered, a zombie writes, Redis is wiped",
        unordered(with_zombie(
            Zombie::Writes,
            one(
                TWO_EVENTS,
                Faults {
                    redis_wipes: 1,
                    ..CRASH
                },
            ),
        )),
    ),
    named(
        "unordered, batch, a replay",
        unordered(batch(one(TWO_EVENTS, replay(CRASH)))),
    ),
];
