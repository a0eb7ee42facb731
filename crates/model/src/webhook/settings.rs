//! How delivery treats a webhook: what it may be given at once, in which shape, and when a group is given up.

use std::num::NonZeroU32;

/// A number from `MIN` to `MAX`; `MIN` is at least 1. Each setting has an alias of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<const MIN: u32, const MAX: u32>(NonZeroU32);

/// A number outside its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {min} to {max}, not {given}")]
pub struct OutOfBounds {
    given: u32,
    min: u32,
    max: u32,
}

impl<const MIN: u32, const MAX: u32> Bounded<MIN, MAX> {
    /// The least that is allowed.
    pub const MIN: u32 = MIN;
    /// The most that is allowed.
    pub const MAX: u32 = MAX;

    /// Checks a number.
    ///
    /// # Errors
    /// When it is outside the bounds.
    pub const fn new(given: u32) -> Result<Self, OutOfBounds> {
        match NonZeroU32::new(given) {
            Some(number) if MIN <= given && given <= MAX => Ok(Self(number)),
            _ => Err(OutOfBounds {
                given,
                min: MIN,
                max: MAX,
            }),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> NonZeroU32 {
        self.0
    }
}

/// The most webhooks of an account (W3).
pub type MaxWebhooks = Bounded<1, 100_000>;
/// The most events of a group. A webhook's queue holds 256.
pub type MaxGroupEvents = Bounded<1, 256>;
/// The most bytes of a group's events, 1 KiB to 1 MiB; an event that is larger goes alone.
pub type MaxGroupBytes = Bounded<1_024, 1_048_576>;
/// The most POSTs a second.
pub type MaxRequestsPerSecond = Bounded<1, 10_000>;
/// The most POSTs under way at once, of an unordered webhook.
pub type MaxInFlight = Bounded<1, 32>;
/// After how many attempts a group is given up.
pub type MaxAttempts = Bounded<1, 100>;

/// Whether a webhook's events of a class are sent one group after the other (D7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ordering {
    /// The next group goes when the one before it is done with: the reference's way.
    #[default]
    Ordered,
    /// Several groups at once, and one that fails holds up no other.
    Unordered {
        /// How many at once; `None` for [`Ordering::DEFAULT_IN_FLIGHT`].
        max_in_flight: Option<MaxInFlight>,
    },
}

impl Ordering {
    /// The most POSTs under way at once, of an unordered webhook that sets no other number.
    pub const DEFAULT_IN_FLIGHT: NonZeroU32 = match NonZeroU32::new(8) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    };

    /// The most POSTs under way at once.
    #[must_use]
    pub const fn max_in_flight(self) -> NonZeroU32 {
        match self {
            Self::Ordered => NonZeroU32::MIN,
            Self::Unordered { max_in_flight: None } => Self::DEFAULT_IN_FLIGHT,
            Self::Unordered {
                max_in_flight: Some(most),
            } => most.get(),
        }
    }
}

/// What the body of a POST looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadFormat {
    /// The reference's envelope: the account and a group of events (E4).
    #[default]
    Envelope,
    /// One event a POST.
    Single,
    /// CloudEvents 1.0: structured when there is one event, batched when there are more.
    CloudEvents,
}

/// What a receiver can take at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The most events of a group; `None` for the worker's default.
    pub max_group_events: Option<MaxGroupEvents>,
    /// The most bytes of a group's events; `None` for the worker's default.
    pub max_group_bytes: Option<MaxGroupBytes>,
    /// The most POSTs a second, attempts included; `None` for no limit.
    pub max_requests_per_second: Option<MaxRequestsPerSecond>,
}

/// What becomes of a group that the receiver refuses for good (a 4xx that trying again does not mend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// It is put aside after so many attempts.
    pub after_attempts: MaxAttempts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_at_its_bounds_and_refused_outside_with_what_is_allowed() {
        assert!(MaxGroupBytes::new(1_024).is_ok() && MaxGroupBytes::new(1_048_576).is_ok());
        for outside in [0, 1_023, 1_048_577] {
            let refused = MaxGroupBytes::new(outside).unwrap_err().to_string();
            assert_eq!(refused, format!("must be 1024 to 1048576, not {outside}"));
        }
    }

    #[test]
    fn d7_an_ordered_webhook_has_one_post_under_way_and_an_unordered_one_eight_unless_it_says_otherwise() {
        assert_eq!(Ordering::default().max_in_flight().get(), 1);
        let unordered = |max_in_flight| Ordering::Unordered { max_in_flight };
        assert_eq!(unordered(None).max_in_flight().get(), 8);
        assert_eq!(
            unordered(MaxInFlight::new(32).ok()).max_in_flight().get(),
            MaxInFlight::MAX
        );
    }
}
