//! What every run of the tests explores.

use super::{
    CHANGED_TWICE, CRASH, CRASHES, CREATED, Configuration, FREEZE, MIXED, NARROWED_SHORT, NONE, THREE_EVENTS,
    TWO_EVENTS, WIDENED_SHORT, batch, cancelled, named, one, replay, stale, unordered, with_zombie,
};
use crate::bounds::{Bounds, Faults, Zombie};

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
    named("a replay", one(TWO_EVENTS, replay(CRASH))),
    named(
        "a replay, Redis is rolled back",
        one(
            TWO_EVENTS,
            Faults {
                redis_rollbacks: 1,
                takeovers: 1,
                ..replay(NONE)
            },
        ),
    ),
    named(
        "a replay is cancelled",
        one(
            TWO_EVENTS,
            Faults {
                takeovers: 1,
                ..cancelled(NONE)
            },
        ),
    ),
    named(
        "a second replay",
        one(
            TWO_EVENTS,
            Faults {
                replays: 2,
                refusals: 1,
                ..NONE
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
    named(
        "batch, a replay",
        batch(one(
            TWO_EVENTS,
            Faults {
                takeovers: 1,
                ..replay(NONE)
            },
        )),
    ),
    named("unordered", unordered(one(THREE_EVENTS, CRASH))),
    named("unordered, two takeovers", unordered(one(TWO_EVENTS, CRASHES))),
    named(
        "unordered, two groups fail",
        unordered(one(TWO_EVENTS, Faults { refusals: 2, ..CRASH })),
    ),
    named(
        "unordered, an answer is lost",
        unordered(one(
            TWO_EVENTS,
            Faults {
                lost_answers: 1,
                ..CRASHES
            },
        )),
    ),
    named(
        "unordered, Redis is wiped",
        unordered(one(
            TWO_EVENTS,
            Faults {
                redis_wipes: 1,
                ..CRASHES
            },
        )),
    ),
    named(
        "unordered, Redis is rolled back",
        unordered(one(
            TWO_EVENTS,
            Faults {
                redis_rollbacks: 1,
                ..CRASHES
            },
        )),
    ),
    named(
        "unordered, a queue overflows",
        unordered(one(
            TWO_EVENTS,
            Faults {
                overflows: 1,
                ..CRASH
            },
        )),
    ),
    named(
        "unordered, a zombie writes",
        unordered(with_zombie(Zombie::Writes, one(TWO_EVENTS, CRASH))),
    ),
    named(
        "unordered, fanout restarts",
        unordered(one(
            TWO_EVENTS,
            Faults {
                fanout_restarts: 1,
                ..CRASH
            },
        )),
    ),
    named(
        "unordered, fanout freezes",
        unordered(one(
            WIDENED_SHORT,
            Faults {
                fanout_freezes: 1,
                refusals: 1,
                ..NONE
            },
        )),
    ),
    named(
        "unordered, a replay is cancelled",
        unordered(one(
            TWO_EVENTS,
            Faults {
                refusals: 1,
                ..cancelled(NONE)
            },
        )),
    ),
    named("unordered, batch", unordered(batch(one(TWO_EVENTS, CRASHES)))),
];
