//! What is checked, by name.

mod quick;
mod thorough;

pub use self::quick::QUICK;
pub use self::thorough::THOROUGH;
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

const fn replay(faults: Faults) -> Faults {
    Faults { replays: 1, ..faults }
}

const fn cancelled(faults: Faults) -> Faults {
    Faults {
        cancels: 1,
        ..replay(faults)
    }
}

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

const fn unordered(bounds: Bounds) -> Bounds {
    Bounds {
        unordered: true,
        ..bounds
    }
}

const fn with_zombie(zombie: Zombie, bounds: Bounds) -> Bounds {
    Bounds { zombie, ..bounds }
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
